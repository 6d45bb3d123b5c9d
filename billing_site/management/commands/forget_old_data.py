"""`manage.py forget_old_data`: drops what is kept for a time only. Safe at any time, also twice at once."""

from datetime import timedelta
from typing import Any, Final

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.utils import timezone

from billing_site.jobs.forgetting import forget_jobs
from billing_site.outbox.forgetting import forget_mails, forget_webhooks
from clinics.models import IdempotencyKey, RequestRate
from credits.services.events import drop_old_bodies
from disputes.evidence.storage import remove_orphans
from leads.models import EnquiryHit, ReviewFacts

KEYS_KEPT_FOR: Final = timedelta(days=30)  # PRODUCT, routes: idempotency keys
HITS_KEPT_FOR: Final = timedelta(days=1)  # rule 9 looks back an hour
RATES_KEPT_FOR: Final = timedelta(hours=1)  # a bucket is empty after a minute


class Command(BaseCommand):
    help = (
        "Forgets old idempotency keys, address counts, webhook bodies, sessions, files without a dispute, and what "
        "left the outbox long ago."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        keys, _ = IdempotencyKey.objects.filter(created_at__lt=now - KEYS_KEPT_FOR).delete()
        hits, _ = EnquiryHit.objects.filter(arrived_at__lt=now - HITS_KEPT_FOR).delete()
        ReviewFacts.objects.decided().filter(lead__created_at__lt=now - HITS_KEPT_FOR).update(
            address_hmac=None
        )
        RequestRate.objects.filter(empty_at__lt=now - RATES_KEPT_FOR).delete()
        bodies = drop_old_bodies()
        files = remove_orphans()
        mails = forget_mails()
        webhooks = forget_webhooks()
        forget_jobs()
        call_command("clearsessions")
        self.stdout.write(
            f"Forgotten: {keys} idempotency keys, {hits} address counts, {bodies} webhook bodies,"
            f" {files} files without a dispute, {mails} mails, {webhooks} webhooks."
        )
