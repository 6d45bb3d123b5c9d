"""`manage.py outbox`: how what leaves the house stands. With a word: hands notices on, and sends what is due of it."""

import logging
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from billing_site.outbox import standing
from billing_site.outbox.handing_on import MOST_AT_ONCE, hand_on
from billing_site.outbox.mails import send_due_mails
from billing_site.outbox.webhooks import send_due_webhooks
from clinics import audit
from clinics.models import OutgoingMail, WebhookDelivery

logger = logging.getLogger(__name__)

SENDERS: Final[dict[str, Callable[[], int]]] = {"mails": send_due_mails, "webhooks": send_due_webhooks}
ERRANDS: Final = {"mails": OutgoingMail.objects, "webhooks": WebhookDelivery.objects}
LONGEST: Final = 60.0  # seconds; then the worker says that it is alive, and begins again


class Command(BaseCommand):
    help = (
        "Counts what waits, is overdue or was given up, and exits 1 when something is wrong. `outbox mails` and "
        "`outbox webhooks` hand notices on and send what is due. Safe twice at once and half-way."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", nargs="?", choices=SENDERS)
        parser.add_argument(
            "--send-again", choices=ERRANDS, help="First put back what was given up of these."
        )
        parser.add_argument(
            "--reason",
            default="",
            help="Why they are sent again, for the log and the trail; nobody's name or number.",
        )

    def handle(
        self, *args: Any, what: str | None, send_again: str | None, reason: str, **options: Any
    ) -> None:
        if send_again is not None:
            if not reason.strip():
                raise CommandError("Say why: --reason TEXT.")
            with audit.because(reason):
                count = ERRANDS[send_again].all().send_again()
            logger.info(f"Put back: {count} {send_again}, because: {' '.join(reason.split())}")
            self.stdout.write(f"Put back, to be sent again: {count} {send_again}.")
        if what is not None:
            self.send(what)
        else:
            self.count()

    def send(self, what: str) -> None:
        until = time.monotonic() + LONGEST
        try:
            # Both kinds do this, so that neither waits for the other's servers.
            while hand_on() == MOST_AT_ONCE and time.monotonic() < until:
                pass
        finally:  # what was handed on before leaves, whatever is in the way of new ones
            sent = send_all(SENDERS[what], until)
        if what == "mails" and not sent and (held_up := standing.of_mails()).problem:
            raise CommandError(f"No mail leaves, {held_up.overdue} overdue: {held_up.problem}.")
        self.stdout.write(f"{sent} {what} sent.")

    def count(self) -> None:
        found = standing.standing()
        for name, one in found.items():
            self.stdout.write(line(name, one))
        if wrong := [name for name, one in found.items() if not one.is_fine]:
            raise CommandError(f"Look at: {', '.join(wrong)}. docs/operations.md says what to do.")


def send_all(send: Callable[[], int], until: float) -> int:
    total = sent = send()
    while sent and time.monotonic() < until:
        sent = send()
        total += sent
    return total


def line(name: str, one: standing.Standing) -> str:
    since = f", the oldest since {timezone.localtime(one.oldest):%Y-%m-%d %H:%M:%S} IST" if one.oldest else ""
    mark = "ok" if one.is_fine else "LOOK"
    why = f" ({one.problem})" if one.problem else ""
    return f"{mark:<5} {name:<9} {one.waiting} waiting{since}; {one.overdue} overdue{why}; {one.given_up} given up"
