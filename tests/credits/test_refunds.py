"""Credits back for a lead: the kinds they came from, in proportion, to the paisa; how long they live."""

from datetime import timedelta
from decimal import Decimal

import pytest

from clinics.models import Clinic
from credits.models import CreditGrant, GrantConsumption
from credits.services.ledger import (
    InvalidAmount,
    LeadNotChargeable,
    LeadNotFound,
    RefundExceedsCost,
)
from leads.models import Lead
from tests import steps
from tests.clock import Clock
from tests.credits.books import balance, movements, open_grants, trace
from tests.factories import deliver, give_credits, paid_top_up

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]


def refund(lead: Lead, amount: str | int) -> list[tuple[str, str]]:
    """Refunds and says what grants came back, in order."""
    row = steps.refund_lead(lead.pk, Decimal(amount), "Wrong number")
    return [(grant.kind, str(grant.amount)) for grant in row.grants.order_by("id")]


@pytest.fixture
def lead(clinic: Clinic) -> Lead:
    """A lead of 250, paid with 100 bonus and 150 paid credits of one top-up; 850 paid are left."""
    paid_top_up(clinic, 1000, bonus=100)
    return deliver(clinic, price=15_000)


def test_a_full_refund_gives_back_exactly_what_was_spent(clinic: Clinic, lead: Lead) -> None:
    assert refund(lead, 250) == [("bonus", "100.00"), ("paid", "150.00")]

    lead.refresh_from_db()
    assert lead.refunded_total == Decimal(250)
    assert movements(clinic, after=3) == [("refund", "250.00", "1100.00")]


def test_a_partial_refund_is_shared_in_proportion_to_the_paisa(lead: Lead) -> None:
    assert refund(lead, "125.01") == [("bonus", "50.00"), ("paid", "75.01")]  # 50.004 and 75.006
    assert refund(lead, "124.99") == [("bonus", "50.00"), ("paid", "74.99")]

    assert list(GrantConsumption.objects.order_by("id").values_list("returned", flat=True)) == [100, 150]


def test_many_small_refunds_add_up_to_the_cost_and_to_each_kind(clinic: Clinic, lead: Lead) -> None:
    for amount in ["33.33", "0.01", "0.02", "66.64", "99.99", "50.00", "0.01"]:
        shares = refund(lead, amount)
        assert sum(Decimal(share) for _, share in shares) == Decimal(amount)

    back = CreditGrant.objects.exclude(origin=None)
    assert sum(grant.amount for grant in back.filter(kind="bonus")) == 100
    assert sum(grant.amount for grant in back.filter(kind="paid")) == 150
    assert balance(clinic) == "1100.00"


def test_a_single_paisa_comes_back_as_one_grant(lead: Lead) -> None:
    assert refund(lead, "0.01") == [("paid", "0.01")]  # shares of 0.004 and 0.006


def test_three_sources_share_what_thirds_leave_over(clinic: Clinic) -> None:
    for number in range(3):
        give_credits(clinic, Decimal("33.33"), payment_id=f"pay_{number}")
    give_credits(clinic, Decimal("0.01"), payment_id="pay_3")
    lead = deliver(clinic)

    assert refund(lead, "10.00") == [("paid", "3.33"), ("paid", "3.34"), ("paid", "3.33")]


def test_refunds_never_exceed_the_cost(clinic: Clinic, lead: Lead) -> None:
    refund(lead, "249.99")
    before = trace(clinic)

    with pytest.raises(RefundExceedsCost):
        refund(lead, "0.02")
    assert trace(clinic) == before
    refund(lead, "0.01")
    with pytest.raises(RefundExceedsCost):
        refund(lead, "0.01")


def test_what_was_not_charged_is_not_refunded(clinic: Clinic) -> None:
    held = deliver(clinic, phone=1)
    give_credits(clinic, 100)  # releases it
    free = deliver(clinic, phone=1)
    waiting = deliver(clinic, phone=2)
    assert (Lead.objects.get(pk=held.pk).delivery_state, free.delivery_state) == ("delivered", "free")
    before = trace(clinic)

    for lead in (free, waiting):
        with pytest.raises(LeadNotChargeable):
            refund(lead, 10)
    with pytest.raises(LeadNotFound):
        steps.refund_lead(0, Decimal(10), "No lead")
    with pytest.raises(InvalidAmount):
        refund(held, 0)
    assert trace(clinic) == before


def test_a_refund_names_the_purchase_it_came_from(clinic: Clinic) -> None:
    purchase = paid_top_up(clinic, 100)
    give_credits(clinic, 100, payment_id="pay_other")
    lead = deliver(clinic, price=7000)

    refund(lead, 180)

    back = CreditGrant.objects.exclude(origin=None).order_by("id")
    assert [(grant.purchase_id, grant.amount) for grant in back] == [
        (purchase.pk, Decimal(100)),
        (None, Decimal(80)),
    ]


def test_paid_credits_come_back_without_an_end(clinic: Clinic, clock: Clock) -> None:
    give_credits(clinic, 100, payment_id="pay_A")
    lead = deliver(clinic)
    clock.advance(days=400)

    refund(lead, 100)

    assert CreditGrant.objects.exclude(origin=None).get().expires_at is None


def test_returned_bonus_lives_as_long_as_was_left_when_it_was_spent(clinic: Clinic, clock: Clock) -> None:
    give_credits(clinic, 100)
    clock.advance(days=20)
    lead = deliver(clinic)
    clock.advance(days=300)

    refund(lead, 100)

    source = CreditGrant.objects.get(origin=None)
    back = CreditGrant.objects.exclude(origin=None).get()
    spent = GrantConsumption.objects.get().transaction
    assert source.expires_at is not None
    assert back.expires_at == back.created_at + (source.expires_at - spent.created_at)
    assert timedelta(days=159) < back.expires_at - back.created_at < timedelta(days=160)


def test_returned_bonus_lives_at_least_30_days(clinic: Clinic, clock: Clock) -> None:
    give_credits(clinic, 100)
    clock.advance(days=179)
    lead = deliver(clinic)

    refund(lead, 100)

    back = CreditGrant.objects.exclude(origin=None).get()
    assert back.expires_at == back.created_at + timedelta(days=30)


def test_refunded_credits_can_be_spent_and_refunded_again(clinic: Clinic) -> None:
    purchase = paid_top_up(clinic, 100, bonus=100)
    first = deliver(clinic, phone=1, price=7000)  # 100 bonus, 80 paid
    refund(first, 90)  # 50 bonus, 40 paid
    second = deliver(clinic, phone=2)  # 50 bonus, 20 of the old paid, 30 of the returned
    assert open_grants(clinic) == [("paid", "10.00")]

    assert refund(second, 100) == [("bonus", "50.00"), ("paid", "20.00"), ("paid", "30.00")]
    assert refund(first, 90) == [("bonus", "50.00"), ("paid", "40.00")]

    assert balance(clinic) == "200.00"
    assert set(CreditGrant.objects.values_list("purchase", flat=True)) == {purchase.pk}


def test_a_refund_releases_what_waited_for_credits(clinic: Clinic) -> None:
    give_credits(clinic, 100)
    paid_for, held = deliver(clinic, phone=1), deliver(clinic, phone=2)

    refund(paid_for, 100)

    held.refresh_from_db()
    assert held.delivery_state == "delivered"
    assert balance(clinic) == "0.00"


def test_a_lead_that_became_a_patient_is_not_refunded_in_full(clinic: Clinic, lead: Lead) -> None:
    Lead.objects.filter(pk=lead.pk).update(status=Lead.Status.CONVERTED)

    assert refund(lead, 100)
    with pytest.raises(LeadNotChargeable):
        refund(lead, 150)

    lead.refresh_from_db()
    assert lead.refunded_total == Decimal(100)
