"""`manage.py send_webhooks`: hands notices on, and calls the webhooks that are due."""

from typing import Any

from django.core.management.base import BaseCommand

from billing_site.outbox.rounds import make_round
from billing_site.outbox.webhooks import send_due_webhooks


class Command(BaseCommand):
    help = "Hands notices on and calls the webhooks that are due. Safe twice at once and when killed."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{make_round(send_due_webhooks)} webhooks sent.")
