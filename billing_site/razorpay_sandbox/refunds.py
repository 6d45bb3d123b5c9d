"""Refunds: paid from the balance, idempotent by key, and those that nobody asked the API for."""

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from . import orders, payments
from .errors import refused, unknown_id
from .exchange import Request
from .settlements import adjust
from .state import Payment, Refund
from .webhooks import Occurrence, emit

if TYPE_CHECKING:
    from .sandbox import Sandbox

FIELDS = {"amount", "speed", "receipt", "notes"}
FAILING_AMOUNT = 2468  # ₹24.68: Razorpay's own test amount for a refund that fails
SIX_MONTHS_S = 183 * 24 * 3600
KEY_PATTERN = re.compile(r"[A-Za-z0-9_-]{10,}")


def entity(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.id,
        "entity": "refund",
        "amount": refund.amount,
        "currency": refund.currency,
        "payment_id": refund.payment_id,
        "notes": refund.notes or [],
        "receipt": refund.receipt,
        "acquirer_data": {"arn": None},
        "created_at": refund.created_at,
        "batch_id": None,
        "status": refund.status,
        "speed_processed": refund.speed_processed,
        "speed_requested": refund.speed_requested,
    }


def occurrence(name: str, refund: Refund, payment: Payment) -> Occurrence:
    return Occurrence(name, {"refund": {"entity": entity(refund)}, "payment": payments.snapshot(payment)})


def find(sandbox: "Sandbox", refund_id: str) -> Refund:
    refund = sandbox.state.refunds.get(refund_id)
    if refund is None:
        raise unknown_id()
    return refund


def of_payment(sandbox: "Sandbox", payment_id: str) -> list[Refund]:
    return [refund for refund in sandbox.state.refunds.values() if refund.payment_id == payment_id]


# --- by the API ---------------------------------------------------------------------------------------
def create_by_api(sandbox: "Sandbox", payment_id: str, request: Request) -> dict[str, Any]:
    key = request.headers.get("x-refund-idempotency")
    body = request.json_object()
    if key is None:
        return entity(create_checked(sandbox, payment_id, body))
    if KEY_PATTERN.fullmatch(key) is None:
        raise refused("The idempotency key must have at least 10 characters: letters, digits, - and _.")
    if key in sandbox.refund_keys_in_progress:
        raise refused("Another request with the same idempotency key is still in progress.", status=409)
    digest = hashlib.sha256(f"{payment_id} {json.dumps(body, sort_keys=True)}".encode()).hexdigest()
    known = sandbox.state.idempotency.get(key)
    if known is not None and known[0] != digest:
        raise refused(
            "Different request with the same idempotency key has already been processed.", status=409
        )
    if known is not None:
        return entity(find(sandbox, known[1]))
    refund = create_checked(sandbox, payment_id, body)
    sandbox.state.idempotency[key] = [digest, refund.id]
    return entity(refund)


def create_checked(sandbox: "Sandbox", payment_id: str, body: dict[str, Any]) -> Refund:
    payment = payments.find(sandbox, payment_id)
    orders.refuse_extra(body, FIELDS)
    amount = refundable_amount(sandbox, payment, body.get("amount"))
    receipt = orders.checked_receipt(body.get("receipt"))
    notes = orders.checked_notes(body.get("notes"))
    speed = body.get("speed") or "normal"
    if speed not in ("normal", "optimum"):
        raise refused("The speed is invalid.", field="speed")
    if sandbox.clock.now() - payment.created_at > SIX_MONTHS_S:
        raise refused("Refund is not supported by the bank because the payment is more than 6 months old")
    if amount > sandbox.state.balance:
        raise refused(
            "Your account does not have enough balance to carry out the refund operation. "
            "You can add funds to your account from your Razorpay dashboard or capture new payments."
        )
    return create(sandbox, payment, amount, speed=speed, receipt=receipt, notes=notes)


def refundable_amount(sandbox: "Sandbox", payment: Payment, amount: Any) -> int:
    """What to refund in paise; no amount means all that is left."""
    if payment.captured and payment.amount_refunded >= payment.amount:
        raise refused("The payment has been fully refunded already")
    if payment.status != "captured":
        raise refused("The payment status should be captured for action to be taken")
    left = payment.amount - payment.amount_refunded
    if amount is None:
        return left
    if type(amount) is not int:
        raise refused("The amount must be an integer.", field="amount")
    if amount < sandbox.state.config.min_amount:
        raise refused("The amount must be at least INR 1.00", field="amount")
    if amount > left:
        raise refused("The refund amount provided is greater than amount captured", field="amount")
    return amount


# --- what happens to a refund -------------------------------------------------------------------------
def create(
    sandbox: "Sandbox",
    payment: Payment,
    amount: int,
    *,
    speed: str = "normal",
    receipt: str | None = None,
    notes: dict[str, str] | None = None,
) -> Refund:
    """Takes the money from the balance, tells the shop, and settles now or after the set time."""
    delay = sandbox.state.config.refund_processing_s
    at_once = delay == 0 and amount != FAILING_AMOUNT
    instant = speed == "optimum" and payment.method != "netbanking"
    refund = Refund(
        id=sandbox.state.new_id("rfnd_"),
        payment_id=payment.id,
        amount=amount,
        currency=payment.currency,
        receipt=receipt,
        notes=notes or {},
        created_at=sandbox.clock.seconds(),
        status="processed" if at_once else "pending",
        speed_requested=speed,
        speed_processed="instant" if instant else "normal",
        of_captured_payment=payment.captured,
    )
    sandbox.state.refunds[refund.id] = refund
    payment.amount_refunded += amount
    if payment.amount_refunded >= payment.amount:
        payment.status = "refunded"
    if payment.captured:
        sandbox.state.balance -= amount
    occurrences = [occurrence("refund.created", refund, payment)]
    if speed == "optimum" and not instant:
        occurrences.append(occurrence("refund.speed_changed", refund, payment))
    if at_once:
        occurrences.append(occurrence("refund.processed", refund, payment))
    else:
        sandbox.at(sandbox.clock.now() + delay, "refund_is_due", refund.id)
    emit(sandbox, occurrences)
    return refund


def give_back_uncaptured(sandbox: "Sandbox", payment: Payment) -> list[Occurrence]:
    """An authorisation that was never captured goes back in full; `captured` stays false."""
    refund = Refund(
        id=sandbox.state.new_id("rfnd_"),
        payment_id=payment.id,
        amount=payment.amount,
        currency=payment.currency,
        receipt=None,
        notes={},
        created_at=sandbox.clock.seconds(),
        status="processed",
        speed_requested="normal",
        speed_processed="normal",
        of_captured_payment=False,
    )
    sandbox.state.refunds[refund.id] = refund
    payment.status = "refunded"
    payment.amount_refunded = payment.amount
    return [occurrence(name, refund, payment) for name in ("refund.created", "refund.processed")]


def finish(sandbox: "Sandbox", refund: Refund, status: str) -> None:
    """Processed or failed; a failed one puts the money back, even after it was processed."""
    if refund.status == status:
        return
    if refund.status == "failed":
        raise refused("A failed refund is final.")
    payment = payments.find(sandbox, refund.payment_id)
    refund.status = status
    if status == "failed":
        payment.amount_refunded -= refund.amount
        if payment.captured:
            payment.status = "captured"
            give_back_to_the_balance(sandbox, refund)
    emit(sandbox, [occurrence(f"refund.{status}", refund, payment)])


def give_back_to_the_balance(sandbox: "Sandbox", refund: Refund) -> None:
    """A refund that failed after it was settled comes back as an adjustment of its own."""
    if refund.settlement_id is None:
        sandbox.state.balance += refund.amount
    else:
        adjust(sandbox, refund.payment_id, None, credit=refund.amount, why="Refund reversal")


def refund_is_due(sandbox: "Sandbox", refund_id: Any) -> None:
    refund = sandbox.state.refunds.get(refund_id)
    if refund is not None and refund.status == "pending":
        finish(sandbox, refund, "failed" if refund.amount == FAILING_AMOUNT else "processed")
