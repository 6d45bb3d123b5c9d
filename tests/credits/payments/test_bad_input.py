"""Bad input to the routes of buying credits: a clear 4xx, nothing changed, never a 5xx."""

import json
from typing import Any

import pytest

from credits.models import TopUp
from tests.credits.payments.shop import Shop

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]
ORDER = "/create-razorpay-order"
BAD_ORDERS: list[Any] = [
    {},
    {"amount": None},
    {"amount": ""},
    {"amount": 0},
    {"amount": -1000},
    {"amount": 999},
    {"amount": 1000.5},
    {"amount": "1000.50"},
    {"amount": "1,000"},
    {"amount": "1e3"},
    {"amount": 10**30},
    {"amount": "9" * 5000},
    {"amount": True},
    {"amount": [1000]},
    {"amount": {"value": 1000}},
    {"amount": 1000, "package_id": 1},
    {"amount": 500_001},
    {"package_id": 0},
    {"package_id": -1},
    {"package_id": 2**63},
    {"package_id": 10**9},
    {"package_id": "x"},
    {"amount": 1000, "promo_code": "NOSUCH"},
    {"amount": 1000, "promo_code": "x" * 31},
    {"amount": 1000, "promo_code": ["A"]},
    {"amount": 1000, "promo_code": "a\u0000b"},
    {"amount": 1000, "idempotency_key": "has space"},
    {"amount": 1000, "idempotency_key": "k" * 101},
    {"amount": 1000, "idempotency_key": "é"},
    {"amount": 1000, "price": 1},
    {"amount": 1000, "clinic_id": 2},
    [],
    "text",
    None,
]
BAD_CALLBACKS: list[Any] = [
    {},
    {"razorpay_order_id": "order_00000000000000"},
    {"razorpay_payment_id": "", "razorpay_order_id": "", "razorpay_signature": ""},
    {"razorpay_payment_id": "p" * 41, "razorpay_order_id": "o", "razorpay_signature": "s"},
    {"razorpay_payment_id": ["p"], "razorpay_order_id": {"o": 1}, "razorpay_signature": 1},
    {"razorpay_payment_id": "p\u0000", "razorpay_order_id": "o", "razorpay_signature": "s"},
    {"razorpay_payment_id": "p", "razorpay_order_id": "o", "razorpay_signature": "s" * 129},
    {"razorpay_payment_id": "p", "razorpay_order_id": "o", "razorpay_signature": "s", "amount": 1},
]


@pytest.mark.parametrize("path", [ORDER, "/clinic/credits/topup"])
def test_a_bad_order_is_a_clear_400_and_changes_nothing(shop: Shop, path: str) -> None:
    for body in BAD_ORDERS:
        answer = shop.ask(path, body)
        error = json.loads(answer.content)
        assert (answer.status_code, error["status"]) == (400, "error"), body
        assert set(error) == {"status", "code", "message", "fields"}
        assert error["fields"] or error["code"] == "parse_error", body
    assert (TopUp.objects.count(), shop.orders()) == (0, [])


def test_a_bad_callback_is_a_clear_400(shop: Shop) -> None:
    for body in BAD_CALLBACKS:
        answer = shop.ask("/verify-payment", body)
        error = json.loads(answer.content)
        assert answer.status_code == 400, body
        assert error["fields"] or error["code"] == "parse_error", body


BAD_BODIES: list[tuple[bytes, str, int]] = [
    (b"", "application/json", 400),
    (b"{", "application/json", 400),
    (b"\xff", "application/json", 400),
    (b'{"amount":NaN}', "application/json", 400),
    (b'{"amount":1000,"amount":2000}', "application/json", 400),
    (b"[" * 100_000, "application/json", 400),
    (b'{"amount":"\\ud800"}', "application/json", 400),
    (b"amount=1000", "application/x-www-form-urlencoded", 415),
    (b"amount=1000", "text/plain", 415),
    (b"x" * 1_100_000, "application/json", 413),
]


@pytest.mark.parametrize("path", [ORDER, "/verify-payment", "/clinic/credits/topup"])
def test_a_bad_body_is_a_4xx(shop: Shop, path: str) -> None:
    for raw, kind, status in BAD_BODIES:
        answer: Any = shop.client.post(path, data=raw, content_type=kind)
        assert answer.status_code == status, (raw[:40], kind)
        assert json.loads(answer.content)["status"] == "error"
    assert TopUp.objects.count() == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", ORDER),
        ("get", "/verify-payment"),
        ("put", ORDER),
        ("get", "/razorpay/webhook"),
        ("delete", "/payment-success"),
    ],
)
def test_another_method_is_a_405(shop: Shop, method: str, path: str) -> None:
    assert getattr(shop.client, method)(path).status_code == 405


QUERIES = [
    "",
    "?top_up=",
    "?top_up=x",
    "?top_up=-1",
    "?top_up=" + "9" * 20,
    "?top_up=1&top_up=2",
    "?top_up=%00",
]
PAGES = [
    "/payment-success",
    "/payment-failure",
    "/clinic/credits/topup",
    "/clinic/credits/balance",
    "/clinic/credits/history",
]


def test_any_query_of_any_page_is_answered(shop: Shop) -> None:
    for path in PAGES:
        for query in QUERIES:
            for accept in ("text/html", "application/json"):
                status = shop.client.get(path + query, headers={"Accept": accept}).status_code
                assert status < 500, (path, query, accept)


def test_a_bad_form_shows_itself_again(shop: Shop) -> None:
    for fields in (
        {},
        {"amount": "1"},
        {"amount": "x"},
        {"package_id": "999999"},
        {"amount": "1000", "promo_code": "NOSUCH"},
    ):
        answer = shop.client.post("/clinic/credits/topup", fields, headers={"Accept": "text/html"})
        assert answer.status_code == 400
        assert "<form" in answer.content.decode()
    assert TopUp.objects.count() == 0
