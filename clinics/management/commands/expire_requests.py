"""`manage.py expire_requests`: ends the requests nobody approved within 72 hours (rule 7)."""

from typing import Any

from django.core.management.base import BaseCommand

from clinics.requests import expire


class Command(BaseCommand):
    help = "Ends the requests nobody approved within 72 hours."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Expired {expire()} requests.")
