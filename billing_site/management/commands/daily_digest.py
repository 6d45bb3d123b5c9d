"""`manage.py daily_digest`: a summary of yesterday for each member who wants one. Any time, also twice at once."""

from typing import Any

from django.core.management.base import BaseCommand

from billing_site.outbox.digests import write_digests


class Command(BaseCommand):
    help = "Puts today's summary mails into the outbox: one for each member who wants it and has something to read."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Summaries of yesterday put into the outbox: {write_digests()}.")
