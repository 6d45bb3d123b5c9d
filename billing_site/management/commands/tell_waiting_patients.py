"""`manage.py tell_waiting_patients`: who has waited a day for a clinic is told so, once. Also twice at once."""

from typing import Any

from django.core.management.base import BaseCommand

from billing_site.outbox.patients import write_to_waiting_patients


class Command(BaseCommand):
    help = (
        "Puts mails into the outbox for patients whose enquiry has been held for 24 hours: one ever for each."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Patients to be told that they wait: {write_to_waiting_patients()}.")
