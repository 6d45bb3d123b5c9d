"""A ledger clock that runs in the past, for the demo's history: the database's clock decides what happened when."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from django.db import connection, connections, transaction

OWNER: Final = "owner"
SET_BACK: Final = """
CREATE OR REPLACE FUNCTION ledger_clock() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(nullif(current_setting('demo.now', true), '')::timestamptz, clock_timestamp())
$$
"""


@contextmanager
def as_owner() -> Iterator[None]:
    """All this thread does in the database inside is done by the owner, in one transaction: nobody else may put
    another clock in the ledger's place."""
    webs = connections["default"]
    connections["default"] = connections[OWNER]
    try:
        with transaction.atomic():
            yield
    finally:
        connections["default"] = webs


@contextmanager
def movable_clock() -> Iterator[None]:
    """`travel` works inside. The ledger's own clock is back in its place before the transaction ends, so that nobody
    ever sees another one; should anything fail, the transaction takes the other one with it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef('ledger_clock()'::regprocedure)")
        (own,) = cursor.fetchone()
        cursor.execute(SET_BACK)
        yield
        cursor.execute(own)


def travel(moment: datetime | None) -> None:
    """It is this moment now, for the ledger; None: the real one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('demo.now', %s, true)", [moment.isoformat() if moment else ""])
