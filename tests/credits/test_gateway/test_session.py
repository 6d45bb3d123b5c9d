"""The HTTP session: timeouts, limits, no redirects, no repeats, no surroundings."""

import http.server
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import certifi
import pytest

from billing_site.razorpay_sandbox import KEY_ID, KEY_SECRET, RunningSandbox
from credits.gateway import (
    Gateway,
    GatewayAnswerUnknown,
    GatewayConfig,
    GatewayNotReached,
    GatewayRefused,
)

from .calls import CREATE, ORDER_ID, fault, order


class Dripping(http.server.BaseHTTPRequestHandler):
    """Sends a byte now and then: no read timeout ever strikes."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(1000):
                self.wfile.write(b" ")
                time.sleep(0.1)
        except OSError:
            pass

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


class Endless(Dripping):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(64):
                self.wfile.write(b" " * 1024 * 1024)
        except OSError:
            pass


@pytest.mark.parametrize(("handler", "why"), [(Dripping, "takes too long"), (Endless, "too long")])
def test_an_answer_that_drips_or_never_ends_is_cut(handler: type[Dripping], why: str) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    started = time.monotonic()
    try:
        config = GatewayConfig(KEY_ID, KEY_SECRET, url, timeout=(1, 1), total_s=0.5)
        with Gateway(config) as gateway, pytest.raises(GatewayAnswerUnknown, match=why):
            gateway.fetch_order(ORDER_ID)
    finally:
        server.shutdown()
        server.server_close()
    assert time.monotonic() - started < 60  # it drips for more than 100


def test_there_is_a_timeout_by_default() -> None:
    config = GatewayConfig(KEY_ID, KEY_SECRET, "https://api.razorpay.com")

    assert config.timeout == (3.05, 10.0)
    assert Gateway(config)._session._timeout == (3.05, 10.0)


def test_a_silent_gateway_is_given_up_on_after_the_timeout(
    hasty_gateway: Gateway, sandbox: RunningSandbox
) -> None:
    fault(sandbox, "GET /v1/orders/.*", {"slow": {"s": 100}})
    started = time.monotonic()

    with pytest.raises(GatewayAnswerUnknown, match="Timeout"):
        hasty_gateway.fetch_order(ORDER_ID)

    assert time.monotonic() - started < 60  # it is silent for 100


def test_a_redirect_is_not_followed_and_a_post_is_sent_once(
    gateway: Gateway, sandbox: RunningSandbox
) -> None:
    there = {"Location": f"{sandbox.url}/v1/orders"}
    fault(sandbox, CREATE, {"status": {"status": 307, "headers": there}})
    fault(sandbox, "GET /v1/orders", {"status": {"status": 418}}, times=5)

    with pytest.raises(GatewayAnswerUnknown) as unknown:
        order(gateway)

    assert unknown.value.status == 307
    left = sandbox.control("state")["faults"]
    assert [(item["match"], item["times"]) for item in left] == [("GET /v1/orders", 5)]
    assert sandbox.control("state")["orders"] == {}


def test_a_failed_call_is_not_repeated_by_anybody(gateway: Gateway, sandbox: RunningSandbox) -> None:
    fault(sandbox, CREATE, "drop_after", times=10)

    with pytest.raises(GatewayAnswerUnknown):
        order(gateway)

    assert len(sandbox.control("state")["orders"]) == 1


def test_nothing_is_printed_when_the_network_fails(
    hasty_gateway: Gateway, sandbox: RunningSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    for do in ("drop_before", {"slow": {"s": 100}}, {"status": {"status": 502}}):
        fault(sandbox, CREATE, do)
        with pytest.raises(GatewayAnswerUnknown):
            order(hasty_gateway)

    assert capsys.readouterr() == ("", "")


def test_proxies_netrc_and_ca_bundle_of_the_environment_are_ignored(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")

    assert order(gateway)["status"] == "created"


def test_connections_are_kept_and_reused(
    gateway: Gateway, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted: list[tuple[Any, Any]] = []
    accept = sandbox._server.get_request

    def counted() -> tuple[Any, Any]:
        accepted.append(accept())
        return accepted[-1]

    monkeypatch.setattr(sandbox._server, "get_request", counted)

    for _ in range(5):
        order(gateway)
    with pytest.raises(GatewayRefused):
        order(gateway, 1)
    order(gateway)

    assert len(accepted) == 1


def test_certificates_are_checked_against_certifi_and_not_the_bundle_of_the_sdk() -> None:
    gateway = Gateway(GatewayConfig(KEY_ID, KEY_SECRET, "https://api.razorpay.com"))

    assert gateway._client.cert_path == certifi.where()


def test_https_works_with_a_known_authority_and_is_never_reached_without(
    tmp_path: Path, sandbox: RunningSandbox
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Hello(Dripping):
        def do_GET(self) -> None:
            body = f'{{"id":"{ORDER_ID}"}}'.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"https://localhost:{server.server_address[1]}"
    try:
        with Gateway(GatewayConfig(KEY_ID, KEY_SECRET, url, ca_file=str(certificate))) as gateway:
            assert gateway.fetch_order(ORDER_ID) == {"id": ORDER_ID}
        with Gateway(GatewayConfig(KEY_ID, KEY_SECRET, url)) as gateway, pytest.raises(GatewayNotReached):
            gateway.fetch_order(ORDER_ID)
    finally:
        server.shutdown()
        server.server_close()


def test_a_gateway_belongs_to_one_thread(gateway: Gateway) -> None:
    raised: list[BaseException] = []

    def elsewhere() -> None:
        try:
            gateway.fetch_order(ORDER_ID)
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()

    assert "belongs to the thread" in str(raised[0])


def test_no_other_module_imports_razorpay() -> None:
    root = Path(__file__).resolve().parents[3]
    importing = {
        str(file.relative_to(root))
        for app in ("billing_site", "clinics", "credits", "disputes", "leads")
        for file in (root / app).rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.split()[:2] in (["import", "razorpay"], ["from", "razorpay"])
    }

    assert importing == {"credits/gateway/client.py"}


def test_errors_can_be_logged_without_secrets_or_personal_data(
    gateway: Gateway, sandbox: RunningSandbox
) -> None:
    person = {"error": {"description": "for priya@example.com"}, "email": "priya@example.com"}
    fault(sandbox, CREATE, {"status": {"status": 400, "body": person}})

    with pytest.raises(GatewayRefused) as refused:
        order(gateway)

    assert "priya" not in str(refused.value)
    assert KEY_SECRET not in repr(gateway.config)
