"""Everything the sandbox remembers, as plain data that goes to a JSON file and back."""

import dataclasses
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .demo_keys import ACCOUNT_ID, WEBHOOK_SECRET

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass
class Order:
    id: str
    amount: int
    currency: str
    receipt: str | None
    notes: dict[str, str]
    created_at: int
    automatic_capture: bool
    automatic_expiry_s: int
    manual_expiry_s: int
    status: str = "created"
    attempts: int = 0
    amount_paid: int = 0
    payment_ids: list[str] = field(default_factory=list)
    paid_visible_at: float = 0.0  # fault order_lag: until then the order still looks unpaid


@dataclass
class Payment:
    id: str
    order_id: str
    amount: int
    currency: str
    method: str
    created_at: int
    notes: dict[str, str]
    email: str
    contact: str
    vpa: str | None = None
    bank: str | None = None
    card: dict[str, Any] | None = None
    status: str = "created"
    captured: bool = False
    auto_captured: bool = False
    late_authorized: bool = False
    amount_refunded: int = 0
    fee: int | None = None
    tax: int | None = None
    error: dict[str, str] | None = None
    authorized_at: int | None = None
    captured_at: int | None = None
    settlement_id: str | None = None
    plan: str = "success"  # what the customer's trigger leads to
    hidden_from_browser: bool = False  # paidbutclosed@razorpay: the page never hears of it


@dataclass
class Refund:
    id: str
    payment_id: str
    amount: int
    currency: str
    receipt: str | None
    notes: dict[str, str]
    created_at: int
    status: str
    speed_requested: str
    speed_processed: str
    of_captured_payment: bool
    settlement_id: str | None = None


@dataclass
class Dispute:
    id: str
    payment_id: str
    amount: int
    currency: str
    reason_code: str
    respond_by: int
    created_at: int
    status: str = "open"
    phase: str = "chargeback"
    amount_deducted: int = 0


@dataclass
class Adjustment:
    """Money the gateway took or gave back outside payments and refunds; one of both amounts is 0."""

    id: str
    payment_id: str
    dispute_id: str | None
    debit: int
    credit: int
    description: str
    created_at: int
    settlement_id: str | None = None


@dataclass
class Settlement:
    id: str
    amount: int
    fees: int
    tax: int
    utr: str
    created_at: int
    rows: list[dict[str, Any]]
    status: str = "processed"


@dataclass
class Event:
    """What happened, as it was signed: retries and replays send these very bytes."""

    id: str
    name: str
    body: str
    secret: str
    created_at: int
    fate: str = "sent"


@dataclass
class Message:
    """One copy of an event on its way to the shop."""

    number: int
    event_id: str
    name: str
    body: str
    signature: str | None
    header_id: str | None
    deadline: float
    retried: bool = True
    attempts: int = 0
    failing_attempts: int = 0  # fault fail: that many first attempts count as failed
    failing_but_sent: bool = False


@dataclass
class Config:
    webhook_url: str | None = None
    webhook_enabled: bool = True
    webhook_timeout_s: float = 5.0
    retry_base_s: float = 60.0
    account_id: str = ACCOUNT_ID
    auto_capture: bool = True
    automatic_expiry_minutes: int = 4320
    manual_expiry_minutes: int = 7200
    min_amount: int = 100
    max_amount: int = 50_000_000
    refund_processing_s: float = 0.0


@dataclass
class State:
    seed: str
    issued_ids: int = 0
    counter: int = 0
    clock_offset: float = 0.0
    balance: int = 100_000_000  # paise; refunds are paid from it
    webhook_secret: str = WEBHOOK_SECRET
    config: Config = field(default_factory=Config)
    orders: dict[str, Order] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    disputes: dict[str, Dispute] = field(default_factory=dict)
    adjustments: dict[str, Adjustment] = field(default_factory=dict)
    settlements: dict[str, Settlement] = field(default_factory=dict)
    idempotency: dict[str, list[str]] = field(default_factory=dict)  # key -> [body hash, refund id]
    events: dict[str, Event] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    timers: list[list[Any]] = field(default_factory=list)  # heap of [due, number, kind, argument]

    def next_number(self) -> int:
        self.counter += 1
        return self.counter

    def new_id(self, prefix: str) -> str:
        """The same seed gives the same ids in the same order; the count survives a reset."""
        self.issued_ids += 1
        digest = hashlib.sha256(f"{self.seed}/{self.issued_ids}".encode()).digest()
        return prefix + "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:14])


TABLES: dict[str, type[Any]] = {
    "orders": Order,
    "payments": Payment,
    "refunds": Refund,
    "disputes": Dispute,
    "adjustments": Adjustment,
    "settlements": Settlement,
    "events": Event,
    "messages": Message,
}


def save(state: State, file: Path) -> None:
    """Written beside, then renamed: a kill leaves the old file or the new one, never half of one."""
    text = json.dumps(dataclasses.asdict(state), ensure_ascii=False)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as beside:
        beside.write(text)
    Path(name).replace(file)


def load(file: Path) -> State:
    """Raises ValueError when the file isn't one that this version wrote."""
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        for name, kind in TABLES.items():
            raw[name] = {key: kind(**value) for key, value in raw[name].items()}
        raw["config"] = Config(**raw["config"])
        return State(**raw)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{file} is not a state file of this sandbox ({error}): delete it") from error
