"""Edits behind the triggers' back, and what the checks of the seals find of them."""

from typing import Any, Final

import psycopg

from credits.services import seal_checks

# Another value of each kind of column; NULL becomes the empty text, so that the two are told apart.
EDITS: Final = {
    "bigint": "coalesce({0}, 0) + 1000000",
    "numeric": "{0} + 0.01",
    "timestamp with time zone": "{0} + interval '1 microsecond'",
    "jsonb": "coalesce({0}, '{{}}') || '{{\"x\": 1}}'",
    "ARRAY": "array_append({0}, 'x')",
    "uuid": "gen_random_uuid()",
    "text": "CASE WHEN {0} IS NULL THEN '' ELSE overlay({0} placing '~' from 1) END",
}


def found(cursor: Any) -> dict[str, tuple[set[int], str]]:
    return {
        tally.check: (tally.numbers, tally.note) for tally in seal_checks.examine(cursor) if tally.numbers
    }


class Tampering:
    """A superuser with psql, all triggers and constraints off; what they do is undone after each look."""

    def __init__(self, session: "psycopg.Connection[Any]") -> None:
        self.session = session

    def finds(self, *statements: str) -> dict[str, tuple[set[int], str]]:
        with self.session.transaction(force_rollback=True), self.session.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for table in ("credit_transactions", "audit_events", "day_seals", "day_closings"):
                cursor.execute(
                    "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'",
                    [table],
                )
                for (name,) in cursor.fetchall():
                    cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
            for statement in statements:
                cursor.execute(statement)
                assert cursor.rowcount == 1, statement
            return found(cursor)

    def columns(self, table: str) -> list[tuple[str, str]]:
        rows = self.session.execute(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_name = %s AND column_name <> 'id'",
            [table],
        )
        return [(name, "text" if kind == "character varying" else kind) for name, kind in rows]
