"""`manage.py reset_second_factor EMAIL --reason TEXT`: somebody lost their phone and their recovery codes."""

import logging
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clinics.models import User
from clinics.second_factor import reset_second_factor

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Takes a user's second factor away and signs them out everywhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", metavar="EMAIL")
        parser.add_argument(
            "--reason", required=True, help="For the log: who asked, and how they were recognised."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        reason = str(options["reason"]).strip()
        if not reason:
            raise CommandError("Say why: --reason TEXT.")
        if "@" in reason:
            raise CommandError("The reason goes to the log: no e-mail address in it.")
        user = User.objects.filter(email=str(options["email"]).strip().lower()).first()
        if user is None:
            raise CommandError("Nobody signs in with this address.")
        factors, sessions = reset_second_factor(user=user)
        logger.warning("Second factor of user %d reset, %d sessions ended: %s", user.pk, sessions, reason)
        what = "The second factor is gone" if factors else "There was no second factor"
        self.stdout.write(f"{what}; {sessions} sessions ended.")
