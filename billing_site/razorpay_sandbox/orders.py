"""Orders: created → attempted → paid; a paid order stays paid even after a refund."""

from typing import TYPE_CHECKING, Any

from .errors import refused, unknown_id
from .exchange import Request
from .state import Order

if TYPE_CHECKING:
    from .sandbox import Sandbox

FIELDS = {"amount", "currency", "receipt", "notes", "payment", "unique_receipt", "payment_capture"}
CAPTURE_OPTIONS = {"automatic_expiry_period", "manual_expiry_period", "refund_speed"}


def entity(sandbox: "Sandbox", order: Order, *, lagging: bool = True) -> dict[str, Any]:
    """The wire form. With `lagging` a paid order may still look attempted (fault order_lag)."""
    looks_unpaid = lagging and order.status == "paid" and sandbox.clock.now() < order.paid_visible_at
    paid = 0 if looks_unpaid else order.amount_paid
    return {
        "id": order.id,
        "entity": "order",
        "amount": order.amount,
        "amount_paid": paid,
        "amount_due": max(0, order.amount - paid),
        "currency": order.currency,
        "receipt": order.receipt,
        "offer_id": None,
        "status": "attempted" if looks_unpaid else order.status,
        "attempts": order.attempts,
        "notes": order.notes or [],
        "created_at": order.created_at,
    }


def find(sandbox: "Sandbox", order_id: str) -> Order:
    order = sandbox.state.orders.get(order_id)
    if order is None:
        raise unknown_id()
    return order


def create(sandbox: "Sandbox", request: Request) -> dict[str, Any]:
    body = request.json_object()
    refuse_extra(body, FIELDS)
    config = sandbox.state.config
    amount = checked_amount(body.get("amount"), least=config.min_amount, most=config.max_amount)
    if body.get("currency") != "INR":
        raise refused("Currency is not supported", field="currency")
    receipt = checked_receipt(body.get("receipt"))
    notes = checked_notes(body.get("notes"))
    automatic, automatic_expiry, manual_expiry = capture_settings(sandbox, body)
    if body.get("unique_receipt") is True:
        refuse_used_receipt(sandbox, receipt)
    order = Order(
        id=sandbox.state.new_id("order_"),
        amount=amount,
        currency="INR",
        receipt=receipt,
        notes=notes,
        created_at=sandbox.clock.seconds(),
        automatic_capture=automatic,
        automatic_expiry_s=automatic_expiry * 60,
        manual_expiry_s=manual_expiry * 60,
    )
    sandbox.state.orders[order.id] = order
    return entity(sandbox, order)


def edit(sandbox: "Sandbox", order_id: str, request: Request) -> dict[str, Any]:
    order = find(sandbox, order_id)
    body = request.json_object()
    refuse_extra(body, {"notes"})
    order.notes = checked_notes(body.get("notes"))
    return entity(sandbox, order)


def capture_settings(sandbox: "Sandbox", body: dict[str, Any]) -> tuple[bool, int, int]:
    """(automatic?, automatic expiry, manual expiry) in minutes; the order overrides the account."""
    config = sandbox.state.config
    payment = body.get("payment")
    if payment is None:
        automatic = (
            config.auto_capture if body.get("payment_capture") is None else bool(body["payment_capture"])
        )
        return automatic, config.automatic_expiry_minutes, config.manual_expiry_minutes
    options = payment.get("capture_options", {}) if isinstance(payment, dict) else None
    if not isinstance(options, dict) or payment.get("capture") not in ("automatic", "manual"):
        raise refused("The payment capture settings are invalid.", field="payment.capture")
    refuse_extra(options, CAPTURE_OPTIONS)
    automatic = payment["capture"] == "automatic"
    manual_expiry = options.get("manual_expiry_period", 7200)
    automatic_expiry = options.get("automatic_expiry_period", None if automatic else 12)
    automatic_expiry = checked_minutes("automatic", automatic_expiry)
    manual_expiry = checked_minutes("manual", manual_expiry)
    if manual_expiry < automatic_expiry:
        raise refused(
            "The manual expiry period must not be less than the automatic expiry period.",
            field="payment.capture_options.manual_expiry_period",
        )
    return automatic, automatic_expiry, manual_expiry


def checked_minutes(name: str, minutes: Any) -> int:
    if type(minutes) is not int or not 12 <= minutes <= 7200:
        raise refused(
            f"The {name} expiry period must be between 12 and 7200 minutes.",
            field=f"payment.capture_options.{name}_expiry_period",
        )
    return minutes


def refuse_used_receipt(sandbox: "Sandbox", receipt: str | None) -> None:
    if receipt is None:
        raise refused("The receipt field is required.", field="receipt")
    if any(order.receipt == receipt for order in sandbox.state.orders.values()):
        raise refused("The receipt has already been used.", field="receipt")


def refuse_extra(body: dict[str, Any], known: set[str]) -> None:
    extra = [name for name in body if name not in known]
    if extra:
        raise refused(f"{', '.join(extra)} is/are not required and should not be sent")


def checked_amount(amount: Any, *, least: int, most: int) -> int:
    if amount is None:
        raise refused("The amount field is required.", field="amount")
    if type(amount) is not int:
        raise refused("The amount must be an integer.", field="amount")
    if amount < least:
        raise refused(f"The amount must be at least INR {least / 100:.2f}", field="amount")
    if amount > most:
        raise refused("Amount exceeds maximum amount allowed.", field="amount")
    return amount


def checked_receipt(receipt: Any) -> str | None:
    if receipt is None:
        return None
    if not isinstance(receipt, str):
        raise refused("The receipt must be a string.", field="receipt")
    if len(receipt) > 40:
        raise refused("The receipt may not be greater than 40 characters.", field="receipt")
    return receipt


def checked_notes(notes: Any) -> dict[str, str]:
    if notes in (None, []):
        return {}
    if not isinstance(notes, dict):
        raise refused("The notes must be an array.", field="notes")
    if len(notes) > 15:
        raise refused("Number of fields in notes should be less than or equal to 15", field="notes")
    if any(isinstance(value, dict | list) or len(str(value)) > 256 for value in notes.values()):
        raise refused("A note may not be greater than 256 characters.", field="notes")
    return {str(name): value for name, value in notes.items()}
