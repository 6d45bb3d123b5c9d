"""A migration operation that installs a file of SQL functions and triggers (`<app>/sql/*.sql`).

The files hold CREATE OR REPLACE only, so that a change to one is shipped by a new migration which installs it
again; going back drops the functions it names, and with them their triggers.
"""

import re
from pathlib import Path

from django.db import migrations

FUNCTION_NAME = re.compile(r"^CREATE OR REPLACE FUNCTION (\w+)", re.MULTILINE)


class InstallSQL(migrations.RunSQL):
    def __init__(self, migration_file: str, *names: str) -> None:
        self.migration_file, self.names = migration_file, names
        folder = Path(migration_file).resolve().parent.parent / "sql"
        texts = [(folder / name).read_text(encoding="utf-8") for name in names]
        functions = FUNCTION_NAME.findall("\n".join(texts))
        # Bodies are checked when they run: a file may call a function of a file installed after it.
        super().__init__(
            sql=["SET LOCAL check_function_bodies = off", *texts],
            reverse_sql=[f"DROP FUNCTION IF EXISTS {name} CASCADE" for name in functions],
        )

    def deconstruct(self) -> tuple[str, list[str], dict[str, object]]:
        return (self.__class__.__name__, [self.migration_file, *self.names], {})
