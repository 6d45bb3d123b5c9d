"""The same refunds and disputes in every order they may be told in: the same books."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from credits.models import GatewayEvent, TopUp
from credits.services.events import process
from tests.credits.payments.losses_told import HALF, NOTHING, dispute_event, ends_of, refund_event, tell
from tests.credits.payments.shop import Shop
from tests.factories import deliver

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]


def created_lost_refund(top_up: TopUp) -> list[dict[str, Any]]:
    return [
        dispute_event(top_up, "created", 250_000),
        dispute_event(top_up, "lost", 250_000),
        refund_event(top_up, "processed", "A", 250_000),
    ]


def lost_and_refund(top_up: TopUp) -> list[dict[str, Any]]:
    return [dispute_event(top_up, "lost", 250_000), refund_event(top_up, "processed", "A", 250_000)]


def open_and_refund(top_up: TopUp) -> list[dict[str, Any]]:
    return [dispute_event(top_up, "created", 250_000), refund_event(top_up, "processed", "A", 250_000)]


def refund_and_won(top_up: TopUp) -> list[dict[str, Any]]:
    return [
        dispute_event(top_up, "created", 250_000),
        refund_event(top_up, "processed", "A", 250_000),
        dispute_event(top_up, "won", 250_000),
    ]


def refund_fails_and_lost(top_up: TopUp) -> list[dict[str, Any]]:
    return [
        dispute_event(top_up, "lost", 250_000),
        refund_event(top_up, "processed", "A", 250_000),
        refund_event(top_up, "failed", "A", 250_000),
    ]


def refund_fails_and_won(top_up: TopUp) -> list[dict[str, Any]]:
    return [*refund_and_won(top_up), refund_event(top_up, "failed", "A", 250_000)]


def two_refunds_one_dispute(top_up: TopUp) -> list[dict[str, Any]]:
    return [
        dispute_event(top_up, "created", 125_000),
        refund_event(top_up, "processed", "A", 125_000),
        refund_event(top_up, "processed", "B", 125_000),
        dispute_event(top_up, "lost", 125_000),
    ]


def reopened(top_up: TopUp) -> list[dict[str, Any]]:
    return [
        dispute_event(top_up, "created", 250_000),
        dispute_event(top_up, "won", 250_000),
        dispute_event(top_up, "created", 250_000, "pre_arbitration"),
        dispute_event(top_up, "lost", 250_000, "arbitration"),
    ]


def whole_dispute_won_beside_a_partial_refund(top_up: TopUp) -> list[dict[str, Any]]:
    """Together more than was paid: the refund finds nothing left until the dispute is won."""
    return [
        dispute_event(top_up, "created", 500_000),
        refund_event(top_up, "processed", "A", 250_000),
        dispute_event(top_up, "won", 500_000),
    ]


def two_disputes_one_won(top_up: TopUp) -> list[dict[str, Any]]:
    return [
        dispute_event(top_up, "created", 500_000, number="1"),
        dispute_event(top_up, "lost", 250_000, number="2"),
        dispute_event(top_up, "won", 500_000, number="1"),
        refund_event(top_up, "processed", "A", 250_000),
    ]


def refund_of_pending_to_failed(top_up: TopUp) -> list[dict[str, Any]]:
    return [refund_event(top_up, name, "A", 250_000) for name in ("pending", "processed", "failed")]


@pytest.mark.parametrize(
    ("events", "books"),
    [
        (created_lost_refund, HALF),
        (lost_and_refund, HALF),
        (open_and_refund, HALF),
        (refund_and_won, HALF),
        (refund_fails_and_lost, HALF),
        (refund_fails_and_won, NOTHING),
        (two_refunds_one_dispute, HALF),
        (reopened, HALF),
        (whole_dispute_won_beside_a_partial_refund, HALF),
        (two_disputes_one_won, HALF),
        (refund_of_pending_to_failed, NOTHING),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_order_of_the_same_events_ends_in_the_same_books(
    shop: Shop, events: Callable[[TopUp], list[dict[str, Any]]], books: tuple[str, ...]
) -> None:
    top_up = shop.paid(5000)

    assert ends_of(shop, events(top_up)) == {books}


def test_losses_known_before_the_payment_is_credited_are_taken_with_it(shop: Shop) -> None:
    top_up = shop.order(5000)
    outcome = shop.pay(top_up)
    top_up.razorpay_payment_id = outcome["payment_id"]  # as it will be; not saved
    events: list[Any] = [
        shop.event("payment.authorized"),
        shop.event("payment.captured"),
        dispute_event(top_up, "lost", 250_000),
        refund_event(top_up, "processed", "A", 250_000),
    ]

    ends = set()
    for order in itertools.permutations(events):
        with transaction.atomic():
            tell(*order)
            for event in GatewayEvent.objects.filter(processed_at__isnull=True).order_by("pk"):
                process(event)  # of a payment that was not known yet: reconciliation tries them again
            ends.add(shop.books())
            transaction.set_rollback(True)
    assert ends == {HALF}


def test_the_same_loss_spent_before_it_is_owed_once(shop: Shop) -> None:
    top_up = shop.paid(1000)
    for number in range(10):
        deliver(shop.clinic, phone=number)
    events = [
        dispute_event(top_up, "created", 60_000),
        dispute_event(top_up, "lost", 60_000),
        refund_event(top_up, "processed", "A", 60_000),
    ]

    assert ends_of(shop, events) == {("0.00", "600.00", "600.00", "0.00", "600.00")}
