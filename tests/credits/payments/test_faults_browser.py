"""F1–F5: what happens in the customer's browser. (F4, a popup shown as closed, needs a browser: tests/browser.)"""

from decimal import Decimal

import pytest

from clinics.models import Clinic
from credits.models import GatewayPayment, TopUp
from tests.credits.payments.shop import Shop, callback_signature, member, reviews

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]


def test_f01_tab_closed_after_paying_is_credited_by_webhook(live_shop: Shop) -> None:
    top_up = live_shop.order()

    outcome = live_shop.pay(top_up, "paidbutclosed@razorpay")
    live_shop.sandbox.control("drain")

    assert "response" not in outcome  # the page never heard of it
    assert live_shop.poll(top_up) == {"state": "paid", "credits": 1000, "balance": 1000}
    assert live_shop.credits() == 1


def test_f02_the_same_answer_replayed_credits_once(shop: Shop) -> None:
    top_up = shop.order(5000)
    outcome = shop.pay(top_up)

    answers = [shop.callback(outcome) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert len({answer.content for answer in answers}) == 1
    assert shop.balance() == 5500
    assert shop.credits() == 1


def test_f02_back_button_and_two_tabs_buy_what_was_asked_for(shop: Shop) -> None:
    first, again = shop.order(idempotency_key="tab-1"), shop.order(idempotency_key="tab-1")
    other_tab = shop.order(idempotency_key="tab-2")

    for top_up in (first, other_tab):
        assert shop.callback(shop.pay(top_up)).status_code == 200

    assert first == again != other_tab
    assert shop.balance() == 2000
    assert len(shop.orders()) == 2


def test_f03_another_clinics_order_is_a_404_like_a_missing_one(shop: Shop, other_clinic: Clinic) -> None:
    top_up = shop.order()
    outcome = shop.pay(top_up)
    shop.client.force_login(member(other_clinic, "owner"))

    theirs = shop.callback(outcome)
    missing = shop.callback(outcome, razorpay_order_id="order_00000000000000")

    assert (theirs.status_code, theirs.content) == (404, missing.content)
    assert shop.credits() == 0


def test_f03_swapped_ids_are_refused(shop: Shop) -> None:
    outcome = shop.pay(shop.order())
    order_id, payment_id = (outcome["response"][f"razorpay_{kind}_id"] for kind in ("order", "payment"))

    answer = shop.callback(outcome, razorpay_order_id=payment_id, razorpay_payment_id=order_id)

    assert answer.status_code == 404
    assert shop.credits() == 0


def test_f03_an_old_small_payment_never_pays_a_new_big_order(shop: Shop) -> None:
    small, big = shop.order(1000), shop.order(500_000)
    outcome = shop.pay(small)
    big_order = str(big.razorpay_order_id)
    payment_id = outcome["response"]["razorpay_payment_id"]

    assert shop.callback(outcome, razorpay_order_id=big_order).status_code == 400
    # Even under a signature that fits, the payment is another order's.
    genuine = callback_signature(big_order, payment_id)
    answer = shop.callback(outcome, razorpay_order_id=big_order, razorpay_signature=genuine)

    assert answer.status_code == 202
    big.refresh_from_db()
    assert big.state == TopUp.State.OPEN
    assert shop.balance() == 0


def test_f05_dismissed_and_approved_minutes_later_is_credited(shop: Shop) -> None:
    top_up = shop.order()
    shop.pay(top_up, "pending@razorpay")
    assert shop.poll(top_up)["state"] == "open"

    shop.sandbox.control("advance", s=300)
    shop.sandbox.control("late", order_id=top_up.razorpay_order_id)
    shop.post_all()

    assert shop.poll(top_up) == {"state": "paid", "credits": 1000, "balance": 1000}


def test_f05_a_failed_attempt_is_shown_and_may_be_tried_again_on_the_same_order(shop: Shop) -> None:
    top_up = shop.order()
    shop.pay(top_up, "failure@razorpay")
    shop.post_all()
    assert shop.poll(top_up)["state"] == "failed"

    assert shop.callback(shop.pay(top_up)).status_code == 200

    assert shop.balance() == Decimal(1000)
    assert GatewayPayment.objects.count() == 2
    assert reviews() == []
