"""The test database: a migrated template, and a copy of it that is made anew after each test with real commits."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import environ
import psycopg
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from tests.clock import MOVABLE_CLOCK
from tests.cluster import used_together

# What the web's role may do in tests only: set the stage with rows that take two people, and try single steps of the
# ledger that an approved dispute or request takes. tests/credits/test_web_role.py looks at the rights without these.
FOR_TESTS_ALONE: Final = (
    "EXECUTE ON FUNCTION refund_lead, adjust_credits",
    "INSERT, UPDATE ON billing_rules, credit_packages, dispute_policies, promo_codes",
    "INSERT, UPDATE ON lead_pricing_tiers, lead_pricing_versions, users_groups, users_user_permissions",
)
# Guards that would keep the suite from making its staff (clinics/sql/staff_rights.sql); tests/site/test_real_rights.py
# puts them back.
OFF_IN_TESTS: Final = ("nobody_is_born_staff", "nobody_makes_staff_alone")


class TestDatabase:
    __test__ = False

    @contextmanager
    def made(self, *, run: str, worker: str, lock: Path) -> Iterator[None]:
        """This worker's copy of the template, which the run's first worker makes and its last one drops."""
        self.template, self.name = f"test_template_{run}", f"test_{worker}_{os.getpid()}"
        with used_together(
            lock, self._template_is_made, self._make_template, lambda: self._drop(self.template)
        ):
            self._use(self.name)
            self._copy()
            yield
            self._use("postgres")
            self._drop(self.name)

    def restore(self) -> None:
        """Puts the database back to what the migrations made of it."""
        self._use(self.name)
        self._drop(self.name)
        self._copy()

    def _template_is_made(self) -> bool:
        with self._beside("owner") as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [self.template])
            return found.fetchone() is not None

    def _make_template(self) -> None:
        """Under its name only when it is complete."""
        new = f"{self.template}_new"
        self._maintain("DROP DATABASE IF EXISTS {} WITH (FORCE)", new)
        self._maintain("CREATE DATABASE {}", new)
        self._use(new)
        call_command("migrate", verbosity=0)
        web_role = connections["default"].settings_dict["USER"]
        with connections["owner"].cursor() as cursor:
            cursor.execute(MOVABLE_CLOCK)
            for right in FOR_TESTS_ALONE:
                cursor.execute(f"GRANT {right} TO {web_role}")
            for trigger in OFF_IN_TESTS:
                cursor.execute(f"ALTER TABLE users DISABLE TRIGGER {trigger}")
        self._use("postgres")
        self._maintain("ALTER DATABASE {} RENAME TO {}", new, self.template)

    @contextmanager
    def away(self) -> Iterator[None]:
        """For the block, who was in is out, and nobody gets in; the test itself neither."""
        connections.close_all()
        self._maintain("ALTER DATABASE {} ALLOW_CONNECTIONS false", self.name)
        with self._beside("default") as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = %s AND usename = current_user",
                [self.name],
            )
        try:
            yield
        finally:
            self._maintain("ALTER DATABASE {} ALLOW_CONNECTIONS true", self.name)

    def superuser_connection(self) -> "psycopg.Connection[Any]":
        """A connection no right stops: the embedded server's own superuser, or TEST_SUPERUSER_URL's."""
        if url := os.environ.get("TEST_SUPERUSER_URL"):
            config = environ.Env.db_url_config(url)
            return psycopg.connect(
                dbname=self.name,
                user=config["USER"],
                password=config["PASSWORD"] or None,
                host=config["HOST"],
                port=config["PORT"] or None,
                autocommit=True,
            )
        params = connections["default"].get_connection_params()
        return psycopg.connect(
            dbname=self.name,
            user="postgres",
            host=params["host"],
            port=params.get("port"),
            autocommit=True,
        )

    def _copy(self) -> None:
        self._maintain("CREATE DATABASE {} TEMPLATE {}", self.name, self.template)

    def _use(self, name: str) -> None:
        for alias in ("default", "owner"):
            connections[alias].close()
            connections[alias].settings_dict["NAME"] = name

    def _drop(self, name: str) -> None:
        """FORCE ends the owner's sessions alone. A live server's threads keep the web's open, and only the web's own
        role may end those; a superuser's are gone in a moment."""
        self._maintain("ALTER DATABASE {} ALLOW_CONNECTIONS false", name)
        with self._beside("default") as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = %s AND usename = current_user",
                [name],
            )
        for _ in range(500):
            with suppress(psycopg.errors.InsufficientPrivilege):
                self._maintain("DROP DATABASE {} WITH (FORCE)", name)
                return
            time.sleep(0.01)
        raise TimeoutError(f"sessions on {name} do not end")

    def _maintain(self, statement: str, *names: str) -> None:
        """Runs a statement of the owner's that no transaction may hold."""
        with self._beside("owner") as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _beside(self, alias: str) -> "psycopg.Connection[Any]":
        """A connection under a role to the server, outside any test database."""
        params = connections[alias].get_connection_params()
        kept = {key: params[key] for key in ("host", "port", "user", "password") if params.get(key)}
        return psycopg.connect(dbname="postgres", autocommit=True, **kept)
