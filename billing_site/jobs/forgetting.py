"""What the worker leaves behind and nobody asks for any more; see `manage.py forget_old_data`."""

from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from billing_site.jobs.schedules import SCHEDULES
from clinics.models import OutgoingMail, WebhookAttempt, WebhookDelivery

DONE_KEPT_FOR: Final = timedelta(days=30)
GIVEN_UP_KEPT_FOR: Final = timedelta(days=90)  # somebody should have looked at it by then
BATCH: Final = 5_000
# Jobs are deleted with their turn; an older one was made by hand or for a schedule that is gone. Its events go along.
OLD_JOBS: Final = """
DELETE FROM procrastinate_jobs job
 WHERE job.status <> 'doing'
   AND NOT EXISTS (SELECT FROM procrastinate_events event WHERE event.job_id = job.id AND event.at > %s)
"""
TURNS_OF_NO_SCHEDULE: Final = """
DELETE FROM procrastinate_periodic_defers WHERE job_id IS NULL AND NOT periodic_id = ANY(%s)
"""


def forget_webhooks() -> int:
    """Deliveries that are done, or were given up long ago, with their attempts. In batches: there may be many."""
    now = timezone.now()
    old = Q(done_at__lt=now - DONE_KEPT_FOR) | Q(given_up_at__lt=now - GIVEN_UP_KEPT_FOR)
    total = 0
    while True:
        batch = list(WebhookDelivery.objects.filter(old).order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not batch:
            return total
        WebhookAttempt.objects.filter(delivery__in=batch).delete()
        # Once more «old»: one that was started over meanwhile stays.
        deleted, _ = WebhookDelivery.objects.filter(old, pk__in=batch).delete()
        total += deleted


def forget_given_up_mails() -> int:
    deleted, _ = OutgoingMail.objects.filter(given_up_at__lt=timezone.now() - GIVEN_UP_KEPT_FOR).delete()
    return deleted


def forget_jobs(*, before: datetime | None = None) -> int:
    before = before or timezone.now() - DONE_KEPT_FOR
    with connection.cursor() as cursor:
        cursor.execute(OLD_JOBS, [before])
        jobs = cursor.rowcount
        cursor.execute(TURNS_OF_NO_SCHEDULE, [[schedule.name for schedule in SCHEDULES]])
    return int(jobs)
