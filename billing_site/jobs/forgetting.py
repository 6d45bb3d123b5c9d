"""What the queue leaves behind and nobody asks for any more; see `manage.py forget_old_data`."""

from datetime import timedelta
from typing import Final

from django.db import connection
from django.utils import timezone

from billing_site.jobs.schedules import SCHEDULES

KEPT_FOR: Final = timedelta(days=30)
# Jobs are deleted with their turn; an older one was made by hand or for a schedule that is gone. Its events go along.
OLD_JOBS: Final = """
DELETE FROM procrastinate_jobs job
 WHERE job.status <> 'doing'
   AND NOT EXISTS (SELECT FROM procrastinate_events event WHERE event.job_id = job.id AND event.at > %s)
"""
TURNS_OF_NO_SCHEDULE: Final = """
DELETE FROM procrastinate_periodic_defers WHERE job_id IS NULL AND NOT periodic_id = ANY(%s)
"""


def forget_jobs() -> None:
    with connection.cursor() as cursor:
        cursor.execute(OLD_JOBS, [timezone.now() - KEPT_FOR])
        cursor.execute(TURNS_OF_NO_SCHEDULE, [[schedule.name for schedule in SCHEDULES]])
