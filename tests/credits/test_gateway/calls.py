"""The calls as the tests make them most."""

from typing import Any

from billing_site.razorpay_sandbox import RunningSandbox
from credits.gateway import (
    Gateway,
)

CREATE = "POST /v1/orders"
REFUND = "POST /v1/payments/[^/]+/refund"
ORDER_ID, PAYMENT_ID = "order_TestVector0001", "pay_TestVector0001"


def order(gateway: Gateway, amount_paise: int = 50_000) -> dict[str, Any]:
    return gateway.create_order(receipt="tu-42", amount_paise=amount_paise, notes={"topup": "42"})


def paid(gateway: Gateway, sandbox: RunningSandbox, **choice: Any) -> str:
    return str(sandbox.control("pay", order_id=order(gateway)["id"], **choice)["payment_id"])


def refund(gateway: Gateway, payment_id: str, **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "amount_paise": 10_000,
        "receipt": "rf-1",
        "idempotency_key": "refund-of-42",
        "notes": {"topup": "42"},
        **changes,
    }
    return gateway.refund(payment_id, **arguments)


def fault(sandbox: RunningSandbox, match: str, do: object, times: int = 1) -> None:
    sandbox.control("faults", match=match, times=times, do=do)
