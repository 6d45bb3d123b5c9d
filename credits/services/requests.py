"""What finance asks for (rule 7): another person's approval carries it out, in `credits/sql/requests.sql`."""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from django.db.models import Sum

from clinics import requests
from clinics.models import Clinic, StaffRequest
from clinics.requests import Why, as_text
from credits.models import (
    BillingRules,
    CreditAccount,
    CreditGrant,
    CreditPackage,
    PromoCode,
    Reversal,
    ReviewItem,
    TopUp,
)

PACKAGE_LABELS: Final = {
    "name": "Name",
    "price": "Price before tax, ₹",
    "credits": "Credits in all",
    "is_active": "On sale",
}
PROMO_LABELS: Final = {
    "code": "Code",
    "percent": "Per cent of the price",
    "fixed_bonus": "Fixed bonus credits",
    "least_price": "Least price, ₹",
    "valid_from": "Valid from",
    "valid_until": "Valid until",
    "max_uses": "Uses in all",
    "max_uses_per_clinic": "Uses per clinic",
    "is_active": "Active",
}
RULES_LABELS: Final = {
    "bonus_valid_days": "Bonus and goodwill are valid, days",
    "returned_valid_days": "Returned credits are valid at least, days",
    "repeat_window_days": "A repeat is free within, days",
    "auto_release_hours": "Held leads are released by themselves up to, hours",
    "release_batch": "Leads a payment releases at once",
    "held_valid_days": "A held lead expires after, days",
    "staff_refund_limit": "Refunds of one person to one clinic a day, credits",
    "appeal_days": "An appeal is possible for, days",
    "dispute_hours": "A dispute is answered within, hours",
}


def ask_adjustment(
    *, clinic: Clinic, amount: Decimal, description: str, why: Why, item: ReviewItem | None = None
) -> StaffRequest:
    """Asks for credits by hand: positive as goodwill, negative never below zero. `description` stands in the clinic's
    history. `item` is the matter of the review queue that it settles.

    Raises what `requests.ask` raises.
    """
    balance = CreditAccount.objects.get(clinic=clinic).balance
    details: dict[str, Any] = {"amount": str(amount), "description": description}
    shown = [
        ("Clinic", "", clinic.name),
        ("Balance, credits", as_text(balance), as_text(balance + amount)),
        ("Adjustment, credits", "", as_text(amount)),
        ("The clinic reads", "", description),
    ]
    if item is not None:
        details["review_item"] = item.pk
        shown.append(("Review item", "", f"{item.pk}: {item.get_kind_display()}"))
    return requests.ask(
        kind=StaffRequest.Kind.ADJUSTMENT,
        object_key=f"clinic:{clinic.pk}",
        details=details,
        shown=shown,
        reason_code=why.reason_code,
        reason=why.reason,
        by=why.by,
        clinic=clinic,
    )


def unspent_of(top_up: TopUp) -> Decimal:
    """The paid credits of a purchase that are still there: what a cash refund can be taken from."""
    grants = CreditGrant.objects.filter(clinic=top_up.clinic, open=True, purchase=top_up, kind="paid")
    return sum((grant.remaining for grant in grants), Decimal("0.00"))


def bonus_of(top_up: TopUp) -> Decimal:
    """The bonus credits that a purchase brought, spent or not."""
    grants = CreditGrant.objects.filter(purchase=top_up, kind="bonus", origin=None)
    return grants.aggregate(sum=Sum("amount"))["sum"] or Decimal("0.00")


def rupees_back(top_up: TopUp, amount: Decimal) -> Decimal:
    """₹ that the payer gets for `amount` paid credits, with the tax: rounded as `carry_out_cash_refund` does."""
    return (top_up.gross * amount / top_up.price).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def bonus_taken_with(top_up: TopUp, amount: Decimal) -> Decimal:
    """The bonus credits that a refund of `amount` takes at most: what was spent of them is forgiven.

    The rule of `take_back_top_up`: of the bonus, the share of the payment lost so far, less what was taken before.
    """
    before = Reversal.objects.filter(top_up=top_up, state=Reversal.State.TAKEN).aggregate(
        loss=Sum("loss_paise", default=0), bonus=Sum("bonus_share", default=Decimal(0))
    )
    lost = min(before["loss"] + int(rupees_back(top_up, amount) * 100), top_up.gross_paise)
    share: Decimal = bonus_of(top_up) * lost // top_up.gross_paise
    return max(share - Decimal(before["bonus"]), Decimal("0.00"))


def ask_cash_refund(*, top_up: TopUp, amount: Decimal, why: Why) -> StaffRequest:
    """Asks that `amount` unspent paid credits of a purchase go back to its payer, with the tax paid on them.

    The approval debits them; `payouts.pay_out` asks the gateway then. Raises what `requests.ask` raises.
    """
    unspent = unspent_of(top_up)
    return requests.ask(
        kind=StaffRequest.Kind.CASH_REFUND,
        object_key=f"top_up:{top_up.pk}",
        details={"top_up_id": top_up.pk, "amount": str(amount)},
        shown=[
            ("Clinic", "", top_up.clinic.name),
            ("Top-up", "", f"{top_up.pk}, paid ₹{as_text(top_up.gross)} by {top_up.razorpay_payment_id}"),
            ("Its unspent paid credits", as_text(unspent), as_text(unspent - amount)),
            ("Back to the payer, ₹", "", as_text(rupees_back(top_up, amount))),
            ("Bonus taken with it, at most", "", as_text(bonus_taken_with(top_up, amount))),
        ],
        reason_code=why.reason_code,
        reason=why.reason,
        by=why.by,
        clinic=top_up.clinic,
    )


def ask_package(
    *,
    package: CreditPackage | None,
    name: str,
    price: Decimal,
    credits: Decimal,  # noqa: A002
    is_active: bool,
    why: Why,
) -> StaffRequest:
    """Asks for a new package, or other values of one; its surplus of credits is the bonus rate. Raises what
    `requests.ask_change` raises."""
    return requests.ask_change(
        kind=StaffRequest.Kind.CREDIT_PACKAGE,
        object_key=f"package:{package.pk if package else 'new'}",
        facts={"package_id": package and package.pk},
        row=package,
        after={"name": name, "price": price, "credits": credits, "is_active": is_active},
        labels=PACKAGE_LABELS,
        about=f"Package {package}" if package else "New package",
        why=why,
    )


def ask_promo_code(
    *,
    promo_code: PromoCode | None,
    code: str,
    percent: Decimal | None,
    fixed_bonus: Decimal | None,
    least_price: Decimal,
    valid_from: datetime | None,
    valid_until: datetime | None,
    max_uses: int | None,
    max_uses_per_clinic: int | None,
    is_active: bool,
    why: Why,
) -> StaffRequest:
    """Asks for a new code, or other terms of one; its letters stay. Raises what `requests.ask_change` raises."""
    return requests.ask_change(
        kind=StaffRequest.Kind.PROMO_CODE,
        object_key=f"promo:{code}",
        facts={"promo_code_id": promo_code and promo_code.pk},
        row=promo_code,
        after={
            "code": code,
            "percent": percent,
            "fixed_bonus": fixed_bonus,
            "least_price": least_price,
            "valid_from": valid_from,
            "valid_until": valid_until,
            "max_uses": max_uses,
            "max_uses_per_clinic": max_uses_per_clinic,
            "is_active": is_active,
        },
        labels=PROMO_LABELS,
        about=f"Promo code {code}" if promo_code else "New promo code",
        why=why,
    )


def ask_billing_rules(*, rules: BillingRules, numbers: dict[str, int | Decimal], why: Why) -> StaffRequest:
    """Asks for other numbers, all of them by name. Raises what `requests.ask_change` raises."""
    return requests.ask_change(
        kind=StaffRequest.Kind.BILLING_RULES,
        object_key="billing_rules",
        facts={},
        row=rules,
        after=numbers,
        labels=RULES_LABELS,
        why=why,
    )
