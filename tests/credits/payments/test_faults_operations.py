"""F32–F34: two reconcilers, clocks and days, an older database."""

import datetime
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from credits.models import GatewayPayment, TopUp
from credits.services.events import receive
from credits.services.reconciliation import reconcile
from tests.credits.payments.shop import Shop, reviews

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]
IST = datetime.timezone(datetime.timedelta(hours=5, minutes=30))


@pytest.mark.django_db(transaction=True)
def test_f32_two_reconcilers_at_once_credit_once(shop: Shop) -> None:
    for _ in range(10):
        shop.pay(shop.order())
    shop.later(minutes=16)

    def run(_: int) -> tuple[int, str]:
        try:
            return shop.reconcile("--sweep", "1")
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        codes = [code for code, _ in pool.map(run, range(4))]

    assert codes == [0] * 4
    assert (shop.credits(), shop.balance(), reviews()) == (10, 10_000, [])


def test_f33_a_gateway_whose_clock_is_wrong_is_credited(shop: Shop) -> None:
    shop.sandbox.control("advance", s=9 * 86_400)
    top_up = shop.order()
    shop.sandbox.control("advance", s=86_400)

    assert shop.callback(shop.pay(top_up)).status_code == 200

    assert shop.balance() == 1000
    made_at = GatewayPayment.objects.get().made_at
    assert made_at is not None
    assert made_at > TopUp.objects.get().created_at + datetime.timedelta(days=9)


def test_f33_settlements_are_by_the_indian_day(shop: Shop) -> None:
    """23:50 and 00:10 in India are one day in UTC, and two here."""
    clock = shop.sandbox.sandbox.clock
    midnight = datetime.datetime.combine(
        datetime.datetime.fromtimestamp(clock.now(), IST).date() + datetime.timedelta(days=2),
        datetime.time(),
        IST,
    )
    shop.sandbox.control("advance", s=midnight.timestamp() - 600 - clock.now())
    first = shop.paid(1000)
    shop.sandbox.control("settle")
    shop.sandbox.control("advance", s=1200)
    second = shop.paid(5000)
    shop.sandbox.control("settle")
    before, after = midnight.date() - datetime.timedelta(days=1), midnight.date()
    GatewayPayment.objects.update(fee_paise=None)

    counts = [
        reconcile(settlement_days=[day], progress=lambda _: None).counts["settlement rows"]
        for day in (before, after)
    ]

    assert counts == [1, 1]
    fees = dict(GatewayPayment.objects.values_list("top_up", "fee_paise"))
    assert fees == {first.pk: 2360, second.pk: 11_800}
    assert reviews() == []


def test_f34_events_replayed_against_an_older_ledger_credit_once(shop: Shop) -> None:
    """The backup was made after the order and before its payment; then every event comes again, twice."""
    top_up = shop.order(5000)
    shop.pay(top_up)
    payment_id = next(iter(shop.sandbox.sandbox.state.payments))
    with transaction.atomic():
        shop.post_all()
        shop.sandbox.control("dashboard_refund", payment_id=payment_id, amount=100_000)
        shop.post_all()
        lost = shop.books()
        transaction.set_rollback(True)  # restored
    assert shop.balance() == 0

    for _ in range(2):
        for event in reversed(shop.events()):
            receive(event.body.encode(), event.id)

    assert shop.books() == lost == ("4400.00", "0.00", "1000.00", "100.00", "0.00")
    assert shop.credits() == 1


def test_f34_without_any_event_the_sweep_restores_what_the_backup_lacks(shop: Shop) -> None:
    top_up = shop.order(5000)
    shop.pay(top_up)
    shop.sandbox.control(
        "dashboard_refund", payment_id=next(iter(shop.sandbox.sandbox.state.payments)), amount=100_000
    )
    TopUp.objects.update(next_check_at=None, state="abandoned")

    assert shop.reconcile("--sweep", "30")[0] == 0

    assert shop.books() == ("4400.00", "0.00", "1000.00", "100.00", "0.00")
