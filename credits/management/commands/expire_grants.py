"""`manage.py expire_grants`: posts what has expired, so that balances shown are right before the next movement, and
tells clinics of what expires soon."""

from collections.abc import Iterable
from typing import Any

from credits.management.clinic_command import ClinicCommand, LedgerClock, find_clinic
from credits.models import CreditGrant
from credits.services.ledger import BillingService


class Command(ClinicCommand):
    help = (
        "Posts the expiry of bonus and goodwill credits that have run out, and tells clinics of those that will in 30 "
        "and in 7 days. Exits 1 if an account was busy."
    )
    summary = "Posted what had expired at {clinics} clinics."

    def handle(self, *args: Any, clinic: str | None, **options: Any) -> None:
        super().handle(*args, clinic=clinic, **options)
        told = BillingService.tell_of_expiring_credits(find_clinic(clinic).pk if clinic is not None else None)
        if told:
            self.stdout.write(f"Wrote {told} notices of credits that expire soon.")

    def due_clinics(self) -> Iterable[int]:
        expired = CreditGrant.objects.filter(open=True, expires_at__lte=LedgerClock())
        return expired.values_list("clinic_id", flat=True).distinct()

    def treat(self, clinic_id: int) -> int:
        BillingService.expire_grants(clinic_id)
        return 1
