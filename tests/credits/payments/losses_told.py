"""Refunds and disputes as events tell of them, in any order."""

import itertools
import json
from typing import Any

from django.db import transaction

from billing_site.razorpay_sandbox.state import Event
from credits.models import TopUp
from credits.services.events import receive
from tests.credits.payments.shop import NUMBERS, Shop, event_of

# What the books say of a top-up of ₹5,000 with 500 bonus after no, half or all of it was lost (see Shop.books).
NOTHING = ("5500.00", "0.00", "0", "0", "0")
HALF = ("2750.00", "0.00", "2500.00", "250.00", "0.00")
ALL = ("0.00", "0.00", "5000.00", "500.00", "0.00")


def refund_event(top_up: TopUp, name: str, refund_id: str, paise: int) -> dict[str, Any]:
    entity: dict[str, Any] = {
        "id": f"rfnd_{refund_id:0>14}",
        "payment_id": top_up.razorpay_payment_id,
        "amount": paise,
        "status": {
            "created": "processed",
            "pending": "pending",
            "processed": "processed",
            "failed": "failed",
        }[name],
        "receipt": None,
        "notes": [],
    }
    return event_of(f"refund.{name}", refund=entity)


def dispute_event(
    top_up: TopUp, name: str, paise: int, phase: str = "chargeback", number: str = "1"
) -> dict[str, Any]:
    entity = {
        "id": f"disp_{number:0>14}",
        "payment_id": top_up.razorpay_payment_id,
        "amount": paise,
        "status": {"created": "open", "action_required": "open"}.get(name, name),
        "phase": phase,
    }
    return event_of(f"payment.dispute.{name}", dispute=entity)


def tell(*events: dict[str, Any] | Event) -> None:
    for event in events:
        if isinstance(event, Event):
            receive(event.body.encode(), event.id)
        else:
            receive(json.dumps(event).encode(), f"evt{next(NUMBERS)}")


def ends_of(shop: Shop, events: list[Any]) -> set[tuple[str, ...]]:
    """The books after each permutation of the events."""
    ends: set[tuple[str, ...]] = set()
    for order in itertools.permutations(events):
        with transaction.atomic():
            tell(*order)
            ends.add(shop.books())
            transaction.set_rollback(True)
    return ends
