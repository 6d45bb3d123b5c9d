"""The schedules in the back office: what runs by itself, and how it stands. To look at; ops do the rest."""

from datetime import datetime
from typing import ClassVar

import procrastinate.contrib.django.admin  # noqa: F401  (registers them)
from django.contrib import admin
from django.db.models import QuerySet, Subquery
from django.http import HttpRequest
from django.utils.safestring import SafeString
from procrastinate.contrib.django.models import ProcrastinateJob

from billing_site.jobs.schedules import BY_NAME
from billing_site.jobs.standing import Standing, standing_of, standings
from clinics.admin.base import ReadOnlyAdmin, badge
from clinics.models import ScheduledRun

# The queue's own pages change jobs, and a job is a turn of a schedule that nobody here decides on.
admin.site.unregister(ProcrastinateJob)

TONES = {"late": "bad", "failed": "bad", "cut off": "wait", "running": "wait", "ok": "good"}


@admin.register(ScheduledRun)
class ScheduledRunAdmin(ReadOnlyAdmin[ScheduledRun]):
    """A row for each line of the list; the worker makes them when it first starts."""

    list_display = ("name", "state", "why", "started_at", "succeeded_at", "failed_at", "said")
    ordering = ("name",)
    fields = (
        "name",
        "why",
        "turns",
        "state",
        "late_after",
        "started_at",
        "succeeded_at",
        "failed_at",
        "said",
    )
    readonly_fields: ClassVar[tuple[str, ...]] = ("why", "turns", "state", "late_after")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ScheduledRun]:
        began = ScheduledRun.objects.filter(started_at__isnull=False).order_by("started_at")
        rows = super().get_queryset(request).filter(pk__in=BY_NAME)
        return rows.annotate(began=Subquery(began.values("started_at")[:1]))

    @admin.display(description="What for")
    def why(self, run: ScheduledRun) -> str:
        return BY_NAME[run.name].why

    @admin.display(description="Turns (cron, UTC; a sixth field is seconds)")
    def turns(self, run: ScheduledRun) -> str:
        return BY_NAME[run.name].cron

    @admin.display(description="Late without a success for")
    def late_after(self, run: ScheduledRun) -> str:
        return str(BY_NAME[run.name].late_after)

    @admin.display(description="State")
    def state(self, run: ScheduledRun) -> SafeString:
        began: datetime | None = run.began  # type: ignore[attr-defined]  # of `get_queryset`
        state = standing_of(BY_NAME[run.name], run, began=began).state
        return badge(state.capitalize(), TONES[state])


def late() -> tuple[list[Standing], datetime | None]:
    """Those without a success for too long, and since when the longest has none; None: one never had any."""
    found = [one for one in standings() if one.is_late]
    ends = [one.run.succeeded_at for one in found]
    since = None if None in ends else min((end for end in ends if end), default=None)
    return found, since
