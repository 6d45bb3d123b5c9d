"""The one list of what runs by itself. Each line is a command that may run at any time, twice at once and half-way."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from zlib import crc32

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A management command and when it runs: `cron` in UTC, which is what the worker's clock reads; a sixth field is
    seconds.

    Without a success for `late_after` it is late: `manage.py schedules` says so and exits with 1. The last turn that
    no worker took in time is taken by the next one, once (PROCRASTINATE_PERIODIC_DEFAULTS).
    """

    name: str
    cron: str
    why: str
    late_after: timedelta
    command: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The command with its arguments; most lines are named for theirs."""
        return self.command or (self.name,)

    @property
    def is_rare(self) -> bool:
        """Its next turn is far: a turn that failed is tried again before it."""
        return self.late_after > 2 * HOUR

    @property
    def lock(self) -> int:
        """Its number among the database's advisory locks of this list (see `runs.only_here`)."""
        return crc32(self.name.encode()) & 0x7FFF_FFFF


# 18:30 UTC is midnight in India, where a day, a month and their budgets begin anew: `release_leads` has a turn then.
SCHEDULES: Final = (
    Schedule("send_mails", "* * * * * */5", "notices become mails, mails leave", HOUR / 12),
    Schedule(
        "send_webhooks",
        "* * * * * */5",
        "notices become webhooks, webhooks are called",
        HOUR / 12,
    ),
    Schedule("release_leads", "*/5 * * * *", "held leads whose reason is gone", HOUR / 4),
    Schedule(
        "reconcile_payments",
        "*/5 * * * *",
        "payments the gateway knows and we don't yet",
        HOUR / 2,
        ("reconcile_payments", "--unattended"),
    ),
    Schedule("tell_waiting_patients", "*/15 * * * *", "patients whose enquiry is held for 24 hours", HOUR),
    Schedule("expire_grants", "7 * * * *", "bonus credits past their last day, and word before", 3 * HOUR),
    Schedule("expire_leads", "17 * * * *", "leads that were held for 14 days", 3 * HOUR),
    Schedule("expire_requests", "27 * * * *", "requests that nobody approved in 72 hours", 3 * HOUR),
    Schedule("daily_digest", "0 3 * * *", "the day before, to who wants it, at 08:30 IST", DAY + 3 * HOUR),
    Schedule(
        "sweep_payments",
        "40 19 * * *",
        "all payments of three days, in case one was missed",
        DAY + 3 * HOUR,
        ("reconcile_payments", "--unattended", "--sweep", "3"),
    ),
    Schedule("forget_old_data", "10 20 * * *", "what is kept for a time only", DAY + 3 * HOUR),
    Schedule("close_day", "45 18 * * *", "the proof of the books, and their seal", DAY + 3 * HOUR),
)
BY_NAME: Final = {schedule.name: schedule for schedule in SCHEDULES}
