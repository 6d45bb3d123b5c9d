"""`manage.py expire_grants`: posts what has expired, so that balances shown are right before the next movement."""

from collections.abc import Iterable

from credits.management.clinic_command import ClinicCommand, LedgerClock
from credits.models import CreditGrant
from credits.services.ledger import BillingService


class Command(ClinicCommand):
    help = "Posts the expiry of bonus and goodwill credits that have run out. Exits 1 if an account was busy."
    summary = "Posted what had expired at {clinics} clinics."

    def due_clinics(self) -> Iterable[int]:
        expired = CreditGrant.objects.filter(open=True, expires_at__lte=LedgerClock())
        return expired.values_list("clinic_id", flat=True).distinct()

    def treat(self, clinic_id: int) -> int:
        BillingService.expire_grants(clinic_id)
        return 1
