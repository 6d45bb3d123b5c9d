"""What comes back: refusals, odd bodies, lost answers, and whether they may have been executed."""

import socket
from typing import Any

import pytest

from billing_site.razorpay_sandbox import KEY_ID, KEY_SECRET, RunningSandbox
from credits.gateway import (
    Gateway,
    GatewayAnswerUnknown,
    GatewayConfig,
    GatewayError,
    GatewayNotReached,
    GatewayRateLimited,
    GatewayRefused,
    GatewayUnauthorised,
)

from .calls import CREATE, ORDER_ID, REFUND, fault, order, paid, refund


def test_a_refusal_says_status_code_reason_field_and_sentence(gateway: Gateway) -> None:
    with pytest.raises(GatewayRefused) as refused:
        order(gateway, 99)

    answer = refused.value.answer
    assert (answer.status, answer.code, answer.reason, answer.field) == (
        400, "BAD_REQUEST_ERROR", "input_validation_failed", "amount",
    )  # fmt: skip
    assert answer.description == "The amount must be at least INR 1.00"
    assert "INR 1.00" in answer.body
    assert refused.value.may_have_been_executed is False
    assert (
        str(refused.value) == "POST /v1/orders: refused: 400 BAD_REQUEST_ERROR input_validation_failed amount"
    )


def test_an_unknown_id_is_told_apart(gateway: Gateway) -> None:
    for call, value in ((gateway.fetch_order, ORDER_ID), (gateway.fetch_dispute, "disp_TestVector0001")):
        with pytest.raises(GatewayRefused) as refused:
            call(value)
        assert refused.value.is_unknown_id


def test_wrong_keys_are_told_apart(sandbox: RunningSandbox) -> None:
    config = GatewayConfig(KEY_ID, "another_secret_0123456789", sandbox.url)

    with Gateway(config) as gateway, pytest.raises(GatewayUnauthorised):
        order(gateway)


def test_a_balance_that_is_too_low_and_a_used_key_are_told_apart(
    gateway: Gateway, sandbox: RunningSandbox
) -> None:
    payment_id = paid(gateway, sandbox)
    sandbox.control("config", balance=0)
    with pytest.raises(GatewayRefused) as poor:
        refund(gateway, payment_id)
    sandbox.control("config", balance=1_000_000)
    refund(gateway, payment_id)
    with pytest.raises(GatewayRefused) as reused:
        refund(gateway, payment_id, amount_paise=10_001)
    refund(gateway, payment_id, amount_paise=40_000, idempotency_key="the-rest-of-42")
    with pytest.raises(GatewayRefused) as nothing_left:
        refund(gateway, payment_id, idempotency_key="once-more-of-42")

    assert poor.value.is_balance_too_low
    assert (reused.value.is_key_used_for_another_body, reused.value.status) == (True, 409)
    assert nothing_left.value.is_fully_refunded


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Retry-After": "7"}, 7.0), ({"Retry-After": "soon"}, None), ({}, None),
     ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0)],
)  # fmt: skip
@pytest.mark.parametrize(
    "body", ["", "<html>", {"error": {"code": "BAD_REQUEST_ERROR", "description": "Too many"}}]
)
def test_a_rate_limit_is_known_by_its_status_whatever_its_body(
    gateway: Gateway, sandbox: RunningSandbox, headers: dict[str, str], seconds: float | None, body: object
) -> None:
    fault(sandbox, CREATE, {"status": {"status": 429, "headers": headers, "body": body}})

    with pytest.raises(GatewayRateLimited) as limited:
        order(gateway)

    assert limited.value.retry_after == seconds


@pytest.mark.parametrize(
    "body",
    ["", "<html>502</html>", "null", "[]", "5", '"x"', {"error": None}, {"error": "a sentence"}, {}, {"error": {}},
     {"error": {"code": 5, "description": None}}, {"error": []}, "[" * 100_000, '{"a":' * 50_000],
    ids=lambda body: repr(body)[:30],
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 502])
def test_an_odd_error_body_is_an_error_of_ours(
    gateway: Gateway, sandbox: RunningSandbox, body: object, status: int
) -> None:
    """The SDK raises JSONDecodeError, TypeError, RecursionError or an empty ServerError on these."""
    fault(sandbox, CREATE, {"status": {"status": status, "body": body, "ctype": "text/html"}})

    with pytest.raises(GatewayError) as failed:
        order(gateway)

    assert failed.value.status == status
    assert type(failed.value) is (GatewayRefused if status == 400 else GatewayAnswerUnknown)
    assert len(failed.value.answer.body) <= 2000


@pytest.mark.parametrize(
    "body",
    ["", "null", "[]", "5", '"{}"', "[{}]", "{", "<html>", "\xff", "[" * 100_000],
    ids=lambda body: repr(body)[:30],
)
@pytest.mark.parametrize("status", [200, 201])
def test_a_success_without_a_json_object_is_no_answer(
    gateway: Gateway, sandbox: RunningSandbox, body: str, status: int
) -> None:
    fault(sandbox, CREATE, {"status": {"status": status, "body": body, "after": True}})

    with pytest.raises(GatewayAnswerUnknown) as unknown:
        order(gateway)

    assert unknown.value.may_have_been_executed is True
    assert len(gateway.find_orders_by_receipt("tu-42")) == 1


def test_a_204_is_no_answer(gateway: Gateway, sandbox: RunningSandbox) -> None:
    fault(sandbox, CREATE, {"status": {"status": 204}})

    with pytest.raises(GatewayAnswerUnknown):
        order(gateway)


@pytest.mark.parametrize(
    ("match", "fields", "call"),
    [
        (CREATE, {"amount": 1}, "order"), (CREATE, {"currency": "USD"}, "order"), (CREATE, {"receipt": "x"}, "order"),
        (CREATE, {"id": "../x"}, "order"), (CREATE, {"id": None}, "order"),
        (REFUND, {"payment_id": "pay_OtherPayment01"}, "refund"), (REFUND, {"amount": 1}, "refund"),
        ("GET /v1/payments/[^/]+", {"id": "pay_OtherPayment01"}, "fetch"),
    ],
)  # fmt: skip
def test_an_entity_that_was_not_asked_for_is_not_believed(
    gateway: Gateway, sandbox: RunningSandbox, match: str, fields: dict[str, Any], call: str
) -> None:
    payment_id = paid(gateway, sandbox)
    fault(sandbox, match, {"patch": {"fields": fields}})
    calls = {
        "order": lambda: order(gateway),
        "refund": lambda: refund(gateway, payment_id),
        "fetch": lambda: gateway.fetch_payment(payment_id),
    }

    with pytest.raises(GatewayAnswerUnknown, match=f"another .*{next(iter(fields))}.* than asked for"):
        calls[call]()


@pytest.mark.parametrize("items", [None, {}, "x", [1], [None]])
def test_a_list_that_is_none_is_not_believed(
    gateway: Gateway, sandbox: RunningSandbox, items: object
) -> None:
    body = {"entity": "collection", "items": items}
    fault(sandbox, "GET /v1/orders", {"status": {"status": 200, "body": body}})

    with pytest.raises(GatewayAnswerUnknown, match="not a collection"):
        gateway.find_orders_by_receipt("tu-42")


@pytest.mark.parametrize(
    ("do", "made"),
    [
        ("drop_before", 0), ("drop_after", 1), ({"slow_after": {"s": 100}}, 1), ({"status": {"status": 500}}, 0),
        ({"status": {"status": 502, "after": True, "body": "<html>"}}, 1), ("empty", 1), ("bad_json", 1),
        ({"status": {"status": 302, "headers": {"Location": "/v1/orders"}}}, 0), ({"status": {"status": 408}}, 0),
    ],
)  # fmt: skip
def test_a_lost_answer_is_unknown_and_resolved_by_receipt(
    gateway: Gateway, hasty_gateway: Gateway, sandbox: RunningSandbox, do: object, made: int
) -> None:
    fault(sandbox, CREATE, do)

    with pytest.raises(GatewayAnswerUnknown):
        order(hasty_gateway)

    assert len(gateway.find_orders_by_receipt("tu-42")) == made


@pytest.mark.parametrize("do", ["drop_after", {"slow_after": {"s": 100}}, "empty", "bad_json"])
def test_a_refund_with_a_lost_answer_is_asked_again_with_its_key(
    gateway: Gateway, hasty_gateway: Gateway, sandbox: RunningSandbox, do: object
) -> None:
    payment_id = paid(gateway, sandbox)
    fault(sandbox, REFUND, do)
    with pytest.raises(GatewayAnswerUnknown):
        refund(hasty_gateway, payment_id)

    made = refund(gateway, payment_id)

    assert gateway.refunds_of_payment(payment_id) == [made]


def test_a_refund_in_progress_is_unknown_and_not_refused(gateway: Gateway, sandbox: RunningSandbox) -> None:
    payment_id = paid(gateway, sandbox)
    sandbox.control("scenario", name="F20_refund_409")

    with pytest.raises(GatewayAnswerUnknown, match="still in progress"):
        refund(gateway, payment_id)


def test_a_closed_port_and_a_name_without_address_were_never_reached() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", "https://gateway.invalid"):
        with Gateway(GatewayConfig(KEY_ID, KEY_SECRET, url)) as gateway:
            with pytest.raises(GatewayNotReached) as failed:
                order(gateway)
            assert failed.value.may_have_been_executed is False
