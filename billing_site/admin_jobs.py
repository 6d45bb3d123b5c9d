"""The schedules in the back office: what runs by itself, and how it stands. To look at; ops do the rest."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

import procrastinate.contrib.django.admin  # noqa: F401  (registers them)
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.safestring import SafeString
from procrastinate.contrib.django.models import ProcrastinateJob

from billing_site.jobs.schedules import BY_NAME
from billing_site.jobs.standing import Standing, standings
from clinics.admin.base import ReadOnlyAdmin, badge
from clinics.models import ScheduledRun

# The queue's own pages change jobs, and a job is a turn of a schedule that nobody here decides on.
admin.site.unregister(ProcrastinateJob)

TONES = {
    "late": "bad", "failed": "bad", "cut off": "wait", "running": "wait", "never ran": "plain", "ok": "good",
}  # fmt: skip


class Schedules(ChangeList):
    """The lines of the list, not the rows of the table: those are made when a schedule first runs."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(shown())
        self.result_count = self.full_result_count = len(self.result_list)


@admin.register(ScheduledRun)
class ScheduledRunAdmin(ReadOnlyAdmin[ScheduledRun]):
    list_display = ("name", "state", "why", "started_at", "succeeded_at", "failed_at", "said")
    sortable_by = ()
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

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Schedules

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> ScheduledRun | None:
        """Of each on the list, also where it never ran."""
        return next((run for run in shown() if run.pk == object_id), None)

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
        standing: Standing = run.standing  # type: ignore[attr-defined]  # of `shown`
        never = ", never ran" if standing.is_late and standing.never_ran else ""
        return badge(standing.state.capitalize() + never, TONES[standing.state])


def shown() -> Iterator[ScheduledRun]:
    """A row for each line of the list, with how it stands."""
    for one in standings():
        one.run.standing = one  # type: ignore[attr-defined]
        yield one.run


def late() -> tuple[list[Standing], datetime | None]:
    """Those without a success for too long, and since when the longest has none; None: one never had any."""
    found = [one for one in standings() if one.is_late]
    ends = [one.run.succeeded_at for one in found]
    since = None if None in ends else min((end for end in ends if end), default=None)
    return found, since
