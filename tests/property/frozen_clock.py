"""A ledger clock that stands still until it is told to move, so that a run can be replayed to the microsecond."""

from datetime import datetime, timedelta
from typing import Final

import psycopg
from django.db import connection, connections

FROZEN_CLOCK: Final = """
CREATE OR REPLACE FUNCTION ledger_clock() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(nullif(current_setting('test.frozen_at', true), '')::timestamptz, clock_timestamp())
$$
"""


def install() -> None:
    """Replaces the ledger's clock in this test's database, as its owner; gone when the database is restored."""
    parameters = connections["owner"].get_connection_params()
    wanted = {
        key: parameters[key] for key in ("host", "port", "user", "password", "dbname") if parameters.get(key)
    }
    with psycopg.connect(**wanted, autocommit=True) as owner:
        owner.execute(FROZEN_CLOCK)


class FrozenClock:
    def __init__(self, now: datetime) -> None:
        self.now = now
        self._apply()

    def move(self, delta: timedelta) -> None:
        self.now += delta
        self._apply()

    def _apply(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('test.frozen_at', %s, false)", [self.now.isoformat()])
