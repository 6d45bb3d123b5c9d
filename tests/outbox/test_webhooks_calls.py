"""One call of an endpoint: however it answers, it keeps nobody for long, and its certificate is looked at."""

import socket
import ssl
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from billing_site.outbox import webhook_calls
from billing_site.outbox.webhook_calls import Outcome
from billing_site.outbox.webhooks import WAITS, waits_after
from clinics.retry_after import seconds_to_wait
from tests.outbox.receiver import Receiver, certificate_for, listening

pytestmark = pytest.mark.usefixtures("developers_machine")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), (" 7 ", 7), (None, None), ("", None), ("soon", None), ("-5", None), ("٣", None),
     ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("Wed, 99 Oct 99999 07:28:00 GMT", None)],
)  # fmt: skip
def test_retry_after_is_read_from_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert seconds_to_wait(header) == seconds


def drip(sock: socket.socket) -> None:
    """A header that never ends."""
    sock.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(200):
        time.sleep(0.02)
        sock.sendall(b"a")


def dripping_body(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")
    for _ in range(200):
        time.sleep(0.02)
        sock.sendall(b"a")


def silence(sock: socket.socket) -> None:
    sock.settimeout(20)
    if not sock.recv(1):
        raise BrokenPipeError("the caller hung up")


def endless_body(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        sock.sendall(b"1000\r\n" + b"a" * 4096 + b"\r\n")


def endless_go_on(sock: socket.socket) -> None:
    while True:
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def hang_up(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_RDWR)


def nonsense(sock: socket.socket) -> None:
    sock.sendall(b"SSH-2.0-OpenSSH_9.9\r\n" * 9)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [(drip, "timed_out"), (silence, "timed_out"), (endless_go_on, "timed_out"), (dripping_body, ""),
     (endless_body, ""), (hang_up, "broken_off"), (nonsense, "broken_off")],
)  # fmt: skip
def test_no_answer_however_slow_or_long_keeps_a_sender(receiver: Receiver, answer: Any, problem: str) -> None:
    said_all = threading.Event()

    def answer_to_the_end(sock: socket.socket) -> None:
        answer(sock)
        said_all.set()

    receiver.answer = lambda got: answer_to_the_end
    outcome = webhook_calls.make(webhook_calls.Call(receiver.url(), {}, b"{}"), deadline=0.3)
    assert outcome.problem == problem
    assert answer in (hang_up, nonsense) or not said_all.is_set(), "the sender heard it to its end"


def test_nobody_there_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert webhook_calls.make(
        webhook_calls.Call(f"http://127.0.0.1:{port}/", {}, b"{}")
    ).problem == "not_connected"  # fmt: skip


def test_the_certificate_must_be_the_names_although_the_connection_goes_to_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *args, **kwargs: real("127.0.0.1", *args, **kwargs)
    )
    with listening(certificate_for("crm.example", tmp_path)) as receiver:

        def called(host: str) -> str:
            url = receiver.url().replace("http://127.0.0.1", f"https://{host}")
            return webhook_calls.make(webhook_calls.Call(url, {}, b"{}")).problem

        assert called("crm.example") == "certificate"  # nobody knows who signed it
        trusting = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
        monkeypatch.setattr(webhook_calls, "trust", lambda: trusting)
        assert called("other.example") == "certificate"
        assert receiver.got == []
        assert called("crm.example") == ""
        assert receiver.got[0].headers["host"] == f"crm.example:{receiver.port}"


def test_one_that_speaks_no_tls_gets_no_word(receiver: Receiver) -> None:
    outcome = webhook_calls.make(webhook_calls.Call(receiver.url().replace("http", "https"), {}, b"{}"))
    assert outcome.problem == "certificate"
    assert receiver.got == []


@pytest.mark.parametrize(
    ("status", "asked", "tries", "least"),
    [
        (429, 300.0, 1, timedelta(seconds=333)),
        (503, 1e12, 1, timedelta(hours=4) / 0.9),
        (503, 0.0, 2, WAITS[1]),
        (500, 300.0, 1, WAITS[0]),
        (429, None, 1, WAITS[0]),
    ],
)
def test_retry_after_counts_for_busy_ones_within_bounds(
    status: int, asked: float | None, tries: int, least: timedelta
) -> None:
    waits = waits_after(Outcome(1, "answered", status, asked), tries=tries)
    assert abs(waits[tries - 1] - least) < timedelta(seconds=1)
    assert waits_after(Outcome(1, "answered", 429, 60.0), tries=99) == list(WAITS)
