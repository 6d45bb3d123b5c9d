"""Migration operations: SQL from files, rights of staff, and indexes built beside the traffic."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.contrib.auth.management import create_permissions
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from psycopg import sql

FUNCTION_NAME = re.compile(r"^CREATE OR REPLACE FUNCTION (\w+)", re.MULTILINE)
CALLERS = """
SELECT coalesce(role.rolname, '')
  FROM pg_proc function
       CROSS JOIN aclexplode(coalesce(proacl, acldefault('f', proowner))) AS right_of
       LEFT JOIN pg_roles role ON role.oid = right_of.grantee
 WHERE function.oid = to_regprocedure(%s)
"""


class InstallSQL(migrations.RunSQL):
    """Installs files of SQL functions and triggers (`<app>/sql/*.sql`).

    The files hold CREATE OR REPLACE only, so that a change to one is shipped by a new migration which installs it
    again; going back drops the functions it names, and with them their triggers. `replaces` are functions of before
    whose arguments change («release_lead(bigint)»): they go, and who could call one can call the new one of that
    name in the same transaction. A name stands for one function: of two, PostgreSQL could not tell which one goes.
    """

    def __init__(self, migration_file: str, *names: str, replaces: tuple[str, ...] = ()) -> None:
        self.migration_file, self.names, self.replaces = migration_file, names, replaces
        folder = Path(migration_file).resolve().parent.parent / "sql"
        texts = [(folder / name).read_text(encoding="utf-8") for name in names]
        functions = FUNCTION_NAME.findall("\n".join(texts))
        if twice := sorted({name for name in functions if functions.count(name) > 1}):
            raise ValueError(f"{', '.join(names)}: {', '.join(twice)} stands there twice")
        # Bodies are checked when they run: a file may call a function of a file installed after it.
        super().__init__(
            sql=["SET LOCAL check_function_bodies = off", *texts],
            reverse_sql=[f"DROP FUNCTION IF EXISTS {name} CASCADE" for name in functions],
        )

    def deconstruct(self) -> tuple[str, list[str], dict[str, object]]:
        return (self.__class__.__name__, [self.migration_file, *self.names], {"replaces": self.replaces})

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        callers: dict[str, set[str]] = {}
        with schema_editor.connection.cursor() as cursor:
            for signature in self.replaces:
                cursor.execute(CALLERS, [signature])
                callers[signature] = {name for (name,) in cursor.fetchall()}
                cursor.execute(f"DROP FUNCTION IF EXISTS {signature}")
        super().database_forwards(app_label, schema_editor, from_state, to_state)
        with schema_editor.connection.cursor() as cursor:
            for signature, names in callers.items():
                function = sql.Identifier(signature.partition("(")[0])
                if names and "" not in names:  # PUBLIC has no name
                    cursor.execute(sql.SQL("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC").format(function))
                for name in names - {""}:
                    cursor.execute(
                        sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(function, sql.Identifier(name))
                    )


@contextmanager
def without_timeouts(schema_editor: BaseDatabaseSchemaEditor) -> Iterator[None]:
    """What is done beside the traffic waits for every older transaction, a running backup too, and holds nobody up."""
    names = ("lock_timeout", "statement_timeout")
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
        before = cursor.fetchone()
        try:
            for name in names:
                cursor.execute("SELECT set_config(%s, '0', false)", [name])
            yield
        finally:
            for name, value in zip(names, before, strict=True):
                cursor.execute("SELECT set_config(%s, %s, false)", [name, value])


class BuildIndexConcurrently(AddIndexConcurrently):
    """Builds an index beside the traffic, in a migration with `atomic = False`.

    One that was interrupted leaves an invalid index of its name behind: it goes first, so that `migrate` can simply be
    run again.
    """

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        self._ensure_not_in_transaction(schema_editor)
        with without_timeouts(schema_editor):
            schema_editor.execute(
                f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}"
            )
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        with without_timeouts(schema_editor):
            super().database_backwards(app_label, schema_editor, from_state, to_state)


class GiveRights(migrations.RunPython):
    """Gives groups of staff permissions, by group: `{"support": ("clinics.view_outgoingmail",)}`.

    The migration depends on those that make the models. Django itself makes permissions after all migrations only, so
    they are made here first.
    """

    def __init__(self, rights: Mapping[str, Sequence[str]]) -> None:
        self.rights = rights
        super().__init__(self._give, self._take)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return (self.__class__.__name__, [self.rights], {})

    def _give(self, apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
        alias = schema_editor.connection.alias
        for label in sorted({name.partition(".")[0] for names in self.rights.values() for name in names}):
            app = apps.get_app_config(label)
            app.models_module = True  # of the past's apps it is None, and then nothing is made
            create_permissions(app, apps=apps, using=alias, verbosity=0)
            app.models_module = None
        for group, permission in self._each(apps, alias):
            group.permissions.add(permission)

    def _take(self, apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
        for group, permission in self._each(apps, schema_editor.connection.alias):
            group.permissions.remove(permission)

    def _each(self, apps: Any, alias: str) -> Iterator[tuple[Any, Any]]:
        groups = apps.get_model("auth", "Group").objects.using(alias)
        permissions = apps.get_model("auth", "Permission").objects.using(alias)
        for group, names in self.rights.items():
            for name in names:
                label, _, codename = name.partition(".")
                yield (
                    groups.get(name=group),
                    permissions.get(content_type__app_label=label, codename=codename),
                )


class RunSQLPatiently(migrations.RunSQL):
    """SQL that works beside the traffic (`CONCURRENTLY`), in a migration with `atomic = False`."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        with without_timeouts(schema_editor):
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        with without_timeouts(schema_editor):
            super().database_backwards(app_label, schema_editor, from_state, to_state)
