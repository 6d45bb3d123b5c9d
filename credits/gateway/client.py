"""The calls. One `Gateway` belongs to one thread; making one is cheap and does no I/O.

    with Gateway(config_from_settings()) as gateway:
        order = gateway.create_order(receipt="tu-42", amount_paise=118_000, notes={"topup": "42"})

Every call raises `GatewayError` (see errors), `InvalidGatewayValue` before anything is sent, or
`GatewayCallInsideTransaction`. What is returned are Razorpay's entities as plain dicts: read their
fields with `.get`, since official samples leave out or null almost any of them, and `notes` is a
list when empty.
"""

import datetime
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Literal, Self

import certifi
import razorpay

from .config import GatewayConfig, config_from_settings
from .errors import Answer, GatewayAnswerUnknown
from .guard import refuse_inside_transaction
from .session import GatewaySession
from .values import (
    IdKind,
    checked_id,
    checked_idempotency_key,
    checked_paise,
    checked_receipt,
    copied_notes,
    is_gateway_id,
)

JsonObject = dict[str, Any]
PAGE = 100
RECON_PAGE = 1000
CAPTURE_WITHIN_MINUTES = 7200  # Razorpay's longest: a late authorisation is still captured by itself


class Gateway:
    def __init__(self, config: GatewayConfig | None = None) -> None:
        """From the settings unless told otherwise. Raises GatewayMisconfigured."""
        self.config = config or config_from_settings()
        self._thread = threading.get_ident()
        self._session = GatewaySession(self.config.timeout, self.config.total_s)
        self._client = razorpay.Client(
            session=self._session,
            auth=(self.config.key_id, self.config.key_secret),
            base_url=self.config.base_url.rstrip("/"),
        )
        # The SDK verifies against a bundle of 2015 that lacks today's roots.
        self._client.cert_path = self.config.ca_file or certifi.where()
        self._client.set_app_details({"title": "clinic-credits", "version": "1.0"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    # --- orders --------------------------------------------------------------------------------------
    def create_order(self, *, receipt: str, amount_paise: int, notes: Mapping[str, str]) -> JsonObject:
        """A new order in INR, captured automatically, also when authorised late.

        Not idempotent at Razorpay: after `GatewayAnswerUnknown` look with `find_orders_by_receipt`
        before trying again.
        """
        data: JsonObject = {
            "amount": checked_paise(amount_paise),
            "currency": "INR",
            "receipt": checked_receipt(receipt),
            "notes": copied_notes(notes),
            "payment": {
                "capture": "automatic",
                "capture_options": {
                    "automatic_expiry_period": CAPTURE_WITHIN_MINUTES,
                    "manual_expiry_period": CAPTURE_WITHIN_MINUTES,
                    "refund_speed": "normal",
                },
            },
        }
        if self.config.unique_receipt:
            data["unique_receipt"] = True
        order = self._call("create order", lambda: self._client.order.create(data))
        asked = {"amount": data["amount"], "currency": "INR", "receipt": receipt}
        return expect("create order", order, kind="order", fields=asked)

    def find_orders_by_receipt(self, receipt: str) -> list[JsonObject]:
        """All orders with exactly this receipt, newest first; usually none or one."""
        query = {"receipt": checked_receipt(receipt), "expand[]": "payments"}
        orders = self._pages("find orders", self._client.order.all, query, PAGE)
        return [order for order in orders if order.get("receipt") == receipt]

    def fetch_order(self, order_id: str) -> JsonObject:
        identifier = checked_id(order_id, "order")
        order = self._call("fetch order", lambda: self._client.order.fetch(identifier, {}))
        return expect("fetch order", order, kind="order", fields={"id": identifier})

    def order_payments(self, order_id: str) -> list[JsonObject]:
        """Every attempt that got as far as the bank. The payments decide, not the order's status."""
        identifier = checked_id(order_id, "order")
        return items_of(
            "order payments",
            self._call("order payments", lambda: self._client.order.payments(identifier, {})),
        )

    # --- payments ------------------------------------------------------------------------------------
    def fetch_payment(self, payment_id: str) -> JsonObject:
        identifier = checked_id(payment_id, "pay")
        payment = self._call("fetch payment", lambda: self._client.payment.fetch(identifier, {}))
        return expect("fetch payment", payment, kind="pay", fields={"id": identifier})

    def list_payments(self, *, since: int, until: int) -> Iterator[JsonObject]:
        """Payments made within since..until (Unix seconds, both inclusive), newest first.

        One page of 100 for each call; no transaction may be open while it is read. With `until` in
        the past a page can't shift; otherwise a payment may come twice, never not at all.
        """
        query = {"from": int(since), "to": int(until)}
        return self._pages("list payments", self._client.payment.all, query, PAGE)

    def capture(self, payment_id: str, amount_paise: int) -> JsonObject:
        """Capture an authorised payment in full. `GatewayRefused.is_already_captured` is no failure."""
        identifier, amount = checked_id(payment_id, "pay"), checked_paise(amount_paise)
        # A fresh dict each time: the SDK's default one is shared by all threads and keeps the last amount.
        payment = self._call(
            "capture payment", lambda: self._client.payment.capture(identifier, amount, {"currency": "INR"})
        )
        return expect("capture payment", payment, kind="pay", fields={"id": identifier})

    # --- refunds -------------------------------------------------------------------------------------
    def refund(
        self,
        payment_id: str,
        *,
        amount_paise: int,
        receipt: str,
        idempotency_key: str,
        notes: Mapping[str, str],
        speed: Literal["normal", "optimum"] = "normal",
    ) -> JsonObject:
        """Give money back. The amount is never left out, which would refund everything.

        After `GatewayAnswerUnknown` call again with the very same arguments: the same key and body
        return the same refund.
        """
        identifier = checked_id(payment_id, "pay")
        data = {
            "amount": checked_paise(amount_paise),
            "speed": speed,
            "receipt": checked_receipt(receipt),
            "notes": copied_notes(notes),
        }
        headers = {"X-Refund-Idempotency": checked_idempotency_key(idempotency_key)}
        refund = self._call(
            "refund payment", lambda: self._client.payment.refund(identifier, data, headers=dict(headers))
        )
        asked = {"payment_id": identifier, "amount": amount_paise}
        return expect("refund payment", refund, kind="rfnd", fields=asked)

    def refunds_of_payment(self, payment_id: str) -> list[JsonObject]:
        identifier = checked_id(payment_id, "pay")

        def fetch(query: JsonObject) -> Any:
            return self._client.payment.fetch_multiple_refund(identifier, query)

        return list(self._pages("refunds of payment", fetch, {}, PAGE))

    def fetch_refund(self, refund_id: str) -> JsonObject:
        identifier = checked_id(refund_id, "rfnd")
        refund = self._call("fetch refund", lambda: self._client.refund.fetch(identifier, {}))
        return expect("fetch refund", refund, kind="rfnd", fields={"id": identifier})

    # --- settlements and disputes --------------------------------------------------------------------
    def settlement_recon(self, day: datetime.date) -> Iterator[JsonObject]:
        """The recon rows of one IST day; a page of 1,000 for each call."""
        query = {"year": day.year, "month": day.month, "day": day.day}
        return self._pages("settlement recon", self._client.settlement.report, query, RECON_PAGE)

    def list_disputes(self) -> Iterator[JsonObject]:
        return self._pages("list disputes", self._client.dispute.all, {}, PAGE)

    def fetch_dispute(self, dispute_id: str) -> JsonObject:
        identifier = checked_id(dispute_id, "disp")
        dispute = self._call("fetch dispute", lambda: self._client.dispute.fetch(identifier, {}))
        return expect("fetch dispute", dispute, kind="disp", fields={"id": identifier})

    # --- how each call is made -----------------------------------------------------------------------
    def _call(self, name: str, send: Callable[[], Any]) -> Any:
        if threading.get_ident() != self._thread:
            raise RuntimeError("a Gateway belongs to the thread that made it: make one in each")
        refuse_inside_transaction(name)
        return send()

    def _pages(
        self, name: str, fetch: Callable[[JsonObject], Any], query: JsonObject, size: int
    ) -> Iterator[JsonObject]:
        """All items, page by page until an empty one: a page shorter than asked may not be the last."""
        skip, before = 0, None
        while True:
            asked = {**query, "count": size, "skip": skip}
            page = items_of(name, self._call(name, partial(fetch, asked)))
            if page and page == before:
                if len(page) < size:
                    return  # `skip` is ignored there, and everything fitted on one page
                raise GatewayAnswerUnknown(name, "the pages don't advance")
            if not page:
                return
            yield from page
            skip, before = skip + len(page), page


def items_of(name: str, answer: Any) -> list[JsonObject]:
    items = answer.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise GatewayAnswerUnknown(name, "the answer is not a collection", Answer(body=repr(answer)[:2000]))
    return items


def expect(name: str, entity: Any, *, kind: IdKind, fields: Mapping[str, object]) -> JsonObject:
    """The entity, if it is the one that was asked for; anything else is no answer to believe."""
    wrong = [field for field, value in fields.items() if entity.get(field) != value]
    if not is_gateway_id(entity.get("id"), kind):
        wrong.append("id")
    if wrong:
        answer = Answer(status=200, body=repr(entity)[:2000])
        raise GatewayAnswerUnknown(name, f"another {', '.join(wrong)} than asked for:", answer)
    return dict(entity)
