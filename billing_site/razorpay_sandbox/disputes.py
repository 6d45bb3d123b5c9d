"""Disputes: opened, answered, won, lost, and opened again in a later phase."""

from typing import TYPE_CHECKING, Any

from . import payments, refunds
from .errors import dispute_refused, refused
from .settlements import adjust
from .state import Dispute
from .webhooks import Occurrence, emit

if TYPE_CHECKING:
    from .sandbox import Sandbox

STATUS_AFTER = {
    "created": "open",
    "action_required": "open",
    "under_review": "under_review",
    "won": "won",
    "lost": "lost",
    "closed": "closed",
}
PHASES = ("fraud", "retrieval", "chargeback", "pre_arbitration", "arbitration")
RESPOND_WITHIN_S = 7 * 24 * 3600


def entity(dispute: Dispute) -> dict[str, Any]:
    return {
        "id": dispute.id,
        "entity": "dispute",
        "payment_id": dispute.payment_id,
        "amount": dispute.amount,
        "currency": dispute.currency,
        "amount_deducted": dispute.amount_deducted,
        "reason_code": dispute.reason_code,
        "respond_by": dispute.respond_by,
        "status": dispute.status,
        "phase": dispute.phase,
        "evidence": {},
        "created_at": dispute.created_at,
    }


def find(sandbox: "Sandbox", dispute_id: str) -> Dispute:
    dispute = sandbox.state.disputes.get(dispute_id)
    if dispute is None:
        raise dispute_refused("The id provided does not exist")
    return dispute


def accept_by_api(sandbox: "Sandbox", dispute_id: str) -> dict[str, Any]:
    dispute = find(sandbox, dispute_id)
    if dispute.status not in ("open", "under_review"):
        raise dispute_refused("The dispute is already closed")
    move(sandbox, dispute, "lost")
    return entity(dispute)


def open_dispute(sandbox: "Sandbox", payment_id: str, amount: int | None, phase: str) -> Dispute:
    payment = payments.find(sandbox, payment_id)
    if not payment.captured:
        raise refused("Only a captured payment can be disputed.")
    now = sandbox.clock.seconds()
    dispute = Dispute(
        id=sandbox.state.new_id("disp_"),
        payment_id=payment.id,
        amount=payment.amount if amount is None else amount,
        currency=payment.currency,
        reason_code="goods_or_services_not_received_or_partially_received",
        respond_by=now + RESPOND_WITHIN_S,
        created_at=now,
        phase=phase,
    )
    sandbox.state.disputes[dispute.id] = dispute
    return dispute


def move(sandbox: "Sandbox", dispute: Dispute, event: str, *, as_refund: bool = False) -> None:
    """Apply one dispute event. `as_refund` also records a lost one as a refund of the payment."""
    payment = payments.find(sandbox, dispute.payment_id)
    dispute.status = STATUS_AFTER[event]
    if event == "lost" and dispute.amount_deducted == 0:
        dispute.amount_deducted = dispute.amount
        if not as_refund:
            adjust(sandbox, dispute.payment_id, dispute.id, debit=dispute.amount, why="Chargeback adjustment")
    elif event == "won" and dispute.amount_deducted > 0:
        adjust(
            sandbox, dispute.payment_id, dispute.id, credit=dispute.amount_deducted, why="Chargeback reversal"
        )
        dispute.amount_deducted = 0
    wrapped: dict[str, Any] = {"entity": entity(dispute)}
    if event == "action_required":  # beside the entity, as in Razorpay's sample
        wrapped["evidence"] = wrapped["entity"].pop("evidence")
    about_payment = payments.snapshot(payment)
    about_payment["entity"].pop("acquirer_data", None)
    emit(sandbox, [Occurrence(f"payment.dispute.{event}", {"payment": about_payment, "dispute": wrapped})])
    left = payment.amount - payment.amount_refunded
    if event == "lost" and as_refund and left > 0:
        refunds.create(sandbox, payment, min(dispute.amount, left))
