"""How Python calls the product's SQL functions: one prepared statement each, on Django's own connection.

A function refuses with an SQLSTATE of its own (CC…); `refusals` say which exception each one is.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from psycopg import Cursor, Error, sql
from psycopg.rows import namedtuple_row

from clinics import audit

# Writes no table under the audit trail, and is on every patient's way: never a second round trip.
UNTRACKED: Final = frozenset({"deliver_lead"})
TELL_THE_TRAIL: Final = (
    b"SELECT set_config('pghistory.context_id', %s, true) AS id,"
    b" set_config('pghistory.context_metadata', %s, true) AS metadata"
)


def call(function: str, /, **arguments: Any) -> Any:
    """Calls `function` by named arguments and returns its row (a named tuple).

    One round trip and one flush outside a transaction; inside one, within a savepoint, so that a refusal can be
    caught. Where somebody is known to be behind it (`clinics.audit`), the audit trail is told first, in the same
    transaction. Server-side binding is for these calls alone: the rest of Django keeps its client-side binding.
    Values come in binary, which psycopg reads in C; the text of timestamps is read by Django's own loaders, in Python.
    Raises what the database raised, as Django wraps it; `refusal_of` tells which refusal it was.
    """
    return _called(function, arguments, Cursor.fetchone)


def rows(function: str, /, **arguments: Any) -> list[Any]:
    """`call` for a function that returns a set: all its rows."""
    found: list[Any] = _called(function, arguments, Cursor.fetchall)
    return found


def _called(function: str, arguments: Mapping[str, Any], fetch: Callable[[Cursor[Any]], Any]) -> Any:
    connection = connections[DEFAULT_DB_ALIAS]  # asked for once: each look through Django's proxy costs
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    context = None if function in UNTRACKED else audit.current()
    guard: AbstractContextManager[None] = (
        transaction.atomic() if context or connection.in_atomic_block else nullcontext()
    )
    with (
        guard,
        connection.wrap_database_errors,
        Cursor(connection.connection, row_factory=namedtuple_row) as cursor,
    ):
        try:
            if context is not None:
                cursor.execute(TELL_THE_TRAIL, context, prepare=True)
            statement = _statement(function, tuple(arguments))
            cursor.execute(statement, tuple(arguments.values()), prepare=True, binary=True)
        except Error as error:
            # The text of a refused row would quote a patient's name and number into every log of this error.
            error.args = (error.diag.message_primary or type(error).__name__,)
            raise
        return fetch(cursor)


def call_or_refuse(function: str, refusals: Mapping[str, type[Exception]], /, **arguments: Any) -> Any:
    """`call`, with the function's refusals raised as the exceptions of `refusals`, by SQLSTATE; others as they are."""
    try:
        return call(function, **arguments)
    except DatabaseError as error:
        refusal = refusals.get(refusal_of(error) or "")
        if refusal is None:
            raise
        raise refusal(error.__cause__.diag.message_primary) from error  # type: ignore[union-attr]


@cache
def _statement(function: str, names: tuple[str, ...]) -> bytes:
    """The text, kept: psycopg recognises it and prepares it once a connection."""
    arguments = sql.SQL(", ").join(
        sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder()) for name in names
    )
    return sql.SQL("SELECT * FROM {}({})").format(sql.Identifier(function), arguments).as_bytes(None)


def refusal_of(error: DatabaseError) -> str | None:
    """The SQLSTATE a function refused with (CC…), or PostgreSQL's own; None if it has none."""
    return getattr(error.__cause__, "sqlstate", None)
