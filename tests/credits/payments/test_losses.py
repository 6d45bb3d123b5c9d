"""Money the gateway takes back: each loss once, whatever it is called and in whatever order we hear of it."""

import json

import pytest

from credits.models import CreditTransaction, GatewayDispute, GatewayRefund, Reversal
from credits.services.losses import apply_dispute, apply_refund
from tests.concurrency.threads import Crowd
from tests.credits.payments.losses_told import ALL, HALF, NOTHING, dispute_event, ends_of, refund_event, tell
from tests.credits.payments.shop import Shop, event_of, payment_entity, reviews
from tests.factories import deliver

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]

# --- disputes ---------------------------------------------------------------------------------------


def test_taken_at_its_first_event_restored_when_won_taken_anew_by_a_later_phase(shop: Shop) -> None:
    top_up = shop.paid(5000)
    steps = [
        (dispute_event(top_up, "created", 250_000), HALF),
        (dispute_event(top_up, "under_review", 250_000), HALF),
        (dispute_event(top_up, "won", 250_000), NOTHING),
        (dispute_event(top_up, "created", 250_000), NOTHING),  # a late, older event
        (dispute_event(top_up, "lost", 250_000), NOTHING),
        (dispute_event(top_up, "created", 250_000, "pre_arbitration"), HALF),
        (dispute_event(top_up, "won", 250_000), HALF),  # of the phase before
        (dispute_event(top_up, "lost", 250_000, "pre_arbitration"), HALF),
        (dispute_event(top_up, "under_review", 250_000, "pre_arbitration"), HALF),
    ]
    for event, books in steps:
        tell(event)
        assert shop.books() == books, event["event"]
    assert GatewayDispute.objects.get().status == "lost"


@pytest.mark.parametrize("name", ["created", "action_required", "under_review", "lost", "invented"])
def test_any_undecided_event_takes_also_without_a_first_one(shop: Shop, name: str) -> None:
    top_up = shop.paid(5000)

    tell(dispute_event(top_up, name, 250_000))

    assert shop.books() == HALF


@pytest.mark.parametrize("phase", ["fraud", "retrieval"])
def test_a_phase_before_the_chargeback_takes_nothing(shop: Shop, phase: str) -> None:
    top_up = shop.paid(5000)

    tell(*(dispute_event(top_up, name, 250_000, phase) for name in ("created", "under_review", "lost")))

    assert shop.books() == NOTHING


def test_won_as_a_mere_question_a_chargeback_of_it_is_taken(shop: Shop) -> None:
    top_up = shop.paid(5000)
    events = [
        dispute_event(top_up, "created", 250_000, "retrieval"),
        dispute_event(top_up, "won", 250_000, "retrieval"),
        dispute_event(top_up, "created", 250_000, "chargeback"),
    ]

    assert ends_of(shop, events) == {HALF}


def test_closed_moves_nothing_and_asks_people(shop: Shop) -> None:
    top_up = shop.paid(5000)

    tell(dispute_event(top_up, "closed", 250_000))
    assert (shop.books(), reviews()) == (NOTHING, ["dispute"])

    assert ends_of(
        shop, [dispute_event(top_up, "created", 250_000), dispute_event(top_up, "closed", 250_000)]
    ) == {HALF}


def test_several_disputes_on_one_payment_are_several_losses(shop: Shop) -> None:
    top_up = shop.paid(5000)
    first, second = (dispute_event(top_up, "lost", 250_000, number=number) for number in "12")

    tell(first, second)

    assert shop.books() == ALL
    tell(dispute_event(top_up, "won", 250_000, "pre_arbitration", number="2"))
    assert shop.books() == HALF


def test_a_dispute_that_changes_its_amount_goes_to_people(shop: Shop) -> None:
    top_up = shop.paid(5000)

    tell(dispute_event(top_up, "created", 250_000), dispute_event(top_up, "lost", 300_000))

    assert (shop.books(), reviews()) == (HALF, ["dispute"])


def test_an_ambiguous_pair_is_shown_to_people(shop: Shop) -> None:
    top_up = shop.paid(5000)

    tell(dispute_event(top_up, "created", 250_000), refund_event(top_up, "processed", "A", 250_000))

    assert reviews() == ["refund"]


def test_a_refund_of_money_that_was_never_credited_takes_nothing(shop: Shop) -> None:
    top_up = shop.paid(5000)
    second = payment_entity(top_up)
    tell(event_of("payment.captured", payment=second))
    refund = {
        "id": "rfnd_00000000000009",
        "payment_id": second["id"],
        "amount": 500_000,
        "status": "processed",
    }

    tell(event_of("refund.processed", refund=refund, payment={**second, "status": "refunded"}))

    assert (shop.books(), reviews()) == (NOTHING, ["second_payment"])


def test_an_event_that_leaves_out_the_order_does_not_lose_it(shop: Shop) -> None:
    """Official samples have `order_id: null`: such an event is about the payment we know."""
    top_up = shop.order(5000)
    entity = payment_entity(top_up, amount_refunded=250_000)
    nameless = {**entity, "order_id": None}
    refund = {
        "id": "rfnd_00000000000009",
        "payment_id": entity["id"],
        "amount": 250_000,
        "status": "processed",
    }
    events = [
        event_of("payment.captured", payment=entity),
        event_of("refund.processed", refund=refund, payment=nameless),
    ]

    assert ends_of(shop, events) == {HALF}
    tell(*events)
    assert reviews() == []


def test_a_refund_whose_payment_nobody_knows_is_asked_for(shop: Shop) -> None:
    top_up = shop.order(5000)
    outcome = shop.pay(top_up)
    top_up.razorpay_payment_id = outcome["payment_id"]
    shop.refund(top_up, 250_000)
    body = json.loads(shop.event("refund.processed").body)
    del body["payload"]["payment"]
    assert shop.post(body, event_id="alone").status_code == 200
    assert shop.balance() == 0

    shop.later(minutes=2)
    assert shop.reconcile()[0] == 0

    assert shop.books() == HALF


def test_an_event_of_a_payment_the_gateway_does_not_know_is_left_alone(shop: Shop) -> None:
    top_up = shop.order(5000)
    top_up.razorpay_payment_id = "pay_00000000000000"
    tell(refund_event(top_up, "processed", "A", 100))

    shop.later(minutes=2)
    shop.reconcile()

    assert shop.reconcile()[0] == 0


def test_owed_freezes_and_a_won_dispute_lifts_it(shop: Shop) -> None:
    top_up = shop.paid(1000)
    for number in range(10):
        deliver(shop.clinic, phone=number)
    tell(dispute_event(top_up, "created", 100_000))
    assert (shop.balance(), shop.owed()) == (0, 1000)
    held = deliver(shop.clinic, phone=50)
    assert held.held_reason == "frozen"
    shop.paid(1000)
    assert (shop.balance(), shop.owed()) == (0, 0)  # settled by what came in

    tell(dispute_event(top_up, "won", 100_000))

    held.refresh_from_db()
    assert (shop.balance(), shop.owed(), held.delivery_state) == (900, 0, "delivered")


def test_refund_of_another_amount_than_known_goes_to_people(shop: Shop) -> None:
    top_up = shop.paid(5000)

    tell(refund_event(top_up, "pending", "A", 250_000), refund_event(top_up, "processed", "A", 300_000))

    assert (shop.books(), reviews()) == (HALF, ["refund"])


@pytest.mark.django_db(transaction=True)
def test_all_events_of_a_loss_at_once_take_it_once(shop: Shop) -> None:
    top_up = shop.paid(5000)
    dispute = dispute_event(top_up, "lost", 250_000)["payload"]["dispute"]["entity"]
    refund = refund_event(top_up, "processed", "A", 250_000)["payload"]["refund"]["entity"]

    with Crowd() as crowd:
        crowd.at_once([lambda: apply_dispute(dispute), lambda: apply_refund(refund)] * 6)

    assert shop.books() == HALF
    assert (GatewayDispute.objects.count(), GatewayRefund.objects.count()) == (1, 1)
    assert Reversal.objects.filter(state="taken").count() == 1
    assert CreditTransaction.objects.filter(transaction_type="reversal", amount__lt=0).count() == 1


def test_what_comes_back_for_a_moment_pays_for_no_lead(shop: Shop) -> None:
    """A refund fails while a dispute of the whole amount stands: nothing has come back, so nothing is released."""
    top_up = shop.paid(5000)
    tell(refund_event(top_up, "processed", "r1", 300_000), dispute_event(top_up, "created", 500_000))
    held = [deliver(shop.clinic, phone, price=7000) for phone in range(3)]
    assert shop.books() == ALL

    tell(refund_event(top_up, "failed", "r1", 300_000))

    assert shop.books() == ALL
    for lead in held:
        lead.refresh_from_db()
        assert lead.delivery_state == "held"


def test_credits_that_do_come_back_release_held_leads(shop: Shop) -> None:
    top_up = shop.paid(5000)
    tell(refund_event(top_up, "processed", "r1", 500_000))
    lead = deliver(shop.clinic, 1, price=7000)

    tell(refund_event(top_up, "failed", "r1", 500_000))

    lead.refresh_from_db()
    assert lead.delivery_state == "delivered"
