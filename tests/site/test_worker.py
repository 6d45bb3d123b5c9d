"""`manage.py worker`, as real processes: killed, told to stop, two at once, and without a database for a while."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from billing_site.jobs.standing import standings
from clinics.models import ScheduledRun
from tests.web_server import database_url

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long, pytest.mark.xdist_group("worker")]

PATIENCE_SECONDS = 60.0
LONG_ONE = "sweep_payments"  # asks the gateway for all payments, in any case
Start = Callable[..., "Process"]


class SlowGateway(ThreadingHTTPServer):
    """Whoever asks for the list of payments waits until `answers` is set, and hears that there are none."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), AnswersLate)
        self.answers = threading.Event()
        self.sweeps = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class AnswersLate(BaseHTTPRequestHandler):
    server: SlowGateway

    def do_GET(self) -> None:
        body = json.dumps({"entity": "collection", "count": 0, "items": []}).encode()
        with suppress(BrokenPipeError, ConnectionResetError):  # whoever asked was killed
            self.send_response(200)
            if self.path.startswith("/v1/payments?"):
                self.server.sweeps += 1
                # A line now and then: of a silent gateway the worker gives up before a busy machine is done.
                while not self.server.answers.wait(1):
                    self.send_header("X-Not-Yet", "wait")
                    self.flush_headers()
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


class Process:
    def __init__(self, gateway: str, said: Path, *options: str) -> None:
        self.said = said
        with said.open("w") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-u", "manage.py", "worker", *options],
                cwd=settings.BASE_DIR,
                env={
                    **os.environ,
                    "DEBUG": "on",
                    "DATABASE_URL": database_url("default"),
                    "DATABASE_OWNER_URL": database_url("owner"),
                    "EMAIL_URL": "dummymail://",
                    "EVIDENCE_DIR": str(settings.EVIDENCE_DIR),
                    "RAZORPAY_API_URL": gateway,
                    "RAZORPAY_KEY_ID": "rzp_test_0123456789abcd",
                    "RAZORPAY_KEY_SECRET": "a-secret-of-this-test-alone",
                    "RAZORPAY_WEBHOOK_SECRETS": "a-webhook-secret-of-this-test",
                },
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def tell(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def end(self) -> int:
        return self.popen.wait(PATIENCE_SECONDS)

    @property
    def output(self) -> str:
        return self.said.read_text()


@pytest.fixture
def gateway() -> Iterator[SlowGateway]:
    server = SlowGateway()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.answers.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def start(gateway: SlowGateway, tmp_path: Path) -> Iterator[Start]:
    """Starts workers; whatever a failed test leaves behind is ended."""
    started: list[Process] = []

    def start_one(*options: str) -> Process:
        started.append(Process(gateway.url, tmp_path / f"worker-{len(started)}", *options))
        return started[-1]

    yield start_one
    for process in started:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.wait()


def until(holds: Callable[[], object], *processes: Process) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "\n".join(process.output for process in processes)
        time.sleep(0.1)


def run_of(name: str) -> ScheduledRun:
    return ScheduledRun.objects.get(pk=name)


def state_of(name: str) -> str:
    """Without «late», which all are that never succeeded."""
    [one] = [one for one in standings() if one.schedule.name == name]
    return "running" if one.is_running else "cut off" if one.was_cut_off else "ended"


def jobs(condition: str = "true") -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM procrastinate_jobs WHERE {condition}")
        [number] = cursor.fetchone()
        return int(number)


def another_turn_comes() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('default', 'run_scheduled', 0, NULL, NULL, %s, NULL)"
            "::procrastinate_job_to_defer_v1])",
            [json.dumps({"name": LONG_ONE, "timestamp": int(time.time())})],
        )


def a_minute_goes_by() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = at - interval '1 minute'")


def is_under_way(gateway: SlowGateway) -> bool:
    return gateway.sweeps > 0 and state_of(LONG_ONE) == "running"


def successes_of(name: str) -> Callable[[], bool]:
    """Whether it has succeeded once more since now."""
    ends = ScheduledRun.objects.filter(pk=name, succeeded_at__isnull=False).values_list(
        "succeeded_at", flat=True
    )
    before = ends.first()
    return lambda: ends.first() not in (None, before)


def test_a_killed_workers_turn_is_taken_by_the_next_and_nobody_waited_for_it(
    start: Start, gateway: SlowGateway
) -> None:
    first = start()
    until(lambda: is_under_way(gateway), first)
    until(successes_of("send_mails"), first)  # a slow gateway keeps no mail waiting
    assert state_of(LONG_ONE) == "running"

    first.tell(signal.SIGKILL)
    first.end()

    until(lambda: state_of(LONG_ONE) == "cut off", first)
    assert jobs("status = 'doing' AND args ->> 'name' = 'sweep_payments'") == 1
    assert run_of(LONG_ONE).succeeded_at is None

    gateway.answers.set()
    a_minute_goes_by()
    second = start()
    until(lambda: run_of(LONG_ONE).succeeded_at, second)
    assert f"Schedule {LONG_ONE} was cut off: its turn is taken again." in second.output
    second.tell(signal.SIGTERM)

    assert second.end() == 0, second.output
    assert jobs("status = 'doing'") == 0
    assert state_of(LONG_ONE) == "ended"
    assert "Traceback" not in first.output + second.output


def test_two_workers_take_a_turn_once_and_finish_it_when_told_to_stop(
    start: Start, gateway: SlowGateway
) -> None:
    workers = [start("--grace", "20"), start("--grace", "20")]
    until(lambda: is_under_way(gateway), *workers)
    another_turn_comes()  # while the last one is under way
    until(lambda: jobs("args ->> 'name' = 'sweep_payments'") == 1, *workers)
    assert gateway.sweeps == 1

    for worker in workers:
        worker.tell(signal.SIGTERM)
    until(lambda: any(worker.popen.poll() == 0 for worker in workers), *workers)
    assert [worker.popen.poll() for worker in workers].count(None) == 1  # it finishes what it began
    assert run_of(LONG_ONE).succeeded_at is None
    gateway.answers.set()

    assert [worker.end() for worker in workers] == [0, 0], workers[0].output + workers[1].output
    assert run_of(LONG_ONE).succeeded_at
    assert jobs("status = 'doing'") == 0


def test_it_outlives_the_database_and_is_cut_off_when_it_takes_too_long_to_stop(
    start: Start, gateway: SlowGateway, without_database: AbstractContextManager[None]
) -> None:
    worker = start("--grace", "0.5")
    until(successes_of("send_mails"), worker)
    with without_database:
        gateway.answers.set()  # what is under way cannot say how it ended
        until(lambda: "The database can't be used" in worker.output, worker)
    gateway.answers.clear()
    until(successes_of("send_mails"), worker)
    assert worker.popen.poll() is None
    assert "The database is back: the worker goes on." in worker.output

    another_turn_comes()
    until(lambda: state_of(LONG_ONE) == "running", worker)
    worker.tell(signal.SIGTERM)
    assert worker.end() == 0
    assert f"so cut off: {LONG_ONE}. The next worker takes the turn again." in worker.output
    until(lambda: state_of(LONG_ONE) == "cut off", worker)


def test_without_a_database_it_says_so_and_ends(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "worker"],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert "The database can't be used: connection failed" in ended.stderr
    assert "Traceback" not in ended.stderr
