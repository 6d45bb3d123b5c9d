"""Who may wait, within a page, for a server that a clinic named: few at once in the whole site, whatever the clinic.

Each of them holds one of the web's threads until that server answers; the others are for everybody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection

AT_ONCE: Final = 2
LOCKS: Final = 71_061_501  # our own among the database's advisory locks; the slot is the second number


class NoSlotFree(Exception):
    """Others wait already."""


@contextmanager
def slot() -> Iterator[None]:
    """Raises NoSlotFree at once. A lock of the session, so no transaction stays open; who dies gives it back."""
    number = next((number for number in range(AT_ONCE) if _ask("pg_try_advisory_lock", number)), None)
    if number is None:
        raise NoSlotFree
    try:
        yield
    finally:
        _ask("pg_advisory_unlock", number)


def _ask(function: str, number: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [LOCKS, number])
        return bool(cursor.fetchone()[0])
