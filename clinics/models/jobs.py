"""What runs by itself, and when it last did."""

from django.db import models


class ScheduledRun(models.Model):
    """One line of the schedule (`billing_site/jobs/schedules.py`): when it last began, succeeded and failed.

    Jobs themselves are forgotten once done; this row is what ops look at.
    """

    name = models.CharField(max_length=60, primary_key=True)
    started_at = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    said = models.CharField(max_length=500, blank=True, help_text="The last line of what it printed.")

    class Meta:
        db_table = "scheduled_runs"
        verbose_name = "schedule"

    def __str__(self) -> str:
        return self.name
