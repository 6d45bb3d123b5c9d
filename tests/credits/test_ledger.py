"""The events of the ledger with exact numbers: adding, buying, spending, expiring, adjusting."""

from datetime import timedelta
from decimal import Decimal

import pytest

from clinics.models import Clinic
from credits.models import CreditGrant, CreditTransaction, GrantConsumption
from credits.services.ledger import (
    BillingService,
    ClinicNotFound,
    InsufficientCredits,
    InvalidAmount,
    KeyReused,
    TopUpNotFound,
    TopUpPaidByAnother,
)
from leads.models import Lead
from tests import steps
from tests.clock import Clock
from tests.credits.books import balance, movements, open_grants, trace
from tests.factories import deliver, give_credits, paid_top_up, top_up

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]


def test_an_enquiry_is_charged(funded_clinic: Clinic) -> None:
    lead = deliver(funded_clinic, price=7000)

    assert lead.delivery_state == "delivered"
    assert BillingService.get_clinic_credit_balance(funded_clinic.pk) == Decimal("820.00")


# --- adding ---------------------------------------------------------------------------------------


def test_a_new_clinic_has_an_empty_account(clinic: Clinic) -> None:
    assert trace(clinic) == ("0.00", "0.00", 0, [])


def test_credits_without_a_payment_are_goodwill_for_180_days(clinic: Clinic) -> None:
    row = give_credits(clinic, 250)

    grant = CreditGrant.objects.get(clinic=clinic)
    assert (row.transaction_type, row.amount, row.balance_after, row.sequence) == ("credit", 250, 250, 1)
    assert (grant.kind, grant.remaining, grant.transaction_id) == ("goodwill", Decimal(250), row.pk)
    assert grant.expires_at == row.created_at + timedelta(days=180)


def test_credits_with_a_payment_are_paid_and_never_expire(clinic: Clinic) -> None:
    give_credits(clinic, 250, payment_id="pay_A")

    grant = CreditGrant.objects.get(clinic=clinic)
    assert (grant.kind, grant.expires_at) == ("paid", None)


def test_credits_with_a_top_up_pay_that_top_up_with_its_bonus(clinic: Clinic) -> None:
    purchase = top_up(clinic, 5000, bonus=500)

    row = give_credits(clinic, 5000, top_up_id=purchase.pk, payment_id="pay_A", idempotency_key="key-1")

    purchase.refresh_from_db()
    assert (purchase.state, purchase.razorpay_payment_id) == ("paid", "pay_A")
    assert (row.description, row.idempotency_key) == ("Given by a test", "key-1")
    assert open_grants(clinic) == [("paid", "5000.00"), ("bonus", "500.00")]
    assert BillingService.credit_top_up(purchase.pk, "pay_A").pk == row.pk


@pytest.mark.parametrize("facts", [{"payment_id": "pay_A"}, {"idempotency_key": "key-1"}])
def test_a_repeat_returns_the_first_credits_and_adds_nothing(clinic: Clinic, facts: dict[str, str]) -> None:
    first = give_credits(clinic, 250, **facts)
    again = give_credits(clinic, 250, **facts)

    assert again == first
    assert movements(clinic) == [("credit", "250.00", "250.00")]


def test_a_key_with_other_facts_is_refused_and_leaves_no_trace(clinic: Clinic) -> None:
    give_credits(clinic, 250, idempotency_key="key-1")
    before = trace(clinic)

    with pytest.raises(KeyReused):
        give_credits(clinic, 251, idempotency_key="key-1")
    with pytest.raises(KeyReused):
        give_credits(clinic, 250, idempotency_key="key-1", payment_id="pay_A")
    assert trace(clinic) == before


def test_a_payment_counts_for_one_clinic_only(clinic: Clinic, other_clinic: Clinic) -> None:
    give_credits(clinic, 250, payment_id="pay_A")

    with pytest.raises(KeyReused):
        give_credits(other_clinic, 250, payment_id="pay_A")
    assert trace(other_clinic) == ("0.00", "0.00", 0, [])


def test_a_key_of_an_adjustment_is_no_key_for_credits(clinic: Clinic) -> None:
    steps.adjust_credits(clinic.pk, Decimal(50), "Sorry", idempotency_key="key-1")

    with pytest.raises(KeyReused):
        give_credits(clinic, 50, idempotency_key="key-1")
    assert balance(clinic) == "50.00"


def test_two_clinics_may_use_one_key(clinic: Clinic, other_clinic: Clinic) -> None:
    give_credits(clinic, 250, idempotency_key="key-1")
    give_credits(other_clinic, 99, idempotency_key="key-1")

    assert (balance(clinic), balance(other_clinic)) == ("250.00", "99.00")


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "NaN", "Infinity", "10000000000", "1e18"])
def test_what_is_no_amount_of_credits_is_refused(clinic: Clinic, amount: str) -> None:
    with pytest.raises(InvalidAmount):
        BillingService.add_credits(clinic.pk, Decimal(amount), "No amount")
    assert trace(clinic) == ("0.00", "0.00", 0, [])


@pytest.mark.parametrize("amount", [1.5, "100", None, True])
def test_an_amount_is_a_decimal_and_nothing_else(clinic: Clinic, amount: object) -> None:
    with pytest.raises(InvalidAmount):
        BillingService.add_credits(clinic.pk, amount, "No Decimal")  # type: ignore[arg-type]


def test_a_balance_the_books_cannot_hold_is_refused(clinic: Clinic) -> None:
    give_credits(clinic, Decimal("9999999999.99"))

    with pytest.raises(InvalidAmount):
        give_credits(clinic, Decimal("0.01"))
    assert balance(clinic) == "9999999999.99"


def test_a_clinic_that_is_not_there_has_no_account() -> None:
    with pytest.raises(ClinicNotFound):
        BillingService.add_credits(0, Decimal(1), "Nobody")
    with pytest.raises(ClinicNotFound):
        BillingService.get_clinic_credit_balance(0)
    with pytest.raises(ClinicNotFound):
        BillingService.expire_grants(0)


# --- buying ---------------------------------------------------------------------------------------


def test_a_paid_top_up_brings_its_price_and_both_bonuses(clinic: Clinic) -> None:
    purchase = top_up(clinic, 10_000, bonus=1500, promo_bonus=250)

    row = BillingService.credit_top_up(purchase.pk, "pay_A")

    purchase.refresh_from_db()
    assert (purchase.state, purchase.razorpay_payment_id, purchase.paid_at) == (
        "paid",
        "pay_A",
        row.created_at,
    )
    assert (row.transaction_type, row.payment_id, row.top_up_id) == ("credit", "pay_A", purchase.pk)
    assert movements(clinic) == [
        ("credit", "10000.00", "10000.00"),
        ("bonus", "1500.00", "11500.00"),
        ("bonus", "250.00", "11750.00"),
    ]
    assert open_grants(clinic) == [("paid", "10000.00"), ("bonus", "1500.00"), ("bonus", "250.00")]
    assert set(CreditGrant.objects.values_list("purchase", flat=True)) == {purchase.pk}


def test_a_top_up_is_credited_once_however_often_it_is_reported(clinic: Clinic) -> None:
    purchase = top_up(clinic, 1000)

    rows = {BillingService.credit_top_up(purchase.pk, "pay_A").pk for _ in range(3)}

    assert len(rows) == 1
    assert balance(clinic) == "1000.00"


def test_a_second_payment_of_a_top_up_is_refused(clinic: Clinic) -> None:
    purchase = top_up(clinic, 1000)
    BillingService.credit_top_up(purchase.pk, "pay_A")

    with pytest.raises(TopUpPaidByAnother):
        BillingService.credit_top_up(purchase.pk, "pay_B")
    assert balance(clinic) == "1000.00"


def test_one_payment_pays_one_top_up(clinic: Clinic, other_clinic: Clinic) -> None:
    BillingService.credit_top_up(top_up(clinic, 1000).pk, "pay_A")
    second = top_up(other_clinic, 1000)

    with pytest.raises(KeyReused):
        BillingService.credit_top_up(second.pk, "pay_A")
    second.refresh_from_db()
    assert (second.state, balance(other_clinic)) == ("draft", "0.00")


def test_credits_for_a_top_up_are_its_price_for_its_clinic_by_a_payment(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    purchase = top_up(clinic, 1000)

    with pytest.raises(TopUpNotFound):
        give_credits(other_clinic, 1000, top_up_id=purchase.pk, payment_id="pay_A")
    with pytest.raises(InvalidAmount):
        give_credits(clinic, 999, top_up_id=purchase.pk, payment_id="pay_A")
    with pytest.raises(TopUpNotFound):
        give_credits(clinic, 1000, top_up_id=purchase.pk)
    with pytest.raises(TopUpNotFound):
        BillingService.credit_top_up(0, "pay_A")
    assert trace(clinic) == ("0.00", "0.00", 0, [])


def test_a_payment_releases_what_waited_for_it(clinic: Clinic) -> None:
    held = deliver(clinic, phone=1)
    assert (held.delivery_state, held.held_reason) == ("held", "no_credits")

    paid_top_up(clinic, 1000)

    held.refresh_from_db()
    assert held.delivery_state == "delivered"
    assert movements(clinic) == [("credit", "1000.00", "1000.00"), ("deduction", "-100.00", "900.00")]


# --- spending -------------------------------------------------------------------------------------


def test_what_expires_soonest_is_spent_first(clinic: Clinic, clock: Clock) -> None:
    give_credits(clinic, 100)
    clock.advance(days=10)
    give_credits(clinic, 100)

    deliver(clinic, price=7000)

    assert open_grants(clinic) == [("goodwill", "20.00")]
    used = GrantConsumption.objects.order_by("id").values_list("amount", flat=True)
    assert list(used) == [Decimal("100.00"), Decimal("80.00")]


def test_bonus_is_spent_before_paid_credits_that_are_older(clinic: Clinic, clock: Clock) -> None:
    give_credits(clinic, 300, payment_id="pay_A")
    clock.advance(days=1)
    paid_top_up(clinic, 1000, bonus=150)

    deliver(clinic, price=7000)

    assert open_grants(clinic) == [("paid", "270.00"), ("paid", "1000.00")]


def test_of_credits_that_expire_together_the_older_are_spent_first(clinic: Clinic) -> None:
    paid_top_up(clinic, 1000, bonus=60, promo_bonus=50)

    deliver(clinic)

    assert open_grants(clinic) == [("paid", "1000.00"), ("bonus", "10.00")]


def test_the_oldest_paid_credits_are_spent_first(clinic: Clinic) -> None:
    give_credits(clinic, 150, payment_id="pay_A")
    give_credits(clinic, 150, payment_id="pay_B")

    deliver(clinic, price=7000)

    assert open_grants(clinic) == [("paid", "120.00")]


def test_the_last_credits_can_be_spent_but_not_one_paisa_more(clinic: Clinic) -> None:
    give_credits(clinic, Decimal("199.99"))

    first, second = deliver(clinic, phone=1), deliver(clinic, phone=2)

    assert (first.delivery_state, second.delivery_state, second.held_reason) == (
        "delivered",
        "held",
        "no_credits",
    )
    assert balance(clinic) == "99.99"


# --- expiring -------------------------------------------------------------------------------------


def test_what_has_expired_is_posted_before_any_charge(clinic: Clinic, clock: Clock) -> None:
    give_credits(clinic, 100)
    give_credits(clinic, 300, payment_id="pay_A")
    clock.advance(days=181)

    deliver(clinic)

    assert movements(clinic, after=2) == [("expiry", "-100.00", "300.00"), ("deduction", "-100.00", "200.00")]


def test_expired_credits_deliver_no_lead(clinic: Clinic, clock: Clock) -> None:
    give_credits(clinic, 500)
    clock.advance(days=181)

    lead = deliver(clinic)

    assert (lead.delivery_state, lead.held_reason) == ("held", "no_credits")
    assert movements(clinic, after=1) == [("expiry", "-500.00", "0.00")]


def test_credits_are_good_until_the_moment_they_expire(clinic: Clinic, clock: Clock) -> None:
    give_credits(clinic, 100)
    expires_at = CreditGrant.objects.get().expires_at
    assert expires_at is not None

    clock.set(expires_at - timedelta(minutes=1))
    BillingService.expire_grants(clinic.pk)
    assert balance(clinic) == "100.00"

    clock.set(expires_at)
    BillingService.expire_grants(clinic.pk)
    BillingService.expire_grants(clinic.pk)
    assert movements(clinic, after=1) == [("expiry", "-100.00", "0.00")]


def test_each_expired_grant_has_a_row_of_its_own_soonest_first(clinic: Clinic, clock: Clock) -> None:
    give_credits(clinic, 30)
    clock.advance(days=1)
    give_credits(clinic, 20)
    clock.advance(days=200)

    BillingService.expire_grants(clinic.pk)

    assert movements(clinic, after=2) == [("expiry", "-30.00", "20.00"), ("expiry", "-20.00", "0.00")]
    assert [row.consumptions.get().amount for row in CreditTransaction.objects.filter(amount__lt=0)] == [
        30,
        20,
    ]


# --- adjusting ------------------------------------------------------------------------------------


def test_a_positive_adjustment_is_goodwill(clinic: Clinic) -> None:
    row = steps.adjust_credits(clinic.pk, Decimal(50), "Sorry", idempotency_key="key-1")

    assert (row.transaction_type, row.amount, row.description) == ("adjustment", Decimal(50), "Sorry")
    assert open_grants(clinic) == [("goodwill", "50.00")]


def test_a_negative_adjustment_takes_grants_in_their_order(clinic: Clinic) -> None:
    paid_top_up(clinic, 1000, bonus=100)

    steps.adjust_credits(clinic.pk, Decimal(-150), "Mistake", idempotency_key="key-1")

    assert open_grants(clinic) == [("paid", "950.00")]


def test_an_adjustment_below_zero_is_refused_and_leaves_no_trace(clinic: Clinic, clock: Clock) -> None:
    give_credits(clinic, 100)
    give_credits(clinic, 50, payment_id="pay_A")
    clock.advance(days=181)  # the 100 are due to expire: even that is not written
    before = trace(clinic)

    with pytest.raises(InsufficientCredits):
        steps.adjust_credits(clinic.pk, Decimal("-50.01"), "Too much", idempotency_key="key-1")
    assert trace(clinic) == before
    steps.adjust_credits(clinic.pk, Decimal(-50), "All of it", idempotency_key="key-1")
    assert balance(clinic) == "0.00"


def test_an_adjustment_happens_once_per_key(clinic: Clinic) -> None:
    first = steps.adjust_credits(clinic.pk, Decimal(50), "Sorry", idempotency_key="key-1")

    assert steps.adjust_credits(clinic.pk, Decimal(50), "Sorry", idempotency_key="key-1") == first
    for amount in (Decimal(-50), Decimal(51)):
        with pytest.raises(KeyReused):
            steps.adjust_credits(clinic.pk, amount, "Other", idempotency_key="key-1")
    assert balance(clinic) == "50.00"


def test_a_long_queue_of_one_phone_is_released_by_one_payment(clinic: Clinic) -> None:
    """A partner's runaway loop must not make a payment too slow to be credited."""
    leads = [deliver(clinic, phone=7) for _ in range(120)]
    assert {lead.held_reason for lead in leads} == {"no_credits"}

    give_credits(clinic, 50)  # too little for any: still one answer for all of them
    assert Lead.objects.held().count() == 120
    give_credits(clinic, 100)

    states = Lead.objects.order_by("pk").values_list("delivery_state", flat=True)
    assert list(states) == ["delivered", *["free"] * 119]
    assert balance(clinic) == "50.00"
