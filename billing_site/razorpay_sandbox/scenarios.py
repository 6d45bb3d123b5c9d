"""Named scenarios: the faults of a bad day, ready to be put in force by name.

The numbers are those of the shop's own fault list. `steps` says what to do once the faults are in
force; a scenario without faults needs none, only these steps.
"""

from dataclasses import dataclass, field
from typing import Any

CREATE_ORDER = "POST /v1/orders"
FETCH_PAYMENT = "GET /v1/payments/[^/]+"
CAPTURE = "POST /v1/payments/[^/]+/capture"
REFUND = "POST /v1/payments/[^/]+/refund"
HTML_502 = {"status": 502, "body": "<html><h1>502 Bad Gateway</h1></html>", "ctype": "text/html"}
REFUND_IN_PROGRESS = {
    "error": {
        "code": "BAD_REQUEST_ERROR",
        "description": "Another request with the same idempotency key is still in progress.",
    }
}


@dataclass(frozen=True)
class Scenario:
    steps: str
    faults: list[dict[str, Any]] = field(default_factory=list)


def once(match: str, do: Any) -> list[dict[str, Any]]:
    return [{"match": match, "times": 1, "do": do}]


SCENARIOS: dict[str, Scenario] = {
    # ordering and duplication
    "F6_repeated": Scenario(
        "pay: each event of the payment arrives five times",
        [{"match": "webhook .*", "times": 3, "do": {"repeat": {"n": 5}}}],
    ),
    "F6_repeated_at_once": Scenario(
        "pay: each event of the payment arrives ten times at the same moment",
        [{"match": "webhook .*", "times": 3, "do": {"repeat": {"n": 10, "concurrent": True}}}],
    ),
    "F6_same_content_other_id": Scenario(
        "pay: payment.captured arrives twice under two event ids",
        once("webhook payment.captured", "new_event_id"),
    ),
    "F7_all_at_once": Scenario(
        "pay: payment.authorized, payment.captured and order.paid arrive together",
        once("webhook_order", "together"),
    ),
    "F8_reversed": Scenario(
        "pay: order.paid first, payment.authorized last", once("webhook_order", "reverse")
    ),
    "F8_shuffled": Scenario("pay: the events arrive in any order", once("webhook_order", "shuffle")),
    "F8_stale_snapshot": Scenario(
        "pay: payment.captured carries the payment as it was a moment earlier",
        once("webhook payment.captured", "stale_snapshot"),
    ),
    "F9_failed_then_captured": Scenario(
        "pay with late@razorpay, then POST /_sandbox/late: one payment id throughout"
    ),
    "F10_late_by_days": Scenario("pay with late@razorpay, advance 3 days, then POST /_sandbox/late"),
    "F11_order_lags": Scenario(
        "pay: for ten minutes the order still says attempted and amount_paid 0",
        once("order_lag", {"delay": {"s": 600}}),
    ),
    "F12_webhook_before_the_answer": Scenario(
        "create an order: its answer takes 2 s; pay it meanwhile",
        once(CREATE_ORDER, {"slow_after": {"s": 2}}),
    ),
    # loss
    "F13_all_lost": Scenario(
        "pay: no webhook ever arrives", [{"match": "webhook .*", "times": -1, "do": "lose"}]
    ),
    "F14_endpoint_down": Scenario(
        "pay, then advance 26 hours: every delivery fails and the webhook is disabled",
        [{"match": "webhook .*", "times": -1, "do": {"fail": {"attempts": 1_000_000}}}],
    ),
    "F14_acknowledgement_lost": Scenario(
        "pay, then advance 10 minutes: the shop got each event, the sandbox thinks it did not and repeats it",
        [{"match": "webhook .*", "times": 3, "do": {"fail": {"attempts": 2, "delivered": True}}}],
    ),
    "F15_replayed_after_days": Scenario(
        "pay, advance 2 days, then POST /_sandbox/replay with the event's id"
    ),
    "F16_crash_after_order": Scenario(
        "create an order: it exists, the answer never comes; find it by its receipt",
        once(CREATE_ORDER, "drop_after"),
    ),
    "F16_crash_after_refund": Scenario(
        "refund: it exists, the answer never comes; ask again with the same key", once(REFUND, "drop_after")
    ),
    # the API
    "F17_order_dropped": Scenario(
        "create an order: it exists, the line is cut", once(CREATE_ORDER, "drop_after")
    ),
    "F17_order_never_arrived": Scenario(
        "create an order: the line is cut before", once(CREATE_ORDER, "drop_before")
    ),
    "F17_order_timeout": Scenario(
        "create an order: answered after 15 s", once(CREATE_ORDER, {"slow_after": {"s": 15}})
    ),
    "F17_order_429": Scenario(
        "create an order: 429 without a body",
        once(CREATE_ORDER, {"status": {"status": 429, "headers": {"Retry-After": "7"}}}),
    ),
    "F17_order_500": Scenario(
        "create an order: 500 with an error object",
        once(
            CREATE_ORDER,
            {"status": {"status": 500, "body": {"error": {"code": "SERVER_ERROR", "description": "x"}}}},
        ),
    ),
    "F17_order_502_html": Scenario(
        "create an order: it exists, a proxy answers 502 in HTML",
        once(CREATE_ORDER, {"status": {**HTML_502, "after": True}}),
    ),
    "F17_order_empty": Scenario(
        "create an order: it exists, 200 without a body", once(CREATE_ORDER, "empty")
    ),
    "F17_order_bad_json": Scenario(
        "create an order: it exists, half an answer", once(CREATE_ORDER, "bad_json")
    ),
    "F17_order_redirect": Scenario(
        "create an order: 302 to another place",
        once(CREATE_ORDER, {"status": {"status": 302, "headers": {"Location": "/v1/orders"}}}),
    ),
    "F18_payment_fetch_down": Scenario(
        "verify a payment: fetching it fails three times",
        [{"match": FETCH_PAYMENT, "times": 3, "do": {"status": {"status": 503}}}],
    ),
    "F19_capture_race": Scenario(
        "pay, capture by the API within a second: the automatic capture, a second later, finds it done; "
        "after it a capture by the API is refused as already captured",
        once("autocapture", {"delay": {"s": 1}}),
    ),
    "F20_refund_times_out": Scenario(
        "refund: done, answered after 15 s; ask again with the same key",
        once(REFUND, {"slow_after": {"s": 15}}),
    ),
    "F20_refund_in_progress": Scenario(
        "refund: still working for 3 s; the same key meanwhile gets 409", once(REFUND, {"slow": {"s": 3}})
    ),
    "F20_refund_409": Scenario(
        "refund: refused as still in progress",
        once(REFUND, {"status": {"status": 409, "body": REFUND_IN_PROGRESS}}),
    ),
    "F20_no_balance": Scenario('POST /_sandbox/config {"balance": 0}, then refund'),
    "F20_too_old": Scenario("pay, advance 200 days, then refund"),
    "F20_pending_then_failed": Scenario(
        'POST /_sandbox/config {"refund_processing_s": 432000}, refund, advance 4 days, '
        "then POST /_sandbox/refund_status with failed"
    ),
}
