"""Promo codes: what they bring, for whom, how often, for how long."""

import json
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from clinics.models import Clinic
from credits.models import PromoCode, PromoUse, TopUp
from credits.services import topups
from credits.services.promos import PromoRefused, promo_bonus
from credits.services.topups import TopUpRefused, quote
from tests.concurrency.threads import Crowd
from tests.credits.payments.shop import Shop, reviews
from tests.factories import ClinicFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]


def code(**fields: Any) -> PromoCode:
    return PromoCode.objects.create(**{"code": "DIWALI", "fixed_bonus": Decimal(200), **fields})


@pytest.mark.parametrize(
    ("fields", "price", "bonus"),
    [
        ({"percent": Decimal(10), "fixed_bonus": None}, 1000, 100),
        ({"percent": Decimal("12.5"), "fixed_bonus": None}, 1001, 125),
        ({"percent": Decimal("0.01"), "fixed_bonus": None}, 1000, 0),
        ({"percent": Decimal(100), "fixed_bonus": None}, 500_000, 500_000),
        ({}, 1000, 200),
        ({}, 500_000, 200),
    ],
)
def test_per_cent_of_the_price_or_fixed_on_top_of_the_package(
    clinic: Clinic, fields: dict[str, Any], price: int, bonus: int
) -> None:
    promo = code(**fields)

    assert promo_bonus(promo, Decimal(price)) == bonus
    without, quoted = (
        quote(clinic=clinic, amount=price),
        quote(clinic=clinic, amount=price, promo_code=" diwali "),
    )
    assert (quoted.promo_bonus, quoted.credits) == (Decimal(bonus), without.credits + bonus)


def test_least_amount_and_validity_count(clinic: Clinic) -> None:
    now, hour = timezone.now(), timedelta(hours=1)
    wrongs: list[dict[str, Any]] = [
        {"least_price": Decimal("1000.01")},
        {"valid_from": now + hour},
        {"valid_from": now - 2 * hour, "valid_until": now - hour},
        {"is_active": False},
        {"max_uses": 0},
        {"max_uses_per_clinic": 0},
    ]
    for number, wrong in enumerate(wrongs):
        code(code=f"WRONG{number}", **wrong)
        with pytest.raises(TopUpRefused) as refusal:
            quote(clinic=clinic, amount=1000, promo_code=f"WRONG{number}")
        assert refusal.value.field == "promo_code"
        assert isinstance(refusal.value.__cause__, PromoRefused)
    code(least_price=Decimal(1000), valid_from=now - hour, valid_until=now + hour, max_uses=1)
    assert quote(clinic=clinic, amount=1000, promo_code="DIWALI").promo_bonus == 200


def test_a_paid_top_up_brings_bonus_and_promo_and_uses_the_code(shop: Shop) -> None:
    code()
    top_up = shop.order(5000, promo_code="DIWALI")

    answer = shop.callback(shop.pay(top_up))

    assert json.loads(answer.content)["credits"] == 5700
    assert shop.balance() == 5700
    assert PromoUse.objects.get().state == "used"


def test_limits_in_all_and_per_clinic(shop: Shop, other_clinic: Clinic) -> None:
    code(max_uses=3, max_uses_per_clinic=2)
    for _ in range(2):
        shop.order(promo_code="DIWALI")
    assert shop.ask("/create-razorpay-order", {"amount": 1000, "promo_code": "DIWALI"}).status_code == 400

    topups.start(clinic=other_clinic, by=None, amount=1000, promo_code="DIWALI")
    with pytest.raises(TopUpRefused):
        topups.start(clinic=ClinicFactory.create(), by=None, amount=1000, promo_code="DIWALI")


def test_a_reservation_runs_out_after_thirty_minutes(shop: Shop) -> None:
    code(max_uses=1)
    shop.order(promo_code="DIWALI")
    shop.later(minutes=29)
    with pytest.raises(TopUpRefused):
        quote(clinic=shop.clinic, amount=1000, promo_code="DIWALI")

    shop.later(minutes=1, seconds=5)

    assert quote(clinic=shop.clinic, amount=1000, promo_code="DIWALI").promo_bonus == 200


def test_paid_late_with_a_free_use_left_still_brings_it(shop: Shop) -> None:
    code(max_uses=1)
    top_up = shop.order(promo_code="DIWALI")
    shop.later(hours=2)

    shop.callback(shop.pay(top_up))

    assert (shop.balance(), reviews()) == (1200, [])


def test_paid_late_without_a_free_use_brings_no_promo_and_is_reviewed(shop: Shop) -> None:
    code(max_uses=1)
    late = shop.order(5000, promo_code="DIWALI")
    shop.later(minutes=31)
    in_time = shop.order(5000, promo_code="DIWALI")
    shop.callback(shop.pay(in_time))

    answer = shop.callback(shop.pay(late))

    assert json.loads(answer.content)["credits"] == 5500
    assert (shop.balance(), reviews()) == (11_200, ["promo"])
    assert sorted(PromoUse.objects.values_list("state", flat=True)) == ["forfeited", "used"]


def test_the_promo_bonus_shares_the_fate_of_its_purchase(shop: Shop) -> None:
    code(fixed_bonus=Decimal(300))
    top_up = shop.order(5000, promo_code="DIWALI")
    shop.callback(shop.pay(top_up))
    top_up.refresh_from_db()
    assert shop.balance() == 5800

    shop.refund(top_up, 250_000)
    shop.post_all()

    assert shop.books() == ("2900.00", "0.00", "2500.00", "400.00", "0.00")


def test_the_bonus_lost_with_a_late_promo_is_not_taken_back(shop: Shop) -> None:
    code(max_uses=1)
    late = shop.order(5000, promo_code="DIWALI")
    shop.later(minutes=31)
    shop.callback(shop.pay(shop.order(1000, promo_code="DIWALI")))
    shop.callback(shop.pay(late))
    late.refresh_from_db()

    shop.refund(late)
    shop.post_all()

    assert shop.books() == ("1200.00", "0.00", "5000.00", "500.00", "0.00")


@pytest.mark.django_db(transaction=True)
def test_one_use_left_and_twelve_clinics_at_once_one_gets_it(shop: Shop) -> None:
    clinics = [ClinicFactory.create() for _ in range(12)]
    with Crowd() as crowd:
        for round_ in range(3):
            code(code=f"LAST{round_}", max_uses=2)
            topups.start(clinic=shop.clinic, by=None, amount=1000, promo_code=f"LAST{round_}")

            def buy(clinic: Clinic, text: str = f"LAST{round_}") -> TopUp | TopUpRefused:
                try:
                    return topups.start(clinic=clinic, by=None, amount=1000, promo_code=text)
                except TopUpRefused as refusal:
                    return refusal

            answers = crowd.at_once([partial(buy, clinic) for clinic in clinics])
            assert sorted(type(answer).__name__ for answer in answers) == ["TopUp"] + ["TopUpRefused"] * 11
    assert PromoUse.objects.count() == 6
    assert TopUp.objects.count() == 6


@pytest.mark.django_db(transaction=True)
def test_one_use_left_and_twelve_late_payments_at_once_one_gets_it(shop: Shop) -> None:
    promo = code(max_uses=12)
    outcomes = [shop.pay(shop.order(promo_code="DIWALI")) for _ in range(12)]
    shop.later(minutes=31)
    PromoCode.objects.filter(pk=promo.pk).update(max_uses=1)

    with Crowd() as crowd:
        answers = crowd.at_once([partial(shop.callback, outcome) for outcome in outcomes])

    assert [answer.status_code for answer in answers] == [200] * 12
    assert shop.balance() == 12_000 + 200
    assert PromoUse.objects.filter(state="used").count() == 1
    assert reviews() == ["promo"] * 11
