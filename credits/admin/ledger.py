"""The ledger's pages: read-only for everybody, as fast on ten million rows as on ten.

Lists go by number, newest first, and are narrowed by exact numbers that an index serves.
"""

from typing import ClassVar

from django.contrib import admin
from django.utils.safestring import SafeString

from clinics.admin.asking import AsksRequests
from clinics.admin.base import By, OfOneClinic, ReadOnlyAdmin, ReadOnlyInline, SearchByNumber, badge
from credits.admin.asking import ADJUSTMENT
from credits.admin.explaining import ExplainsBalance
from credits.admin.switching import FREEZE
from credits.models import CreditAccount, CreditGrant, CreditTransaction, GrantConsumption, Reversal

TYPE_TONES = {
    CreditTransaction.Type.CREDIT: "good",
    CreditTransaction.Type.BONUS: "good",
    CreditTransaction.Type.REFUND: "wait",
    CreditTransaction.Type.REVERSAL: "bad",
    CreditTransaction.Type.ADJUSTMENT: "wait",
}


@admin.register(CreditAccount)
class CreditAccountAdmin(ExplainsBalance, AsksRequests[CreditAccount], ReadOnlyAdmin[CreditAccount]):
    asking = (ADJUSTMENT, FREEZE)
    list_display = ("clinic", "balance", "owed", "delivery", "last_posted_at")
    list_select_related = ("clinic",)
    search_fields = ("clinic__name", "clinic__slug", "clinic__city")
    search_help_text = "The clinic's name, slug or city."
    ordering = ("clinic__name", "pk")
    sortable_by = ()
    readonly_fields = ("delivery",)
    fieldsets = (
        (None, {"fields": ("clinic", "balance", "owed", "delivery", "last_sequence", "last_posted_at")}),
        (
            "Limits",
            {
                "fields": (
                    "daily_cap",
                    "monthly_cap",
                    "highest_cost",
                    "auto_release",
                    "low_balance_thresholds",
                )
            },
        ),
        ("Charged", {"fields": ("charged_on", "charged_today", "charged_this_month")}),
        ("Pause and freeze", {"fields": ("paused_at", "paused_until", "frozen_at", "frozen_reason")}),
    )

    def label(self, row: CreditAccount) -> str:
        return str(row.clinic)

    @admin.display(description="Delivery")
    def delivery(self, account: CreditAccount) -> SafeString:
        return delivery_badge(account)


def delivery_badge(account: CreditAccount) -> SafeString:
    """Why leads of this account are held, as far as its own row says."""
    if account.frozen_at is not None:
        return badge("Frozen by staff", "bad")
    if account.owed > 0:
        return badge("Frozen: owes credits", "bad")
    if account.paused_at is not None:
        return badge("Paused", "wait")
    return badge("Open", "good")


class TypeOfOneClinic(OfOneClinic):
    title = "type"
    parameter_name = "type"
    column = "transaction_type"
    options = CreditTransaction.Type


class GrantInline(ReadOnlyInline):
    """What an incoming row brought."""

    model = CreditGrant
    fields = ("kind", "amount", "remaining", "expires_at", "purchase")
    select_related = ("purchase",)
    show_change_link = True


class ConsumptionInline(ReadOnlyInline):
    """What a negative row used."""

    model = GrantConsumption
    fields = ("grant", "amount", "returned")
    select_related = ("grant",)
    show_change_link = True


@admin.register(CreditTransaction)
class CreditTransactionAdmin(SearchByNumber[CreditTransaction], ReadOnlyAdmin[CreditTransaction]):
    list_display = ("number", "clinic", "kind", "amount", "balance_after", "cause", "created_at")
    list_select_related = ("clinic",)
    list_filter = (TypeOfOneClinic,)
    list_per_page = 100
    ordering = ("-pk",)
    search_help_text = (
        "A row's number, «clinic 7», «clinic sunrise», «lead 345», «top-up 6», or a payment's id."
    )
    search_words: ClassVar[dict[str, By]] = {
        "clinic": By("clinic_id", ("-sequence",)),
        "lead": By("lead_id", ("pk",), ({"transaction_type": "deduction"}, {"transaction_type": "refund"})),
        "top-up": By("top_up_id", ("pk",), ({"transaction_type": "credit"},)),
        "reversal": By("reversal_id", ("pk",)),
    }
    search_texts = (By("payment_id", (), ({"transaction_type": "credit"},)),)
    inlines = (GrantInline, ConsumptionInline)
    readonly_fields = ("number", "kind")
    fieldsets = (
        (None, {"fields": ("number", "clinic", "sequence", "kind", "amount", "balance_after", "created_at")}),
        ("Cause", {"fields": ("description", "lead", "top_up", "reversal", "payment_id", "idempotency_key")}),
    )

    @admin.display(description="No.")
    def number(self, row: CreditTransaction) -> str:
        return str(row.pk)

    @admin.display(description="Type")
    def kind(self, row: CreditTransaction) -> SafeString:
        tone = TYPE_TONES.get(CreditTransaction.Type(row.transaction_type), "plain")
        return badge(row.get_transaction_type_display(), tone)

    @admin.display(description="For")
    def cause(self, row: CreditTransaction) -> str:
        if row.lead_id:
            return f"Lead {row.lead_id}"
        if row.top_up_id:
            return f"Top-up {row.top_up_id}"
        return f"Reversal {row.reversal_id}" if row.reversal_id else row.description


@admin.register(CreditGrant)
class CreditGrantAdmin(SearchByNumber[CreditGrant], ReadOnlyAdmin[CreditGrant]):
    list_display = ("number", "clinic", "kind", "amount", "remaining", "expires_at", "created_at")
    list_select_related = ("clinic",)
    list_per_page = 100
    ordering = ("-pk",)
    search_help_text = (
        "A grant's number, «clinic 7» for what it can still spend, «transaction 9», «top-up 6»."
    )
    search_words: ClassVar[dict[str, By]] = {
        "clinic": By("clinic_id", ("expires_at", "pk"), ({"open": True},)),
        "transaction": By("transaction_id", ("pk",)),
        "top-up": By("purchase_id", ("pk",)),
    }
    fieldsets = (
        (None, {"fields": ("number", "clinic", "kind", "amount", "remaining", "expires_at", "created_at")}),
        ("Origin", {"fields": ("transaction", "origin", "purchase")}),
    )
    readonly_fields = ("number",)

    @admin.display(description="No.")
    def number(self, grant: CreditGrant) -> str:
        return str(grant.pk)


@admin.register(GrantConsumption)
class GrantConsumptionAdmin(SearchByNumber[GrantConsumption], ReadOnlyAdmin[GrantConsumption]):
    list_display = ("number", "grant_number", "transaction_number", "amount", "returned")
    list_per_page = 100
    ordering = ("-pk",)
    search_help_text = "A consumption's number, «grant 8» or «transaction 9»."
    search_words: ClassVar[dict[str, By]] = {
        "grant": By("grant_id", ("-pk",)),
        "transaction": By("transaction_id", ("pk",)),
    }

    @admin.display(description="No.")
    def number(self, row: GrantConsumption) -> str:
        return str(row.pk)

    @admin.display(description="Grant")
    def grant_number(self, row: GrantConsumption) -> str:
        return str(row.grant_id)

    @admin.display(description="Transaction")
    def transaction_number(self, row: GrantConsumption) -> str:
        return str(row.transaction_id)


@admin.register(Reversal)
class ReversalAdmin(SearchByNumber[Reversal], ReadOnlyAdmin[Reversal]):
    """Money the gateway took back, and what is still owed for it."""

    list_display = ("key", "top_up", "standing", "paid_share", "bonus_share", "owed_open", "created_at")
    list_select_related = ("top_up",)
    ordering = ("-pk",)
    search_help_text = "A reversal's number, its key, or «top-up 6»."
    search_words: ClassVar[dict[str, By]] = {"top-up": By("top_up_id", ("-pk",))}
    search_texts = (By("key"),)

    @admin.display(description="State")
    def standing(self, row: Reversal) -> SafeString:
        if row.state == Reversal.State.RESTORED:
            return badge("Restored", "good")
        return badge("Taken, credits owed", "bad") if row.owed_open else badge("Taken", "wait")
