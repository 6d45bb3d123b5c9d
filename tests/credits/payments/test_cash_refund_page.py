"""A cash refund from the back office: asked for by one, approved by another, then paid by the gateway, once."""

from decimal import Decimal

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from credits.models import GatewayRefund, TopUp
from credits.services.requests import ask_cash_refund
from tests.credits.payments.shop import Shop
from tests.site.back_office import page, signed_in
from tests.site.requesting import of_group, why

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]
REFUND = "POST /v1/payments/[^/]+/refund"


def approve(top_up: TopUp) -> str:
    """What finance reads after approving 400 of it."""
    request = ask_cash_refund(top_up=top_up, amount=Decimal(400), why=why(of_group("finance")))
    client: Client = signed_in("finance")
    address = page("clinics.staffrequest", "approve", request.pk)
    return client.post(address, {"note": "Looked at"}, follow=True).content.decode()


def test_the_gateway_is_asked_after_the_approval_and_pays(shop: Shop) -> None:
    body = approve(shop.paid())
    refund = GatewayRefund.objects.get()
    assert f"Refund {refund.refund_id}: processed." in body
    assert shop.books() == ("600.00", "0.00", "400.00", "0.00", "0.00")


def test_without_an_answer_reconciliation_finishes_it_once(shop: Shop) -> None:
    top_up = shop.paid()
    shop.fault(REFUND, "drop_after")
    assert "Razorpay has not answered yet" in approve(top_up)
    shop.later(minutes=3)
    assert shop.reconcile()[0] == 0
    assert GatewayRefund.objects.get().status == "processed"
    assert len(shop.sandbox.sandbox.state.refunds) == 1
    assert shop.books() == ("600.00", "0.00", "400.00", "0.00", "0.00")


def test_a_refusal_gives_the_credits_back_and_says_so(shop: Shop) -> None:
    top_up = shop.paid()
    shop.fault(REFUND, {"status": {"status": 400}})
    assert "Razorpay refused the refund: the credits are back" in approve(top_up)
    assert shop.balance() == 1000


def test_without_keys_the_debit_waits_for_reconciliation(shop: Shop, settings: Settings) -> None:
    top_up = shop.paid()
    secret, settings.RAZORPAY_KEY_SECRET = settings.RAZORPAY_KEY_SECRET, ""
    assert "Razorpay is not set up here" in approve(top_up)
    settings.RAZORPAY_KEY_SECRET = secret
    shop.later(minutes=3)
    assert shop.reconcile()[0] == 0
    assert GatewayRefund.objects.get().status == "processed"
