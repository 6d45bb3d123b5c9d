"""Buying credits: what it costs, the order, who may, and what the routes answer."""

import json
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from clinics.models import ApiToken, Clinic, Membership
from credits.models import BillingRules, CreditPackage, TopUp
from credits.services import topups
from credits.services.topups import TopUpRefused, quote
from tests.concurrency.threads import Crowd
from tests.credits.payments.shop import Shop, member
from tests.factories import UserFactory, deliver
from tests.factories import top_up as draft_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]
ORDER = "/create-razorpay-order"


# --- what it costs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "credits_in_all"),
    [(1000, 1000), (5000, 5500), (10_000, 11_500), (25_000, 30_000), (50_000, 62_500)],
)
def test_packages_bring_what_they_say(clinic: Clinic, price: int, credits_in_all: int) -> None:
    package = CreditPackage.objects.get(price=price)

    for quoted in (quote(clinic=clinic, package_id=package.pk), quote(clinic=clinic, amount=price)):
        assert (quoted.price, quoted.credits) == (Decimal(price), Decimal(credits_in_all))
        assert (quoted.gross, quoted.tax) == (Decimal(price), Decimal(0))
        assert quoted.package == package


@pytest.mark.parametrize(
    ("amount", "bonus"),
    [
        (1001, 0),
        (4999, 0),
        (5001, 500),  # 10 % of 5,001 is 500.10
        (5009, 500),
        (5010, 501),
        (9999, 999),
        (10_001, 1500),  # 15 %: 1,500.15
        (24_999, 3749),
        (49_999, 9999),  # 20 %: 9,999.80
        (50_001, 12_500),  # 25 %: 12,500.25
        (500_000, 125_000),
    ],
)
def test_a_free_amount_gets_the_percentage_of_the_package_below_it(
    clinic: Clinic, amount: int, bonus: int
) -> None:
    quoted = quote(clinic=clinic, amount=amount)

    assert (quoted.bonus, quoted.credits) == (Decimal(bonus), Decimal(amount + bonus))
    assert quoted.package is None


def test_a_package_off_sale_is_neither_sold_nor_a_measure(clinic: Clinic) -> None:
    package = CreditPackage.objects.get(price=5000)
    package.is_active = False
    package.save()

    assert quote(clinic=clinic, amount=5000).bonus == 0
    with pytest.raises(TopUpRefused) as refusal:
        quote(clinic=clinic, package_id=package.pk)
    assert refusal.value.field == "package_id"


def test_limits_count(clinic: Clinic, settings: Any) -> None:
    for amount in (0, 1, 999, 500_001, 10**9):
        with pytest.raises(TopUpRefused):
            quote(clinic=clinic, amount=amount)
    settings.TOP_UP_LEAST_PRICE, settings.TOP_UP_MOST_GROSS = 2000, 3000
    assert quote(clinic=clinic, amount=3000).gross == 3000
    for amount in (1999, 3001):
        with pytest.raises(TopUpRefused):
            quote(clinic=clinic, amount=amount)


# --- the routes -------------------------------------------------------------------------------------


def test_an_order_answers_with_what_checkout_needs(shop: Shop) -> None:
    answer = shop.ask(ORDER, {"amount": 5000})

    top_up = TopUp.objects.get()
    assert json.loads(answer.content) == {
        "status": "success",
        "top_up": top_up.pk,
        "order_id": top_up.razorpay_order_id,
        "amount": 500_000,
        "currency": "INR",
        "key_id": "rzp_test_SANDBOX0000001",
    }
    order = shop.orders()[0]
    assert (order.id, order.receipt, order.amount) == (top_up.razorpay_order_id, top_up.receipt, 500_000)
    assert order.notes == {"top_up": str(top_up.pk), "clinic": str(shop.clinic.pk)}
    assert order.automatic_capture is True


def test_the_topup_route_sells_by_the_same_service(shop: Shop) -> None:
    package = CreditPackage.objects.get(price=10_000)

    as_json = shop.ask("/clinic/credits/topup", {"package_id": package.pk})
    as_html = shop.client.post("/clinic/credits/topup", {"amount": 1000}, headers={"Accept": "text/html"})

    assert json.loads(as_json.content)["amount"] == 1_000_000
    newest = TopUp.objects.latest("pk")
    assert (as_html.status_code, as_html["Location"]) == (303, f"/clinic/credits/topup?top_up={newest.pk}")


def test_verify_and_success_answer_state_credits_and_balance(shop: Shop) -> None:
    top_up = shop.order(5000)

    answer = shop.callback(shop.pay(top_up))

    assert json.loads(answer.content) == {
        "status": "success",
        "top_up": top_up.pk,
        "state": "paid",
        "credits": 5500,
        "balance": 5500,
    }
    assert shop.poll(top_up) == {"state": "paid", "credits": 5500, "balance": 5500}


def test_held_leads_are_released_by_the_payment_itself(shop: Shop) -> None:
    held = deliver(shop.clinic)
    assert held.held_reason == "no_credits"

    shop.paid(1000)

    held.refresh_from_db()
    assert (held.delivery_state, shop.balance()) == ("delivered", 900)


# --- the same request again -------------------------------------------------------------------------


def test_a_key_stands_for_one_order(shop: Shop) -> None:
    first = shop.ask(ORDER, {"amount": 1000}, **{"Idempotency-Key": "k-1"})
    again = shop.ask(ORDER, {"amount": 1000, "idempotency_key": "k-1"})
    other_body = shop.ask(ORDER, {"amount": 2000, "idempotency_key": "k-1"})
    other_key = shop.ask(ORDER, {"amount": 1000, "idempotency_key": "k-2"})

    assert first.content == again.content != other_key.content
    assert (other_body.status_code, json.loads(other_body.content)["code"]) == (409, "idempotency_key_reused")
    assert len(shop.orders()) == TopUp.objects.count() == 2


def test_a_refused_request_leaves_its_key_free(shop: Shop) -> None:
    assert shop.ask(ORDER, {"amount": 1, "idempotency_key": "k-1"}).status_code == 400
    assert shop.ask(ORDER, {"amount": 1000, "idempotency_key": "k-1"}).status_code == 200


def test_a_key_of_another_clinic_of_the_same_member_is_a_409(shop: Shop, other_clinic: Clinic) -> None:
    user = Membership.objects.get(clinic=shop.clinic).user
    shop.order(idempotency_key="k-1")
    Membership.objects.create(user=user, clinic=other_clinic, role="owner")
    session = shop.client.session
    session["clinic_id"] = other_clinic.pk
    session.save()

    assert shop.ask(ORDER, {"amount": 1000, "idempotency_key": "k-1"}).status_code == 409
    assert TopUp.objects.filter(clinic=other_clinic).count() == 0


@pytest.mark.parametrize("unique_receipt", [False, True])
def test_twelve_twins_at_once_make_one_top_up(live_shop: Shop, settings: Any, unique_receipt: bool) -> None:
    settings.RAZORPAY_UNIQUE_RECEIPT = unique_receipt
    with Crowd() as crowd:
        answers = crowd.at_once([lambda: live_shop.ask(ORDER, {"amount": 1000, "idempotency_key": "k"})] * 12)

    assert [answer.status_code for answer in answers] == [200] * 12
    assert len({answer.content for answer in answers}) == 1
    top_up = TopUp.objects.get()
    assert {order.receipt for order in live_shop.orders()} == {top_up.receipt}
    assert live_shop.callback(live_shop.pay(top_up)).status_code == 200
    assert live_shop.credits() == 1
    connection.close()


# --- who may ----------------------------------------------------------------------------------------

ROUTES = [
    ("post", "/create-razorpay-order"),
    ("post", "/clinic/credits/topup"),
    ("post", "/verify-payment"),
    ("get", "/payment-success"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nobody_signed_in_is_a_401(client: Client, method: str, path: str) -> None:
    assert getattr(client, method)(path, content_type="application/json").status_code == 401


@pytest.mark.parametrize(("method", "path"), ROUTES[:3])
def test_the_front_desk_is_a_403(shop: Shop, method: str, path: str) -> None:
    shop.client.force_login(member(shop.clinic, "front_desk"))

    answer = shop.ask(path, {"amount": 1000})

    assert (answer.status_code, TopUp.objects.count()) == (403, 0)


def test_billing_may_buy_and_the_front_desk_may_look(shop: Shop) -> None:
    shop.client.force_login(member(shop.clinic, "billing"))
    top_up = shop.paid()
    shop.client.force_login(member(shop.clinic, "front_desk"))

    assert shop.poll(top_up)["state"] == "paid"


def test_somebody_elses_top_up_is_a_404_with_the_body_of_a_missing_one(
    shop: Shop, other_clinic: Clinic
) -> None:
    theirs = draft_of(other_clinic, 1000)

    bodies = {
        shop.client.get(f"/payment-success?top_up={number}").content for number in (theirs.pk, 10**9, "x", "")
    }
    statuses = {
        shop.client.get(f"/payment-success?top_up={number}").status_code for number in (theirs.pk, "²", "-1")
    }

    assert (len(bodies), statuses) == (1, {404})


def test_a_token_needs_the_scope(shop: Shop, clinic: Clinic) -> None:
    for scope, status in (("credits:read", 403), ("credits:topup", 200)):
        _, text = ApiToken.objects.create(
            UserFactory.create(), None, name=scope, clinic=clinic, scopes=[scope]
        )
        answer = Client().post(
            ORDER,
            data='{"amount":1000,"idempotency_key":"t"}',
            content_type="application/json",
            headers={"Authorization": f"Bearer {text}"},
        )
        assert answer.status_code == status
    assert TopUp.objects.count() == 1


def test_while_top_ups_are_stopped_none_is_started(shop: Shop) -> None:
    BillingRules.objects.update(top_ups_stopped_at=timezone.now())

    answer = shop.ask(ORDER, {"amount": 1000})

    assert (answer.status_code, json.loads(answer.content)["code"]) == (409, "top_ups_stopped")
    with pytest.raises(topups.TopUpsStopped):
        topups.start(clinic=shop.clinic, by=None, amount=1000)
    assert (TopUp.objects.count(), shop.orders()) == (0, [])


def test_an_inactive_clinic_starts_none(shop: Shop) -> None:
    Clinic.objects.filter(pk=shop.clinic.pk).update(is_active=False)

    answer = shop.ask(ORDER, {"amount": 1000})

    assert answer.status_code == 409
    assert TopUp.objects.count() == 0


def test_a_payment_on_its_way_is_credited_although_top_ups_were_stopped(shop: Shop) -> None:
    outcome = shop.pay(shop.order())
    BillingRules.objects.update(top_ups_stopped_at=timezone.now())

    assert shop.callback(outcome).status_code == 200
    assert shop.balance() == 1000


def test_a_gateway_that_is_away_keeps_a_draft_and_says_so(shop: Shop) -> None:
    shop.fault("POST /v1/orders", "drop_before", times=2)
    shop.fault("GET /v1/orders", "drop_before", times=2)

    answer = shop.ask(ORDER, {"amount": 1000})
    page = shop.client.post("/clinic/credits/topup", {"amount": "1000"}, headers={"Accept": "text/html"})

    assert (answer.status_code, json.loads(answer.content)["code"]) == (503, "gateway_unavailable")
    assert (page.status_code, page["Retry-After"]) == (503, "10")
    assert set(TopUp.objects.values_list("state", flat=True)) == {"draft"}
    assert shop.balance() == Decimal(0)
