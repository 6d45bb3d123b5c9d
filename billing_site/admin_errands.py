"""What mails and webhooks share in the back office: the state of a row, as a filter and as a badge."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from clinics.admin.base import badge
from clinics.models import Errand

STATES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "given_up": ("Given up", {"given_up_at__isnull": False}),
    "waiting": ("Waiting", {"done_at": None, "given_up_at": None}),
    "sent": ("Sent, or not needed any more", {"done_at__isnull": False}),
}


class State(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Errand]) -> QuerySet[Errand]:
        return queryset.filter(**STATES[self.value()][1]) if self.value() in STATES else queryset  # type: ignore[index]


def state_badge(row: Errand, *, done: str, dropped: str) -> SafeString:
    """`done` and `dropped` are the words for what left, and for what nobody waited for any more."""
    if row.given_up_at is not None:
        return badge("Given up", "bad")
    if row.done_at is not None:
        return badge(dropped) if row.problem else badge(done, "good")
    return badge("Waiting", "wait")
