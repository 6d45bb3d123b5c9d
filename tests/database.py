"""The test database: a migrated template, and a copy of it that is made anew after each test with real commits."""

import os
import time
from contextlib import suppress
from typing import Any

import environ
import psycopg
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from tests.clock import MOVABLE_CLOCK


class TestDatabase:
    __test__ = False

    def create(self, suffix: str) -> None:
        self.template, self.name = f"test_template_{suffix}_{os.getpid()}", f"test_{suffix}_{os.getpid()}"
        self._maintain("CREATE DATABASE {}", self.template)
        self._use(self.template)
        call_command("migrate", verbosity=0)
        with connections["owner"].cursor() as cursor:
            cursor.execute(MOVABLE_CLOCK)
        self._use(self.name)
        self._copy()

    def restore(self) -> None:
        """Puts the database back to what the migrations made of it."""
        self._use(self.name)
        self._drop(self.name)
        self._copy()

    def drop(self) -> None:
        self._use("postgres")
        for name in (self.name, self.template):
            self._drop(name)

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
