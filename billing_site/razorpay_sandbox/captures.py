"""Authorisation and capture: created → authorized → captured; a failed attempt may be authorised late."""

from typing import TYPE_CHECKING, Any

from . import orders, payments, refunds
from .errors import refused
from .exchange import Request
from .state import Order, Payment
from .webhooks import Occurrence, emit

if TYPE_CHECKING:
    from .sandbox import Sandbox


def fee_and_tax(amount: int) -> tuple[int, int]:
    """2 % and 18 % GST on it, each rounded half up to paise; the fee includes the tax."""
    base = (amount * 2 + 50) // 100
    tax = (base * 18 + 50) // 100
    return base + tax, tax


def authorise(sandbox: "Sandbox", payment: Payment, *, late: bool = False, force: bool = False) -> None:
    """The bank says yes: captured at once, later or never, or refunded when the order is taken."""
    if payment.status not in ("created", "failed"):
        raise refused("The payment is not waiting for an authorisation.")
    order = orders.find(sandbox, payment.order_id)
    taken = payments.is_taken(sandbox, order) and not force
    payment.status = "authorized"
    payment.error = None
    payment.late_authorized = late
    payment.authorized_at = sandbox.clock.seconds()
    occurrences = [Occurrence("payment.authorized", {"payment": payments.snapshot(payment)})]
    age = payment.authorized_at - payment.created_at
    if taken or age > order.manual_expiry_s:
        occurrences += refunds.give_back_uncaptured(sandbox, payment)
        emit(sandbox, occurrences)
        return
    sandbox.at(payment.created_at + order.manual_expiry_s, "authorisation_expires", payment.id)
    delay = capture_delay(sandbox, payment, order, age)
    if delay == 0:
        occurrences += capture(sandbox, payment, automatic=True)
    elif delay is not None:
        sandbox.at(sandbox.clock.now() + delay, "capture_is_due", payment.id)
    emit(sandbox, occurrences)


def capture_delay(sandbox: "Sandbox", payment: Payment, order: Order, age: int) -> float | None:
    """Seconds until the automatic capture; None when there will be none."""
    if not order.automatic_capture or age > order.automatic_expiry_s or payment.plan == "authonly":
        return None
    fault = sandbox.faults.take("autocapture")
    if fault is None:
        return 0
    return None if fault.do == "never" else float(fault.parameters["s"])


def capture(sandbox: "Sandbox", payment: Payment, *, automatic: bool) -> list[Occurrence]:
    order = orders.find(sandbox, payment.order_id)
    payment.status = "captured"
    payment.captured = True
    payment.auto_captured = automatic
    payment.captured_at = sandbox.clock.seconds()
    payment.fee, payment.tax = fee_and_tax(payment.amount)
    sandbox.state.balance += payment.amount - payment.fee
    first = order.status != "paid"
    order.status = "paid"
    if first:
        order.amount_paid = payment.amount
        lag = sandbox.faults.take("order_lag")
        order.paid_visible_at = sandbox.clock.now() + lag.parameters["s"] if lag is not None else 0.0
    occurrences = [Occurrence("payment.captured", {"payment": payments.snapshot(payment)})]
    if first:
        both = {
            "payment": payments.snapshot(payment),
            "order": {"entity": orders.entity(sandbox, order, lagging=False)},
        }
        occurrences.append(Occurrence("order.paid", both))
    return occurrences


def capture_by_api(sandbox: "Sandbox", payment_id: str, request: Request) -> dict[str, Any]:
    payment = payments.find(sandbox, payment_id)
    body = request.json_object()
    orders.refuse_extra(body, {"amount", "currency"})
    if payment.captured:
        raise refused("This payment has already been captured")
    if payment.status != "authorized":
        raise refused("Only payments which have been authorized and not yet captured can be captured")
    if orders.find(sandbox, payment.order_id).status == "paid":
        raise refused(payments.ORDER_IS_PAID, reason="order_already_paid")
    if type(body.get("amount")) is not int or body["amount"] != payment.amount:
        raise refused("Capture amount must be equal to the amount authorized.", field="amount")
    if body.get("currency", "INR") != payment.currency:
        raise refused("Payment currency does not match the capture currency.", field="currency")
    emit(sandbox, capture(sandbox, payment, automatic=False))
    return payments.entity(payment)


# --- timers -------------------------------------------------------------------------------------------
def payment_times_out(sandbox: "Sandbox", payment_id: Any) -> None:
    payment = sandbox.state.payments.get(payment_id)
    if payment is not None and payment.status == "created":
        payments.fail(
            sandbox, payment, payments.declined("payment_timed_out", "Payment was not completed on time.")
        )


def capture_is_due(sandbox: "Sandbox", payment_id: Any) -> None:
    payment = sandbox.state.payments.get(payment_id)
    if payment is not None and payment.status == "authorized":
        emit(sandbox, capture(sandbox, payment, automatic=True))


def authorisation_expires(sandbox: "Sandbox", payment_id: Any) -> None:
    payment = sandbox.state.payments.get(payment_id)
    if payment is not None and payment.status == "authorized":
        emit(sandbox, refunds.give_back_uncaptured(sandbox, payment))
