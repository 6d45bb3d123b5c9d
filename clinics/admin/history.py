"""What the audit trail says of one row: the «History» of its page, in the place of Django's own."""

import hashlib
from typing import Any, Final, TypeVar

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from clinics.trail import TRACKED, AuditEvent, tracked_tables

M = TypeVar("M", bound=Model)

MOST_EVENTS: Final = 200
# Models of which each viewer sees only some rows.
SEEN_IN_PART: Final = {"clinics.staffrequest"}


def key_in_the_trail(row: Model) -> str:
    """As the trigger writes it: of a secret key (a token's hash) only a digest."""
    key = str(row.pk)
    if row._meta.pk.name == "digest":
        return hashlib.sha256(key.encode()).hexdigest()[:16]
    return key


def tables_seen(request: HttpRequest, own: str) -> list[str]:
    """A clinic's history tells of its account too, to those who may view accounts; of all requests to auditors."""

    def may_view(label: str) -> bool:
        app, model = label.split(".")
        right = "clinics.view_auditevent" if label in SEEN_IN_PART else f"{app}.view_{model}"
        return request.user.has_perm(right)

    return [table for table, label in tracked_tables().items() if table == own or may_view(label)]


class MissesRows(admin.ModelAdmin[M]):
    """What every page of one row answers where there is none."""

    def no_such_row(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Back to the start of the back office with a message, as Django's own pages do."""
        return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]


class KeepsHistory(MissesRows[M]):
    """Django's own history is made of log entries, which only its forms write, and which go with their user."""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self.no_such_row(request, object_id)
        if not self.has_view_or_change_permission(request, row):
            raise PermissionDenied
        noun = TRACKED.get(self.opts.label_lower)
        events = AuditEvent.objects.none()
        if noun is not None:
            about = AuditEvent.objects.about(noun, key_in_the_trail(row)).filter(
                table_name__in=tables_seen(request, self.opts.db_table)
            )
            events = about.select_related("actor").newest_first()[: MOST_EVENTS + 1]
        found = list(events)
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {self.opts.verbose_name} {getattr(self, 'label', str)(row)}",
            "subtitle": None,
            "opts": self.opts,
            "object": row,
            "is_tracked": noun is not None,
            "events": found[:MOST_EVENTS],
            "most": MOST_EVENTS if len(found) > MOST_EVENTS else 0,
            "search": f"{noun} {key_in_the_trail(row)}",
            "entries": () if noun else self._log_entries(row),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/object_history.html", context)

    def _log_entries(self, row: M) -> QuerySet[LogEntry]:
        """Of rows that no form changes, but an action of staff does (an event that is applied once more)."""
        kind = ContentType.objects.get_for_model(self.model)
        entries = LogEntry.objects.filter(content_type=kind, object_id=str(row.pk))
        return entries.select_related("user").order_by("-pk")[:MOST_EVENTS]
