"""`reconcile_payments`: what it asks, when, what it finds, how it ends."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from billing_site.razorpay_sandbox import payments as gateway_payments
from clinics.models import Clinic
from credits.models import GatewayPayment, TopUp
from credits.services.ledger import BillingService
from credits.services.reconciliation import next_interval
from tests.credits.payments.processes import manage
from tests.credits.payments.shop import Shop, reviews
from tests.factories import deliver
from tests.factories import top_up as draft_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]


def asked(shop: Shop) -> list[str]:
    """Each request to the gateway's API from now on."""
    log: list[str] = []
    shop.sandbox._server.log = log.append
    return log


def test_the_intervals_grow_from_15_minutes_to_12_hours() -> None:
    minutes = [next_interval(checks).total_seconds() / 60 for checks in range(9)]

    assert minutes == [15, 30, 60, 120, 240, 480, 720, 720, 720]
    assert next_interval(32_000) == timedelta(hours=12)


def test_an_open_top_up_is_asked_about_when_it_is_due_until_8_days_have_gone(shop: Shop) -> None:
    top_up = shop.order()
    log = asked(shop)
    asks = 0
    for _ in range(9 * 6):
        shop.later(hours=4)
        log.clear()
        assert shop.reconcile()[0] == 0
        asks += sum("/payments" in line and "/orders/" in line for line in log)
        top_up.refresh_from_db()
        if top_up.state == TopUp.State.ABANDONED:
            break

    assert top_up.state == TopUp.State.ABANDONED
    assert 15 <= asks <= 20
    assert timedelta(days=8) < shop.offset < timedelta(days=8, hours=17)


def test_a_gateway_that_does_not_answer_is_asked_again_soon_and_nothing_is_abandoned(shop: Shop) -> None:
    top_up = shop.order()
    shop.pay(top_up)
    shop.later(days=9)
    shop.fault("GET /v1/orders/.*", {"status": {"status": 503}})

    code, printed = shop.reconcile()

    assert code == 1
    assert f"not done: top-up {top_up.pk}" in printed
    top_up.refresh_from_db()
    assert (top_up.state, top_up.checks) == (TopUp.State.OPEN, 0)
    shop.later(minutes=16)
    assert shop.reconcile()[0] == 0
    assert shop.balance() == 1000


def test_one_payment_that_cannot_be_read_does_not_hide_the_others(shop: Shop) -> None:
    top_up = shop.order()
    shop.pay(top_up, "failure@razorpay")
    shop.pay(top_up)
    good = shop.sandbox.sandbox.state.payments
    entity = {"id": next(iter(good)), "status": "of a new kind"}
    paid = gateway_payments.entity(list(good.values())[-1])
    answer = {"entity": "collection", "count": 2, "items": [entity, paid]}
    shop.fault("GET /v1/orders/.*", {"status": {"status": 200, "body": answer}})
    shop.later(minutes=16)

    code, printed = shop.reconcile()

    assert (code, shop.balance()) == (1, 1000)
    assert "payment.status is not readable" in printed


def test_drafts_are_resolved_by_receipt_or_abandoned(shop: Shop) -> None:
    shop.fault("POST /v1/orders", "drop_after")
    shop.fault("GET /v1/orders", {"status": {"status": 503}})
    shop.ask("/create-razorpay-order", {"amount": 1000})
    never_ordered = draft_of(shop.clinic, 1000)
    shop.later(minutes=3)

    assert shop.reconcile()[0] == 0

    assert sorted(TopUp.objects.values_list("state", flat=True)) == ["draft", "open"]
    shop.later(days=8)
    shop.reconcile()
    never_ordered.refresh_from_db()
    assert never_ordered.state == TopUp.State.ABANDONED


def test_the_sweep_credits_what_everything_else_missed(shop: Shop) -> None:
    top_ups = [shop.order() for _ in range(3)]
    for top_up in top_ups:
        shop.pay(top_up)
    TopUp.objects.update(state="abandoned", next_check_at=None)
    assert shop.reconcile()[0] == 0
    assert shop.credits() == 0

    code, printed = shop.reconcile("--sweep", "2")

    assert (code, shop.credits(), shop.balance()) == (0, 3, 3000)
    assert "3  payments swept" in printed


def test_the_sweep_reads_every_page(shop: Shop) -> None:
    top_up = shop.order()
    for _ in range(130):
        shop.pay(top_up, "failure@razorpay")
    shop.pay(top_up)
    TopUp.objects.update(state="abandoned")

    shop.reconcile("--sweep", "1")

    assert (GatewayPayment.objects.count(), shop.balance()) == (131, 1000)


def test_a_settlement_that_agrees_records_fees_and_finds_nothing(shop: Shop) -> None:
    top_up = shop.paid(5000)
    shop.refund(top_up, 100_000)
    shop.post_all()
    GatewayPayment.objects.update(fee_paise=None, tax_paise=None)
    shop.sandbox.control("settle")

    code, printed = shop.reconcile("--settlement", str(timezone.localdate()))

    assert (code, reviews()) == (0, [])
    assert "2  settlement rows" in printed
    assert GatewayPayment.objects.values_list("fee_paise", "tax_paise").get() == (11_800, 1800)


def test_a_settled_payment_we_never_heard_of_is_credited(shop: Shop) -> None:
    shop.pay(shop.order(5000))
    shop.sandbox.control("settle")
    TopUp.objects.update(state="abandoned")

    assert shop.reconcile("--settlement", str(timezone.localdate()))[0] == 0

    assert shop.balance() == 5500


def test_settled_money_that_cannot_be_credited_is_reviewed_once(shop: Shop) -> None:
    top_up = shop.order()
    shop.pay(top_up, amount=50_000)
    shop.sandbox.control("settle")

    for _ in range(2):
        assert shop.reconcile("--settlement", str(timezone.localdate()))[0] == 1

    assert reviews() == ["amount", "settlement"]
    assert shop.balance() == 0


def test_a_settlement_row_of_another_amount_is_reviewed(shop: Shop) -> None:
    top_up = shop.paid()
    refund = shop.refund(top_up, 10_000)
    shop.post_all()
    rows: list[dict[str, Any]] = [
        {"entity_id": top_up.razorpay_payment_id, "type": "payment", "amount": 99_999, "fee": 1, "tax": 0},
        {"entity_id": refund["id"], "type": "refund", "amount": 9_999},
        {"entity_id": "../../x", "type": "payment", "amount": 1},
        {"entity_id": None, "type": None},
        {"entity_id": "adj_1", "type": "adjustment", "amount": 5},
    ]
    answer = {"entity": "collection", "count": len(rows), "items": rows}
    shop.fault("GET /v1/settlements/recon/combined", {"status": {"status": 200, "body": answer}})

    code, printed = shop.reconcile("--settlement", str(timezone.localdate()))

    assert (code, reviews()) == (1, ["settlement", "settlement"])
    assert "2  settlement differences" in printed
    assert printed.count("not done:") == 1


def test_disputes_nobody_told_us_about_are_found(shop: Shop) -> None:
    top_up = shop.paid(5000)
    shop.dispute(top_up, "created", amount=250_000)

    assert shop.reconcile()[0] == 0
    assert shop.books() == ("2750.00", "0.00", "2500.00", "250.00", "0.00")

    shop.dispute(top_up, "won")
    assert shop.reconcile()[0] == 0
    assert shop.balance() == 5500


def test_an_order_of_nobody_with_our_notes_waits_15_minutes(shop: Shop, other_clinic: Clinic) -> None:
    top_up = shop.order()
    shop.pay(top_up)
    TopUp.objects.filter(pk=top_up.pk).update(razorpay_order_id=None, state="draft")
    shop.post_all()
    assert (shop.reconcile()[0], reviews()) == (0, [])

    shop.later(minutes=3)  # the draft's order is found by its receipt
    assert shop.reconcile()[0] == 0

    assert (shop.balance(), reviews()) == (1000, [])


def test_whole_runs_change_nothing_the_second_time(shop: Shop) -> None:
    top_up = shop.paid(5000)
    shop.refund(top_up, 100_000)
    shop.dispute(top_up, "created", amount=50_000)
    shop.pay(shop.order())
    shop.sandbox.control("settle")
    shop.later(minutes=20)
    options = ("--sweep", "3", "--settlement", str(timezone.localdate()))
    shop.reconcile(*options)
    before = (shop.books(), BillingService.get_clinic_credit_balance(shop.clinic.pk), reviews())

    shop.later(minutes=40)
    shop.reconcile(*options)

    assert (shop.books(), BillingService.get_clinic_credit_balance(shop.clinic.pk), reviews()) == before
    assert deliver(shop.clinic).delivery_state == "delivered"


@pytest.mark.parametrize(
    "options",
    [
        ["--sweep", "-1"],
        ["--sweep", "367"],
        ["--sweep", "x"],
        ["--settlement", "yesterday"],
        ["--settlement", "2026-02-30"],
        ["--settlement", "9999-12-31"],
        ["--invented"],
        ["extra"],
    ],
)
def test_wrong_options_are_refused_before_anything_is_asked(shop: Shop, options: list[str]) -> None:
    log = asked(shop)

    with pytest.raises(CommandError):
        call_command("reconcile_payments", *options)

    assert log == []


def test_without_keys_it_says_so(shop: Shop, settings: Any) -> None:
    settings.RAZORPAY_KEY_ID = ""

    with pytest.raises(CommandError, match="not set up"):
        call_command("reconcile_payments")


@pytest.mark.django_db(transaction=True)
def test_killed_half_way_the_next_run_finishes_it(shop: Shop) -> None:
    for _ in range(8):
        shop.pay(shop.order())
    TopUp.objects.update(next_check_at=timezone.now())
    shop.fault("GET /v1/orders/.*", {"slow": {"s": 0}}, times=4)
    shop.fault("GET /v1/orders/.*", {"slow": {"s": 100}}, times=-1)  # so it is killed while it waits

    process = manage("reconcile_payments")
    deadline = time.monotonic() + 60
    while shop.credits() < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.communicate()

    assert 2 <= shop.credits() < 8
    shop.sandbox.sandbox.faults.clear()
    again = manage("reconcile_payments")
    printed, complaints = again.communicate(timeout=180)
    assert (again.returncode, shop.credits(), shop.balance()) == (0, 8, 8000), complaints
    assert "payments credited" in printed


@pytest.mark.django_db(transaction=True)
def test_a_gateway_that_is_down_is_exit_code_1_and_no_traceback(shop: Shop) -> None:
    shop.order()
    TopUp.objects.update(next_check_at=timezone.now())
    shop.sandbox.stop()

    process = manage("reconcile_payments", "--sweep", "1")
    printed, complaints = process.communicate(timeout=180)

    assert process.returncode == 1
    assert "not done: top-up" in complaints
    assert "Traceback" not in printed + complaints
