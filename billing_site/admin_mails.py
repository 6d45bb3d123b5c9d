"""Mails in the back office: what was sent, what waits, and what was given up. No address, no text."""

import logging
from typing import ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from billing_site.admin_errands import State, state_badge
from clinics.admin.base import By, ReadOnlyAdmin, SearchByNumber
from clinics.admin.reasons import REASON
from clinics.models import OutgoingMail

logger = logging.getLogger(__name__)


@admin.register(OutgoingMail)
class OutgoingMailAdmin(SearchByNumber[OutgoingMail], ReadOnlyAdmin[OutgoingMail]):
    """To look at; what was given up may be sent again, by an action with its reason."""

    list_display = ("number", "clinic", "about", "state", "problem", "created_at")
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
        if mail.kind == OutgoingMail.Kind.INVITATION:
            return f"invitation {mail.data.get('invitation_id', '')}"
        if mail.kind == OutgoingMail.Kind.SIGN_IN:
            return f"signing in: {mail.data.get('about', '').replace('_', ' ')}"
        if mail.kind in (OutgoingMail.Kind.NEW_OWNER, OutgoingMail.Kind.ANSWERED):
            return f"{mail.kind.replace('_', ' ')}, to membership {mail.membership_id}"
        if mail.membership_id is not None:
            return f"summary of {mail.data.get('day', '')}, to membership {mail.membership_id}"
        return f"waits, to the patient of lead {mail.data.get('lead_id', '')}"

    @admin.display(description="State")
    def state(self, mail: OutgoingMail) -> SafeString:
        return state_badge(mail, done="Sent", dropped="Not needed")
