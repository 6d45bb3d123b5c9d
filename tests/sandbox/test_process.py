"""The process: where it runs, where it refuses to, and what it remembers."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import razorpay

from billing_site.razorpay_sandbox import KEY_ID, RunningSandbox, SandboxRefused, start

from .conftest import sdk
from .shop import Shop
from .wire import AUTHORISED, call, new_order, paid

ID = re.compile(r"(order|pay|rfnd|disp|setl)_[A-Za-z0-9]{14}")
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("debug", ["", "0", "false", "off"])
def test_it_refuses_to_start_outside_development(monkeypatch: pytest.MonkeyPatch, debug: str) -> None:
    monkeypatch.setenv("DEBUG", debug)

    with pytest.raises(SandboxRefused, match="DEBUG"):
        start()


def test_it_refuses_to_start_beside_a_live_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAZORPAY_KEY_ID", "rzp_live_ABCDEFGH12345678")

    with pytest.raises(SandboxRefused, match="live"):
        start()


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/hook", "https://127.0.0.1/", "http://localhost.example/", "x"]
)
def test_webhooks_go_to_this_machine_only(url: str, sandbox: RunningSandbox) -> None:
    with pytest.raises(ValueError, match="webhook URL"):
        start(webhook_url=url)
    with pytest.raises(ValueError, match="webhook URL"):
        sandbox.control("config", webhook_url=url)


def test_it_listens_on_loopback_only(sandbox: RunningSandbox) -> None:
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=2):
        pass
    with pytest.raises(OSError, match=r".*"):
        socket.create_connection(("127.0.0.2", sandbox.port), timeout=2).close()


def test_the_same_seed_gives_the_same_ids() -> None:
    def ids() -> list[str]:
        with start(seed=7) as sandbox:
            payment = paid(sandbox)
            refund = sandbox.control("dashboard_refund", payment_id=payment)
            dispute = sandbox.control("dispute", payment_id=paid(sandbox), event="created")
            return [
                payment,
                refund["id"],
                dispute["id"],
                sandbox.control("settle")["id"],
                new_order(sandbox)["id"],
            ]

    first, second = ids(), ids()

    assert first == second
    assert all(ID.fullmatch(identifier) for identifier in first)
    assert [identifier.partition("_")[0] for identifier in first] == ["pay", "rfnd", "disp", "setl", "order"]


def test_without_a_seed_two_runs_share_no_id() -> None:
    with start() as one, start() as two:
        assert new_order(one)["id"] != new_order(two)["id"]


def test_a_reset_forgets_everything_and_issues_no_id_twice(sandbox: RunningSandbox) -> None:
    before = {new_order(sandbox)["id"] for _ in range(3)}
    sandbox.control("faults", match="webhook .*", times=-1, do="lose")

    sandbox.control("reset")

    after = {new_order(sandbox)["id"] for _ in range(3)}
    assert before.isdisjoint(after)
    assert set(sandbox.control("state")["orders"]) == after
    assert sandbox.control("state")["faults"] == []


def test_the_state_file_survives_a_restart(tmp_path: Path, shop: Shop) -> None:
    file = tmp_path / "state.json"
    with start(state_file=file, webhook_url=shop.url) as sandbox:
        shop.status = 500
        payment = paid(sandbox)
        refund = sandbox.control("dashboard_refund", payment_id=payment, amount=1000)
        sandbox.control("dispute", payment_id=payment, event="created")
        sandbox.control("settle")
        sandbox.control("advance", s=50)
        before = sandbox.control("state")
    shop.status = 200

    with start(state_file=file) as sandbox:
        after = sandbox.control("state")
        sandbox.control("advance", s=600)

    for part in (
        "orders",
        "payments",
        "disputes",
        "settlements",
        "events",
        "balance",
        "issued_ids",
        "config",
    ):
        assert after[part] == before[part], part
    assert after["refunds"][refund["id"]]["amount"] == 1000
    assert after["now"] == pytest.approx(before["now"], abs=5)
    assert {"payment.captured", "refund.processed", "settlement.processed"} <= set(shop.events())


def test_a_broken_state_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text('{"seed": "1"}')

    with pytest.raises(ValueError, match="is not a state file"):
        start(state_file=file)


def test_connections_are_accepted_without_nagles_delay(
    client: razorpay.Client, sandbox: RunningSandbox
) -> None:
    """Which would cost each call on a kept connection some 40 ms."""
    client.order.all()

    (connection,) = sandbox._server.connections

    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_a_response_is_one_write(sandbox: RunningSandbox) -> None:
    order_id = new_order(sandbox)["id"]
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=60) as line:
        line.sendall(
            f"GET /v1/orders/{order_id} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: {AUTHORISED['Authorization']}\r\n\r\n".encode()
        )
        first = line.recv(65536)

    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert first.endswith(b"}")


def test_after_a_stop_an_open_connection_is_not_served_any_more(shop: Shop) -> None:
    sandbox = start()
    line = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=60)
    line.request("GET", "/v1/orders", headers=AUTHORISED)
    assert line.getresponse().read()

    sandbox.stop()

    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask_again(line)


def ask_again(line: http.client.HTTPConnection) -> None:
    line.request("GET", "/v1/orders", headers=AUTHORISED)
    line.getresponse()


def test_control_is_closed_to_web_pages(sandbox: RunningSandbox) -> None:
    form = {"Content-Type": "text/plain"}
    elsewhere = {"Host": "sandbox.example:8077"}

    assert call(sandbox, "POST", "/_sandbox/reset", {}, form)[0] == 415
    assert call(sandbox, "POST", "/_sandbox/reset", {}, elsewhere)[0] == 403
    assert call(sandbox, "GET", "/_sandbox/state", None, elsewhere)[0] == 403
    assert call(sandbox, "POST", "/_sandbox/reset", {})[0] == 200


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("advance", {"s": -1}),
        ("advance", {}),
        ("advance", {"s": True}),
        ("config", {"no_such": 1}),
        ("config", {"max_amount": "much"}),
        ("config", {"retry_base_s": 0}),
        ("config", {"auto_capture": None}),
        ("dispute", {"event": "opened", "payment_id": "x"}),
        ("dispute", {"event": "created", "payment_id": "x", "phase": "later"}),
        ("refund_status", {"refund_id": "x", "status": "gone"}),
        ("replay", {"event_id": "nothing"}),
        ("settle", {"date": "yesterday"}),
        ("scenario", {"name": "F99"}),
        ("late", {"order_id": "order_x"}),
    ],
)
def test_a_control_call_that_makes_no_sense_is_refused(
    sandbox: RunningSandbox, name: str, body: object
) -> None:
    status, answer, _headers = call(sandbox, "POST", f"/_sandbox/{name}", body)

    assert status == 400
    assert answer["error"]


def test_an_unknown_control_call_lists_the_known_ones(sandbox: RunningSandbox) -> None:
    status, answer, _headers = call(sandbox, "POST", "/_sandbox/explode", {})

    assert status == 404
    assert "POST /_sandbox/advance" in answer["known"]


def test_the_management_command_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    environment = {**os.environ, "DEBUG": "1", "SECRET_KEY": "x", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "manage.py", "razorpay_sandbox", "--port", "0", "--seed", "3", "--state"]
    process = subprocess.Popen(
        [*command, str(tmp_path / "state.json")], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = "".join(process.stdout.readline() for _ in range(3))
    found = re.search(r"http://127\.0\.0\.1:(\d+)", said)
    assert found is not None, said

    connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
    connection.request("GET", "/v1/orders", headers=AUTHORISED)
    assert connection.getresponse().status == 200
    process.send_signal(signal.SIGTERM)
    rest, _nothing = process.communicate(timeout=60)

    assert process.returncode == 0
    assert KEY_ID in said
    assert "stopped" in rest


def test_the_management_command_says_why_it_refuses() -> None:
    environment = {**os.environ, "DEBUG": "0", "SECRET_KEY": "x"}

    done = subprocess.run(
        [sys.executable, "manage.py", "razorpay_sandbox", "--port", "0"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "DEBUG" in done.stderr
    assert "Traceback" not in done.stderr


def test_two_sandboxes_run_side_by_side(sandbox: RunningSandbox) -> None:
    with start() as other:
        order = sdk(other).order.create({"amount": 100, "currency": "INR"})

        assert call(sandbox, "GET", f"/v1/orders/{order['id']}")[0] == 400
