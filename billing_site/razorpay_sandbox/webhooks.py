"""The webhook half: events are signed, delivered in the background, retried for 24 hours, replayed."""

import copy
import hashlib
import hmac
import http.client
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .exchange import compact_json
from .faults import Fault
from .state import Event, Message

if TYPE_CHECKING:
    from .sandbox import Sandbox

RETRIED_FOR_S = 24 * 3600
WORKERS = 32
KEPT_DELIVERIES = 20_000
UNKNOWN_EVENT = "payment.invented_by_the_sandbox"
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Occurrence:
    """An event that is about to be sent; `payload` is a snapshot taken when it happened."""

    name: str
    payload: dict[str, Any]


def sign(body: str, secret: str) -> str:
    return hmac.new(secret.encode(), body.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def checked_webhook_url(url: str | None) -> str | None:
    """The URL, or ValueError: the sandbox talks to this machine only."""
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError(f"the webhook URL must be http:// on this machine, not {url!r}")
    return url


# --- from a change of state to messages ---------------------------------------------------------------
def emit(sandbox: "Sandbox", occurrences: list[Occurrence]) -> None:
    """Record the events of one change and queue their deliveries, as the faults in force will have it.

    Events of one change go out one after the other in the order given, unless a `webhook_order`
    fault says otherwise. Call with the lock held.
    """
    groups: list[tuple[float, list[str], bool]] = []
    in_order: list[str] = []
    for occurrence in occurrences:
        fault = sandbox.faults.take("webhook", occurrence.name)
        event = record(sandbox, occurrence, fault)
        numbers = [
            message_for(sandbox, event, fault, copy_number) for copy_number in range(copies(event, fault))
        ]
        if fault is not None and fault.do == "delay":
            groups.append((sandbox.clock.now() + fault.parameters["s"], numbers, False))
        elif fault is not None and fault.do == "repeat" and fault.parameters["concurrent"]:
            groups.append((sandbox.clock.now(), numbers, True))
        else:
            in_order.extend(numbers)
    order = sandbox.faults.take("webhook_order") if len(in_order) > 1 else None
    if order is not None and order.do == "reverse":
        in_order.reverse()
    elif order is not None and order.do == "shuffle":
        random.Random(f"{sandbox.state.seed}/{sandbox.state.counter}").shuffle(in_order)  # noqa: S311
    groups.append((sandbox.clock.now(), in_order, order is not None and order.do == "together"))
    for due, numbers, together in groups:
        if numbers:
            sandbox.at(due, "deliver", [numbers, together])
    sandbox.dirty = True


def record(sandbox: "Sandbox", occurrence: Occurrence, fault: Fault | None) -> Event:
    config = sandbox.state.config
    created_at = sandbox.clock.seconds()
    payload = (
        stale(occurrence.payload)
        if fault is not None and fault.do == "stale_snapshot"
        else occurrence.payload
    )
    envelope: dict[str, Any] = {
        "entity": "event",
        "account_id": config.account_id,
        "event": UNKNOWN_EVENT if fault is not None and fault.do == "unknown_event" else occurrence.name,
        "contains": list(payload),
        "payload": payload,
        "created_at": created_at,
    }
    if occurrence.name == "refund.speed_changed":  # as in Razorpay's sample
        envelope["payload"] = {**payload, "created_at": envelope.pop("created_at")}
    event = Event(
        id=sandbox.state.new_id(""),
        name=occurrence.name,
        body=compact_json(envelope).decode("utf-8", "surrogatepass"),
        secret=sandbox.state.webhook_secret,
        created_at=created_at,
    )
    if config.webhook_url is None:
        event.fate = "no webhook URL"
    elif not config.webhook_enabled:
        event.fate = "webhook disabled"
    elif fault is not None and fault.do == "lose":
        event.fate = "lost"
    sandbox.state.events[event.id] = event
    return event


def stale(payload: dict[str, Any]) -> dict[str, Any]:
    """The same entities as they looked a moment earlier."""
    older = copy.deepcopy(payload)
    payment = older.get("payment", {}).get("entity")
    if payment is not None:
        if payment["amount_refunded"]:
            payment.update(status="captured", amount_refunded=0, refund_status=None)
        elif payment["status"] == "captured":
            payment.update(status="authorized", captured=False, fee=None, tax=None)
        else:
            payment.update(status="created", captured=False)
    order = older.get("order", {}).get("entity")
    if order is not None:
        order.update(status="attempted", amount_paid=0, amount_due=order["amount"])
    refund = older.get("refund", {}).get("entity")
    if refund is not None:
        refund.update(status="pending")
    dispute = older.get("dispute", {}).get("entity")
    if dispute is not None:
        dispute.update(status="open", amount_deducted=0)
    return older


def copies(event: Event, fault: Fault | None) -> int:
    if event.fate != "sent":
        return 0
    if fault is not None and fault.do == "repeat":
        return max(0, int(fault.parameters["n"]))
    return 2 if fault is not None and fault.do == "new_event_id" else 1


def message_for(sandbox: "Sandbox", event: Event, fault: Fault | None, copy_number: int) -> str:
    message = new_message(sandbox, event)
    match fault.do if fault is not None else "":
        case "tamper":
            message.body = tampered(event.body)
        case "wrong_secret":
            message.signature = sign(event.body, "not the secret")
        case "no_signature":
            message.signature = None
        case "no_event_id":
            message.header_id = None
        case "new_event_id" if copy_number == 1:
            message.header_id = sandbox.state.new_id("")
        case "fail" if fault is not None:
            message.failing_attempts = fault.parameters["attempts"]
            message.failing_but_sent = fault.parameters["delivered"]
    return str(message.number)


def tampered(body: str) -> str:
    """Signed once, changed afterwards: ten times the amount where there is one."""
    changed = body.replace('"amount":', '"amount":9', 1)
    return changed if changed != body else body + " "


def new_message(sandbox: "Sandbox", event: Event, *, retried: bool = True) -> Message:
    message = Message(
        number=sandbox.state.next_number(),
        event_id=event.id,
        name=event.name,
        body=event.body,
        signature=sign(event.body, event.secret),
        header_id=event.id,
        deadline=event.created_at + RETRIED_FOR_S,
        retried=retried,
    )
    sandbox.state.messages[str(message.number)] = message
    return message


# --- from messages to the shop ------------------------------------------------------------------------
class Courier:
    def __init__(self, sandbox: "Sandbox") -> None:
        self.sandbox = sandbox
        self._pool = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="razorpay-webhook")
        self._idle = threading.Condition()
        self._under_way = 0

    def dispatch(self, numbers: list[str], *, together: bool) -> None:
        with self._idle:
            self._under_way += 1
        try:
            self._pool.submit(self._run, numbers, together=together)
        except RuntimeError:  # the pool is shut down: the sandbox is stopping
            self._landed()

    def _run(self, numbers: list[str], *, together: bool) -> None:
        try:
            if together:
                self.send_together(numbers)
            else:
                for number in numbers:
                    self.send(number)
        finally:
            self._landed()

    def _landed(self) -> None:
        with self._idle:
            self._under_way -= 1
            self._idle.notify_all()

    def wait_until_idle(self, timeout: float) -> bool:
        with self._idle:
            return self._idle.wait_for(lambda: self._under_way == 0, timeout)

    def stop(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def send_together(self, numbers: list[str]) -> list[dict[str, Any]]:
        """All at the same moment: every sender waits at the barrier for the last one."""
        barrier = threading.Barrier(len(numbers))
        log: list[dict[str, Any]] = []

        def start(number: str) -> None:
            barrier.wait()
            log.append(self.send(number))

        threads = [threading.Thread(target=start, args=(number,), daemon=True) for number in numbers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return log

    def send(self, number: str) -> dict[str, Any]:
        """One attempt; the log entry of it, empty when the message is gone (reset, webhook disabled)."""
        with self.sandbox.lock:
            message = self.sandbox.state.messages.get(number)
            config = self.sandbox.state.config
            if message is None or config.webhook_url is None:
                return {}
            if message.retried and not config.webhook_enabled:
                self._drop(message, "webhook disabled")
                return {}
            message.attempts += 1
            pretended = message.attempts <= message.failing_attempts
            at = self.sandbox.clock.now()
            url, timeout = config.webhook_url, config.webhook_timeout_s
        started = time.monotonic()
        status: int | None = None
        error: str | None = "fault: not sent"
        if not pretended or message.failing_but_sent:
            status, error = post(url, message, timeout)
        ms = round((time.monotonic() - started) * 1000, 1)
        if ms > timeout * 1000 and error is None:
            error = "answered too late"
        if pretended and error is None:
            error = "fault: the answer is ignored"
        entry = {
            "event": message.name,
            "event_id": message.event_id,
            "attempt": message.attempts,
            "at": at,
            "status": status,
            "ms": ms,
            "error": error,
        }
        accepted = error is None and status is not None and 200 <= status < 300
        self._settle(message, entry, accepted=accepted)
        return entry

    def _settle(self, message: Message, entry: dict[str, Any], *, accepted: bool) -> None:
        with self.sandbox.lock:
            state = self.sandbox.state
            if state.messages.get(str(message.number)) is not message:
                return
            state.deliveries.append(entry)
            del state.deliveries[:-KEPT_DELIVERIES]
            self.sandbox.dirty = True
            now = self.sandbox.clock.now()
            if accepted or not message.retried:
                del state.messages[str(message.number)]
            elif now >= message.deadline:
                state.config.webhook_enabled = False
                self._drop(message, "given up after 24 hours")
            else:
                wait = state.config.retry_base_s * 2.0 ** (message.attempts - 1)
                self.sandbox.at(min(now + wait, message.deadline), "deliver", [[str(message.number)], False])

    def _drop(self, message: Message, fate: str) -> None:
        self.sandbox.state.messages.pop(str(message.number), None)
        event = self.sandbox.state.events.get(message.event_id)
        if event is not None:
            event.fate = fate


def post(url: str, message: Message, timeout: float) -> tuple[int | None, str | None]:
    """(HTTP status or None, what went wrong or None)."""
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json", "User-Agent": "Razorpay-Webhook/v1"}
    if message.signature is not None:
        headers["X-Razorpay-Signature"] = message.signature
    if message.header_id is not None:
        headers["X-Razorpay-Event-Id"] = message.header_id
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=timeout)
    try:
        connection.request("POST", path, message.body.encode("utf-8", "surrogatepass"), headers)
        response = connection.getresponse()
        response.read(4096)
        return response.status, None
    except (OSError, http.client.HTTPException) as error:
        return None, f"{type(error).__name__}: {error}"
    finally:
        connection.close()


def replay(sandbox: "Sandbox", event_ids: list[str], n: int, *, concurrent: bool) -> list[dict[str, Any]]:
    """Send stored events again, `n` times each, whatever their age; returns when all are answered."""
    with sandbox.lock:
        numbers = [
            str(new_message(sandbox, sandbox.state.events[event_id], retried=False).number)
            for _round in range(n)
            for event_id in event_ids
        ]
    if concurrent and numbers:
        return sandbox.courier.send_together(numbers)
    return [sandbox.courier.send(number) for number in numbers]
