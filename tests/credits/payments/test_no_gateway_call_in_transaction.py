"""No path talks to the gateway inside a transaction: locks would be held for as long as it takes to answer."""

from decimal import Decimal

import pytest
import requests
from django.db import connections, transaction
from django.utils import timezone

from credits.gateway import Gateway, GatewayCallInsideTransaction
from credits.services.payouts import pay_out
from tests.credits.payments.shop import Shop, approved_refund

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("books_are_clean")]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Each HTTP request that is really sent, and whether a transaction was open then: asked below the gateway module,
    which has a guard of its own."""
    seen: list[tuple[str, bool]] = []
    send = requests.Session.send

    def watched(
        self: requests.Session, request: requests.PreparedRequest, **options: object
    ) -> requests.Response:
        opened = any(connection.in_atomic_block for connection in connections.all(initialized_only=True))
        seen.append((f"{request.method} {request.path_url.partition('?')[0]}", opened))
        return send(self, request, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(requests.Session, "send", watched)
    return seen


def test_no_path_calls_the_gateway_inside_a_transaction(shop: Shop, calls: list[tuple[str, bool]]) -> None:
    shop.fault("POST /v1/orders", "drop_after")
    shop.order(idempotency_key="k")
    top_up = shop.paid(5000)
    pay_out(approved_refund(top_up, Decimal(1000)))
    shop.fault("POST /v1/payments/[^/]+/refund", "drop_before")
    pay_out(approved_refund(top_up, Decimal(1000)))
    shop.refund(top_up, 10_000)
    shop.dispute(top_up, "created", amount=10_000)
    shop.pay(shop.order())
    shop.post_all()
    shop.sandbox.control("settle")
    shop.later(minutes=20)
    shop.reconcile("--sweep", "1", "--settlement", str(timezone.localdate()))

    paths = {path.partition("pay_")[0].partition("order_")[0] for path, _ in calls}
    assert paths >= {
        "POST /v1/orders",
        "GET /v1/orders",
        "GET /v1/orders/",
        "GET /v1/payments/",
        "POST /v1/payments/",
        "GET /v1/disputes",
        "GET /v1/payments",
        "GET /v1/settlements/recon/combined",
    }
    assert [path for path, opened in calls if opened] == []


def test_one_that_did_would_be_refused(shop: Shop, calls: list[tuple[str, bool]]) -> None:
    with transaction.atomic(), Gateway() as gateway, pytest.raises(GatewayCallInsideTransaction):
        gateway.fetch_payment("pay_00000000000000")

    assert calls == []
