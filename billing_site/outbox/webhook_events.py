"""What a clinic's own system is told: the event's name, its ids and amounts. Never who a patient is.

Only what is listed here leaves the house, whatever a notice may come to hold.
"""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import uuid4

from django.utils import timezone

from billing_site.outbox.webhook_calls import Call
from billing_site.outbox.webhook_signing import headers_for
from clinics.models import Notice, WebhookDelivery, WebhookEndpoint
from clinics.services.webhooks import secrets_in_force

USER_AGENT: Final = "ClinicCredits-Webhooks/1"
TEST: Final = "test.ping"


class Type(NamedTuple):
    """`amounts` are in rupees: text in a notice, a number in JSON."""

    name: str
    ids: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()


# Of all kinds but those that only people hear of (`clinics.models.webhooks.KINDS_FOR_PROGRAMS`).
TYPES: Final[dict[str, Type]] = {
    Notice.Kind.LEAD_DELIVERED: Type("lead.delivered", ("lead_id", "state")),
    Notice.Kind.LEAD_HELD: Type("lead.held", ("lead_id", "state")),
    Notice.Kind.LEAD_WITHDRAWN: Type("lead.withdrawn", ("lead_id", "state")),
    Notice.Kind.DISPUTE_ASKED: Type("dispute.asked", ("dispute_id", "lead_id")),
    Notice.Kind.DISPUTE_DECIDED: Type("dispute.decided", ("dispute_id", "lead_id", "status")),
    Notice.Kind.PAYMENT_CREDITED: Type("payment.credited", ("top_up_id",), ("amount", "bonus")),
    Notice.Kind.LOW_BALANCE: Type("balance.low", (), ("threshold", "balance")),
    Notice.Kind.BUDGET_REACHED: Type("limit.reached", ("period", "since"), ("cap",)),
    Notice.Kind.CREDITS_EXPIRING: Type("credits.expiring", ("days", "on"), ("amount",)),
}


def type_name(kind: str) -> str:
    """A kind that is not listed yet is told by its name, and by nothing else."""
    return TYPES[kind].name if kind in TYPES else kind.replace("_", ".", 1)


def call_for(delivery: WebhookDelivery) -> Call:
    """What is sent at this try. Raises SecretUnreadable."""
    notice = delivery.notice
    told = TYPES.get(notice.kind, Type(""))
    data: dict[str, Any] = {name: notice.data[name] for name in told.ids if name in notice.data}
    data |= {name: _number(notice.data[name]) for name in told.amounts if name in notice.data}
    body = _body(
        str(notice.event_id), type_name(notice.kind), notice.created_at, delivery.endpoint.clinic_id, data
    )
    return _signed(delivery.endpoint, str(notice.event_id), body)


def test_call_for(endpoint: WebhookEndpoint) -> Call:
    """Signed like any other, with an id of its own; no event, so nothing is stored. Raises SecretUnreadable."""
    event_id = str(uuid4())
    return _signed(endpoint, event_id, _body(event_id, TEST, timezone.now(), endpoint.clinic_id, {}))


def _body(
    event_id: str, name: str, created_at: datetime, clinic_id: int, data: Mapping[str, object]
) -> bytes:
    fields = {
        "id": event_id,
        "type": name,
        "created_at": created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "clinic_id": clinic_id,
        "data": data,
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def _signed(endpoint: WebhookEndpoint, event_id: str, body: bytes) -> Call:
    now = time.time()
    secrets = secrets_in_force(endpoint, at=datetime.fromtimestamp(now, UTC))
    signed = headers_for(event_id=event_id, timestamp=int(now), body=body, secrets=secrets)
    headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT, **signed}
    return Call(endpoint.url, headers, body)


def _number(text: str) -> int | float:
    amount = Decimal(text)
    return int(amount) if amount == amount.to_integral_value() else float(amount)
