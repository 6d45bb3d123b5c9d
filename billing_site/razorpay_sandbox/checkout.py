"""The browser half: the script for the shop's page, the frame, the bank's page, and their JSON."""

import hmac
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import attempts, orders, payments
from .demo_keys import KEY_ID
from .errors import refused, unknown_id, unknown_url
from .exchange import Request, Response, json_response

if TYPE_CHECKING:
    from .sandbox import Sandbox

FILES = Path(__file__).parent / "browser"
HTML, SCRIPT, STYLE = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8"
STATIC = {
    "/": ("index.html", HTML),
    "/v1/checkout.js": ("checkout.js", SCRIPT),
    "/v1/checkout/public": ("frame.html", HTML),
    "/v1/checkout/frame.js": ("frame.js", SCRIPT),
    "/v1/checkout/frame.css": ("frame.css", STYLE),
    "/v1/checkout/bank": ("bank.html", HTML),
    "/v1/checkout/bank.js": ("bank.js", SCRIPT),
}
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
# form-action stays open: a shop's callback_url is posted to from the frame, whatever its address.
PAGE_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'",
}


def serves(path: str) -> bool:
    return path in STATIC or path == "/v1/preferences" or path.startswith("/v1/checkout/")


def answer(sandbox: "Sandbox", request: Request) -> Response:
    if request.method in ("GET", "HEAD") and request.path in STATIC:
        name, content_type = STATIC[request.path]
        headers = PAGE_HEADERS if content_type == HTML else HEADERS
        return Response(200, (FILES / name).read_bytes(), content_type, headers)
    with sandbox.lock:
        return json_response(answer_json(sandbox, request))


def answer_json(sandbox: "Sandbox", request: Request) -> dict[str, Any]:
    match request.method, request.path:
        case "GET", "/v1/preferences":
            return preferences(sandbox, request.query())
        case "GET", "/v1/checkout/status":
            return attempts.outcome(find_payment(sandbox, request.query()))
        case "POST", "/v1/checkout/pay" | "/v1/checkout/otp" | "/v1/checkout/bank":
            return step(sandbox, request)
        case _:
            raise unknown_url()


def step(sandbox: "Sandbox", request: Request) -> dict[str, Any]:
    """A step of the customer. Only JSON: another site's form can't pay here."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise refused("The request must be JSON")
    body = request.json_object()
    sandbox.dirty = True
    if request.path == "/v1/checkout/pay":
        check_key(body)
        order = orders.find(sandbox, str(body.get("order_id")))
        choice = {name: body.get(name) for name in CHOICE_FIELDS}
        return attempts.outcome(attempts.start(sandbox, order, choice))
    payment = find_payment(sandbox, body)
    if request.path == "/v1/checkout/otp":
        attempts.submit_otp(sandbox, payment, str(body.get("otp", "")))
    else:
        attempts.decide_at_bank(sandbox, payment, success=body.get("success") is True)
    return attempts.outcome(payment)


# The browser chooses how to pay, never how much: amount and currency are the order's.
CHOICE_FIELDS = ("method", "vpa", "number", "expiry", "cvv", "bank", "email", "contact", "notes")


def preferences(sandbox: "Sandbox", query: dict[str, str]) -> dict[str, Any]:
    check_key(query)
    order = orders.find(sandbox, query.get("order_id", ""))
    return {
        "order": {"id": order.id, "amount": order.amount, "currency": order.currency, "status": order.status},
        "banks": attempts.BANKS,
        "vpas": list(attempts.UPI_PLANS),
    }


def find_payment(sandbox: "Sandbox", fields: dict[str, Any]) -> Any:
    check_key(fields)
    return payments.find(sandbox, str(fields.get("payment_id")))


def check_key(fields: dict[str, Any]) -> None:
    if not hmac.compare_digest(str(fields.get("key_id")).encode("utf-8", "replace"), KEY_ID.encode()):
        raise unknown_id()
