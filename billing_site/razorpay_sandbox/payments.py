"""Payments: what they look like on the wire, and how an attempt begins and fails."""

from typing import TYPE_CHECKING, Any

from .errors import refused, unknown_id
from .state import Order, Payment
from .webhooks import Occurrence, emit

if TYPE_CHECKING:
    from .sandbox import Sandbox

CREATED_FOR_S = 600
ORDER_IS_PAID = (
    "Your payment has been declined as the order is already paid. "
    "Please initiate the payment with a new order."
)


def refund_status(payment: Payment) -> str | None:
    if payment.amount_refunded == 0:
        return None
    return "full" if payment.amount_refunded >= payment.amount else "partial"


def entity(payment: Payment) -> dict[str, Any]:
    error = payment.error or {}
    fields: dict[str, Any] = {
        "id": payment.id,
        "entity": "payment",
        "amount": payment.amount,
        "currency": payment.currency,
        "status": payment.status,
        "order_id": payment.order_id,
        "invoice_id": None,
        "international": False,
        "method": payment.method,
        "amount_refunded": payment.amount_refunded,
        "refund_status": refund_status(payment),
        "captured": payment.captured,
        "description": None,
        "card_id": f"card_{payment.id[4:]}" if payment.card else None,
        "bank": payment.bank,
        "wallet": None,
        "vpa": payment.vpa,
        "email": payment.email,
        "contact": payment.contact,
        "notes": payment.notes or [],
        "fee": payment.fee,
        "tax": payment.tax,
        "error_code": error.get("code"),
        "error_description": error.get("description"),
        "error_source": error.get("source"),
        "error_step": error.get("step"),
        "error_reason": error.get("reason"),
        "acquirer_data": acquirer_data(payment),
        "created_at": payment.created_at,
        "authorized_at": payment.authorized_at,
        "auto_captured": payment.auto_captured,
        "captured_at": payment.captured_at,
        "late_authorized": payment.late_authorized,
    }
    if payment.card is not None:
        fields["card"] = {"id": fields["card_id"], "entity": "card", **payment.card}
    if payment.method == "upi":
        fields["upi"] = {"vpa": payment.vpa}
    return fields


def acquirer_data(payment: Payment) -> dict[str, str | None]:
    reference = str(int.from_bytes(payment.id.encode()[-5:])).zfill(12) if payment.authorized_at else None
    name = {"upi": "rrn", "card": "auth_code", "netbanking": "bank_transaction_id"}.get(payment.method, "rrn")
    return {name: reference}


def snapshot(payment: Payment) -> dict[str, Any]:
    """The entity inside an event. Card events carry the oddities of Razorpay's own samples."""
    fields = entity(payment)
    if payment.method == "card":
        fields["error_code"] = fields["error_code"] or ""
        if payment.status == "authorized":
            fields["captured"] = True
        elif payment.status == "captured":
            fields["fee"] = fields["tax"] = None
    return {"entity": fields}


def find(sandbox: "Sandbox", payment_id: str) -> Payment:
    payment = sandbox.state.payments.get(payment_id)
    if payment is None:
        raise unknown_id()
    return payment


def of_order(sandbox: "Sandbox", order_id: str) -> list[Payment]:
    return [sandbox.state.payments[payment_id] for payment_id in sandbox.state.orders[order_id].payment_ids]


def is_taken(sandbox: "Sandbox", order: Order) -> bool:
    """Whether the order accepts no further payment."""
    if order.status == "paid":
        return True
    return any(payment.status == "authorized" for payment in of_order(sandbox, order.id))


# --- what happens to a payment ------------------------------------------------------------------------
def begin(sandbox: "Sandbox", order: Order, details: dict[str, Any]) -> Payment:
    if is_taken(sandbox, order):
        raise refused(ORDER_IS_PAID, reason="order_already_paid")
    return create(sandbox, order, details)


def create(sandbox: "Sandbox", order: Order, details: dict[str, Any]) -> Payment:
    """A new attempt, whether the order accepts one or not."""
    payment = Payment(
        id=sandbox.state.new_id("pay_"),
        order_id=order.id,
        amount=details.get("amount") or order.amount,
        currency=details.get("currency") or order.currency,
        method=details["method"],
        created_at=sandbox.clock.seconds(),
        notes=details.get("notes") or dict(order.notes),
        email=details.get("email") or "void@razorpay.com",
        contact=details.get("contact") or "+919999999999",
        vpa=details.get("vpa"),
        bank=details.get("bank"),
        card=details.get("card"),
        plan=details.get("plan", "success"),
    )
    sandbox.state.payments[payment.id] = payment
    order.payment_ids.append(payment.id)
    order.attempts += 1
    if order.status == "created":
        order.status = "attempted"
    sandbox.at(payment.created_at + CREATED_FOR_S, "payment_times_out", payment.id)
    return payment


def fail(sandbox: "Sandbox", payment: Payment, error: dict[str, str]) -> None:
    payment.status = "failed"
    payment.error = error
    emit(sandbox, [Occurrence("payment.failed", {"payment": snapshot(payment)})])


def declined(
    reason: str, description: str, *, code: str = "BAD_REQUEST_ERROR", source: str = "bank"
) -> dict[str, str]:
    return {
        "code": code,
        "description": description,
        "source": source,
        "step": "payment_authorization",
        "reason": reason,
    }
