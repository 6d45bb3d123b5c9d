"""Plain HTTP, for what the SDK hides: status codes, headers, broken answers."""

import base64
import http.client
import json
from typing import Any

from billing_site.razorpay_sandbox import KEY_ID, KEY_SECRET, RunningSandbox

AUTHORISED = {"Authorization": "Basic " + base64.b64encode(f"{KEY_ID}:{KEY_SECRET}".encode()).decode()}


def call(
    sandbox: RunningSandbox,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any, dict[str, str]]:
    """(status, parsed JSON or raw bytes, headers); raises when the line is cut."""
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=60)
    try:
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **AUTHORISED, **(headers or {})}
        connection.request(method, path, raw, sent)
        response = connection.getresponse()
        answer = response.read()
        try:
            value = json.loads(answer)
        except ValueError:
            value = answer
        return response.status, value, {name.lower(): text for name, text in response.getheaders()}
    finally:
        connection.close()


def new_order(sandbox: RunningSandbox, amount: int = 50_000, **fields: Any) -> dict[str, Any]:
    status, order, _headers = call(
        sandbox, "POST", "/v1/orders", {"amount": amount, "currency": "INR", "receipt": "tu-1", **fields}
    )
    assert status == 200, order
    return dict(order)


def paid(sandbox: RunningSandbox, amount: int = 50_000, **choice: Any) -> str:
    """The id of a payment for a new order."""
    outcome = sandbox.control("pay", order_id=new_order(sandbox, amount)["id"], **choice)
    return str(outcome["payment_id"])


def payment(sandbox: RunningSandbox, payment_id: str) -> dict[str, Any]:
    status, entity, _headers = call(sandbox, "GET", f"/v1/payments/{payment_id}")
    assert status == 200, entity
    return dict(entity)


def error_of(sandbox: RunningSandbox, method: str, path: str, body: Any = None, **headers: str) -> str:
    """The description of a 400."""
    status, answer, _headers = call(sandbox, method, path, body, headers)
    assert status == 400, (status, answer)
    return str(answer["error"]["description"])
