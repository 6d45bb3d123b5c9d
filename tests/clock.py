"""A ledger clock that tests can move: it replaces `ledger_clock()` in the test database only."""

from datetime import datetime, timedelta
from typing import Final

from django.db import connection

MOVABLE_CLOCK: Final = """
CREATE OR REPLACE FUNCTION ledger_clock() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
  SELECT clock_timestamp() + coalesce(nullif(current_setting('test.clock_offset', true), ''), '0')::interval
$$
"""


class Clock:
    """Moves time for this thread's database connection; everything else runs on."""

    offset = timedelta()

    def advance(self, **delta: float) -> None:
        self.offset += timedelta(**delta)
        self._apply()

    def set(self, moment: datetime) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            self.offset = moment - cursor.fetchone()[0]
        self._apply()

    def now(self) -> datetime:
        with connection.cursor() as cursor:
            cursor.execute("SELECT ledger_clock()")
            now: datetime = cursor.fetchone()[0]
        return now

    def reset(self) -> None:
        self.offset = timedelta()
        self._apply()

    def _apply(self) -> None:
        with connection.cursor() as cursor:
            seconds = f"{self.offset.total_seconds()} seconds"
            cursor.execute("SELECT set_config('test.clock_offset', %s, false)", [seconds])
