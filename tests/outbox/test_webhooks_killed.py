"""Senders that die in mid-request, and two at once: each event arrives, under one id, and those of a lead in order."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
from django.db import connection, connections

from billing_site.outbox import webhooks
from billing_site.outbox.handing_on import hand_on
from clinics.models import Notice, WebhookDelivery
from tests import factories
from tests.outbox.receiver import endpoint_of, tell

FORK: Final = multiprocessing.get_context("fork")


class Slow(BaseHTTPRequestHandler):
    """Writes what arrived to a file, at once, and takes its time with the answer."""

    journal: Path

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        line = json.dumps([self.path, self.headers["webhook-id"], event["id"], event["data"]["lead_id"]])
        with self.journal.open("a", encoding="utf-8") as journal:
            journal.write(line + "\n")
        time.sleep(0.03)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        return


def serve(server: ThreadingHTTPServer) -> None:
    server.serve_forever(0.05)


def send_all() -> None:
    """In a process of its own: the parent's connection is the parent's."""
    for alias in connections:
        connections[alias].connection = None
    while WebhookDelivery.objects.open().exists():
        webhooks.send_due_webhooks()
        time.sleep(0.02)


def started(work: Callable[..., None], *arguments: Any) -> Any:
    process = FORK.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    path.touch()
    return path


def arrived(journal: Path) -> list[list[Any]]:
    return [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]


@pytest.mark.django_db(transaction=True)
def test_senders_killed_in_mid_request_lose_nothing_and_two_at_once_send_nothing_twice(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBUG", "on")
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Slow,), {"journal": journal}))
    base = f"http://127.0.0.1:{server.server_port}"
    clinic = factories.ClinicFactory.create()
    for number in range(3):
        endpoint_of(clinic, f"{base}/{number}")
    notices = [tell(clinic, 1 + number % 12) for number in range(60)]
    hand_on()
    listener = started(serve, server)
    try:
        monkeypatch.setattr(webhooks, "LEASE", timedelta(seconds=0.25))
        for _ in range(20):
            kill_in_mid_request(journal)
        started(send_all).join(180)
        each_once_or_more_in_order(journal, notices)

        journal.write_text("", encoding="utf-8")
        monkeypatch.setattr(webhooks, "LEASE", timedelta(seconds=60))
        later = [tell(clinic, 1 + number % 12) for number in range(40)]
        hand_on()
        for sender in (started(send_all), started(send_all)):
            sender.join(180)
        each_once_or_more_in_order(journal, later)
        assert len(arrived(journal)) == 3 * len(later)
    finally:
        listener.kill()
        listener.join()
        server.server_close()


def kill_in_mid_request(journal: Path) -> None:
    """A new sender, killed while an answer is on its way to it."""
    before = len(arrived(journal))
    sender = started(send_all)
    until = time.monotonic() + 60
    while len(arrived(journal)) == before and time.monotonic() < until:
        time.sleep(0.002)
    assert len(arrived(journal)) > before
    os.kill(sender.pid, signal.SIGKILL)
    sender.join()


def each_once_or_more_in_order(journal: Path, notices: list[Notice]) -> None:
    connection.close()
    assert not WebhookDelivery.objects.open().exists()
    assert not WebhookDelivery.objects.dead().exists()
    lines = arrived(journal)
    number_of = {str(notice.event_id): notice.pk for notice in notices}
    assert all(header == body for _, header, body, _ in lines)
    assert {(path, event) for path, event, _, _ in lines} == {
        (f"/{endpoint}", event) for endpoint in range(3) for event in number_of
    }
    first: dict[tuple[str, int], list[int]] = {}
    for path, event, _, lead in lines:
        seen = first.setdefault((path, lead), [])
        if number_of[event] not in seen:
            seen.append(number_of[event])
    assert all(numbers == sorted(numbers) for numbers in first.values())
