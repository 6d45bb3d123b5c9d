"""What we believe of a gateway entity: each field read with care, the rest left alone.

Official samples leave out or null almost any field, and `notes` is a list when empty (RAZORPAY's own samples);
so nothing here is indexed, and an entity that lacks what decides about money is «unreadable», not guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from credits.gateway import is_gateway_id
from credits.models import GatewayDispute, GatewayPayment, GatewayRefund

HIGHEST_PAISE = 10**14
OUR_NOTE = "top_up"  # the key of `notes` that marks our own orders
OUR_REFUND_NOTE = "refund"  # the same for refunds we asked for


class UnreadableEntity(Exception):
    """A gateway entity without the fields that decide about money. The text names them, and quotes no value."""


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    payment_id: str
    order_id: str
    status: str
    captured: bool
    amount_paise: int
    currency: str
    amount_refunded_paise: int
    fee_paise: int | None
    tax_paise: int | None
    method: str
    error_reason: str
    carries_our_notes: bool
    made_at: datetime | None

    @classmethod
    def read(cls, entity: Any) -> "PaymentFacts":
        """Raises UnreadableEntity."""
        fields = _mapping(entity, "payment")
        status = _one_of(fields.get("status"), GatewayPayment.RANKS, "payment.status")
        notes = fields.get("notes")
        return cls(
            payment_id=_id(fields.get("id"), "pay"),
            order_id=_id(fields.get("order_id"), "order") if fields.get("order_id") else "",
            status=status,
            # A card's `authorized` event may say `captured: true` (an official sample does): not before its status.
            captured=fields.get("captured") is True and status in GatewayPayment.MONEY_IN,
            amount_paise=_paise(fields.get("amount"), "payment.amount"),
            currency=_word(fields.get("currency"), 3),
            amount_refunded_paise=_paise_or_none(fields.get("amount_refunded")) or 0,
            fee_paise=_paise_or_none(fields.get("fee")),
            tax_paise=_paise_or_none(fields.get("tax")),
            method=_word(fields.get("method"), 20),
            error_reason=_word(fields.get("error_reason") or fields.get("error_code"), 80),
            carries_our_notes=isinstance(notes, Mapping) and OUR_NOTE in notes,
            made_at=_moment(fields.get("created_at")),
        )


@dataclass(frozen=True, slots=True)
class RefundFacts:
    refund_id: str
    payment_id: str
    amount_paise: int
    status: str
    receipt: str

    @classmethod
    def read(cls, entity: Any) -> "RefundFacts":
        """Raises UnreadableEntity."""
        fields = _mapping(entity, "refund")
        status = _one_of(fields.get("status"), GatewayRefund.RANKS, "refund.status")
        return cls(
            refund_id=_id(fields.get("id"), "rfnd"),
            payment_id=_id(fields.get("payment_id"), "pay"),
            amount_paise=_paise(fields.get("amount"), "refund.amount", least=1),
            status=status,
            receipt=refund_receipt(fields),
        )


@dataclass(frozen=True, slots=True)
class DisputeFacts:
    dispute_id: str
    payment_id: str
    amount_paise: int
    phase: str
    status: str

    @classmethod
    def read(cls, entity: Any) -> "DisputeFacts":
        """Raises UnreadableEntity."""
        fields = _mapping(entity, "dispute")
        phase = _one_of(fields.get("phase"), GatewayDispute.PHASES, "dispute.phase")
        return cls(
            dispute_id=_id(fields.get("id"), "disp"),
            payment_id=_id(fields.get("payment_id"), "pay"),
            amount_paise=_paise(fields.get("amount"), "dispute.amount", least=1),
            phase=phase,
            status=_word(fields.get("status"), 20),
        )

    @property
    def phase_rank(self) -> int:
        return GatewayDispute.PHASES[self.phase]


def refund_receipt(fields: Mapping[str, Any]) -> str:
    """Our receipt of a refund we asked for: as its receipt, else from the notes we sent with it."""
    notes = fields.get("notes")
    noted = notes.get(OUR_REFUND_NOTE) if isinstance(notes, Mapping) else None
    return _word(fields.get("receipt"), 40) or _word(noted, 40)


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UnreadableEntity(what)
    return value


def _id(value: Any, kind: Literal["order", "pay", "rfnd", "disp"]) -> str:
    if not is_gateway_id(value, kind):
        raise UnreadableEntity(f"{kind} id")
    return str(value)


def _one_of(value: Any, known: Mapping[str, int], what: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise UnreadableEntity(what)
    return value


def _paise(value: Any, what: str, *, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= HIGHEST_PAISE:
        raise UnreadableEntity(what)
    return value


def _paise_or_none(value: Any) -> int | None:
    return (
        value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= HIGHEST_PAISE
        else None
    )


def _word(value: Any, longest: int) -> str:
    """A short word of the gateway's own (a method, a status); anything else counts as absent."""
    if not isinstance(value, str) or "\x00" in value or not value.isprintable():
        return ""
    return value[:longest]


def _moment(value: Any) -> datetime | None:
    if (
        not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 4_102_444_800
    ):  # the year 2100
        return None
    return datetime.fromtimestamp(value, tz=UTC)
