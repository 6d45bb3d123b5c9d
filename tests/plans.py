"""Which index a query can be read off, without asking the planner which it prefers on the few rows of a test."""

from typing import Any

import psycopg
from django.db.models import QuerySet

from tests.credits.psql import superuser_session


def plan_with_only(index: str, rows: "QuerySet[Any]") -> str:
    """The plan of `rows` as if the table had no other index, and nothing else to sort or look through it with.

    On small tables two indexes cost the same and statistics decide between them, so a plan with all of them says
    nothing that is true tomorrow. The others are invalid for a transaction that is rolled back.
    """
    query, params = rows.query.sql_with_params()
    with (
        superuser_session() as superuser,
        superuser.transaction(force_rollback=True),
        psycopg.ClientCursor(superuser) as cursor,
    ):
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indrelid = %s::regclass AND indexrelid <> %s::regclass",
            [rows.model._meta.db_table, index],
        )
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {query}", params)
        return "\n".join(line for [line] in cursor)
