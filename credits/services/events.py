"""Webhook events: stored first and committed, then applied in a transaction of their own.

Only a processed event counts as a duplicate; what applies one is idempotent anyway. What can't be read is kept for
people, never answered with an error: 24 hours of those would switch the whole webhook off.
"""

import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F
from django.utils import timezone

from credits.models import GatewayEvent, ReviewItem
from credits.services.facts import UnreadableEntity
from credits.services.losses import UnknownPayment, apply_dispute, apply_refund
from credits.services.payments import Outcome, apply_payment
from credits.services.reviews import raise_review

logger = logging.getLogger(__name__)
RAW_KEPT_FOR = timedelta(days=90)
LONGEST_EVENT_ID = 100


def receive(raw: bytes, event_id: str | None) -> GatewayEvent:
    """Stores an event whose signature was checked, commits it, and applies it. A processed one is left alone.

    `event_id` is the gateway's header; without a usable one the digest of the body stands in, since retries carry
    identical bytes. Raises OperationalError when the database can't serve now: then the gateway sends it again.
    """
    if (
        not event_id
        or len(event_id) > LONGEST_EVENT_ID
        or not event_id.isascii()
        or not event_id.isprintable()
    ):
        event_id = f"sha256:{sha256(raw).hexdigest()}"
    body = _parsed(raw)
    name = body.get("event") if body else None
    event, created = GatewayEvent.objects.get_or_create(
        event_id=event_id,
        defaults={
            "raw": raw,
            "event": name[:60] if isinstance(name, str) and name.isprintable() else "unreadable",
        },
    )
    if not created:
        GatewayEvent.objects.filter(pk=event.pk).update(deliveries=F("deliveries") + 1)
    return event if event.processed_at is not None else process(event)


def process(event: GatewayEvent) -> GatewayEvent:
    """Applies a stored event, also again (replay): safe at any time. Raises OperationalError alone."""
    note = ""
    try:
        with transaction.atomic():
            outcome = _apply(event)
    except (OperationalError, InterfaceError):
        raise  # the database is busy or away
    except UnreadableEntity as problem:
        outcome, note = GatewayEvent.Outcome.REVIEW, f"Not readable: {problem}"
    except UnknownPayment as problem:
        # Its payment may still come, by another event or by reconciliation, which tries this one again.
        outcome, note = GatewayEvent.Outcome.FAILED, f"Payment not known yet: {problem}"
    except Exception as problem:
        logger.exception("Event could not be applied")  # our own bug: kept for a replay after the fix
        outcome, note = GatewayEvent.Outcome.FAILED, type(problem).__name__
    if outcome == GatewayEvent.Outcome.REVIEW:
        raise_review(ReviewItem.Kind.EVENT, event.event_id, event=event.event, note=note)
    event.outcome, event.note = outcome, note[:300]
    event.processed_at = None if outcome == GatewayEvent.Outcome.FAILED else timezone.now()
    event.save(update_fields=["outcome", "note", "processed_at"])
    return event


def drop_old_bodies() -> int:
    """Forgets the raw bytes of processed events after 90 days; returns how many."""
    old = GatewayEvent.objects.filter(
        received_at__lt=timezone.now() - RAW_KEPT_FOR, processed_at__isnull=False, raw__isnull=False
    )
    return old.update(raw=None)


def _apply(event: GatewayEvent) -> str:
    """By what the payload holds, not by the event's name alone: a new name with known entities is understood."""
    body = _parsed(bytes(event.raw or b""))
    if body is None:
        raise UnreadableEntity("body")
    payload = body.get("payload")
    entities = {
        name: part.get("entity")
        for name, part in (payload.items() if isinstance(payload, Mapping) else ())
        if isinstance(part, Mapping)
    }
    outcome: str = GatewayEvent.Outcome.IGNORED
    if "payment" in entities:
        applied = apply_payment(entities["payment"], source="webhook")
        outcome = GatewayEvent.Outcome.APPLIED
        if applied.outcome is Outcome.UNKNOWN_ORDER:
            outcome = GatewayEvent.Outcome.IGNORED
    if "refund" in entities:
        apply_refund(entities["refund"])
        outcome = GatewayEvent.Outcome.APPLIED
    if "dispute" in entities:
        apply_dispute(entities["dispute"])
        outcome = GatewayEvent.Outcome.APPLIED
    return outcome


def _parsed(raw: bytes) -> dict[str, Any] | None:
    """The body as a JSON object, or None. Numbers that are no numbers are refused, depth is Python's own limit."""
    try:
        body = json.loads(raw.decode("utf-8"), parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
