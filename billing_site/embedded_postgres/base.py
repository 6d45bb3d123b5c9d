"""Django's PostgreSQL backend, except that a new connection first makes sure that the server runs."""

import functools
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base, client
from django.db.utils import OperationalError
from psycopg import OperationalError as ConnectionFailed

from billing_site.embedded_postgres.errors import (
    EmbeddedPostgresError,
    RefusedOutsideDebugError,
    will_serve_soon,
)

if TYPE_CHECKING:
    from billing_site.embedded_postgres.launcher import Launcher
    from billing_site.embedded_postgres.processes import PostmasterFile

PATIENCE_SECONDS = 10.0


@functools.cache
def launcher() -> "Launcher":
    """The site's one launcher; kept, since building it for each connection would cost milliseconds."""
    if sys.platform == "win32":
        raise ImproperlyConfigured(
            "The embedded PostgreSQL doesn't run on Windows: set DATABASE_URL to a PostgreSQL server."
        )
    from billing_site.embedded_postgres.launcher import Launcher

    return Launcher(settings.EMBEDDED_POSTGRES_DIR, settings.PG_BIN_DIR)


def running_server() -> "PostmasterFile":
    """Where the server listens, started if need be; raises what Django's callers know how to handle."""
    try:
        return launcher().ensure_running()
    except RefusedOutsideDebugError as error:
        raise ImproperlyConfigured(str(error)) from error
    except EmbeddedPostgresError as error:
        raise OperationalError(str(error)) from error


class DatabaseClient(client.DatabaseClient):
    """`manage.py dbshell`."""

    def runshell(self, parameters: Iterable[str]) -> None:
        server = running_server()
        place = {"HOST": str(server.socket_folder), "PORT": str(server.port)}
        self.connection.settings_dict = {**self.connection.settings_dict, **place}
        super().runshell(parameters)


class DatabaseWrapper(base.DatabaseWrapper):
    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        parameters = super().get_connection_params()
        server = running_server()
        return {**parameters, "host": str(server.socket_folder), "port": server.port}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Bridges the moment in which a killed server restarts; other errors are raised at once."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return super().get_new_connection(conn_params)
            except ConnectionFailed as error:
                soon = will_serve_soon(error) or launcher().serving() is None
                if not soon or time.monotonic() > deadline:
                    raise
            time.sleep(0.1)
            server = running_server()
            conn_params = {**conn_params, "host": str(server.socket_folder), "port": server.port}
