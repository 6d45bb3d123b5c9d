"""`manage.py send_mails`: hands notices on, and sends the mails that are due."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing_site.outbox import standing
from billing_site.outbox.mails import send_due_mails
from billing_site.outbox.rounds import make_round


class Command(BaseCommand):
    help = "Hands notices on and sends the mails that are due. Safe twice at once and when killed."

    def handle(self, *args: Any, **options: Any) -> None:
        sent = make_round(send_due_mails)
        if not sent and (held_up := standing.of_mails()).problem:
            raise CommandError(f"No mail leaves, {held_up.overdue} overdue: {held_up.problem}.")
        self.stdout.write(f"{sent} mails sent.")
