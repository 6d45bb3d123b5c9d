"""A cash refund from the back office: asked for by one, approved by another, then paid by the gateway, once."""

from decimal import Decimal

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from clinics import requests
from clinics.models import Clinic
from credits.models import GatewayRefund, Reversal, TopUp
from credits.services.ledger import BillingService
from credits.services.requests import ask_cash_refund, bonus_taken_with
from tests.credits.payments.shop import Shop
from tests.site.back_office import page, signed_in
from tests.site.requesting import of_group, paid_by_gateway, why

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]
REFUND = "POST /v1/payments/[^/]+/refund"


def approve(top_up: TopUp) -> str:
    """What finance reads after approving 400 of it."""
    request = ask_cash_refund(top_up=top_up, amount=Decimal(400), why=why(of_group("finance")))
    client: Client = signed_in("finance")
    address = page("clinics.staffrequest", "approve", request.pk)
    return client.post(address, {"note": "Looked at"}, follow=True).content.decode()


def asked_and_approved(top_up: TopUp, amount: str) -> tuple[str, str]:
    """₹ back and bonus taken, as both people saw them."""
    request = ask_cash_refund(top_up=top_up, amount=Decimal(amount), why=why(of_group("finance")))
    requests.approve(request=request, by=of_group("finance"), note="Looked at")
    seen = {label: after for label, _, after in request.shown}
    return seen["Back to the payer, ₹"], seen["Bonus taken with it, at most"]


def test_both_people_see_the_bonus_that_goes_with_it_and_the_rupees_to_the_paisa(clinic: Clinic) -> None:
    top_up = paid_by_gateway(clinic, bonus=125, tax=180)
    form = page("credits.topup", "ask-refund", top_up.pk)
    facts = dict(signed_in("finance").get(form).context["form"].facts())
    assert facts["Bonus credited with it"] == "125.00"
    assert facts["Bonus taken with all of them, at most"] == "125.00"
    for amount, rupees, bonus in (
        ("10.75", "12.69", "1.00"),  # 12.685; 1.34 of the bonus
        ("13.25", "15.64", "2.00"),  # 15.635; 3.00 of the bonus so far, less 1
        ("400", "472.00", "50.00"),  # 53.00 so far, less 3
        ("575.99", "679.67", "72.00"),  # the rest: 13.26 were taken above, for 15.64 of 1,180
    ):
        assert asked_and_approved(top_up, amount) == (rupees, bonus), amount
        refund, reversal = GatewayRefund.objects.latest("pk"), Reversal.objects.latest("pk")
        assert refund.amount_paise == Decimal(rupees) * 100, amount
        assert reversal.bonus_share == Decimal(bonus), amount
    BillingService.restore_reversal(reversal.key)
    assert bonus_taken_with(top_up, Decimal("575.99")) == 72


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
