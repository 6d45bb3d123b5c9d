"""F6–F12: events that come often, at once, in any order, late, or too early."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import connection, transaction

from credits.gateway import Gateway
from credits.models import CreditTransaction, GatewayEvent, GatewayPayment, TopUp
from credits.services.events import receive
from credits.services.payments import Outcome, apply_payment
from credits.services.topups import store_order
from tests.concurrency.threads import Crowd, second_waits_for_first
from tests.credits.payments.shop import Shop, payment_entity, reviews
from tests.factories import top_up as draft_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]


def test_f06_each_event_many_times_credits_once(live_shop: Shop) -> None:
    top_ups = [live_shop.order() for _ in range(3)]
    for scenario, top_up in zip(
        ("F6_repeated", "F6_repeated_at_once", "F6_same_content_other_id"), top_ups, strict=True
    ):
        live_shop.sandbox.control("scenario", name=scenario)
        live_shop.pay(top_up)
        live_shop.sandbox.control("drain")

    assert live_shop.balance() == 3000
    assert live_shop.credits() == 3
    answers = {
        (entry["status"], entry["error"]) for entry in live_shop.sandbox.control("state")["deliveries"]
    }
    assert answers == {(200, None)}
    assert GatewayEvent.objects.filter(deliveries__gte=5).count() == 6
    assert GatewayEvent.objects.filter(processed_at__isnull=True).count() == 0


def test_f07_captured_and_order_paid_and_callback_at_once_credit_once(live_shop: Shop) -> None:
    rounds = 10
    with Crowd() as crowd:
        for _ in range(rounds):
            top_up = live_shop.order()
            live_shop.sandbox.control("scenario", name="F7_all_at_once")
            outcome = live_shop.pay(top_up)
            answers = crowd.at_once([partial(live_shop.callback, outcome)] * 4)
            live_shop.sandbox.control("drain")
            assert [answer.status_code for answer in answers] == [200] * 4

    assert live_shop.credits() == rounds
    assert live_shop.balance() == 1000 * rounds
    assert reviews() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seen", [False, True])
def test_f07_the_second_of_two_at_once_waits_and_finds_it_credited(shop: Shop, seen: bool) -> None:
    top_up = shop.order()
    entity = payment_entity(top_up)
    if seen:
        apply_payment({**entity, "status": "authorized", "captured": False}, source="webhook")

    first, second = second_waits_for_first(
        lambda: apply_payment(entity, source="webhook"), lambda: apply_payment(entity, source="callback")
    )

    assert (first.outcome, second.outcome) == (Outcome.CREDITED, Outcome.ALREADY_CREDITED)
    assert (shop.credits(), shop.balance()) == (1, 1000)


@pytest.mark.django_db(transaction=True)
def test_f07_two_payments_of_one_order_at_once_one_counts(shop: Shop) -> None:
    top_up = shop.order()
    one, other = payment_entity(top_up), payment_entity(top_up)

    first, second = second_waits_for_first(
        lambda: apply_payment(one, source="webhook"), lambda: apply_payment(other, source="callback")
    )

    assert (first.outcome, second.outcome) == (Outcome.CREDITED, Outcome.REVIEW)
    assert (shop.credits(), shop.balance(), reviews()) == (1, 1000, ["second_payment"])


def test_f08_every_order_of_events_ends_in_the_same_books(shop: Shop) -> None:
    top_up = shop.order(5000)
    shop.pay(top_up, "late@razorpay")
    shop.sandbox.control("late", order_id=top_up.razorpay_order_id)
    payment_id = next(iter(shop.sandbox.sandbox.state.payments))
    shop.sandbox.control("dashboard_refund", payment_id=payment_id, amount=200_000)
    names = ["payment.failed", "payment.authorized", "payment.captured", "refund.processed"]
    events = [shop.event(name) for name in names]

    ends = set()
    for order in itertools.permutations(events):
        with transaction.atomic():
            for event in order:
                receive(event.body.encode(), event.id)
            top_up.refresh_from_db()
            ends.add((*shop.books(), top_up.state, shop.credits()))
            transaction.set_rollback(True)

    # 5,000 and 500 bonus, two fifths of both taken back
    assert ends == {("3300.00", "0.00", "2000.00", "200.00", "0.00", "paid", 1)}


def test_f08_a_stale_snapshot_does_not_hold_the_payment_back(shop: Shop) -> None:
    top_up = shop.order()
    shop.sandbox.control("scenario", name="F8_stale_snapshot")
    shop.pay(top_up)

    shop.post_all()

    assert shop.balance() == 1000
    assert GatewayPayment.objects.get().status == "captured"


def test_f09_failed_then_captured_under_one_id_is_credited(shop: Shop) -> None:
    top_up = shop.order()
    shop.pay(top_up, "late@razorpay")
    shop.post_all()
    assert shop.poll(top_up)["state"] == "failed"

    shop.sandbox.control("late", order_id=top_up.razorpay_order_id)
    shop.post_all()

    assert shop.poll(top_up)["state"] == "paid"
    assert GatewayPayment.objects.count() == 1


def test_f10_authorised_days_later_still_pays_an_abandoned_top_up(shop: Shop) -> None:
    top_up = shop.order()
    shop.pay(top_up, "late@razorpay")
    shop.sandbox.control("advance", s=3 * 86_400)
    shop.later(days=9)
    assert shop.reconcile()[0] == 0
    top_up.refresh_from_db()
    assert top_up.state == TopUp.State.ABANDONED

    shop.sandbox.control("late", order_id=top_up.razorpay_order_id)
    shop.post_all()

    top_up.refresh_from_db()
    assert top_up.state == TopUp.State.PAID
    assert shop.balance() == 1000


def test_f11_an_order_that_lags_behind_its_payment_does_not_matter(shop: Shop) -> None:
    top_up = shop.order()
    shop.sandbox.control("scenario", name="F11_order_lags")
    shop.pay(top_up)
    shop.later(minutes=20)

    assert shop.reconcile()[0] == 0

    order = shop.sandbox.sandbox.state.orders[str(top_up.razorpay_order_id)]
    assert order.paid_visible_at > shop.sandbox.sandbox.clock.now()
    assert shop.balance() == 1000


def test_f12_a_webhook_before_the_orders_id_is_stored_is_credited_when_it_is(shop: Shop) -> None:
    top_up = draft_of(shop.clinic, 1000)
    with Gateway() as gateway:
        made = gateway.create_order(
            receipt=top_up.receipt, amount_paise=100_000, notes={"top_up": str(top_up.pk)}
        )
    shop.sandbox.control("pay", order_id=made["id"])
    shop.post_all()
    assert shop.credits() == 0
    assert reviews() == []  # it carries our notes: wait

    store_order(top_up, made["id"])

    top_up.refresh_from_db()
    assert top_up.state == TopUp.State.PAID
    assert shop.balance() == 1000


def test_f12_a_webhook_while_the_call_is_still_being_answered(live_shop: Shop) -> None:
    live_shop.fault("POST /v1/orders", {"slow_after": {"s": 1}})
    answers = []

    def buy() -> None:
        answers.append(live_shop.order())
        connection.close()

    buying = threading.Thread(target=buy)
    buying.start()
    while not live_shop.orders():
        time.sleep(0.01)
    live_shop.sandbox.control("pay", order_id=live_shop.orders()[0].id)
    live_shop.sandbox.control("drain")
    assert not answers
    buying.join()

    assert live_shop.poll(answers[0])["state"] == "paid"


@pytest.mark.django_db(transaction=True)
def test_f12_the_id_stored_while_the_webhook_has_not_committed(shop: Shop) -> None:
    """Neither sees the other's row while both are open: the one that commits last must look again."""
    top_up = shop.order()
    shop.pay(top_up)
    order_id = str(top_up.razorpay_order_id)
    TopUp.objects.filter(pk=top_up.pk).update(razorpay_order_id=None)  # not stored yet
    entity = shop.event("payment.captured")

    def store() -> None:
        store_order(top_up, order_id)
        connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        receive(entity.body.encode(), entity.id)
        pool.submit(store).result()

    assert CreditTransaction.objects.filter(transaction_type="credit").count() == 1


def test_f12_a_payment_of_an_order_nobody_stores_is_reviewed_after_15_minutes(shop: Shop) -> None:
    top_up = shop.order()
    shop.pay(top_up)
    TopUp.objects.filter(pk=top_up.pk).update(razorpay_order_id="order_00000000000000", state="abandoned")
    shop.post_all()
    assert shop.reconcile()[0] == 0

    shop.later(minutes=16)

    assert shop.reconcile()[0] == 1
    assert reviews() == ["unknown_order"]
    assert shop.credits() == 0


def test_f12_a_payment_without_our_notes_is_reviewed_at_once(shop: Shop) -> None:
    top_up = shop.order()
    shop.pay(top_up, notes={"from": "another shop"})
    TopUp.objects.filter(pk=top_up.pk).update(razorpay_order_id=None, state="draft")

    shop.post_all()

    assert reviews() == ["unknown_order"]
    assert shop.credits() == 0
