"""Real threads for races, each with a database connection of its own, closed at the end."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier, Event
from types import TracebackType
from typing import Any, Self

from django.db import connection, transaction

from credits.services.ledger import BillingError

PATIENCE_SECONDS = 60.0
SIZE = 12


class Crowd:
    """Threads that do things at once, twelve if not said. A refusal is an answer; anything else ends the test."""

    def __init__(self, size: int = SIZE) -> None:
        self.size = size

    def __enter__(self) -> Self:
        self.pool = ThreadPoolExecutor(self.size)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.at_once([connection_of_this_thread_closes] * self.size)
        self.pool.shutdown()

    def at_once(self, calls: Iterable[Callable[[], Any]]) -> list[Any]:
        """The answers, in the order of the calls, of which there may be as many as threads."""
        calls = list(calls)
        assert len(calls) <= self.size
        barrier = Barrier(len(calls))
        futures: list[Future[Any]] = [self.pool.submit(answer_of, call, barrier) for call in calls]
        return [future.result() for future in futures]


def answer_of(call: Callable[[], Any], barrier: Barrier) -> Any:
    barrier.wait(PATIENCE_SECONDS)
    try:
        return call()
    except BillingError as refusal:
        return refusal


def connection_of_this_thread_closes() -> None:
    connection.close()


class Reader:
    """A thread that reads an account's books all the time, each time in one statement, hence one snapshot."""

    CHECK = """
    SELECT balance >= 0 AND owed >= 0 AND (owed = 0 OR balance = 0)
           AND balance = (SELECT coalesce(sum(amount), 0) FROM credit_transactions WHERE clinic_id = account.clinic_id)
           AND balance = (SELECT coalesce(sum(remaining), 0) FROM credit_grants WHERE clinic_id = account.clinic_id)
      FROM credit_accounts account WHERE clinic_id = %s
    """

    def __init__(self) -> None:
        self.clinic_id = 0
        self.reads = 0
        self.wrong: list[int] = []  # clinics that were seen in a state that must not be
        self.enough = Event()

    def __enter__(self) -> Self:
        self.pool = ThreadPoolExecutor(1)
        self.future = self.pool.submit(self.read)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.enough.set()
        self.future.result(PATIENCE_SECONDS)
        self.pool.shutdown()

    def read(self) -> None:
        with connection.cursor() as cursor:
            while not self.enough.is_set():
                clinic_id = self.clinic_id
                cursor.execute(self.CHECK, [clinic_id])
                row = cursor.fetchone()
                if row is not None:
                    self.reads += 1
                    if not row[0]:
                        self.wrong.append(clinic_id)
                time.sleep(0.002)  # leaves the processor to those it watches
        connection.close()


def second_waits_for_first(
    first: Callable[[], Any], second: Callable[[], Any], *, first_is_undone: bool = False
) -> tuple[Any, Any]:
    """Does `first` in an open transaction, starts `second` elsewhere, sees it wait for exactly us, then lets it go."""
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            one = first()
            future = pool.submit(answer_then_close, second)
            wait_until_somebody_waits_for_us()
            assert not future.done()
            transaction.set_rollback(first_is_undone)
        return one, future.result(PATIENCE_SECONDS)


def answer_then_close(call: Callable[[], Any]) -> Any:
    try:
        return answer_of(call, Barrier(1))
    finally:
        connection.close()


def wait_until_somebody_waits_for_us() -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
            )
            if cursor.fetchone() != (0,):
                return
            time.sleep(0.005)
    raise AssertionError("nobody waits for this transaction")
