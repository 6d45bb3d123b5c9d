"""What finance asks for on the pages of accounts, top-ups, packages, promo codes and rules (rule 7)."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime
from django.http import HttpRequest

from clinics.admin.asking import AskForm, Asking
from clinics.admin.base import is_number
from clinics.models import StaffRequest
from clinics.requests import Why, as_text
from credits.models import BillingRules, CreditPackage, PromoCode, ReviewItem
from credits.services import requests


class AmountField(forms.DecimalField):
    """Credits or ₹, to the paisa; negative only where `min_value` says so."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_digits": 12, "decimal_places": 2, "min_value": Decimal(0), **kwargs})


class AdjustmentForm(AskForm):
    """On an account's page; from a review item it comes with the item (`?item=7`)."""

    heading = "Ask for an adjustment"
    amount = AmountField(
        label="Credits", min_value=None, help_text="Given as goodwill; with a minus taken, never below zero."
    )
    description = forms.CharField(
        label="The clinic reads", max_length=200, help_text="Stands in its history, for good."
    )
    review_item = forms.ModelChoiceField(
        label="Settles the review item",
        queryset=ReviewItem.objects.none(),
        required=False,
        help_text="An open item of this clinic, if it is about one.",
    )

    def __init__(self, request: HttpRequest, row: Any, data: Any = None) -> None:
        super().__init__(request, row, data)
        field = self.fields["review_item"]
        assert isinstance(field, forms.ModelChoiceField)
        items = ReviewItem.objects.filter(state=ReviewItem.State.OPEN)
        field.queryset = (
            items.filter(top_up__clinic=row.pk) | items.filter(payment__top_up__clinic=row.pk)
        ).order_by("pk")

    def initial_of(self, request: HttpRequest) -> dict[str, Any]:
        item = request.GET.get("item", "")
        if not is_number(item):
            return {}
        return {"review_item": int(item), "reason_code": StaffRequest.Reason.REVIEW_ITEM}

    def facts(self) -> Sequence[tuple[str, str]]:
        return [("Balance, credits", as_text(self.row.balance)), ("Owed, credits", as_text(self.row.owed))]

    def submit(self, why: Why) -> StaffRequest:
        typed = self.typed()
        return requests.ask_adjustment(
            clinic=self.row.clinic, item=typed.pop("review_item"), why=why, **typed
        )


class CashRefundForm(AskForm):
    heading = "Ask for a cash refund"
    amount = AmountField(
        label="Credits to take back",
        min_value=Decimal("0.01"),
        help_text="Of its unspent paid credits. The payer gets as many rupees, and the tax paid on them. "
        "The same share of its bonus is taken too, as far as it is unspent.",
    )

    def facts(self) -> Sequence[tuple[str, str]]:
        unspent = requests.unspent_of(self.row)
        return [
            ("Clinic", self.row.clinic.name),
            ("Paid, ₹", as_text(self.row.gross)),
            ("Unspent paid credits left", as_text(unspent)),
            ("Bonus credited with it", as_text(requests.bonus_of(self.row))),
            ("Bonus taken with all of them, at most", as_text(requests.bonus_taken_with(self.row, unspent))),
        ]

    def submit(self, why: Why) -> StaffRequest:
        return requests.ask_cash_refund(top_up=self.row, why=why, **self.typed())


class PackageForm(AskForm):
    heading = "Ask for a change of this package"
    name = forms.CharField(max_length=60)
    price = AmountField(label="Price before tax, ₹", help_text="Whole rupees.")
    credits = AmountField(label="Credits in all", help_text="What is above the price is the bonus.")
    is_active = forms.BooleanField(
        label="On sale", required=False, initial=True, help_text="Untick to withdraw it."
    )

    def initial_of(self, request: HttpRequest) -> dict[str, Any]:
        package: CreditPackage | None = self.row
        return {name: getattr(package, name) for name in requests.PACKAGE_LABELS} if package else {}

    def submit(self, why: Why) -> StaffRequest:
        return requests.ask_package(package=self.row, why=why, **self.typed())


class NewPackageForm(PackageForm):
    heading = "Ask for a new package"


class PromoForm(AskForm):
    heading = "Ask for a change of this promo code"
    percent = forms.DecimalField(
        label="Per cent of the price", max_digits=5, decimal_places=2, required=False, help_text="Or"
    )
    fixed_bonus = AmountField(label="Fixed bonus credits", required=False)
    least_price = AmountField(label="Least price, ₹", initial=Decimal(0))
    valid_from = forms.SplitDateTimeField(required=False, widget=AdminSplitDateTime, help_text="In India.")
    valid_until = forms.SplitDateTimeField(required=False, widget=AdminSplitDateTime, help_text="In India.")
    max_uses = forms.IntegerField(label="Uses in all", required=False, min_value=1, max_value=2**31 - 1)
    max_uses_per_clinic = forms.IntegerField(
        label="Uses per clinic", required=False, min_value=1, max_value=2**31 - 1
    )
    is_active = forms.BooleanField(
        label="Active", required=False, initial=True, help_text="Untick to end it."
    )

    def initial_of(self, request: HttpRequest) -> dict[str, Any]:
        code: PromoCode | None = self.row
        return {name: getattr(code, name) for name in requests.PROMO_LABELS} if code else {}

    def submit(self, why: Why) -> StaffRequest:
        return requests.ask_promo_code(promo_code=self.row, code=self.row.code, why=why, **self.typed())


class NewPromoForm(PromoForm):
    heading = "Ask for a new promo code"
    code = forms.RegexField(
        r"^[A-Z0-9]{3,30}\Z", help_text="3 to 30 capital letters and digits; it can't be changed later."
    )
    field_order = ("code",)

    def submit(self, why: Why) -> StaffRequest:
        return requests.ask_promo_code(promo_code=None, why=why, **self.typed())


class RulesForm(AskForm):
    heading = "Ask for a change of the billing rules"

    def __init__(self, request: HttpRequest, row: BillingRules, data: Any = None) -> None:
        super().__init__(request, row, data)
        last = {name: self.fields.pop(name) for name in ("reason_code", "reason")}
        for name, label in requests.RULES_LABELS.items():
            if name == "staff_refund_limit":
                self.fields[name] = AmountField(label=label)
            else:
                self.fields[name] = forms.IntegerField(label=label, min_value=1, max_value=2**15 - 1)
        self.fields.update(last)

    def initial_of(self, request: HttpRequest) -> dict[str, Any]:
        return {name: getattr(self.row, name) for name in requests.RULES_LABELS}

    def submit(self, why: Why) -> StaffRequest:
        return requests.ask_billing_rules(rules=self.row, numbers=self.typed(), why=why)


ADJUSTMENT = Asking("ask-adjustment", "Ask for an adjustment", AdjustmentForm)
CASH_REFUND = Asking("ask-refund", "Ask for a cash refund", CashRefundForm)
PACKAGES = (
    Asking("ask-new", "Ask for a new package", NewPackageForm, of_row=False),
    Asking("ask-change", "Ask for a change", PackageForm),
)
PROMO_CODES = (
    Asking("ask-new", "Ask for a new code", NewPromoForm, of_row=False),
    Asking("ask-change", "Ask for a change", PromoForm),
)
RULES = Asking("ask-change", "Ask for other numbers", RulesForm)
