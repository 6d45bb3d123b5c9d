"""F21–F25: wrong amounts, money that never came, money that goes back, and paise."""

import json
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from credits.models import GatewayPayment, Reversal, TopUp
from credits.services.ledger import BillingService
from tests.credits.payments.shop import Shop, event_of, payment_entity, reviews
from tests.factories import deliver

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]


@pytest.mark.parametrize(
    "wrong", [{"amount": 102_360}, {"amount": 99_999}, {"amount": 50_000}, {"currency": "USD"}]
)
def test_f21_another_amount_or_currency_credits_nothing_and_is_reviewed(
    shop: Shop, wrong: dict[str, Any]
) -> None:
    top_up = shop.order()
    outcome = shop.pay(top_up, **wrong)

    assert shop.callback(outcome).status_code == 202
    shop.post_all()
    shop.later(minutes=20)
    shop.reconcile()

    assert shop.poll(top_up) == {"state": "review", "credits": 1000, "balance": 0}
    assert reviews() == ["amount"]
    assert shop.credits() == 0


def test_f21_after_a_wrong_amount_the_right_payment_still_counts(shop: Shop) -> None:
    top_up = shop.order()
    shop.callback(shop.pay(top_up, amount=50_000))

    outcome = shop.pay(top_up, force=True)

    assert shop.callback(outcome).status_code == 200
    assert shop.balance() == 1000
    assert reviews() == ["amount"]


def test_f21_a_second_captured_payment_on_one_order_is_reviewed(shop: Shop) -> None:
    top_up = shop.paid()
    shop.pay(top_up, force=True)

    shop.post_all()

    assert shop.balance() == 1000
    assert reviews() == ["second_payment"]
    assert shop.poll(top_up)["state"] == "paid"


def test_f21_what_people_credited_by_hand_is_not_credited_again(shop: Shop) -> None:
    top_up = shop.order()
    outcome = shop.pay(top_up)
    BillingService.add_credits(
        shop.clinic.pk, Decimal(1000), "Credited by request", payment_id=outcome["payment_id"]
    )

    assert shop.callback(outcome).status_code == 202
    shop.post_all()
    shop.later(minutes=20)
    code, _ = shop.reconcile()

    assert (code, shop.balance(), reviews()) == (1, 1000, ["second_payment"])


@pytest.mark.parametrize("method", ["upi", "card"])
def test_f22_a_payment_never_captured_neither_credits_nor_debits(shop: Shop, method: str) -> None:
    """A card's `authorized` event says `captured: true`, as the official sample does."""
    shop.paid(5000)
    top_up = shop.order()
    shop.fault("autocapture", "never")
    shop.pay(top_up, method=method)
    shop.post_all()
    assert json.loads(shop.event("payment.authorized").body)["payload"]["payment"]["entity"]["captured"] is (
        method == "card"
    )
    assert shop.poll(top_up)["state"] == "processing"
    assert shop.balance() == 5500

    shop.sandbox.control("advance", s=6 * 86_400)  # given back by the gateway
    shop.post_all()
    shop.later(days=6)
    shop.reconcile("--sweep", "7")

    assert GatewayPayment.objects.get(order_id=top_up.razorpay_order_id).status == "refunded"
    assert shop.balance() == 5500
    assert Reversal.objects.count() == 0
    top_up.refresh_from_db()
    assert top_up.state == TopUp.State.OPEN


def test_f22_a_second_authorisation_given_back_at_once_changes_nothing(shop: Shop) -> None:
    top_up = shop.order()
    shop.pay(top_up, "double@razorpay")

    shop.post_all()

    assert shop.books() == ("1000.00", "0.00", "0", "0", "0")
    assert reviews() == []


def test_f23_partial_refunds_take_their_shares_once(shop: Shop) -> None:
    top_up = shop.paid(5000)
    for paise in (100_000, 150_000, 250_000):
        shop.refund(top_up, paise)
    shop.post_all()
    shop.post_all()

    assert shop.books() == ("0.00", "0.00", "5000.00", "500.00", "0.00")
    assert [str(loss.paid_share) for loss in Reversal.objects.order_by("pk")] == [
        "1000.00",
        "1500.00",
        "2500.00",
    ]


def test_f23_a_dashboard_refund_nobody_told_us_about_is_found(shop: Shop) -> None:
    top_up = shop.paid(5000)
    shop.refund(top_up, 100_000)
    assert shop.reconcile()[0] == 0
    assert shop.balance() == 5500  # nothing said so yet

    assert shop.reconcile("--sweep", "1")[0] == 0

    assert shop.books() == ("4400.00", "0.00", "1000.00", "100.00", "0.00")


def test_f23_a_refund_of_an_old_payment_is_found_in_the_settlement(shop: Shop) -> None:
    top_up = shop.paid(5000)
    shop.refund(top_up, 100_000)
    today = settle_today(shop)

    code, _ = shop.reconcile("--settlement", today)

    assert (code, shop.balance(), reviews()) == (0, 4400, [])


def settle_today(shop: Shop) -> str:
    shop.sandbox.control("settle")
    return str(timezone.localdate())


def test_f23_a_refund_above_the_balance_leaves_a_debt_and_freezes(shop: Shop) -> None:
    top_up = shop.paid()
    leads = [deliver(shop.clinic, phone=number) for number in range(8)]
    assert {lead.delivery_state for lead in leads} == {"delivered"}

    shop.refund(top_up)
    shop.post_all()

    assert (shop.balance(), shop.owed()) == (0, 800)
    frozen = deliver(shop.clinic, phone=20)
    assert (frozen.delivery_state, frozen.held_reason) == ("held", "frozen")

    shop.paid(1000)  # settles it first, then releases the lead

    frozen.refresh_from_db()
    assert frozen.delivery_state == "delivered"
    assert (shop.balance(), shop.owed()) == (100, 0)


@pytest.mark.parametrize("after", ["pending", "processed"])
def test_f23_a_refund_that_fails_is_restored(shop: Shop, after: str) -> None:
    top_up = shop.paid(5000)
    if after == "pending":
        shop.sandbox.control("config", refund_processing_s=86_400)
    refund = shop.refund(top_up, 250_000)
    shop.post_all()
    assert (refund["status"], shop.balance()) == (after, 2750)

    shop.sandbox.control("refund_status", refund_id=refund["id"], status="failed")
    shop.post_all()
    shop.post_all()

    assert shop.books() == ("5500.00", "0.00", "0", "0", "0")


def test_f23_a_refund_that_failed_after_it_was_processed_is_found_by_the_sweep(shop: Shop) -> None:
    top_up = shop.paid(5000)
    refund = shop.refund(top_up, 250_000)
    shop.post_all()
    shop.sandbox.control("refund_status", refund_id=refund["id"], status="failed")

    assert shop.reconcile("--sweep", "1")[0] == 0

    assert shop.balance() == 5500


def test_f24_chargeback_won_reopened_lost_and_recorded_as_a_refund(shop: Shop) -> None:
    top_up = shop.paid(5000)
    seen = []
    for event, phase, as_refund in (
        ("created", "chargeback", False),
        ("action_required", "chargeback", False),
        ("under_review", "chargeback", False),
        ("won", "chargeback", False),
        ("created", "pre_arbitration", False),
        ("lost", "pre_arbitration", True),
    ):
        dispute_id = next(iter(shop.sandbox.sandbox.state.disputes), None)
        known = {} if dispute_id is None else {"dispute_id": dispute_id}
        shop.dispute(top_up, event, phase=phase, as_refund=as_refund, **known)
        shop.post_all()
        seen.append(str(shop.balance()))

    assert seen == ["0.00", "0.00", "0.00", "5500.00", "0.00", "0.00"]
    assert shop.books() == ("0.00", "0.00", "5000.00", "500.00", "0.00")


def test_f25_paise_are_exact_for_every_amount() -> None:
    for paise in (*range(1, 200_000, 7), 199_998, 199_999, 2_999_999_999):
        rupees = Decimal(paise) / 100
        assert TopUp(price=rupees, gross=rupees).gross_paise == paise
    assert TopUp(gross=Decimal("19.99")).gross_paise == 1999


def test_f25_the_gateway_is_sent_whole_paise(shop: Shop) -> None:
    top_up = shop.order(1999)

    assert shop.orders()[0].amount == 199_900 == top_up.gross_paise


def test_f25_an_amount_that_is_no_whole_number_is_not_believed(shop: Shop) -> None:
    top_up = shop.order()
    for amount in (100_000.0, "100000", None, True, -100_000, 10**30):
        answer = shop.post(event_of("payment.captured", payment=payment_entity(top_up, amount=amount)))
        assert answer.status_code == 200

    assert shop.credits() == 0
    assert set(reviews()) == {"event"}
