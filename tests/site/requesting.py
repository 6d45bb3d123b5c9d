"""What the tests of requests share: two people of finance, and a request of each kind as the product asks for it."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from django.contrib.auth.models import Group
from django.utils import timezone

from clinics import requests, staff_rights
from clinics.models import StaffRequest, User
from clinics.requests import Why
from credits.models import BillingRules, CreditPackage, GatewayPayment, TopUp
from credits.services import requests as money
from credits.services.ledger import BillingService
from disputes.models import DisputePolicy
from disputes.services import cases
from disputes.services.policy import POLICY_LABELS, ask_policy
from leads.models import Lead
from leads.services.price_lists import Tier, ask_price_list
from tests import factories

Kind = StaffRequest.Kind
KINDS: Final = tuple(Kind)


def of_group(name: str, **fields: Any) -> User:
    user = factories.UserFactory.create(is_staff=True, password=None, **fields)
    user.groups.add(Group.objects.get(name=name))
    return user


def why(by: User, reason_code: str = "commercial", reason: str = "As we agreed on Monday.") -> Why:
    return Why(by, reason_code, reason)


def paid_by_gateway(clinic: Any, price: int = 1000, bonus: int = 0, tax: int = 0) -> TopUp:
    """A paid top-up whose payment we know."""
    purchase = TopUp.objects.create(clinic=clinic, price=price, bonus=bonus, tax=tax, gross=price + tax)
    BillingService.credit_top_up(purchase.pk, f"pay_{purchase.pk:014d}")
    purchase.refresh_from_db()
    GatewayPayment.objects.create(
        payment_id=str(purchase.razorpay_payment_id), top_up=purchase, status="captured", captured=True,
        amount_paise=purchase.gross_paise, currency="INR", first_source="webhook",
    )  # fmt: skip
    return purchase


def terms_of(policy: DisputePolicy, **changed: Any) -> dict[str, Any]:
    return {**{name: getattr(policy, name) for name in POLICY_LABELS}, **changed}


def numbers_of(rules: BillingRules, **changed: Any) -> dict[str, Any]:
    return {**{name: getattr(rules, name) for name in money.RULES_LABELS}, **changed}


def promo(**changed: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "promo_code": None, "code": "DIWALI", "percent": Decimal(10), "fixed_bonus": None,
        "least_price": Decimal("5000.00"), "valid_from": None, "valid_until": timezone.now() + timedelta(days=9),
        "max_uses": 100, "max_uses_per_clinic": 1, "is_active": True,
    }  # fmt: skip
    return {**facts, **changed}


FLAT: Final = (Tier(Decimal(0), Decimal(8000), Decimal(150)), Tier(Decimal(8000), None, Decimal(300)))


def refund_request(lead: Lead, by: User | None = None) -> StaffRequest:
    """For all of a lead's least cost, as a resolver asks on the dispute's page."""
    return cases.request_approval(
        dispute=factories.dispute(lead), amount=Decimal(100), reason_code="confirmed", notes="We rang it too.",
        by=by or of_group("resolver"),
    )  # fmt: skip


def _adjustment(why: Why, **changed: Any) -> StaffRequest:
    facts: dict[str, Any] = {"amount": Decimal("50.00"), "description": "Goodwill", **changed}
    facts["clinic"] = changed.get("clinic") or factories.ClinicFactory.create()
    return money.ask_adjustment(why=why, **facts)


def _cash_refund(why: Why, **changed: Any) -> StaffRequest:
    top_up = changed.pop("top_up", None) or paid_by_gateway(factories.ClinicFactory.create())
    return money.ask_cash_refund(top_up=top_up, why=why, **{"amount": Decimal(400), **changed})


def _dispute_refund(why: Why) -> StaffRequest:
    clinic = factories.ClinicFactory.create()
    factories.give_credits(clinic, 1000)
    return refund_request(factories.deliver(clinic), why.by)


def _price_list(why: Why, **changed: Any) -> StaffRequest:
    return ask_price_list(why=why, **{"note": "Flat", "effective_at": None, "tiers": FLAT, **changed})


def _package(why: Why, **changed: Any) -> StaffRequest:
    package = CreditPackage.objects.get(price=5000)
    after = {"name": package.name, "price": Decimal(5000), "credits": Decimal(5600), "is_active": True}
    return money.ask_package(why=why, **{"package": package, **after, **changed})


def _promo_code(why: Why, **changed: Any) -> StaffRequest:
    return money.ask_promo_code(why=why, **promo(**changed))


def _billing_rules(why: Why, **changed: Any) -> StaffRequest:
    rules = BillingRules.objects.get()
    numbers = numbers_of(rules, **(changed or {"bonus_valid_days": 365}))
    return money.ask_billing_rules(rules=rules, numbers=numbers, why=why)


def _dispute_policy(why: Why, **changed: Any) -> StaffRequest:
    policy = DisputePolicy.objects.get(dispute_type="spam")
    return ask_policy(policy=policy, terms=terms_of(policy, **(changed or {"window_days": 10})), why=why)


def _staff_rights(why: Why, **changed: Any) -> StaffRequest:
    user = changed.pop("user", None) or factories.UserFactory.create(password=None)
    rights: dict[str, Any] = {
        "is_active": True,
        "is_staff": True,
        "is_superuser": False,
        "groups": ["support"],
    }
    return staff_rights.ask_rights(user=user, why=why, **{**rights, **changed})


ASKED: Final[dict[str, Callable[..., StaffRequest]]] = {
    Kind.ADJUSTMENT: _adjustment,
    Kind.CASH_REFUND: _cash_refund,
    Kind.DISPUTE_REFUND: _dispute_refund,
    Kind.PRICE_LIST: _price_list,
    Kind.CREDIT_PACKAGE: _package,
    Kind.PROMO_CODE: _promo_code,
    Kind.BILLING_RULES: _billing_rules,
    Kind.DISPUTE_POLICY: _dispute_policy,
    Kind.STAFF_RIGHTS: _staff_rights,
}


def ask(kind: str, by: User | None = None, **changed: Any) -> StaffRequest:
    """A request of `kind` that could be carried out now."""
    groups = {Kind.STAFF_RIGHTS: "user admin", Kind.DISPUTE_REFUND: "resolver"}
    by = by or of_group(groups.get(Kind(kind), "finance"))
    return ASKED[kind](why(by), **changed)


def second_person(request: StaffRequest) -> User:
    return of_group("user admin" if request.kind == Kind.STAFF_RIGHTS else "finance")


def approved(request: StaffRequest) -> StaffRequest:
    return requests.approve(request=request, by=second_person(request), note="Checked.")


def two_people_set(user: User, **rights: Any) -> StaffRequest:
    return approved(ask(Kind.STAFF_RIGHTS, user=user, **rights))
