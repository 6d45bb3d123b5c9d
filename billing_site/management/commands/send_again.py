"""`manage.py send_again`: puts mails or webhooks that were given up back into the outbox."""

import logging
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from billing_site.outbox import standing
from clinics import audit
from clinics.models import OutgoingMail, WebhookDelivery

logger = logging.getLogger(__name__)

# Of webhooks those that failed for a mistake of ours: what a clinic's server did not take is the clinic's to ask for.
PUT_BACK: Final[dict[str, Callable[[], int]]] = {
    "mails": lambda: OutgoingMail.objects.all().send_again(),
    "webhooks": lambda: WebhookDelivery.objects.filter(standing.OURS).send_again(),
}


class Command(BaseCommand):
    help = "Puts back all mails that were given up, or all webhooks given up for a mistake of ours."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=PUT_BACK)
        parser.add_argument(
            "--reason", default="", help="Why, for the log and the trail; nobody's name or number."
        )

    def handle(self, *args: Any, what: str, reason: str, **options: Any) -> None:
        if not reason.strip():
            raise CommandError("Say why: --reason TEXT.")
        with audit.because(reason):
            count = PUT_BACK[what]()
        logger.info(f"Put back: {count} {what}, because: {' '.join(reason.split())}")
        self.stdout.write(f"Put back, to be sent again: {count} {what}.")
