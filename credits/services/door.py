"""How Python reaches the ledger's SQL functions: one prepared statement each, on Django's own connection."""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from django.db import DatabaseError, connection, transaction
from psycopg import Cursor, Error, sql
from psycopg.rows import namedtuple_row


def call(function: str, /, **arguments: Any) -> Any:
    """Calls `function` by named arguments and returns its row (a named tuple).

    One round trip and one flush outside a transaction; inside one, within a savepoint, so that a refusal can be
    caught. Server-side binding is for this door alone: the rest of Django keeps its client-side binding.
    Raises what the database raised, as Django wraps it; `refusal_of` tells which refusal it was.
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    guard: AbstractContextManager[None] = (
        transaction.atomic() if connection.in_atomic_block else nullcontext()
    )
    with (
        guard,
        connection.wrap_database_errors,
        Cursor(connection.connection, row_factory=namedtuple_row) as cursor,
    ):
        try:
            cursor.execute(_statement(function, tuple(arguments)), arguments, prepare=True)
        except Error as error:
            # The text of a refused row would quote a patient's name and number into every log of this error.
            error.args = (error.diag.message_primary or type(error).__name__,)
            raise
        return cursor.fetchone()


@cache
def _statement(function: str, names: tuple[str, ...]) -> bytes:
    """The text, kept: psycopg recognises it and prepares it once a connection."""
    arguments = sql.SQL(", ").join(
        sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in names
    )
    return sql.SQL("SELECT * FROM {}({})").format(sql.Identifier(function), arguments).as_bytes(None)


def refusal_of(error: DatabaseError) -> str | None:
    """The SQLSTATE a function refused with (CC…: see `credits/sql`), or PostgreSQL's own; None if it has none."""
    return getattr(error.__cause__, "sqlstate", None)
