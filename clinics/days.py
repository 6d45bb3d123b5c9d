"""Days as the business counts them: midnight to midnight in India."""

from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings


def start_of(day: date) -> datetime:
    """The moment a day begins."""
    return datetime.combine(day, time.min, tzinfo=ZoneInfo(settings.TIME_ZONE))


def day_of(moment: datetime) -> date:
    return moment.astimezone(ZoneInfo(settings.TIME_ZONE)).date()


def ledger_now(cursor: Any) -> datetime:
    """The ledger's own clock: the one its rows are stamped by."""
    cursor.execute("SELECT ledger_clock()")
    moment: datetime = cursor.fetchone()[0]
    return moment
