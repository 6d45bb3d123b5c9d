"""What mails and webhooks share in the back office: the state of a row, as a filter and as a badge."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from clinics.admin.base import badge
from clinics.models import Errand

Named = Mapping[str, tuple[str, Q]]  # label and condition, by the word in the address

STATES: Final[Named] = {
    "given_up": ("Given up", Q(given_up_at__isnull=False)),
    "waiting": ("Waiting", Q(done_at=None, given_up_at=None)),
    "sent": ("Sent, or not needed any more", Q(done_at__isnull=False)),
}


class Conditions(admin.SimpleListFilter):
    """A filter that keeps what meets one of its conditions; a word it does not know keeps all."""

    conditions: ClassVar[Named]

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in self.conditions.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        _, condition = self.conditions.get(self.value() or "", ("", Q()))
        return queryset.filter(condition)


class State(Conditions):
    title = "state"
    parameter_name = "state"
    conditions = STATES


def state_badge(row: Errand, *, done: str, dropped: str) -> SafeString:
    """`done` and `dropped` are the words for what left, and for what nobody waited for any more."""
    if row.given_up_at is not None:
        return badge("Given up", "bad")
    if row.done_at is not None:
        return badge(dropped) if row.problem else badge(done, "good")
    return badge("Waiting", "wait")
