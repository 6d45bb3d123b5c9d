"""`manage.py migrate`: Django's own, as the owner's role, followed by the rights of the web's role."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandParser
from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connections

from billing_site.rights import grant_web_role
from clinics import audit


class Command(MigrateCommand):
    help = "Updates the database as its owner (DATABASE_OWNER_URL), then gives the web's role its rights."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def handle(self, *args: Any, **options: Any) -> None:
        audit.tell_session(connections[options["database"]])
        super().handle(*args, **options)
        if options["plan"] or options["check_unapplied"] or options["app_label"]:
            return
        call_command("createcachetable", database=options["database"], verbosity=0)
        web_role = connections["default"].settings_dict["USER"]
        grant_web_role(connections[options["database"]], web_role)
