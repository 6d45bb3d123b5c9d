"""What the customer does in the checkout: the triggers, and what each leads to.

Documented by Razorpay: success@razorpay, failure@razorpay and the test cards. Only here:
late@, pending@, paidbutclosed@, authonly@ and double@razorpay.
"""

import datetime
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Any

from . import captures, payments
from .demo_keys import KEY_SECRET
from .errors import refused
from .orders import checked_notes
from .payments import declined
from .state import Order, Payment

if TYPE_CHECKING:
    from .sandbox import Sandbox

UPI_PLANS = {
    "success@razorpay": "success",
    "failure@razorpay": "failure",
    "late@razorpay": "late",
    "pending@razorpay": "pending",
    "paidbutclosed@razorpay": "paidbutclosed",
    "authonly@razorpay": "authonly",
    "double@razorpay": "double",
}
GOOD_CARDS = {
    "4100280000001007": "Visa",
    "5500670000001002": "MasterCard",
    "6527658900001005": "RuPay",
}
DECLINED_CARDS = {
    "4100280000080001": ("insufficient_fund", "Your card has insufficient funds.", "BAD_REQUEST_ERROR"),
    "4100280000090000": ("payment_timed_out", "Payment was not completed on time.", "BAD_REQUEST_ERROR"),
    "4100280000070002": ("payment_cancelled", "Payment processing cancelled by user.", "BAD_REQUEST_ERROR"),
    "4100280000060003": ("card_declined", "Your payment was declined by the bank.", "BAD_REQUEST_ERROR"),
    "4100280000030006": ("card_disabled", "Your card is disabled for online payments.", "BAD_REQUEST_ERROR"),
    "4100280000020007": ("gateway_technical_error", "Payment failed at the gateway.", "GATEWAY_ERROR"),
}
BANKS = {"HDFC": "HDFC Bank", "ICIC": "ICICI Bank", "SBIN": "State Bank of India", "UTIB": "Axis Bank"}
UNSUCCESSFUL = (
    "Payment was unsuccessful due to a temporary issue. "
    "If amount got deducted, it will be refunded within 5-7 working days."
)


# --- the customer's choice ----------------------------------------------------------------------------
def start(sandbox: "Sandbox", order: Order, choice: dict[str, Any], *, force: bool = False) -> Payment:
    """Begin an attempt and carry it as far as it goes without a further step of the customer."""
    details = {
        **details_of(sandbox, choice),
        "email": text(choice, "email"),
        "contact": text(choice, "contact"),
        "notes": checked_notes(choice.get("notes")),
        "amount": choice.get("amount"),
        "currency": choice.get("currency"),
    }
    payment = (payments.create if force else payments.begin)(sandbox, order, details)
    match payment.plan:
        case "success" | "authonly":
            captures.authorise(sandbox, payment, force=force)
        case "paidbutclosed":
            payment.hidden_from_browser = True
            captures.authorise(sandbox, payment, force=force)
        case "double":
            captures.authorise(sandbox, payment, force=force)
            second = payments.create(sandbox, order, details)
            captures.authorise(sandbox, second, late=True)
        case "failure" | "late":
            payments.fail(sandbox, payment, declined("payment_failed", UNSUCCESSFUL, source="gateway"))
        case "declined":
            reason, description, code = DECLINED_CARDS[digits(choice)]
            payments.fail(sandbox, payment, declined(reason, description, code=code, source="issuer_bank"))
    return payment


def details_of(sandbox: "Sandbox", choice: dict[str, Any]) -> dict[str, Any]:
    match choice.get("method"):
        case "upi":
            vpa = text(choice, "vpa").strip().lower()
            if vpa not in UPI_PLANS:
                raise refused(
                    f"Please enter a VPA of the sandbox: {', '.join(UPI_PLANS)}",
                    reason="invalid_vpa",
                    field="vpa",
                )
            return {"method": "upi", "vpa": vpa, "plan": UPI_PLANS[vpa]}
        case "card":
            return card_details(sandbox, choice)
        case "netbanking":
            if choice.get("bank") not in BANKS:
                raise refused("The selected bank is invalid.", field="bank")
            return {"method": "netbanking", "bank": choice["bank"], "plan": "bank"}
        case _:
            raise refused("The selected method is invalid.", field="method")


def card_details(sandbox: "Sandbox", choice: dict[str, Any]) -> dict[str, Any]:
    number = digits(choice)
    if number not in GOOD_CARDS and number not in DECLINED_CARDS:
        raise refused(
            "Please enter one of Razorpay's test card numbers.", reason="invalid_card", field="number"
        )
    expiry = re.fullmatch(r"\s*(0[1-9]|1[0-2])\s*/\s*(?:20)?(\d\d)\s*", text(choice, "expiry"))
    if expiry is None or is_past(int(expiry[2]) + 2000, int(expiry[1]), sandbox.clock.now()):
        raise refused("The card's expiry must be a month to come, as MM/YY.", field="expiry")
    if re.fullmatch(r"\d{3,4}", text(choice, "cvv")) is None:
        raise refused("The CVV must have 3 or 4 digits.", field="cvv")
    card = {
        "last4": number[-4:],
        "network": GOOD_CARDS.get(number, "Visa"),
        "type": "credit",
        "issuer": "HDFC",
        "international": False,
    }
    return {"method": "card", "card": card, "plan": "otp" if number in GOOD_CARDS else "declined"}


def is_past(year: int, month: int, now: float) -> bool:
    today = datetime.datetime.fromtimestamp(now, datetime.UTC)
    return (year, month) < (today.year, today.month)


def digits(choice: dict[str, Any]) -> str:
    return re.sub(r"\s", "", text(choice, "number"))


def text(choice: dict[str, Any], name: str) -> str:
    value = choice.get(name)
    return value if isinstance(value, str) else ""


# --- the second step ----------------------------------------------------------------------------------
def submit_otp(sandbox: "Sandbox", payment: Payment, otp: str) -> None:
    """Four digits or more succeed, fewer fail (Razorpay docs, test-card-details)."""
    expect_step(payment, "otp")
    if re.fullmatch(r"\d{4,10}", otp):
        captures.authorise(sandbox, payment)
    else:
        payments.fail(
            sandbox, payment, declined("incorrect_otp", "Payment failed because of an incorrect OTP.")
        )


def decide_at_bank(sandbox: "Sandbox", payment: Payment, *, success: bool) -> None:
    expect_step(payment, "bank")
    if success:
        captures.authorise(sandbox, payment)
    else:
        payments.fail(sandbox, payment, declined("payment_failed", "Payment failed"))


def expect_step(payment: Payment, plan: str) -> None:
    if payment.plan != plan or payment.status != "created":
        raise refused("The payment is not waiting for this step.")


# --- what the page hears ------------------------------------------------------------------------------
def signature(order_id: str, payment_id: str) -> str:
    return hmac.new(KEY_SECRET.encode(), f"{order_id}|{payment_id}".encode(), hashlib.sha256).hexdigest()


def outcome(payment: Payment) -> dict[str, Any]:
    """What the checkout frame is told: success, failed, or what is still missing."""
    if payment.status == "failed" or (payment.status == "refunded" and not payment.captured):
        error = payment.error or declined("order_already_paid", payments.ORDER_IS_PAID)
        metadata = {"order_id": payment.order_id, "payment_id": payment.id}
        return {"state": "failed", "payment_id": payment.id, "error": {**error, "metadata": metadata}}
    if payment.hidden_from_browser:
        return {"state": "pending", "payment_id": payment.id}
    if payment.status == "created":
        state = payment.plan if payment.plan in ("otp", "bank") else "pending"
        return {"state": state, "payment_id": payment.id}
    response = {
        "razorpay_payment_id": payment.id,
        "razorpay_order_id": payment.order_id,
        "razorpay_signature": signature(payment.order_id, payment.id),
    }
    return {"state": "success", "payment_id": payment.id, "response": response}
