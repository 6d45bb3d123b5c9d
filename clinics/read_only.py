"""While the database takes no writes (a failover, maintenance), what only reads goes on."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

from django.db import DatabaseError, connection, transaction

from clinics.door import refusal_of

READ_ONLY: Final = "25006"  # PostgreSQL's read_only_sql_transaction


@contextmanager
def skipped_while_read_only() -> Iterator[None]:
    """The one statement inside is skipped where the database refuses to write or lock; what is after it, too.

    For comforts of pages that read: a mark, a lock, a cache. Never for what somebody asked us to do. Code behind the
    block runs in both cases. Outside a transaction it costs no round trip; inside one, which goes on, a savepoint.
    """
    guard: AbstractContextManager[None] = (
        transaction.atomic() if connection.in_atomic_block else nullcontext()
    )
    try:
        with guard:
            yield
    except DatabaseError as error:
        if refusal_of(error) != READ_ONLY:
            raise
