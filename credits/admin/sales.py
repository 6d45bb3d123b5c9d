"""What clinics buy and the rules of billing, in the back office."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from clinics.admin.asking import Asking, AsksRequests
from clinics.admin.base import By, ReadOnlyAdmin, SearchByNumber, badge
from credits.admin.asking import CASH_REFUND, PACKAGES, RULES
from credits.admin.switching import CHARGING, TOP_UPS
from credits.models import BillingRules, CreditPackage, TopUp

TOP_UP_TONES = {TopUp.State.PAID: "good", TopUp.State.OPEN: "wait", TopUp.State.ABANDONED: "bad"}


@admin.register(TopUp)
class TopUpAdmin(AsksRequests[TopUp], SearchByNumber[TopUp], ReadOnlyAdmin[TopUp]):
    asking = (CASH_REFUND,)
    list_display = ("number", "clinic", "standing", "price", "bonus", "gross", "created_at", "paid_at")
    list_select_related = ("clinic",)
    list_filter = ("state",)
    ordering = ("-pk",)
    search_help_text = "A top-up's number, «clinic 7», «clinic sunrise», or Razorpay's order or payment id."
    search_words: ClassVar[dict[str, By]] = {"clinic": By("clinic_id", ("-pk",))}
    search_texts = (By("razorpay_order_id"), By("razorpay_payment_id"))
    readonly_fields = ("number", "standing", "buyer")
    fieldsets = (
        (None, {"fields": ("number", "clinic", "standing", "package", "buyer")}),
        ("Amounts", {"fields": ("price", "bonus", "promo_bonus", "tax", "gross", "currency")}),
        ("Razorpay", {"fields": ("razorpay_order_id", "razorpay_payment_id")}),
        ("Times", {"fields": ("created_at", "ordered_at", "paid_at")}),
    )

    def can_ask(self, request: HttpRequest, asking: Asking, row: TopUp | None) -> bool:
        """Only what was paid can be paid back."""
        return super().can_ask(request, asking, row) and row is not None and row.state == TopUp.State.PAID

    @admin.display(description="No.")
    def number(self, top_up: TopUp) -> str:
        return str(top_up.pk)

    @admin.display(description="State")
    def standing(self, top_up: TopUp) -> SafeString:
        return badge(top_up.get_state_display(), TOP_UP_TONES.get(TopUp.State(top_up.state), "plain"))

    @admin.display(description="Bought by")
    def buyer(self, top_up: TopUp) -> str:
        return top_up.created_by.email if top_up.created_by else "–"


@admin.register(CreditPackage)
class CreditPackageAdmin(AsksRequests[CreditPackage], ReadOnlyAdmin[CreditPackage]):
    """What the top-up page sells. Changed by a request that a second person approves."""

    asking = PACKAGES

    list_display = ("name", "price", "credits", "surplus", "sale", "created_at")
    ordering = ("price", "pk")
    readonly_fields = ("surplus",)
    fields = ("name", "price", "credits", "surplus", "is_active", "created_at")

    @admin.display(description="Bonus")
    def surplus(self, package: CreditPackage) -> str:
        return f"{package.bonus:.2f}"

    @admin.display(description="State")
    def sale(self, package: CreditPackage) -> SafeString:
        return badge("On sale", "good") if package.is_active else badge("Withdrawn")


@admin.register(BillingRules)
class BillingRulesAdmin(AsksRequests[BillingRules], ReadOnlyAdmin[BillingRules]):
    """The one row of rules: its numbers are changed by two people, its switches thrown by one."""

    asking = (RULES, CHARGING, TOP_UPS)

    list_display = ("name", "charging", "top_ups", "updated_at")
    fieldsets: ClassVar[Any] = (
        ("Validity in days", {"fields": ("bonus_valid_days", "returned_valid_days", "held_valid_days")}),
        ("Delivery", {"fields": ("repeat_window_days", "auto_release_hours", "release_batch")}),
        ("Disputes", {"fields": ("staff_refund_limit", "appeal_days", "dispute_hours")}),
        ("Switches", {"fields": ("charging_stopped_at", "top_ups_stopped_at", "updated_at")}),
    )

    @admin.display(description="Rules")
    def name(self, rules: BillingRules) -> str:
        return str(rules)

    @admin.display(description="Charging")
    def charging(self, rules: BillingRules) -> SafeString:
        return badge("Stopped", "bad") if rules.charging_stopped_at else badge("On", "good")

    @admin.display(description="Top-ups")
    def top_ups(self, rules: BillingRules) -> SafeString:
        return badge("Stopped", "bad") if rules.top_ups_stopped_at else badge("On", "good")
