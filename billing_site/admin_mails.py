"""Mails in the back office: what was sent, what waits, and what was given up. No address, no text."""

import logging
from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from clinics.admin.base import By, ReadOnlyAdmin, SearchByNumber, badge
from clinics.admin.reasons import REASON
from clinics.models import OutgoingMail

logger = logging.getLogger(__name__)
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

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutgoingMail]) -> QuerySet[OutgoingMail]:
        return queryset.filter(**STATES[self.value()][1]) if self.value() in STATES else queryset  # type: ignore[index]


@admin.register(OutgoingMail)
class OutgoingMailAdmin(SearchByNumber[OutgoingMail], ReadOnlyAdmin[OutgoingMail]):
    """To look at; what was given up may be sent again, by an action with its reason."""

    list_display = ("number", "clinic", "about", "state", "tries", "problem", "created_at")
    list_select_related = ("clinic", "notice")
    list_filter = (State,)
    ordering = ("-pk",)
    search_help_text = "A mail's number, or its key («notice:12:3»)."
    search_texts = (By("unique_key"),)
    fields = (
        "clinic", "kind", "about", "state", "tries", "problem", "created_at", "due_at", "done_at", "given_up_at",
        "unique_key", "message_id",
    )  # fmt: skip
    readonly_fields: ClassVar[tuple[str, ...]] = ("about", "state", "message_id")
    actions = ("send_again",)

    def has_send_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("clinics.change_outgoingmail")

    @admin.action(description="Send again what was given up", permissions=["send_again"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[OutgoingMail]) -> None:
        chosen = list(queryset.filter(given_up_at__isnull=False).values_list("pk", flat=True))
        count = OutgoingMail.objects.filter(pk__in=chosen).send_again()
        numbers, why = ", ".join(map(str, chosen)), request.POST.get(REASON, "").strip()
        logger.info(f"Mails put back: {numbers}, by user {request.user.pk}, because: {why}")
        messages.success(request, f"To be sent again: {count}.")

    @admin.display(description="No.")
    def number(self, mail: OutgoingMail) -> str:
        return str(mail.pk)

    @admin.display(description="About")
    def about(self, mail: OutgoingMail) -> str:
        if mail.notice is not None:
            return f"{mail.notice.kind}, notice {mail.notice_id}, to membership {mail.membership_id}"
        if mail.membership_id is not None:
            return f"summary of {mail.data.get('day', '')}, to membership {mail.membership_id}"
        return f"waits, to the patient of lead {mail.data.get('lead_id', '')}"

    @admin.display(description="State")
    def state(self, mail: OutgoingMail) -> SafeString:
        if mail.given_up_at is not None:
            return badge("Given up", "bad")
        if mail.done_at is not None:
            return badge("Not needed") if mail.problem else badge("Sent", "good")
        return badge("Waiting", "wait")
