"""The methods the seed names: what a lead costs, what a clinic has, and charging a held lead by hand."""

import logging
from decimal import Decimal

import pytest

from clinics.models import Clinic
from credits.models import CreditAccount, CreditTransaction
from credits.services.ledger import (
    BillingService,
    InsufficientCredits,
    InvalidAmount,
    LeadCostMismatch,
    LeadNotChargeable,
    LeadNotFound,
)
from leads.models import Lead
from tests.clock import Clock
from tests.credits.books import balance, movements, trace
from tests.factories import deliver, give_credits

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]


# --- what a lead costs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "cost"),
    [
        ("0", 100),
        ("-0", 100),
        ("0.01", 100),
        ("4999.99", 100),
        ("4999.999", 100),
        ("5000", 180),
        ("9999.99", 180),
        ("10000", 250),
        ("19999.99", 250),
        ("20000", 320),
        ("49999.99", 320),
        ("50000", 400),
        ("99999.99", 400),
        ("100000", 500),
        ("9999999999.99", 500),
    ],
)
def test_a_lead_costs_what_the_price_list_says_lower_bounds_included(price: str, cost: int) -> None:
    assert BillingService.calculate_lead_cost(Decimal(price)) == Decimal(cost)


def test_the_cost_is_a_decimal_whatever_the_price_was_written_as() -> None:
    costs = [BillingService.calculate_lead_cost(price) for price in (Decimal(5000), 5000, 5000.0, "5000")]

    assert costs == [Decimal("180.00")] * 4
    assert all(isinstance(cost, Decimal) for cost in costs)


@pytest.mark.parametrize(
    "price",
    [
        "-0.01",
        "-1",
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        "1e10",
        "1000000000000000000",
        "1e400",
        "five",
        "",
    ],
)
def test_what_is_no_price_is_refused_kindly(price: str) -> None:
    with pytest.raises(InvalidAmount, match=r"^a price (is a number|lies between 0 and ₹1,000 crore)$"):
        BillingService.calculate_lead_cost(price)


@pytest.mark.parametrize("price", [float("nan"), float("inf"), -1, -0.01, 10**18, None, True, [], b"5000"])
def test_other_things_are_no_price_either(price: object) -> None:
    with pytest.raises(InvalidAmount):
        BillingService.calculate_lead_cost(price)  # type: ignore[arg-type]


def test_a_lead_of_unknown_price_costs_the_lowest_tier(funded_clinic: Clinic) -> None:
    assert deliver(funded_clinic).cost == Decimal(100)


# --- what a clinic has ----------------------------------------------------------------------------


def test_the_balance_is_read_live(funded_clinic: Clinic) -> None:
    before = BillingService.get_clinic_credit_balance(funded_clinic.pk)
    deliver(funded_clinic, price=7000)

    after = BillingService.get_clinic_credit_balance(funded_clinic.pk)

    assert (before, after) == (Decimal("1000.00"), Decimal("820.00"))


# --- charging a held lead -------------------------------------------------------------------------


@pytest.fixture
def held(clinic: Clinic) -> Lead:
    """A lead of 180 at a clinic without credits that releases by hand."""
    CreditAccount.objects.filter(clinic=clinic).update(auto_release=False)
    lead = deliver(clinic, phone=1, price=7000)
    assert (lead.delivery_state, lead.held_reason) == ("held", "no_credits")
    return lead


def deduct(clinic: Clinic, lead: Lead, cost: int | str = 180) -> CreditTransaction:
    return BillingService.deduct_credits_for_lead(clinic.pk, Decimal(cost), lead.pk)


def test_a_held_lead_is_delivered_by_its_charge(
    clinic: Clinic, held: Lead, caplog: pytest.LogCaptureFixture
) -> None:
    give_credits(clinic, 200)

    with caplog.at_level(logging.INFO, logger="credits.services.ledger"):
        row = deduct(clinic, held)

    held.refresh_from_db()
    assert (row.transaction_type, row.amount, row.balance_after, row.lead_id) == (
        "deduction",
        Decimal(-180),
        Decimal(20),
        held.pk,
    )
    assert held.delivery_state == "delivered"
    assert f"Credit deduction: Clinic {clinic.pk}, Amount 180" in caplog.messages


def test_a_repeated_charge_returns_the_first(clinic: Clinic, held: Lead) -> None:
    give_credits(clinic, 1000)

    assert deduct(clinic, held) == deduct(clinic, held)
    assert balance(clinic) == "820.00"


def test_too_little_credit_is_refused_and_leaves_no_trace(clinic: Clinic, held: Lead, clock: Clock) -> None:
    give_credits(clinic, Decimal("179.99"))
    clock.advance(hours=1)
    before = trace(clinic)

    with pytest.raises(InsufficientCredits):
        deduct(clinic, held)

    held.refresh_from_db()
    assert trace(clinic) == before
    assert held.held_reason == "no_credits"


@pytest.mark.parametrize("cost", ["179.99", "180.01", "0", "-180", "100"])
def test_another_cost_than_the_stored_one_is_refused(clinic: Clinic, held: Lead, cost: str) -> None:
    give_credits(clinic, 1000)

    with pytest.raises(LeadCostMismatch):
        deduct(clinic, held, cost)
    assert balance(clinic) == "1000.00"


def test_a_cost_that_is_no_amount_is_refused(clinic: Clinic, held: Lead) -> None:
    with pytest.raises(InvalidAmount):
        deduct(clinic, held, "NaN")


def test_only_a_clinics_own_lead_is_charged_to_it(clinic: Clinic, other_clinic: Clinic, held: Lead) -> None:
    give_credits(other_clinic, 1000)

    for wrong_clinic, lead_id in ((other_clinic.pk, held.pk), (clinic.pk, 0), (0, held.pk)):
        with pytest.raises(LeadNotFound):
            BillingService.deduct_credits_for_lead(wrong_clinic, Decimal(180), lead_id)
    assert movements(other_clinic) == [("credit", "1000.00", "1000.00")]


def test_a_free_lead_is_not_charged(clinic: Clinic) -> None:
    give_credits(clinic, 1000)
    deliver(clinic, phone=1)
    free = deliver(clinic, phone=1)

    with pytest.raises(LeadNotChargeable, match="free"):
        deduct(clinic, free, 100)
    assert balance(clinic) == "900.00"


def test_an_expired_lead_is_not_charged(clinic: Clinic, held: Lead, clock: Clock) -> None:
    clock.advance(days=15)
    BillingService.expire_leads(clinic.pk)
    give_credits(clinic, 1000)

    with pytest.raises(LeadNotChargeable, match="expired"):
        deduct(clinic, held)


def test_a_lead_in_review_is_charged_by_nobody_but_its_reviewer(clinic: Clinic) -> None:
    give_credits(clinic, 1000)
    lead = deliver(clinic, hold_for_review=True)

    with pytest.raises(LeadNotChargeable, match="held review"):
        deduct(clinic, lead, 100)
    assert balance(clinic) == "1000.00"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"paused_at": "2026-01-01T00:00Z"}, "paused"),
        ({"frozen_at": "2026-01-01T00:00Z"}, "frozen"),
        ({"highest_cost": Decimal(179)}, "budget"),
        ({"daily_cap": Decimal(179)}, "budget"),
        ({"monthly_cap": Decimal(179)}, "budget"),
    ],
)
def test_a_charge_by_hand_keeps_to_the_clinics_limits(
    clinic: Clinic, held: Lead, limits: dict[str, object], reason: str
) -> None:
    give_credits(clinic, 1000)
    CreditAccount.objects.filter(clinic=clinic).update(**limits)

    with pytest.raises(LeadNotChargeable, match=reason):
        deduct(clinic, held)
    assert balance(clinic) == "1000.00"
