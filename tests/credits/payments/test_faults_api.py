"""F17–F20: the gateway's API answers badly, late, or not at all."""

import json
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from clinics.requests import RequestImpossible
from credits.gateway import Gateway, GatewayRefused
from credits.models import GatewayRefund, ReviewItem, TopUp
from credits.services.payouts import pay_out
from tests.credits.payments.shop import Shop, approved_refund, reviews
from tests.factories import deliver
from tests.factories import top_up as draft_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]
REFUND = "POST /v1/payments/[^/]+/refund"
FIND = "GET /v1/orders"


@pytest.mark.parametrize(
    ("scenario", "first"),
    [
        ("F17_order_dropped", 200),
        ("F17_order_never_arrived", 503),
        ("F17_order_429", 503),
        ("F17_order_500", 503),
        ("F17_order_502_html", 200),
        ("F17_order_empty", 200),
        ("F17_order_bad_json", 200),
        ("F17_order_redirect", 503),
    ],
)
def test_f17_a_bad_answer_to_an_order_keeps_at_most_one_and_can_be_tried_again(
    shop: Shop, scenario: str, first: int
) -> None:
    shop.sandbox.control("scenario", name=scenario)
    body = {"amount": 1000, "idempotency_key": "once"}

    answer = shop.ask("/create-razorpay-order", body)
    again = shop.ask("/create-razorpay-order", body)

    assert (answer.status_code, again.status_code) == (first, 200)
    assert first == 200 or answer["Retry-After"] == "10"
    assert len(shop.orders()) == 1
    top_up = TopUp.objects.get()
    assert json.loads(again.content)["order_id"] == top_up.razorpay_order_id == shop.orders()[0].id
    assert shop.callback(shop.pay(top_up)).status_code == 200
    assert shop.credits() == 1


def test_f17_made_but_neither_answer_came_is_found_when_tried_again(shop: Shop) -> None:
    shop.fault("POST /v1/orders", "drop_after")
    shop.fault(FIND, {"status": {"status": 503}})
    body = {"amount": 1000, "idempotency_key": "once"}
    assert shop.ask("/create-razorpay-order", body).status_code == 503
    assert TopUp.objects.get().state == TopUp.State.DRAFT

    assert shop.ask("/create-razorpay-order", body).status_code == 200
    assert len(shop.orders()) == 1


def test_f17_an_order_found_without_an_id_is_no_answer(shop: Shop) -> None:
    shop.fault("POST /v1/orders", "drop_after")
    top_up = draft_of(shop.clinic, 1000)
    odd = {"entity": "collection", "count": 1, "items": [{"id": None, "receipt": top_up.receipt}]}
    shop.fault(FIND, {"status": {"status": 200, "body": odd}})

    shop.later(minutes=3)
    code, printed = shop.reconcile()

    assert code == 1
    assert "an order without an id" in printed
    top_up.refresh_from_db()
    assert top_up.razorpay_order_id is None


def test_f18_the_payment_cannot_be_fetched_202_then_reconciled(shop: Shop) -> None:
    top_up = shop.order()
    outcome = shop.pay(top_up)
    shop.sandbox.control("scenario", name="F18_payment_fetch_down")

    answers = [shop.callback(outcome).status_code for _ in range(3)]

    assert answers == [202] * 3
    assert shop.poll(top_up)["state"] == "open"
    shop.later(minutes=16)
    assert shop.reconcile()[0] == 0
    assert shop.poll(top_up) == {"state": "paid", "credits": 1000, "balance": 1000}


@pytest.mark.parametrize(
    "do",
    ["drop_before", "drop_after", "empty", "bad_json", {"patch": {"fields": {"id": "pay_00000000000000"}}}],
)
def test_f18_an_answer_that_cannot_be_believed_credits_nothing(shop: Shop, do: object) -> None:
    outcome = shop.pay(shop.order())
    shop.fault("GET /v1/payments/[^/]+", do)

    assert shop.callback(outcome).status_code == 202
    assert shop.credits() == 0
    assert shop.callback(outcome).status_code == 200


def test_f18_keys_that_cannot_be_used_are_no_500(shop: Shop, settings: Any) -> None:
    outcome = shop.pay(shop.order())
    settings.RAZORPAY_API_URL = "ftp://nowhere"

    assert shop.callback(outcome).status_code == 202
    assert shop.ask("/create-razorpay-order", {"amount": 1000}).status_code == 503
    assert TopUp.objects.count() == 1  # no draft is left behind that nobody can pay


def test_f19_authorised_first_captured_a_moment_later_by_itself(shop: Shop) -> None:
    top_up = shop.order()
    shop.sandbox.control("scenario", name="F19_capture_race")
    outcome = shop.pay(top_up)

    first = shop.callback(outcome)
    assert (first.status_code, json.loads(first.content)["state"]) == (202, "processing")
    assert shop.balance() == 0
    with Gateway() as gateway:
        gateway.capture(outcome["payment_id"], 100_000)
        with pytest.raises(GatewayRefused) as again:
            gateway.capture(outcome["payment_id"], 100_000)
    shop.sandbox.control("advance", s=2)  # the automatic capture finds it done
    shop.post_all()

    assert again.value.is_already_captured
    assert shop.callback(outcome).status_code == 200
    assert shop.credits() == 1
    assert reviews() == []


# --- our own refunds --------------------------------------------------------------------------------


def own_refund(shop: Shop, top_up: TopUp, amount: str = "400") -> GatewayRefund:
    return pay_out(approved_refund(top_up, Decimal(amount)))


def refunded_paise(shop: Shop) -> int:
    return sum(
        refund.amount for refund in shop.sandbox.sandbox.state.refunds.values() if refund.status != "failed"
    )


def test_f20_an_own_refund_is_debited_and_paid_once(shop: Shop) -> None:
    top_up = shop.paid(5000)

    refund = own_refund(shop, top_up, "2000")

    assert refund.status == GatewayRefund.Status.PROCESSED
    assert shop.books() == ("3300.00", "0.00", "2000.00", "200.00", "0.00")
    shop.post_all()  # our refund, told by webhook
    assert shop.books() == ("3300.00", "0.00", "2000.00", "200.00", "0.00")
    assert (GatewayRefund.objects.count(), refunded_paise(shop)) == (1, 200_000)


@pytest.mark.parametrize(
    "do",
    [
        "drop_before",
        "drop_after",
        "empty",
        "bad_json",
        {"status": {"status": 500, "after": True}},
        {"status": {"status": 502, "body": "<html>", "ctype": "text/html"}},
        {"status": {"status": 429}},
        {"status": {"status": 408}},
    ],
)
def test_f20_an_unknown_answer_is_asked_again_and_pays_once(shop: Shop, do: object) -> None:
    top_up = shop.paid()
    shop.fault(REFUND, do)
    refund = own_refund(shop, top_up)
    assert (refund.status, shop.balance()) == (GatewayRefund.Status.REQUESTED, 600)
    shop.reconcile()
    assert GatewayRefund.objects.get().status == GatewayRefund.Status.REQUESTED  # not due

    shop.later(minutes=3)
    assert shop.reconcile()[0] == 0

    refund.refresh_from_db()
    assert (refund.status, refunded_paise(shop)) == (GatewayRefund.Status.PROCESSED, 40_000)
    shop.post_all()
    assert shop.books() == ("600.00", "0.00", "400.00", "0.00", "0.00")


def test_f20_still_in_progress_is_asked_again(shop: Shop) -> None:
    top_up = shop.paid()
    shop.sandbox.control("scenario", name="F20_refund_409")
    refund = own_refund(shop, top_up)
    assert refund.status == GatewayRefund.Status.REQUESTED

    shop.later(minutes=3)
    shop.reconcile()

    assert (GatewayRefund.objects.get().status, refunded_paise(shop)) == ("processed", 40_000)


def test_f20_a_key_that_paid_for_another_body_goes_to_people(shop: Shop) -> None:
    top_up = shop.paid()
    answer = {
        "error": {
            "code": "BAD_REQUEST_ERROR",
            "description": "Different request with the same idempotency key",
        }
    }
    shop.fault(REFUND, {"status": {"status": 409, "body": answer}})

    refund = own_refund(shop, top_up)

    assert (refund.status, shop.balance(), reviews()) == (GatewayRefund.Status.REQUESTED, 600, ["refund"])


def test_f20_a_refusal_restores_the_credits(shop: Shop) -> None:
    top_up = shop.paid(5000)
    for trouble in ("balance", "age"):
        if trouble == "balance":
            shop.sandbox.control("config", balance=0)
        else:
            shop.sandbox.control("config", balance=10**8)
            shop.sandbox.control("advance", s=200 * 86_400)
        refund = own_refund(shop, top_up, "1000")
        assert refund.status == GatewayRefund.Status.FAILED
        assert shop.books() == ("5500.00", "0.00", "0", "0", "0")
    assert reviews() == ["refund", "refund"]
    assert refunded_paise(shop) == 0


def test_f20_a_refusal_of_what_was_made_before_is_not_believed(shop: Shop) -> None:
    """The first request was executed and its key forgotten there: the second is refused as already refunded."""
    top_up = shop.paid()
    shop.fault(REFUND, "drop_after")
    own_refund(shop, top_up, "1000")
    shop.sandbox.sandbox.state.idempotency.clear()

    shop.later(minutes=3)
    shop.reconcile()

    assert shop.books() == ("0.00", "0.00", "1000.00", "0.00", "0.00")
    assert (GatewayRefund.objects.get().status, refunded_paise(shop)) == ("processed", 100_000)


def test_f20_a_refund_believed_refused_that_was_made_is_taken(shop: Shop) -> None:
    top_up = shop.paid()
    shop.fault(REFUND, {"status": {"status": 400, "after": True}})
    refund = own_refund(shop, top_up)
    assert (refund.status, shop.balance()) == (GatewayRefund.Status.FAILED, 1000)

    shop.post_all()

    assert shop.books() == ("600.00", "0.00", "400.00", "0.00", "0.00")
    assert GatewayRefund.objects.get().status == "processed"


def test_f20_pending_for_days_then_failed_is_restored(shop: Shop) -> None:
    top_up = shop.paid(5000)
    shop.sandbox.control("config", refund_processing_s=5 * 86_400)
    refund = own_refund(shop, top_up, "1000")
    assert (refund.status, shop.balance()) == (GatewayRefund.Status.PENDING, 4400)
    shop.sandbox.control("advance", s=4 * 86_400)
    shop.sandbox.control("refund_status", refund_id=refund.refund_id, status="failed")

    assert shop.reconcile()[0] == 0  # its webhook was lost

    assert (GatewayRefund.objects.get().status, shop.balance()) == ("failed", 5500)
    shop.post_all()
    assert shop.books() == ("5500.00", "0.00", "0", "0", "0")


def test_f20_the_webhook_of_our_refund_before_our_answer(live_shop: Shop) -> None:
    top_up = live_shop.paid()
    live_shop.fault(REFUND, {"slow_after": {"s": 0.5}})

    refund = own_refund(live_shop, top_up)

    live_shop.sandbox.control("drain")
    connection.close()
    assert (refund.status, GatewayRefund.objects.count()) == ("processed", 1)
    assert live_shop.books() == ("600.00", "0.00", "400.00", "0.00", "0.00")


def test_f20_the_webhook_may_name_our_receipt_in_its_notes_alone(shop: Shop) -> None:
    top_up = shop.paid()
    shop.fault(REFUND, "drop_after")
    own_refund(shop, top_up)
    body = json.loads(shop.event("refund.processed").body)
    body["payload"]["refund"]["entity"]["receipt"] = None

    assert shop.post(body, event_id="without-receipt").status_code == 200

    assert shop.books() == ("600.00", "0.00", "400.00", "0.00", "0.00")
    assert GatewayRefund.objects.get().status == "processed"


def test_f20_only_unspent_paid_credits_of_that_purchase_go_back(shop: Shop) -> None:
    top_up = shop.paid(1000)
    other = shop.paid(5000)  # with 500 bonus
    for number in range(9):
        deliver(shop.clinic, phone=number)  # 500 bonus and 400 of the first purchase
    for amount, refusal in (
        ("600.01", "fewer than 600.01 unspent"),
        ("0", "not an amount"),
        ("-1", "not an amount"),
        ("0.001", "not an amount|no loss"),
        ("1000.01", "less than 1000.01"),
    ):
        with pytest.raises(RequestImpossible, match=refusal):
            own_refund(shop, top_up, amount)
    with pytest.raises(RequestImpossible, match="was not paid"):
        own_refund(shop, draft_of(shop.clinic, 1000), "1")
    assert GatewayRefund.objects.count() == 0

    assert own_refund(shop, top_up, "600").status == "processed"

    assert (shop.balance(), refunded_paise(shop)) == (5000, 60_000)
    assert other.credits == 5500
    assert ReviewItem.objects.count() == 0


def test_f20_more_than_is_left_after_other_losses_is_refused(shop: Shop) -> None:
    """Three quarters are disputed; what came back for a lead must not be paid out beside it."""
    top_up = shop.paid(1000)
    shop.dispute(top_up, "created", amount=75_000)
    shop.post_all()
    assert shop.balance() == 250

    with pytest.raises(RequestImpossible):
        own_refund(shop, top_up, "250.01")
    with pytest.raises(RequestImpossible):
        own_refund(shop, top_up, "400")

    assert own_refund(shop, top_up, "250").status == "processed"
    assert shop.balance() == 0
