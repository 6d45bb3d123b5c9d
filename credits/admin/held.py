"""Who released or refused a held lead: of its clinic, or staff with a reason."""

from typing import ClassVar

from django.contrib import admin

from clinics.admin.base import By, ReadOnlyAdmin, SearchByNumber
from credits.models import HeldLeadDecision


@admin.register(HeldLeadDecision)
class HeldLeadDecisionAdmin(SearchByNumber[HeldLeadDecision], ReadOnlyAdmin[HeldLeadDecision]):
    """What a lead waited for, what somebody decided, and what came of it."""

    list_display = ("lead", "action", "held_reason", "outcome", "reason_code", "who", "decided_at")
    list_select_related = ("lead", "decided_by")
    ordering = ("-pk",)
    search_help_text = "A row's number, or «lead 345»."
    search_words: ClassVar[dict[str, By]] = {"lead": By("lead_id", ("-pk",))}
    fields = ("lead", "action", "held_reason", "outcome", "reason_code", "who", "decided_at")
    readonly_fields = ("outcome", "who")

    @admin.display(description="Became")
    def outcome(self, decision: HeldLeadDecision) -> str:
        state, reason = decision.get_delivery_state_display(), decision.get_still_held_reason_display()
        return f"{state}: {reason}" if reason else str(state)

    @admin.display(description="By")
    def who(self, decision: HeldLeadDecision) -> str:
        return decision.decided_by.email
