"""F13–F16: webhooks lost, endpoint down, events days late, and crashes between two steps."""

import threading
import time

import pytest
from django.db import connection, connections, transaction

from credits.gateway import Gateway
from credits.models import GatewayEvent, GatewayRefund, TopUp
from credits.services.payouts import refund_of
from credits.services.topups import FIRST_CHECK_AFTER
from tests.credits.payments.shop import Shop, approved_refund, reviews
from tests.factories import top_up as draft_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]
DAY = 86_400


def test_f13_with_all_webhooks_lost_reconciliation_credits(live_shop: Shop) -> None:
    live_shop.sandbox.control("scenario", name="F13_all_lost")
    top_ups = [live_shop.order(amount) for amount in (1000, 5000)]
    for top_up in top_ups:
        live_shop.pay(top_up)
    live_shop.sandbox.control("advance", s=3 * DAY)
    assert live_shop.reconcile()[0] == 0
    assert live_shop.credits() == 0  # not due: the first look is after 15 minutes

    live_shop.later(seconds=FIRST_CHECK_AFTER.total_seconds() + 1)
    code, printed = live_shop.reconcile()

    assert (code, live_shop.balance()) == (0, 6500)
    assert "2  payments credited" in printed
    assert live_shop.reconcile()[0] == 0
    assert live_shop.credits() == 2


def test_f14_an_acknowledgement_lost_and_each_event_repeated_for_hours(live_shop: Shop) -> None:
    live_shop.sandbox.control("scenario", name="F14_acknowledgement_lost")
    live_shop.pay(live_shop.order())
    live_shop.sandbox.control("advance", s=600)

    assert live_shop.balance() == 1000
    assert list(GatewayEvent.objects.values_list("deliveries", flat=True)) == [3, 3, 3]


def test_f14_down_until_the_webhook_is_disabled_then_reconciled(live_shop: Shop) -> None:
    live_shop.sandbox.control("scenario", name="F14_endpoint_down")
    live_shop.pay(live_shop.order())
    live_shop.sandbox.control("advance", s=26 * 3600)
    assert live_shop.sandbox.control("state")["disabled"] is True

    live_shop.later(hours=26)

    assert live_shop.reconcile()[0] == 0
    assert live_shop.balance() == 1000


def test_f14_an_answer_too_slow_counts_as_failed_there_and_once_here(live_shop: Shop) -> None:
    top_up = live_shop.order()
    live_shop.sandbox.control("config", webhook_timeout_s=0.3)
    with transaction.atomic():  # somebody works on the same top-up for a second
        TopUp.objects.select_for_update().get(pk=top_up.pk)
        live_shop.pay(top_up)
        live_shop.sandbox.control("drain")
        assert {entry["status"] for entry in live_shop.sandbox.control("state")["deliveries"]} == {None}
    live_shop.sandbox.control("config", webhook_timeout_s=30)

    live_shop.sandbox.control("advance", s=3600)

    assert live_shop.credits() == 1
    assert live_shop.balance() == 1000


def test_f14_a_busy_database_is_a_503_and_the_event_comes_again(
    live_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    top_up = live_shop.order()
    options = connections.settings["default"]["OPTIONS"]
    with monkeypatch.context() as hasty, transaction.atomic():
        hasty.setitem(options, "options", "-c lock_timeout=100")
        TopUp.objects.select_for_update().get(pk=top_up.pk)
        live_shop.pay(top_up)
        live_shop.sandbox.control("drain")
    assert {entry["status"] for entry in live_shop.sandbox.control("state")["deliveries"]} == {503}
    assert GatewayEvent.objects.filter(processed_at__isnull=True).count() == 3  # stored, not applied

    live_shop.sandbox.control("advance", s=3600)

    assert live_shop.balance() == 1000
    assert GatewayEvent.objects.filter(processed_at__isnull=True).count() == 0


def test_f15_an_event_replayed_after_days_changes_nothing(shop: Shop) -> None:
    top_up = shop.paid()
    shop.post_all()
    shop.refund(top_up, 40_000)
    shop.post_all()
    before = shop.books()

    shop.later(days=15)
    shop.post_all()

    assert shop.books() == before
    assert shop.balance() == 600


def test_f15_an_event_first_heard_of_after_days_is_credited(shop: Shop) -> None:
    shop.pay(shop.order())

    shop.later(days=15)
    shop.post_all()

    assert shop.balance() == 1000


def test_f16_a_crash_between_order_and_id_is_found_by_the_receipt(shop: Shop) -> None:
    top_up = draft_of(shop.clinic, 1000)
    with Gateway() as gateway:
        order = gateway.create_order(
            receipt=top_up.receipt, amount_paise=100_000, notes={"top_up": str(top_up.pk)}
        )

    shop.later(minutes=3)
    code, printed = shop.reconcile()

    top_up.refresh_from_db()
    assert (code, top_up.state, top_up.razorpay_order_id) == (0, TopUp.State.OPEN, order["id"])
    assert "drafts resolved" in printed
    assert shop.callback(shop.pay(top_up)).status_code == 200
    assert shop.balance() == 1000


def test_f16_a_crash_after_storing_an_event_is_finished_by_reconciliation(shop: Shop) -> None:
    shop.pay(shop.order())
    event = shop.event("payment.captured")
    GatewayEvent.objects.create(event_id=event.id, event=event.name, raw=event.body.encode())

    shop.later(minutes=2)

    assert shop.reconcile()[0] == 0
    assert shop.balance() == 1000
    assert GatewayEvent.objects.get().outcome == "applied"


def test_f16_a_crash_between_refund_and_its_id_pays_back_once(shop: Shop) -> None:
    top_up = shop.paid()
    refund = refund_of(approved_refund(top_up, shop.balance()))  # what was committed before the crash
    with Gateway() as gateway:
        gateway.refund(
            str(top_up.razorpay_payment_id),
            amount_paise=refund.amount_paise,
            receipt=str(refund.receipt),
            idempotency_key=str(refund.receipt),
            notes={"refund": str(refund.receipt)},
        )

    shop.later(minutes=3)
    assert shop.reconcile()[0] == 0

    refund.refresh_from_db()
    assert refund.status == GatewayRefund.Status.PROCESSED
    assert len(shop.sandbox.sandbox.state.refunds) == 1
    assert shop.balance() == 0
    shop.post_all()
    assert (shop.balance(), shop.owed()) == (0, 0)


def test_f16_an_answer_lost_after_the_ledger_row_credits_once(live_shop: Shop) -> None:
    """The browser hears nothing of its first callback and sends it again, while the first is still at work."""
    top_up = live_shop.order()
    outcome = live_shop.pay(top_up, notes={})

    def first() -> None:
        live_shop.callback(outcome)
        connection.close()

    lost = threading.Thread(target=first)
    lost.start()
    time.sleep(0.01)
    answer = live_shop.callback(outcome)
    lost.join()

    assert answer.status_code == 200
    assert live_shop.credits() == 1
    assert reviews() == []
