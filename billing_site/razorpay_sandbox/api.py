"""The API half: paths, authentication and lists."""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from . import captures, disputes, orders, payments, refunds, settlements
from .demo_keys import KEY_ID, KEY_SECRET
from .errors import refused, unknown_url
from .exchange import Request, Response, json_response

if TYPE_CHECKING:
    from .sandbox import Sandbox

Endpoint = Callable[["Sandbox", Request, dict[str, str]], Any]
MAX_COUNT = 100
MAX_RECON_COUNT = 1000


def authenticate(request: Request) -> None:
    scheme, _space, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        given = b""
    if scheme != "Basic" or not hmac.compare_digest(given, f"{KEY_ID}:{KEY_SECRET}".encode()):
        raise refused("Authentication failed", status=401)


# --- lists --------------------------------------------------------------------------------------------
def whole_number(query: dict[str, str], name: str, default: int) -> int:
    raw = query.get(name, "")
    if raw == "":
        return default
    if not re.fullmatch(r"[0-9]{1,12}", raw):
        raise refused(f"The {name} must be an integer.", field=name)
    return int(raw)


def page(items: list[dict[str, Any]], query: dict[str, str], most: int = MAX_COUNT) -> dict[str, Any]:
    count, skip = whole_number(query, "count", 10), whole_number(query, "skip", 0)
    if count > most:
        raise refused(f"The count may not be greater than {most}.", field="count")
    if count < 1:
        raise refused("The count must be at least 1.", field="count")
    return collection(items[skip : skip + count])


def collection(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"entity": "collection", "count": len(items), "items": items}


def newest_first(items: Iterable[Any], query: dict[str, str]) -> list[Any]:
    """Within from..to (both inclusive, Unix seconds); of one second the one made last comes first."""
    since, until = whole_number(query, "from", 0), whole_number(query, "to", 10**12)
    made = [item for item in items if since <= item.created_at <= until]
    made.reverse()
    made.sort(key=lambda item: -item.created_at)
    return made


# --- endpoints ----------------------------------------------------------------------------------------
def list_orders(sandbox: "Sandbox", request: Request, _ids: dict[str, str]) -> dict[str, Any]:
    query = request.query()
    found = newest_first(sandbox.state.orders.values(), query)
    if "receipt" in query:
        found = [order for order in found if order.receipt == query["receipt"]]
    entities = [orders.entity(sandbox, order) for order in found]
    answer = page(entities, query)
    if query.get("expand[]") == "payments":
        for entity in answer["items"]:
            entity["payments"] = payments_of_order(sandbox, entity["id"])
    return answer


def payments_of_order(sandbox: "Sandbox", order_id: str) -> dict[str, Any]:
    """As Razorpay's: authorised or failed ones, also captured and refunded, not those just begun."""
    orders.find(sandbox, order_id)
    found = [payment for payment in payments.of_order(sandbox, order_id) if payment.status != "created"]
    return collection([payments.entity(payment) for payment in found])


def list_payments(sandbox: "Sandbox", request: Request, _ids: dict[str, str]) -> dict[str, Any]:
    query = request.query()
    return page(
        [payments.entity(item) for item in newest_first(sandbox.state.payments.values(), query)], query
    )


def list_refunds(sandbox: "Sandbox", request: Request, ids: dict[str, str]) -> dict[str, Any]:
    """All refunds, or those of the payment in the path."""
    query = request.query()
    found = list(sandbox.state.refunds.values())
    if "payment" in ids:
        found = refunds.of_payment(sandbox, payments.find(sandbox, ids["payment"]).id)
    return page([refunds.entity(refund) for refund in newest_first(found, query)], query)


def refund_of_payment(sandbox: "Sandbox", _request: Request, ids: dict[str, str]) -> dict[str, Any]:
    refund = refunds.find(sandbox, ids["refund"])
    if refund.payment_id != ids["payment"]:
        raise refused("The id provided does not exist")
    return refunds.entity(refund)


def list_disputes(sandbox: "Sandbox", request: Request, _ids: dict[str, str]) -> dict[str, Any]:
    query = request.query()
    return page(
        [disputes.entity(item) for item in newest_first(sandbox.state.disputes.values(), query)], query
    )


def list_settlements(sandbox: "Sandbox", request: Request, _ids: dict[str, str]) -> dict[str, Any]:
    query = request.query()
    found = newest_first(sandbox.state.settlements.values(), query)
    return page([settlements.entity(settlement) for settlement in found], query)


def recon(sandbox: "Sandbox", request: Request, _ids: dict[str, str]) -> dict[str, Any]:
    query = request.query()
    return page(settlements.recon(sandbox, query), query, MAX_RECON_COUNT)


ROUTES: list[tuple[str, str, Endpoint]] = [
    ("POST", "/v1/orders", lambda s, r, _: orders.create(s, r)),
    ("GET", "/v1/orders", list_orders),
    ("GET", "/v1/orders/{order}", lambda s, _, ids: orders.entity(s, orders.find(s, ids["order"]))),
    ("PATCH", "/v1/orders/{order}", lambda s, r, ids: orders.edit(s, ids["order"], r)),
    ("GET", "/v1/orders/{order}/payments", lambda s, _, ids: payments_of_order(s, ids["order"])),
    ("GET", "/v1/payments", list_payments),
    ("GET", "/v1/payments/{payment}", lambda s, _, ids: payments.entity(payments.find(s, ids["payment"]))),
    (
        "POST",
        "/v1/payments/{payment}/capture",
        lambda s, r, ids: captures.capture_by_api(s, ids["payment"], r),
    ),
    ("POST", "/v1/payments/{payment}/refund", lambda s, r, ids: refunds.create_by_api(s, ids["payment"], r)),
    ("GET", "/v1/payments/{payment}/refunds", list_refunds),
    ("GET", "/v1/payments/{payment}/refunds/{refund}", refund_of_payment),
    ("GET", "/v1/refunds", list_refunds),
    ("GET", "/v1/refunds/{refund}", lambda s, _, ids: refunds.entity(refunds.find(s, ids["refund"]))),
    ("GET", "/v1/disputes", list_disputes),
    ("GET", "/v1/disputes/{dispute}", lambda s, _, ids: disputes.entity(disputes.find(s, ids["dispute"]))),
    ("POST", "/v1/disputes/{dispute}/accept", lambda s, _, ids: disputes.accept_by_api(s, ids["dispute"])),
    ("GET", "/v1/settlements", list_settlements),
    ("GET", "/v1/settlements/recon/combined", recon),
    (
        "GET",
        "/v1/settlements/{settlement}",
        lambda s, _, ids: settlements.entity(settlements.find(s, ids["settlement"])),
    ),
]
PATTERNS = [
    (method, re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)), endpoint)
    for method, path, endpoint in ROUTES
]


def answer(sandbox: "Sandbox", request: Request) -> Response:
    authenticate(request)
    for method, pattern, endpoint in PATTERNS:
        found = pattern.fullmatch(request.path)
        if method == request.method and found is not None:
            with sandbox.lock:
                if method != "GET":
                    sandbox.dirty = True
                return json_response(endpoint(sandbox, request, found.groupdict()))
    raise unknown_url()
