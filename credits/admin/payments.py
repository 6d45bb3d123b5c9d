"""What the gateway told us, to look at: events, payments, refunds, disputes; and promo codes. Amounts are shown in ₹.

Nothing is changed here but one thing: an event may be applied once more, which is safe at any time.
"""

from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.formats import number_format
from django.utils.safestring import SafeString

from clinics.admin.asking import AsksRequests
from clinics.admin.base import By, ReadOnlyAdmin, ReadOnlyInline, SearchByNumber, badge
from credits.admin.asking import PROMO_CODES
from credits.models import (
    GatewayDispute,
    GatewayEvent,
    GatewayPayment,
    GatewayRefund,
    PromoCode,
    PromoUse,
    ReviewItem,
)
from credits.services.events import process

EVENT_TONES = {GatewayEvent.Outcome.APPLIED: "good", GatewayEvent.Outcome.REVIEW: "bad"}
PAYMENT_TONES = {GatewayPayment.Status.CAPTURED: "good", GatewayPayment.Status.FAILED: "bad"}
REFUND_TONES = {GatewayRefund.Status.PROCESSED: "good", GatewayRefund.Status.FAILED: "bad"}
DISPUTE_TONES = {"won": "good", "lost": "bad", "closed": "plain"}
USE_TONES = {PromoUse.State.USED: "good", PromoUse.State.FORFEITED: "bad"}


def rupees(paise: int | None) -> str:
    """₹12,345.00, from the gateway's paise."""
    return "–" if paise is None else f"₹{number_format(Decimal(paise) / 100, 2)}"


class EventState(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [
            ("waiting", "Waiting"),
            *((str(value), str(label)) for value, label in GatewayEvent.Outcome.choices),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[GatewayEvent]) -> QuerySet[GatewayEvent]:
        if self.value() == "waiting":
            return queryset.filter(processed_at__isnull=True)
        return (
            queryset.filter(outcome=self.value()) if self.value() in GatewayEvent.Outcome.values else queryset
        )


@admin.register(GatewayEvent)
class GatewayEventAdmin(SearchByNumber[GatewayEvent], ReadOnlyAdmin[GatewayEvent]):
    """Webhook events. Their bodies are never shown: they hold the payer's address and number."""

    list_display = ("number", "event", "standing", "note", "deliveries", "received_at", "processed_at")
    list_filter = (EventState,)
    list_per_page = 100
    ordering = ("-pk",)
    search_help_text = "An event's number here, or Razorpay's id of it."
    search_texts = (By("event_id"),)
    fields = ("number", "event", "event_id", "standing", "note", "deliveries", "received_at", "processed_at")
    readonly_fields = ("number", "standing")
    actions = ("replay",)
    action_form = ActionForm  # no row changes by it that could carry a reason

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("credits.change_gatewayevent")

    def get_queryset(self, request: HttpRequest) -> QuerySet[GatewayEvent]:
        return super().get_queryset(request).defer("raw")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.replay_view)
        return [
            path("<path:object_id>/replay/", view, name="credits_gatewayevent_replay"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        may = {"may_replay": self.has_replay_permission(request)}
        return super().change_view(request, object_id, form_url, {**may, **(extra_context or {})})

    def replay_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """POST <event>/replay/: applies the event once more, and says what came of it."""
        if not (self.has_replay_permission(request) and self.has_view_permission(request)):
            raise PermissionDenied
        event = self.get_object(request, unquote(object_id))
        if event is None:
            return self.no_such_row(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self._apply_again(request, event)
        return HttpResponseRedirect(reverse("admin:credits_gatewayevent_change", args=[event.pk]))

    @admin.action(description="Apply the selected events once more", permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[GatewayEvent]) -> None:
        for event in queryset.order_by("pk"):
            self._apply_again(request, event)

    def _apply_again(self, request: HttpRequest, event: GatewayEvent) -> None:
        if event.raw is None:
            messages.warning(
                request, f"Event {event.pk}: its body was dropped after 90 days; nothing is left."
            )
            return
        process(event)
        outcome = event.get_outcome_display()
        self.log_change(request, event, f"Applied once more: {outcome}.")
        tone = messages.SUCCESS if event.processed_at else messages.WARNING
        messages.add_message(
            request, tone, f"Event {event.pk} was applied once more: {outcome}. {event.note}".strip()
        )

    @admin.display(description="No.")
    def number(self, event: GatewayEvent) -> str:
        return str(event.pk)

    @admin.display(description="State")
    def standing(self, event: GatewayEvent) -> SafeString:
        if not event.outcome:
            return badge("Not applied yet", "wait")
        return badge(
            event.get_outcome_display(), EVENT_TONES.get(GatewayEvent.Outcome(event.outcome), "wait")
        )


class InRupees:
    """Columns of rows that carry paise."""

    @admin.display(description="Amount")
    def amount(self, row: Any) -> str:
        return rupees(row.amount_paise)

    @admin.display(description="Clinic")
    def clinic(self, row: Any) -> str:
        payment = row if isinstance(row, GatewayPayment) else row.payment
        return str(payment.top_up.clinic) if payment.top_up else "–"


class RefundInline(InRupees, ReadOnlyInline):
    model = GatewayRefund
    fields = ("refund_id", "receipt", "amount", "status", "reversal_key", "first_seen_at")
    show_change_link = True


class DisputeInline(InRupees, ReadOnlyInline):
    model = GatewayDispute
    fields = ("dispute_id", "amount", "phase", "status", "reversal_key", "first_seen_at")
    show_change_link = True


class ReviewInline(ReadOnlyInline):
    model = ReviewItem
    fields = ("kind", "state", "resolution", "raised_at")
    show_change_link = True


@admin.register(GatewayPayment)
class GatewayPaymentAdmin(InRupees, SearchByNumber[GatewayPayment], ReadOnlyAdmin[GatewayPayment]):
    list_display = (
        "payment_id",
        "clinic",
        "standing",
        "amount",
        "refunded",
        "method",
        "top_up",
        "first_seen_at",
    )
    list_select_related = ("top_up__clinic",)
    list_filter = ("status",)
    ordering = ("-pk",)
    search_help_text = "Razorpay's id of the payment or of its order, or «top-up 6»."
    search_words: ClassVar[dict[str, By]] = {"top-up": By("top_up_id", ("-pk",))}
    search_texts = (By("payment_id"), By("order_id"))
    inlines = (RefundInline, DisputeInline, ReviewInline)
    readonly_fields = ("clinic", "standing", "amount", "refunded", "fee", "tax")
    fieldsets = (
        (None, {"fields": ("payment_id", "order_id", "top_up", "clinic", "standing", "captured")}),
        ("Amounts", {"fields": ("amount", "currency", "refunded", "fee", "tax")}),
        ("How", {"fields": ("method", "error_reason", "first_source", "carries_our_notes")}),
        ("Times", {"fields": ("made_at", "first_seen_at", "updated_at")}),
    )

    @admin.display(description="State")
    def standing(self, payment: GatewayPayment) -> SafeString:
        tone = PAYMENT_TONES.get(GatewayPayment.Status(payment.status), "wait")
        return badge(payment.get_status_display(), tone)

    @admin.display(description="Refunded")
    def refunded(self, payment: GatewayPayment) -> str:
        return rupees(payment.amount_refunded_paise)

    @admin.display(description="Fee, its tax included")
    def fee(self, payment: GatewayPayment) -> str:
        return rupees(payment.fee_paise)

    @admin.display(description="Tax in the fee")
    def tax(self, payment: GatewayPayment) -> str:
        return rupees(payment.tax_paise)


@admin.register(GatewayRefund)
class GatewayRefundAdmin(InRupees, SearchByNumber[GatewayRefund], ReadOnlyAdmin[GatewayRefund]):
    """Money back to payers: ours have a receipt, others' were made at Razorpay."""

    list_display = (
        "number",
        "refund_id",
        "receipt",
        "payment",
        "clinic",
        "amount",
        "standing",
        "first_seen_at",
    )
    list_select_related = ("payment__top_up__clinic",)
    list_filter = ("status",)
    ordering = ("-pk",)
    search_help_text = "A refund's number here, Razorpay's id of it or of its payment, or our receipt."
    search_texts = (By("refund_id"), By("receipt"), By("payment__payment_id"))
    readonly_fields = ("number", "clinic", "amount", "standing")
    fields = (
        "number", "refund_id", "receipt", "payment", "clinic", "amount", "standing", "reversal_key", "paired_dispute",
        "first_seen_at", "updated_at",
    )  # fmt: skip

    @admin.display(description="No.")
    def number(self, refund: GatewayRefund) -> str:
        return str(refund.pk)

    @admin.display(description="State")
    def standing(self, refund: GatewayRefund) -> SafeString:
        return badge(
            refund.get_status_display(), REFUND_TONES.get(GatewayRefund.Status(refund.status), "wait")
        )


@admin.register(GatewayDispute)
class GatewayDisputeAdmin(InRupees, SearchByNumber[GatewayDispute], ReadOnlyAdmin[GatewayDispute]):
    """Disputes of payers' banks about payments; a clinic's dispute about a lead is another thing."""

    list_display = ("dispute_id", "payment", "clinic", "amount", "phase", "standing", "first_seen_at")
    list_select_related = ("payment__top_up__clinic",)
    list_filter = ("status", "phase")
    ordering = ("-pk",)
    search_help_text = "Razorpay's id of the dispute or of its payment."
    search_texts = (By("dispute_id"), By("payment__payment_id"))
    readonly_fields = ("clinic", "amount", "standing")
    fields = (
        "dispute_id", "payment", "clinic", "amount", "phase", "standing", "highest_phase", "won_phase", "reversal_key",
        "first_seen_at", "updated_at",
    )  # fmt: skip

    @admin.display(description="State")
    def standing(self, dispute: GatewayDispute) -> SafeString:
        return badge(dispute.status.replace("_", " ").capitalize(), DISPUTE_TONES.get(dispute.status, "wait"))


@admin.register(PromoCode)
class PromoCodeAdmin(AsksRequests[PromoCode], ReadOnlyAdmin[PromoCode]):
    """Codes are made, changed and ended by a request that a second person approves."""

    asking = PROMO_CODES

    list_display = ("code", "gives", "least_price", "valid_from", "valid_until", "max_uses", "sale")
    list_filter = ("is_active",)
    search_fields = ("code",)
    ordering = ("-pk",)
    readonly_fields = ("gives", "sale")
    fields = (
        "code", "gives", "least_price", "valid_from", "valid_until", "max_uses", "max_uses_per_clinic", "sale",
        "created_at",
    )  # fmt: skip

    @admin.display(description="Gives")
    def gives(self, code: PromoCode) -> str:
        if code.percent is not None:
            return f"{code.percent.normalize():f} % of the price"
        return f"{number_format(code.fixed_bonus or 0, 2)} credits"

    @admin.display(description="State")
    def sale(self, code: PromoCode) -> SafeString:
        return badge("Active", "good") if code.is_active else badge("Withdrawn")


@admin.register(PromoUse)
class PromoUseAdmin(SearchByNumber[PromoUse], ReadOnlyAdmin[PromoUse]):
    list_display = ("number", "promo_code", "clinic", "top_up", "standing", "reserved_until", "decided_at")
    list_select_related = ("promo_code", "top_up__clinic")
    list_filter = ("state",)
    ordering = ("-pk",)
    search_help_text = "A use's number, a code, or «top-up 6»."
    search_words: ClassVar[dict[str, By]] = {"top-up": By("top_up_id")}
    search_texts = (By("promo_code__code"),)
    readonly_fields = ("number", "clinic", "standing")
    fields = ("number", "promo_code", "clinic", "top_up", "standing", "reserved_until", "decided_at")

    @admin.display(description="No.")
    def number(self, use: PromoUse) -> str:
        return str(use.pk)

    @admin.display(description="Clinic")
    def clinic(self, use: PromoUse) -> str:
        return str(use.top_up.clinic)

    @admin.display(description="State")
    def standing(self, use: PromoUse) -> SafeString:
        return badge(use.get_state_display(), USE_TONES.get(PromoUse.State(use.state), "wait"))
