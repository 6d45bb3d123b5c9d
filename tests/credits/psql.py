"""psql as a superuser, beside the suite's own connection."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection

from tests.conftest import DATABASE


@contextmanager
def superuser_session() -> Iterator["psycopg.Connection[Any]"]:
    """A superuser's session, in autocommit, that has left the server when this ends.

    A session takes a moment to go, and the owner, who drops the database to put it back, may not end a superuser's.
    """
    with DATABASE.superuser_connection() as session:
        pid = session.info.backend_pid
        yield session
    with connection.cursor() as cursor:
        for _ in range(500):
            cursor.execute(
                "SELECT pg_stat_clear_snapshot()"
            )  # within a transaction it would show the same again
            cursor.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid])
            if cursor.fetchone() is None:
                return
            time.sleep(0.01)
    raise TimeoutError(f"session {pid} does not end")
