"""`manage.py forget_old_data`: drops what is kept for a time only. Safe at any time, also twice at once."""

from datetime import timedelta
from typing import Any, Final

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.utils import timezone

from clinics.models import IdempotencyKey
from credits.services.events import drop_old_bodies
from disputes.evidence.storage import remove_orphans
from leads.models import EnquiryHit

KEYS_KEPT_FOR: Final = timedelta(days=30)  # PRODUCT, routes: idempotency keys
HITS_KEPT_FOR: Final = timedelta(days=1)  # rule 9 looks back an hour


class Command(BaseCommand):
    help = (
        "Forgets old idempotency keys, address counts, webhook bodies, sessions, and files without a dispute."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        keys, _ = IdempotencyKey.objects.filter(created_at__lt=now - KEYS_KEPT_FOR).delete()
        hits, _ = EnquiryHit.objects.filter(arrived_at__lt=now - HITS_KEPT_FOR).delete()
        bodies = drop_old_bodies()
        files = remove_orphans()
        call_command("clearsessions")
        self.stdout.write(
            f"Forgotten: {keys} idempotency keys, {hits} address counts, {bodies} webhook bodies,"
            f" {files} files without a dispute."
        )
