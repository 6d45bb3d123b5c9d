"""How each schedule stands: for ops (`manage.py schedules`) and for the back office."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection
from django.utils import timezone

from billing_site.jobs.runs import LOCKS
from billing_site.jobs.schedules import SCHEDULES, Schedule
from clinics.models import ScheduledRun

HELD_LOCKS: Final = """
SELECT objid::bigint FROM pg_locks
 WHERE locktype = 'advisory' AND objsubid = 2 AND classid = %s::bigint::oid AND granted
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True, slots=True)
class Standing:
    schedule: Schedule
    run: ScheduledRun
    is_late: bool
    is_running: bool

    @property
    def state(self) -> str:
        """In one word or two, the worst first."""
        if self.is_late:
            return "late"
        if self.is_running:
            return "running"
        if self.has_failed:
            return "failed"
        if self.was_cut_off:
            return "cut off"
        return "never ran" if self.never_ran else "ok"

    @property
    def never_ran(self) -> bool:
        """Its first turn is still to come, or no worker took it."""
        return self.run.started_at is None

    @property
    def has_failed(self) -> bool:
        """Its last end was a failure."""
        failed, succeeded = self.run.failed_at, self.run.succeeded_at
        return failed is not None and (succeeded is None or failed > succeeded)

    @property
    def was_cut_off(self) -> bool:
        """It began, never ended, and nobody is at it: the worker that was is gone. The next one begins again."""
        ends = [end for end in (self.run.succeeded_at, self.run.failed_at) if end]
        started = self.run.started_at
        return started is not None and not self.is_running and (not ends or started > max(ends))


def standings(*, at: datetime | None = None) -> list[Standing]:
    """Of every schedule on the list, also of those that never ran."""
    at = at or timezone.now()
    running, runs = held_locks(), ScheduledRun.objects.in_bulk()
    began = min((run.started_at for run in runs.values() if run.started_at), default=None)
    return [
        standing_of(
            schedule,
            runs.get(schedule.name, ScheduledRun(name=schedule.name)),
            at=at,
            began=began,
            is_running=schedule.lock in running,
        )
        for schedule in SCHEDULES
    ]


def standing_of(
    schedule: Schedule, run: ScheduledRun, *, at: datetime, began: datetime | None, is_running: bool
) -> Standing:
    """`began`: the oldest start of any."""
    if run.succeeded_at is not None:
        is_late = at - run.succeeded_at > schedule.late_after
    else:
        is_late = is_late_at_first(schedule, run, at, began)
    return Standing(schedule, run, is_late=is_late, is_running=is_running)


def is_late_at_first(schedule: Schedule, run: ScheduledRun, at: datetime, began: datetime | None) -> bool:
    """Of one that never succeeded: its first turn may still come, once a worker has begun anything. One that failed
    has had it, and each start moves `began` on, so that is late at once."""
    return run.failed_at is not None or began is None or at - began > schedule.late_after


def held_locks() -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(HELD_LOCKS, [LOCKS])
        return {lock for (lock,) in cursor.fetchall()}
