"""`manage.py expire_leads`: leads that were held for too long (PRODUCT, «Lead»: 14 days) expire, uncharged."""

from collections.abc import Iterable
from datetime import timedelta

from credits.management.clinic_command import ClinicCommand, LedgerClock
from credits.models import BillingRules
from credits.services.ledger import BillingService
from leads.models import Lead


class Command(ClinicCommand):
    help = "Expires leads that have been held for too long. Exits 1 if an account was busy."
    summary = "Expired {done} held leads at {clinics} clinics."

    def due_clinics(self) -> Iterable[int]:
        oldest = LedgerClock() - timedelta(days=BillingRules.objects.get().held_valid_days)
        return (
            Lead.objects.held().filter(created_at__lt=oldest).values_list("clinic_id", flat=True).distinct()
        )

    def treat(self, clinic_id: int) -> int:
        return BillingService.expire_leads(clinic_id)
