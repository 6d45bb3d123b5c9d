"""Each call of the gateway, and what it refuses to send."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from billing_site.razorpay_sandbox import RunningSandbox
from credits.gateway import (
    Gateway,
    GatewayAnswerUnknown,
    GatewayRefused,
    InvalidGatewayValue,
    is_gateway_id,
)

from .calls import PAYMENT_ID, fault, order, paid, refund


def test_an_order_is_made_found_and_read(gateway: Gateway, sandbox: RunningSandbox) -> None:
    made = order(gateway)

    assert gateway.fetch_order(made["id"]) == made
    assert [found["id"] for found in gateway.find_orders_by_receipt("tu-42")] == [made["id"]]
    assert gateway.find_orders_by_receipt("tu-4") == []
    stored = sandbox.sandbox.state.orders[made["id"]]
    assert (stored.automatic_capture, stored.manual_expiry_s) == (True, 7200 * 60)


def test_payments_are_read_listed_and_captured(gateway: Gateway, sandbox: RunningSandbox) -> None:
    payment_id = paid(gateway, sandbox, vpa="authonly@razorpay")

    captured = gateway.capture(payment_id, 50_000)

    assert gateway.fetch_payment(payment_id) == captured
    assert gateway.order_payments(captured["order_id"]) == [captured]
    made = captured["created_at"]
    assert list(gateway.list_payments(since=made, until=made)) == [captured]
    assert list(gateway.list_payments(since=made + 1, until=made + 9)) == []
    with pytest.raises(GatewayRefused) as refused:
        gateway.capture(payment_id, 50_000)
    assert refused.value.is_already_captured


def test_refunds_are_made_once_and_read(gateway: Gateway, sandbox: RunningSandbox) -> None:
    payment_id = paid(gateway, sandbox)

    made = refund(gateway, payment_id)

    assert refund(gateway, payment_id) == made
    assert gateway.fetch_refund(made["id"]) == made
    assert gateway.refunds_of_payment(payment_id) == [made]
    assert (made["amount"], made["receipt"], made["notes"]) == (10_000, "rf-1", {"topup": "42"})
    assert gateway.fetch_payment(payment_id)["amount_refunded"] == 10_000


def test_disputes_and_recon_are_read(gateway: Gateway, sandbox: RunningSandbox) -> None:
    payment_id = paid(gateway, sandbox)
    dispute = sandbox.control("dispute", payment_id=payment_id, event="created")
    settlement = sandbox.control("settle")
    ist = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    today = datetime.datetime.fromtimestamp(sandbox.control("state")["now"], ist).date()

    assert gateway.fetch_dispute(dispute["id"]) == dispute
    assert list(gateway.list_disputes()) == [dispute]
    rows = list(gateway.settlement_recon(today))
    assert [(row["entity_id"], row["settlement_id"]) for row in rows] == [(payment_id, settlement["id"])]
    assert list(gateway.settlement_recon(today - datetime.timedelta(days=1))) == []


def test_more_than_a_page_of_payments_is_listed_whole(gateway: Gateway, sandbox: RunningSandbox) -> None:
    made = {paid(gateway, sandbox) for _ in range(205)}

    listed = [payment["id"] for payment in gateway.list_payments(since=0, until=9_999_999_999)]

    assert len(listed) == 205
    assert set(listed) == made


def test_pages_that_do_not_advance_end_in_an_error_and_not_in_a_loop(
    gateway: Gateway, sandbox: RunningSandbox
) -> None:
    full = {"entity": "collection", "count": 100, "items": [{"id": str(n)} for n in range(100)]}
    fault(sandbox, "GET /v1/payments", {"status": {"status": 200, "body": full}}, times=-1)

    with pytest.raises(GatewayAnswerUnknown, match="don't advance"):
        list(gateway.list_payments(since=0, until=1))


def test_a_short_page_is_not_taken_for_the_last(gateway: Gateway, sandbox: RunningSandbox) -> None:
    """A server may give fewer than asked; only an empty page is the end."""
    payments = [paid(gateway, sandbox) for _ in range(3)]
    first = {"entity": "collection", "count": 1, "items": [gateway.fetch_payment(payments[2])]}
    fault(sandbox, "GET /v1/payments", {"status": {"status": 200, "body": first}})

    listed = [payment["id"] for payment in gateway.list_payments(since=0, until=9_999_999_999)]

    assert set(listed) == set(payments)


@pytest.mark.parametrize("amount", [True, 19.99 * 100, Decimal(100), "100", None, 0, -1])
def test_an_amount_is_int_paise_and_nothing_else_is_sent(
    gateway: Gateway, sandbox: RunningSandbox, amount: Any
) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: gateway.create_order(receipt="r", amount_paise=amount, notes={}),
        lambda: gateway.capture(PAYMENT_ID, amount),
        lambda: refund(gateway, PAYMENT_ID, amount_paise=amount),
    ]

    for call in calls:
        with pytest.raises(InvalidGatewayValue):
            call()
    assert sandbox.control("state")["orders"] == {}


@pytest.mark.parametrize(
    "value",
    [
        "../payments/pay_1?x=1#", "order_TestVector0001\n", "order_TestVector000", "order_TestVector00012", "",
        "order_TestVector00é1", "order_TestVector0001/payments", "pay_TestVector0001", "ORDER_TestVector0001", None, 5,
    ],
)  # fmt: skip
def test_an_id_that_is_not_of_its_kind_reaches_no_url(
    gateway: Gateway, sandbox: RunningSandbox, value: Any
) -> None:
    fault(sandbox, "* /.*", {"status": {"status": 418}}, times=-1)  # whatever was sent would be seen

    calls: list[Callable[[str], Any]] = [
        gateway.fetch_order,
        gateway.order_payments,
        gateway.fetch_refund,
        gateway.fetch_dispute,
    ]
    for call in calls:
        with pytest.raises(InvalidGatewayValue):
            call(value)
    assert not is_gateway_id(value, "order")


@pytest.mark.parametrize(
    "changes",
    [
        {"idempotency_key": "short"}, {"idempotency_key": "with a space"}, {"idempotency_key": "a" * 10 + "\r\nX: y"},
        {"receipt": ""}, {"receipt": "r" * 41}, {"notes": {"a": "x" * 257}}, {"notes": {"a": 5}},
        {"notes": {str(n): "" for n in range(16)}},
    ],
)  # fmt: skip
def test_a_refund_with_a_bad_key_receipt_or_note_is_not_sent(
    gateway: Gateway, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidGatewayValue):
        refund(gateway, PAYMENT_ID, **changes)


def test_the_dicts_of_the_caller_stay_as_they_are(gateway: Gateway, sandbox: RunningSandbox) -> None:
    notes = {"topup": "42"}

    gateway.create_order(receipt="tu-42", amount_paise=100, notes=notes)
    refund(gateway, paid(gateway, sandbox), notes=notes)

    assert notes == {"topup": "42"}
