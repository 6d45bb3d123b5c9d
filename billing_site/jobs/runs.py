"""How one schedule is run: by one process at a time, and what came of it is kept."""

import io
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Final

from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connection, connections
from django.utils import timezone

from billing_site.jobs.schedules import Schedule
from billing_site.problems import place_of, sqlstate_of
from clinics.models import ScheduledRun

logger = logging.getLogger(__name__)

LOCKS: Final = 71_061_500  # our own among the database's advisory locks; `Schedule.lock` is the second number
MOST_SAID: Final = 500
SAME_COMPLAINT_AFTER: Final = 3600.0  # seconds; some schedules have a turn every five
# A machine that vanishes must not keep its locks until TCP gives up, which takes hours.
TAKE: Final = """
SELECT pg_try_advisory_lock(%s, %s), set_config('tcp_keepalives_idle', '10', false),
       set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false)
"""
LET_GO: Final = "SELECT pg_advisory_unlock_all()"
# What was last complained of, by schedule, and when: for the log alone, so each process has its own.
complaints: dict[str, tuple[str, float]] = {}


class Outcome(Enum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ELSEWHERE = "runs elsewhere"  # at this moment: nothing was done


class Failed(Exception):
    """The command said why not; its last line is the message."""


def run(schedule: Schedule) -> Outcome:
    """Runs it and keeps how it ended. What it raises is the database's, which then could not be told of the end."""
    with only_here(schedule) as ours:
        if not ours:
            return Outcome.ELSEWHERE
        begun(schedule)
        try:
            said = call(schedule)
        except Failed as failure:
            return failed(schedule, str(failure))
        except Exception as problem:
            # Not its text: what a database says may quote a row.
            kind = f"{type(problem).__name__} {sqlstate_of(problem)}".rstrip()
            return failed(schedule, kind, place_of(problem))
        ended(schedule, succeeded=True, said=said)
        if complaints.pop(schedule.name, None):
            logger.warning("Schedule %s works again.", schedule.name)
        return Outcome.SUCCEEDED


def failed(schedule: Schedule, said: str, place: str = "") -> Outcome:
    complain(schedule, said, place)
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()  # perhaps it is what failed
    ended(schedule, succeeded=False, said=said)
    return Outcome.FAILED


@contextmanager
def only_here(schedule: Schedule) -> Iterator[bool]:
    """Whether it is ours to run. A lock of the database that ends with this process, however it ends.

    It hangs on a connection of its own: commands may close theirs, and one that does nothing is let go of at once when
    the process is killed.
    """
    lock = connections["default"].copy()
    try:
        with lock.cursor() as cursor:
            cursor.execute(TAKE, [LOCKS, schedule.lock])
            [is_ours, *_] = cursor.fetchone()
        yield is_ours
        with suppress(DatabaseError), lock.cursor() as cursor:
            cursor.execute(LET_GO)  # by the closing alone the server lets go of it a moment later
    finally:
        lock.close()


def call(schedule: Schedule) -> str:
    """Runs the command and gives the last line of what it printed. Raises Failed when it ends with another code than
    0."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(*schedule.words, stdout=out, stderr=err)
    except CommandError as refusal:
        raise Failed(last_line(str(refusal))) from refusal
    except SystemExit as end:
        if end.code:
            message = last_line(err.getvalue()) or last_line(out.getvalue())
            raise Failed(message or f"exit code {end.code}") from end
    return last_line(out.getvalue())


def begun(schedule: Schedule) -> None:
    ScheduledRun.objects.bulk_create(
        [ScheduledRun(name=schedule.name, started_at=timezone.now())],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["started_at"],
    )


def ended(schedule: Schedule, *, succeeded: bool, said: str) -> None:
    column = "succeeded_at" if succeeded else "failed_at"
    ScheduledRun.objects.filter(pk=schedule.name).update(**{column: timezone.now(), "said": last_line(said)})


def complain(schedule: Schedule, said: str, place: str = "") -> None:
    """To the log: a new complaint at once, the same one once an hour."""
    now = time.monotonic()
    before, at = complaints.get(schedule.name, ("", 0.0))
    if said != before or now - at > SAME_COMPLAINT_AFTER:
        complaints[schedule.name] = said, now
        logger.error("Schedule %s failed: %s", schedule.name, f"{said} at {place}" if place else said)


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:MOST_SAID] if lines else ""
