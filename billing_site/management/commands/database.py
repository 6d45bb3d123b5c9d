"""`manage.py database start|stop|status|roles`."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from billing_site.embedded_postgres.base import launcher
from billing_site.embedded_postgres.errors import EmbeddedPostgresError
from billing_site.embedded_postgres.roles import DATABASE, OWNER, WEB, as_psql

NOT_RUNNING = 3  # as pg_ctl status answers


class Command(BaseCommand):
    help = "Starts, stops or shows the embedded PostgreSQL; prints the SQL for production's two roles."
    requires_system_checks = ()  # it must also work while the rest is half configured

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["start", "stop", "status", "roles"])

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        if action == "roles":
            self.stdout.write(roles_script(), ending="")
        elif settings.DATABASE_URL:
            self.stdout.write(
                f"DATABASE_URL is set, so the site uses that server. «database {action}» only concerns "
                "the embedded PostgreSQL, which is not in use: nothing was done."
            )
        else:
            try:
                getattr(self, action)()
            except (EmbeddedPostgresError, ImproperlyConfigured) as error:
                raise CommandError(str(error)) from error

    def start(self) -> None:
        launcher().start()
        self.status()

    def stop(self) -> None:
        stopped = launcher().stop()
        self.stdout.write("The embedded PostgreSQL has stopped." if stopped else "It wasn't running.")

    def status(self) -> None:
        status = launcher().status()
        if status.pid is None:
            self.stdout.write(f"The embedded PostgreSQL is not running. Data: {status.data}")
            raise SystemExit(NOT_RUNNING)
        self.stdout.write(f"The embedded PostgreSQL runs as process {status.pid}.")
        self.stdout.write(f"Data:   {status.data}")
        self.stdout.write(f"Log:    {status.log}")
        self.stdout.write(f"Socket: {status.socket_folder}")


def roles_script() -> str:
    """With the names of DATABASE_OWNER_URL and DATABASE_URL where these are set, else the defaults."""
    web = settings.DATABASES["default"]
    owner = settings.DATABASES["owner"].get("USER") or OWNER
    web_name = web.get("USER") or WEB
    if owner == web_name:  # DATABASE_OWNER_URL is not set yet: the two must differ
        owner = OWNER if web_name != OWNER else f"{OWNER}_2"
    return as_psql(owner, web_name, web.get("NAME") or DATABASE)
