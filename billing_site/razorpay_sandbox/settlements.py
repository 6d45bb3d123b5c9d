"""Settlements: what the bank account gets, and the recon rows that explain it to the paisa."""

import datetime
from typing import TYPE_CHECKING, Any

from .errors import refused, unknown_id
from .state import Adjustment, Payment, Refund, Settlement
from .webhooks import Occurrence, emit

if TYPE_CHECKING:
    from .sandbox import Sandbox

IST = datetime.timezone(datetime.timedelta(hours=5, minutes=30))


def entity(settlement: Settlement) -> dict[str, Any]:
    return {
        "id": settlement.id,
        "entity": "settlement",
        "amount": settlement.amount,
        "status": settlement.status,
        "fees": settlement.fees,
        "tax": settlement.tax,
        "utr": settlement.utr,
        "created_at": settlement.created_at,
    }


def find(sandbox: "Sandbox", settlement_id: str) -> Settlement:
    settlement = sandbox.state.settlements.get(settlement_id)
    if settlement is None:
        raise unknown_id()
    return settlement


def adjust(
    sandbox: "Sandbox", payment_id: str, dispute_id: str | None, *, debit: int = 0, credit: int = 0, why: str
) -> None:
    adjustment = Adjustment(
        id=sandbox.state.new_id("adj_"),
        payment_id=payment_id,
        dispute_id=dispute_id,
        debit=debit,
        credit=credit,
        description=why,
        created_at=sandbox.clock.seconds(),
    )
    sandbox.state.adjustments[adjustment.id] = adjustment
    sandbox.state.balance += credit - debit


def settle(sandbox: "Sandbox", date: datetime.date) -> Settlement:
    """Settle everything unsettled up to the end of that IST day, stamped within that day."""
    midnight = datetime.datetime.combine(date + datetime.timedelta(days=1), datetime.time(), IST)
    end_of_day = int(midnight.timestamp()) - 1
    now = sandbox.clock.seconds()
    if end_of_day - 86_399 > now:
        raise refused("This day has not begun: advance the clock first.", field="date")
    settled_at = min(now, end_of_day)
    identifier = sandbox.state.new_id("setl_")
    utr = f"{settled_at}{identifier[5:11].lower()}"
    rows = [
        *(payment_row(sandbox, payment) for payment in unsettled_payments(sandbox, settled_at, identifier)),
        *(refund_row(sandbox, refund) for refund in unsettled_refunds(sandbox, settled_at, identifier)),
        *(adjustment_row(sandbox, entry) for entry in unsettled_adjustments(sandbox, settled_at, identifier)),
    ]
    for row in rows:
        utr_of_row = None if row["type"] == "adjustment" else utr
        row.update(settled_at=settled_at, settlement_id=identifier, settlement_utr=utr_of_row)
    amount = sum(row["credit"] - row["debit"] for row in rows)
    fees, tax = sum(row["fee"] for row in rows), sum(row["tax"] for row in rows)
    settlement = Settlement(identifier, amount, fees, tax, utr, settled_at, rows)
    sandbox.state.settlements[identifier] = settlement
    sandbox.state.balance -= amount
    emit(sandbox, [Occurrence("settlement.processed", {"settlement": {"entity": entity(settlement)}})])
    return settlement


def unsettled_payments(sandbox: "Sandbox", until: int, settlement_id: str) -> list[Payment]:
    found = [
        payment
        for payment in sandbox.state.payments.values()
        if payment.settlement_id is None and payment.captured_at is not None and payment.captured_at <= until
    ]
    for payment in found:
        payment.settlement_id = settlement_id
    return found


def unsettled_refunds(sandbox: "Sandbox", until: int, settlement_id: str) -> list[Refund]:
    """Processed refunds of captured payments: money of an uncaptured one never reached the account."""
    found = [
        refund
        for refund in sandbox.state.refunds.values()
        if refund.settlement_id is None
        and refund.of_captured_payment
        and refund.status == "processed"
        and refund.created_at <= until
    ]
    for refund in found:
        refund.settlement_id = settlement_id
    return found


def unsettled_adjustments(sandbox: "Sandbox", until: int, settlement_id: str) -> list[Adjustment]:
    found = [
        adjustment
        for adjustment in sandbox.state.adjustments.values()
        if adjustment.settlement_id is None and adjustment.created_at <= until
    ]
    for adjustment in found:
        adjustment.settlement_id = settlement_id
    return found


def base_row(sandbox: "Sandbox", payment: Payment) -> dict[str, Any]:
    order = sandbox.state.orders[payment.order_id]
    card = payment.card or {}
    return {
        "amount": 0,
        "currency": payment.currency,
        "fee": 0,
        "tax": 0,
        "debit": 0,
        "credit": 0,
        "on_hold": False,
        "settled": True,
        "posted_at": None,
        "credit_type": "default",
        "description": None,
        "notes": "{}",
        "payment_id": None,
        "order_id": payment.order_id,
        "order_receipt": order.receipt,
        "method": payment.method,
        "card_network": card.get("network"),
        "card_issuer": card.get("issuer"),
        "card_type": card.get("type"),
        "dispute_id": None,
    }


def payment_row(sandbox: "Sandbox", payment: Payment) -> dict[str, Any]:
    fee = payment.fee or 0
    return {
        "entity_id": payment.id,
        "type": "payment",
        **base_row(sandbox, payment),
        "credit": payment.amount - fee,
        "amount": payment.amount,
        "fee": fee,
        "tax": payment.tax or 0,
        "created_at": payment.created_at,
    }


def refund_row(sandbox: "Sandbox", refund: Refund) -> dict[str, Any]:
    return {
        "entity_id": refund.id,
        "type": "refund",
        **base_row(sandbox, sandbox.state.payments[refund.payment_id]),
        "debit": refund.amount,
        "amount": refund.amount,
        "payment_id": refund.payment_id,
        "created_at": refund.created_at,
    }


def adjustment_row(sandbox: "Sandbox", adjustment: Adjustment) -> dict[str, Any]:
    """Like some of Razorpay's adjustment rows it has no credit_type and gets no UTR."""
    row = base_row(sandbox, sandbox.state.payments[adjustment.payment_id])
    del row["credit_type"]
    return {
        "entity_id": adjustment.id,
        "type": "adjustment",
        **row,
        "debit": adjustment.debit,
        "credit": adjustment.credit,
        "amount": adjustment.debit + adjustment.credit,
        "description": adjustment.description,
        "notes": None,
        "payment_id": adjustment.payment_id,
        "dispute_id": adjustment.dispute_id,
        "created_at": adjustment.created_at,
    }


def recon(sandbox: "Sandbox", query: dict[str, str]) -> list[dict[str, Any]]:
    """The rows settled on an IST day, or in a month when no day is given."""
    try:
        year, month = int(query["year"]), int(query["month"])
        day = int(query["day"]) if "day" in query else None
        datetime.date(year, month, day or 1)
    except (KeyError, ValueError):
        raise refused("The year, month and day must be a valid date.") from None
    rows = []
    for settlement in sandbox.state.settlements.values():
        settled = datetime.datetime.fromtimestamp(settlement.created_at, IST)
        if (settled.year, settled.month) == (year, month) and day in (None, settled.day):
            rows.extend(settlement.rows)
    return rows
