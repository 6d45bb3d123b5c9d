"""The audit trail in the back office: what was changed, by whom, why; for auditors, to look at and to take away."""

import csv
from collections.abc import Iterator
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.utils import display_for_value
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from clinics.admin.base import ReadOnlyAdmin, SearchByNumber, badge, is_number
from clinics.models import Clinic
from clinics.step_up import ask_again
from clinics.trail import NOUNS, TRACKED, AuditEvent, tracked_tables

TONES: Final = {"insert": "good", "update": "wait", "delete": "bad"}
COLUMNS: Final = (
    "id", "when", "who", "operation", "row", "table", "before", "after", "changed, not kept", "why", "through",
    "source", "request", "database role",
)  # fmt: skip
# A spreadsheet takes a cell that begins with one of these for a formula.
FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r")
CHUNK: Final = 2_000


class OneLine:
    """What csv writes into: each line is handed on."""

    def write(self, line: str) -> str:
        return line


class TableFilter(admin.SimpleListFilter):
    title = "table"
    parameter_name = "table"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted(tracked_tables())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        return queryset.filter(table_name=self.value()) if self.value() else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(SearchByNumber[AuditEvent], ReadOnlyAdmin[AuditEvent]):
    list_display = ("number", "when_and_who", "concerned", "changed", "story")
    list_select_related = ("actor",)
    list_filter = (TableFilter, "channel")
    ordering = ("-pk",)
    search_help_text = (
        "An event's number; «user 5», «clinic 7», «clinic sunrise», «dispute 12», «lead 3», «request 4», … for what "
        "happened to it; «by 5» for what a user did."
    )
    readonly_fields = ("who", "concerned", "changed", "where_from")
    fieldsets = (
        (None, {"fields": ("occurred_at", "who", "concerned", "changed", "reason")}),
        ("Where from", {"fields": ("where_from", "request_id", "context_id", "os_user", "db_role")}),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name="clinics_auditevent_export"), *super().get_urls()]

    def _search(self, queryset: QuerySet[AuditEvent], term: str) -> QuerySet[AuditEvent] | None:
        if is_number(term):
            return queryset.filter(pk=int(term))
        noun, _, key = (part.strip() for part in term.lower().partition(" "))
        if noun == "by":
            return queryset.filter(actor=int(key)) if is_number(key) else queryset.none()
        if noun not in {*TRACKED.values(), *NOUNS.values()} or not key:
            return None
        if noun == "clinic" and not is_number(key):
            key = str(Clinic.objects.filter(slug=key).values_list("pk", flat=True).first() or "")
        return queryset.filter(about__contains=[f"{noun}:{key}"])

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The list as it is filtered, all of it, as CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if question := ask_again(request):
            return question
        listed: ChangeList = self.get_changelist_instance(request)
        rows = listed.get_queryset(request).order_by("pk").iterator(chunk_size=CHUNK)
        name = f"trail-{timezone.localdate():%Y-%m-%d}.csv"
        return StreamingHttpResponse(
            as_csv(rows),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @admin.display(description="No.")
    def number(self, event: AuditEvent) -> str:
        return str(event.pk)

    @admin.display(description="When, and who")
    def when_and_who(self, event: AuditEvent) -> SafeString:
        return format_html("{}<div>{}</div>", display_for_value(event.occurred_at, ""), self.who(event))

    @admin.display(description="Who")
    def who(self, event: AuditEvent) -> str:
        return event.actor.email if event.actor else event.behind_it

    @admin.display(description="What")
    def concerned(self, event: AuditEvent) -> SafeString:
        operation = badge(event.get_operation_display(), TONES[event.operation])
        facts = {"event": event, "operation": operation}
        return SafeString(render_to_string("admin/clinics/auditevent/_row.html", facts))

    @admin.display(description="Before → after")
    def changed(self, event: AuditEvent) -> SafeString:
        return SafeString(render_to_string("admin/clinics/auditevent/_changes.html", {"event": event}))

    @admin.display(description="Why, and from where")
    def story(self, event: AuditEvent) -> SafeString:
        return format_html(
            '{}<div class="quiet">{}</div>', event.reason or "–", event.source or event.get_channel_display()
        )

    @admin.display(description="From")
    def where_from(self, event: AuditEvent) -> str:
        return event.source or event.get_channel_display()


def as_csv(events: Iterator[AuditEvent]) -> Iterator[str]:
    writer = csv.writer(OneLine())
    yield writer.writerow(COLUMNS)
    for event in events:
        changes = [change for change in event.changes if not change.is_concealed]
        yield writer.writerow(
            safe_cell(cell)
            for cell in (
                event.pk,
                timezone.localtime(event.occurred_at).isoformat(),
                event.behind_it,
                event.operation,
                event.row,
                event.table_name,
                "; ".join(f"{change.column}: {change.before}" for change in changes if event.before),
                "; ".join(f"{change.column}: {change.after}" for change in changes if event.after),
                ", ".join(event.concealed),
                event.reason,
                event.get_channel_display(),
                event.source,
                event.request_id,
                event.db_role,
            )
        )


def safe_cell(value: Any) -> str:
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text
