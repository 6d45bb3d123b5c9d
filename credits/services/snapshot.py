"""Reading figures that must agree with each other."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import connection, transaction

_is_open: ContextVar[bool] = ContextVar("a snapshot is open", default=False)


def is_in_snapshot() -> bool:
    """Whether what is read now must agree with what was read before, and nothing can be written."""
    return _is_open.get()


@contextmanager
def one_snapshot() -> Iterator[None]:
    """All reads inside see the database as it was at the first of them; nothing can be written.

    For pages that show the balance beside what is not bounded by the account's `last_sequence` (grants, statuses,
    sums over leads): read in two statements, these disagree on some pages under load. Inside a transaction that is
    under way already (a test's) the reads are part of that one.
    """
    token = _is_open.set(True)
    try:
        if connection.in_atomic_block:
            yield
            return
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
    finally:
        _is_open.reset(token)
