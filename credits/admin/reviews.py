"""The review queue of finance: what no rule decides about a payment, with its facts and its possible ends."""

from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from clinics import audit
from clinics.admin.base import By, ReadOnlyAdmin, SearchByNumber, badge
from clinics.models import User
from credits.admin.payments import rupees
from credits.models import (
    CreditGrant,
    CreditTransaction,
    GatewayDispute,
    GatewayPayment,
    GatewayRefund,
    Reversal,
    ReviewItem,
    TopUp,
)
from credits.services.reviews import ReviewAlreadyClosed, close_review

MOST_ROWS: Final = 50
Resolution = ReviewItem.Resolution
MONEY_CAME: Final = (
    Resolution.REFUNDED_AT_GATEWAY,
    Resolution.CREDITED_BY_REQUEST,
    Resolution.EXPLAINED,
    Resolution.NOT_OURS,
)
# How a matter of each kind can end: money that came is sent back or credited; the others are explained.
POSSIBLE_ENDS: Final = {
    ReviewItem.Kind.AMOUNT: MONEY_CAME,
    ReviewItem.Kind.SECOND_PAYMENT: MONEY_CAME,
    ReviewItem.Kind.UNKNOWN_ORDER: MONEY_CAME,
    ReviewItem.Kind.PROMO: (Resolution.CREDITED_BY_REQUEST, Resolution.EXPLAINED),
    ReviewItem.Kind.REFUND: MONEY_CAME,
    ReviewItem.Kind.DISPUTE: MONEY_CAME,
    ReviewItem.Kind.EVENT: (Resolution.EXPLAINED, Resolution.NOT_OURS),
    ReviewItem.Kind.SETTLEMENT: MONEY_CAME,
}
WHAT_IT_SAYS: Final = {
    Resolution.REFUNDED_AT_GATEWAY: "the payer has the money back; the refund stands on this page",
    Resolution.CREDITED_BY_REQUEST: "the clinic has credits for it, by a request that a second person approved",
    Resolution.EXPLAINED: "our books and Razorpay's are right as they are; the note says why",
    Resolution.NOT_OURS: "it is about somebody else's money",
}


class CloseForm(forms.Form):
    """How a matter ended, and a note for whoever asks later."""

    resolution = forms.ChoiceField(label="How it ended", widget=forms.RadioSelect)
    note = forms.CharField(
        label="Note",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 60}),
        help_text="What was found and done, with ids. No patient's or payer's details.",
    )

    def __init__(self, item: ReviewItem, data: Any = None) -> None:
        super().__init__(data)
        field = self.fields["resolution"]
        assert isinstance(field, forms.ChoiceField)
        ends = POSSIBLE_ENDS[ReviewItem.Kind(item.kind)]
        field.choices = [(end.value, f"{end.label}: {WHAT_IT_SAYS[end]}") for end in ends]


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """A payment, refund or dispute as a line of the item's page."""

    what: str
    name: str
    page: str
    amount: str
    state: str
    about: str
    first_seen_at: datetime

    @classmethod
    def of(cls, row: GatewayPayment | GatewayRefund | GatewayDispute) -> "GatewayRow":
        page = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
        if isinstance(row, GatewayPayment):
            about = ", ".join(fact for fact in (row.order_id, row.method, row.error_reason) if fact)
            what, name, state = "Payment", row.payment_id, row.get_status_display()
        elif isinstance(row, GatewayRefund):
            about = row.payment.payment_id
            what, name, state = "Refund", row.refund_id or row.receipt or "", row.get_status_display()
        else:
            about = row.payment.payment_id
            what, name, state = "Dispute", row.dispute_id, f"{row.status}, {row.phase}"
        return cls(what, name, page, rupees(row.amount_paise), state, about, row.first_seen_at)


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything the books say about a matter."""

    top_up: TopUp | None
    gateway: list[GatewayRow]
    reversals: list[Reversal]
    ledger: list[CreditTransaction]
    others: list[ReviewItem]

    @classmethod
    def of(cls, item: ReviewItem) -> "Dossier":
        top_up = item.top_up or (item.payment.top_up if item.payment else None)
        payments = list(top_up.gateway_payments.order_by("pk")[:MOST_ROWS]) if top_up else []
        if item.payment and item.payment not in payments:
            payments.insert(0, item.payment)
        refunds = list(
            GatewayRefund.objects.filter(payment__in=payments).select_related("payment").order_by("pk")
        )
        disputes = list(
            GatewayDispute.objects.filter(payment__in=payments).select_related("payment").order_by("pk")
        )
        others = ReviewItem.objects.exclude(pk=item.pk)
        return cls(
            top_up=top_up,
            gateway=[
                *map(GatewayRow.of, payments),
                *map(GatewayRow.of, refunds),
                *map(GatewayRow.of, disputes),
            ],
            reversals=list(Reversal.objects.filter(top_up=top_up).order_by("pk")[:MOST_ROWS])
            if top_up
            else [],
            ledger=ledger_rows(top_up) if top_up else [],
            others=list(others.filter(top_up=top_up).order_by("pk")[:MOST_ROWS]) if top_up else [],
        )


def ledger_rows(top_up: TopUp) -> list[CreditTransaction]:
    """What the purchase brought, and what was taken back of it, each found by an index of its own."""
    brought = CreditGrant.objects.filter(purchase=top_up, origin__isnull=True).order_by("pk")
    taken = CreditTransaction.objects.filter(reversal__top_up=top_up).order_by("pk")
    keys = set(brought.values_list("transaction_id", flat=True)[:MOST_ROWS])
    keys.update(taken.values_list("pk", flat=True)[:MOST_ROWS])
    return list(CreditTransaction.objects.filter(pk__in=keys).order_by("pk"))


@admin.register(ReviewItem)
class ReviewItemAdmin(SearchByNumber[ReviewItem], ReadOnlyAdmin[ReviewItem]):
    """Open ones first, the oldest on top. «Change» of an item is closing it, once and with a note."""

    list_display = ("number", "matter", "standing", "clinic", "amount", "age", "raised_at")
    list_select_related = ("top_up__clinic", "payment__top_up__clinic")
    list_filter = ("state", "kind")
    ordering = ("-state", "pk")
    search_help_text = "An item's number, «top-up 6», or Razorpay's id of the payment."
    search_words: ClassVar[dict[str, By]] = {"top-up": By("top_up_id", ("-state", "pk"))}
    search_texts = (By("payment__payment_id"), By("key"))
    readonly_fields = (
        "number",
        "matter",
        "standing",
        "clinic",
        "amount",
        "age",
        "what_is_known",
        "closed_by_whom",
    )
    fieldsets = (
        (None, {"fields": ("number", "matter", "standing", "clinic", "amount", "top_up", "payment")}),
        ("What was noticed", {"fields": ("what_is_known", "raised_at", "age")}),
    )
    ending = ("How it ended", {"fields": ("resolution", "note", "closed_by_whom", "closed_at")})

    def get_fieldsets(self, request: HttpRequest, obj: ReviewItem | None = None) -> Any:
        return (
            [*self.fieldsets, self.ending] if obj and obj.state == ReviewItem.State.CLOSED else self.fieldsets
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.close_view)
        return [
            path("<path:object_id>/close/", view, name="credits_reviewitem_close"),
            *super().get_urls(),
        ]

    def may_close(self, request: HttpRequest) -> bool:
        return request.user.has_perm("credits.change_reviewitem") and self.has_view_permission(request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        item = self.get_object(request, unquote(object_id)) if self.has_view_permission(request) else None
        facts: dict[str, Any] = {}
        if item is not None:
            may_close = self.may_close(request) and item.state == ReviewItem.State.OPEN
            facts = {
                "dossier": Dossier.of(item),
                "close_form": CloseForm(item) if may_close else None,
                "ask_links": self._ask_links(request, item) if may_close else [],
            }
        return super().change_view(request, object_id, form_url, {**facts, **(extra_context or {})})

    def _ask_links(self, request: HttpRequest, item: ReviewItem) -> list[tuple[str, str]]:
        """Credits by hand for the clinic it is about, asked for with the item named."""
        top_up = item.top_up or (item.payment.top_up if item.payment else None)
        if top_up is None or not request.user.has_perm("clinics.request_money"):
            return []
        form = reverse("admin:credits_creditaccount_ask_adjustment", args=[top_up.clinic_id])
        return [(f"{form}?item={item.pk}", "Ask for an adjustment")]

    def close_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """POST <item>/close/: a person says how the matter ended; fields that are wrong come back with the page."""
        if not self.may_close(request):
            raise PermissionDenied
        item = self.get_object(request, unquote(object_id))
        if item is None:
            return self.no_such_row(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = CloseForm(item, request.POST)
        if item.state == ReviewItem.State.OPEN and not form.is_valid():
            return self._page_with_errors(request, object_id, form)
        self._close(request, item, form)
        return HttpResponseRedirect(reverse("admin:credits_reviewitem_change", args=[item.pk]))

    def _close(self, request: HttpRequest, item: ReviewItem, form: CloseForm) -> None:
        assert isinstance(request.user, User)
        try:
            if item.state == ReviewItem.State.CLOSED:
                raise ReviewAlreadyClosed
            with audit.because(Resolution(form.cleaned_data["resolution"]).label):
                close_review(item=item, by=request.user, **form.cleaned_data)
        except ReviewAlreadyClosed:
            item = ReviewItem.objects.select_related("closed_by").get(pk=item.pk)
            who, when = self.closed_by_whom(item), localize(timezone.localtime(item.closed_at))
            messages.warning(
                request,
                f"This item was closed before, by {who} on {when}. What they wrote stands; yours was not kept.",
            )
        else:
            self.log_change(request, item, "Closed.")
            messages.success(request, f"Item {item.pk} is closed.")

    def _page_with_errors(self, request: HttpRequest, object_id: str, form: CloseForm) -> HttpResponse:
        page = copy(request)
        page.method = "GET"  # the page itself has no form of Django's own that this could be
        response = self.change_view(page, object_id, extra_context={"close_form": form})
        response.status_code = 400
        return response

    @admin.display(description="No.")
    def number(self, item: ReviewItem) -> str:
        return str(item.pk)

    @admin.display(description="Matter")
    def matter(self, item: ReviewItem) -> str:
        return item.get_kind_display()

    @admin.display(description="State")
    def standing(self, item: ReviewItem) -> SafeString:
        return badge("Closed", "plain") if item.state == ReviewItem.State.CLOSED else badge("Open", "bad")

    @admin.display(description="Clinic")
    def clinic(self, item: ReviewItem) -> str:
        top_up = item.top_up or (item.payment.top_up if item.payment else None)
        return str(top_up.clinic) if top_up else "–"

    @admin.display(description="Amount")
    def amount(self, item: ReviewItem) -> str:
        paise = item.facts.get("amount_paise")
        return rupees(
            paise if isinstance(paise, int) else item.payment.amount_paise if item.payment else None
        )

    @admin.display(description="Age")
    def age(self, item: ReviewItem) -> str:
        return timesince(item.raised_at, item.closed_at or timezone.now(), depth=1)

    @admin.display(description="Facts")
    def what_is_known(self, item: ReviewItem) -> str:
        facts = [(name, value) for name, value in item.facts.items() if value is not None]
        return "\n".join(_fact(name, value) for name, value in facts) or "–"

    @admin.display(description="Closed by")
    def closed_by_whom(self, item: ReviewItem) -> str:
        return item.closed_by.email if item.closed_by else "–"


def _fact(name: str, value: Any) -> str:
    if name.endswith("_paise") and isinstance(value, int):
        return f"{name.removesuffix('_paise').replace('_', ' ').capitalize()}: {rupees(value)}"
    return f"{name.replace('_', ' ').capitalize()}: {value}"
