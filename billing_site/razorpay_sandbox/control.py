"""The control API: what a tester does to the sandbox, as JSON under /_sandbox/."""

import dataclasses
import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import attempts, captures, disputes, orders, payments, refunds, settlements, webhooks
from .errors import ApiError
from .exchange import Request, Response, json_response
from .faults import FaultRefused
from .scenarios import SCENARIOS
from .state import Config

if TYPE_CHECKING:
    from .sandbox import Sandbox

PREFIX = "/_sandbox/"
LOOPBACK_NAMES = ("127.0.0.1", "localhost")
REQUIRED = object()
LEAST = {"retry_base_s": 1, "webhook_timeout_s": 0.1, "min_amount": 1, "automatic_expiry_minutes": 1}


class ControlRefused(ValueError):
    """The call makes no sense; the message says why."""


def arguments(body: dict[str, Any], known: dict[str, tuple[tuple[type, ...], Any]]) -> list[Any]:
    """The values of `known` in its order; `{name: (types, default)}`, REQUIRED for no default."""
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise ControlRefused(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    values = []
    for name, (types, default) in known.items():
        value = body.get(name, default)
        if value is REQUIRED:
            raise ControlRefused(f"{name} is missing")
        if value is not default and (
            not isinstance(value, types) or (isinstance(value, bool) and bool not in types)
        ):
            raise ControlRefused(f"{name} has the wrong type: {value!r}")
        values.append(value)
    return values


# --- the calls ----------------------------------------------------------------------------------------
def state(sandbox: "Sandbox", _body: dict[str, Any]) -> dict[str, Any]:
    with sandbox.lock:
        return {
            "now": sandbox.clock.now(),
            "disabled": not sandbox.state.config.webhook_enabled,
            "faults": sandbox.faults.as_json(),
            **dataclasses.asdict(sandbox.state),
        }


def reset(sandbox: "Sandbox", body: dict[str, Any]) -> dict[str, Any]:
    (seed,) = arguments(body, {"seed": ((int, str), None)})
    sandbox.reset(None if seed is None else str(seed))
    return {"reset": True}


def config(sandbox: "Sandbox", body: dict[str, Any]) -> dict[str, Any]:
    """Change what is named, all or nothing; answers the whole configuration."""
    kinds: dict[str, Any] = {
        item.name: type(getattr(Config(), item.name)) for item in dataclasses.fields(Config)
    }
    known: dict[str, tuple[tuple[type, ...], Any]] = {
        name: ((int, float) if kind is float else (kind,), None) for name, kind in kinds.items()
    }
    known["webhook_url"] = ((str, type(None)), None)
    values = dict(
        zip([*known, "balance"], arguments(body, {**known, "balance": ((int,), None)}), strict=True)
    )
    if body.get("webhook_url") is not None:
        webhooks.checked_webhook_url(body["webhook_url"])
    with sandbox.lock:
        for name in body:
            if values[name] is None and name != "webhook_url":
                raise ControlRefused(f"{name} must not be null")
            if isinstance(values[name], int | float) and values[name] < LEAST.get(name, 0):
                raise ControlRefused(f"{name} must be at least {LEAST.get(name, 0)}")
        for name in body:
            setattr(sandbox.state if name == "balance" else sandbox.state.config, name, values[name])
        sandbox.dirty = True
        return {**dataclasses.asdict(sandbox.state.config), "balance": sandbox.state.balance}


def advance(sandbox: "Sandbox", body: dict[str, Any]) -> dict[str, Any]:
    (seconds,) = arguments(body, {"s": ((int, float), REQUIRED)})
    if not 0 <= seconds <= 10 * 366 * 86_400:
        raise ControlRefused("s is between 0 and ten years: the clock never goes back")
    sandbox.advance(float(seconds))
    return {"now": sandbox.clock.now()}


def drain(sandbox: "Sandbox", body: dict[str, Any]) -> dict[str, Any]:
    (timeout,) = arguments(body, {"timeout": ((int, float), 60.0)})
    return {"idle": sandbox.drain(float(timeout))}


def pay(sandbox: "Sandbox", body: dict[str, Any]) -> dict[str, Any]:
    """A whole customer in one call: what the frame would do, with the second step included."""
    body = {"method": "upi", "vpa": "success@razorpay", **body}
    fields = (*attempts_fields(), "order_id", "otp", "bank_success", "amount", "currency", "force")
    arguments(body, dict.fromkeys(fields, ((str, int, bool, dict), None)))
    if body["method"] == "card":
        body = {"number": "4100280000001007", "expiry": "12/99", "cvv": "123", **body}
    with sandbox.lock:
        order = orders.find(sandbox, str(body.get("order_id")))
        payment = attempts.start(sandbox, order, body, force=body.get("force") is True)
        if payment.plan == "otp":
            attempts.submit_otp(sandbox, payment, str(body.get("otp", "1234")))
        elif payment.plan == "bank":
            attempts.decide_at_bank(sandbox, payment, success=body.get("bank_success") is not False)
        sandbox.dirty = True
        return attempts.outcome(payment)


def attempts_fields() -> tuple[str, ...]:
    return ("method", "vpa", "number", "expiry", "cvv", "bank", "email", "contact", "notes")


def late(sandbox: "Sandbox", body: dict[str, Any]) -> dict[str, Any]:
    """The bank says yes after all: to a payment, or to the latest attempt on an order."""
    payment_id, order_id = arguments(body, {"payment_id": ((str,), None), "order_id": ((str,), None)})
    with sandbox.lock:
        if payment_id is None:
            attempts_made = payments.of_order(sandbox, orders.find(sandbox, str(order_id)).id)
            if not attempts_made:
                raise ControlRefused("there is no attempt on this order")
            payment_id = attempts_made[-1].id
        payment = payments.find(sandbox, payment_id)
        captures.authorise(sandbox, payment, late=payment.status == "failed")
        sandbox.dirty = True
        return payments.entity(payment)


def dashboard_refund(sandbox: "Sandbox", body: dict[str, Any]) -> dict[str, Any]:
    payment_id, amount = arguments(body, {"payment_id": ((str,), REQUIRED), "amount": ((int,), None)})
    with sandbox.lock:
        sandbox.dirty = True
        request = {} if amount is None else {"amount": amount}
        return refunds.entity(refunds.create_checked(sandbox, payment_id, request))


def refund_status(sandbox: "Sandbox", body: dict[str, Any]) -> dict[str, Any]:
    refund_id, status = arguments(body, {"refund_id": ((str,), REQUIRED), "status": ((str,), REQUIRED)})
    if status not in ("processed", "failed"):
        raise ControlRefused("status is processed or failed")
    with sandbox.lock:
        sandbox.dirty = True
        refund = refunds.find(sandbox, refund_id)
        refunds.finish(sandbox, refund, status)
        return refunds.entity(refund)


def dispute(sandbox: "Sandbox", body: dict[str, Any]) -> dict[str, Any]:
    """One dispute event. `created` opens one; others, or a dispute_id, go on with it."""
    known: dict[str, tuple[tuple[type, ...], Any]] = {
        "event": ((str,), REQUIRED),
        "payment_id": ((str,), None),
        "dispute_id": ((str,), None),
        "amount": ((int,), None),
        "phase": ((str,), None),
        "as_refund": ((bool,), False),
    }
    event, payment_id, dispute_id, amount, phase, as_refund = arguments(body, known)
    if event not in disputes.STATUS_AFTER:
        raise ControlRefused(f"event is one of {', '.join(disputes.STATUS_AFTER)}")
    if phase is not None and phase not in disputes.PHASES:
        raise ControlRefused(f"phase is one of {', '.join(disputes.PHASES)}")
    with sandbox.lock:
        sandbox.dirty = True
        if dispute_id is None and event == "created":
            found = disputes.open_dispute(sandbox, str(payment_id), amount, phase or "chargeback")
        elif dispute_id is None:
            of_payment = [item for item in sandbox.state.disputes.values() if item.payment_id == payment_id]
            if not of_payment:
                raise ControlRefused("this payment has no dispute yet: send event created first")
            found = of_payment[-1]
        else:
            found = disputes.find(sandbox, dispute_id)
        found.phase = phase or found.phase
        found.amount = found.amount if amount is None else amount
        disputes.move(sandbox, found, event, as_refund=as_refund)
        return disputes.entity(found)


def settle(sandbox: "Sandbox", body: dict[str, Any]) -> dict[str, Any]:
    (day,) = arguments(body, {"date": ((str,), None)})
    with sandbox.lock:
        sandbox.dirty = True
        today = datetime.datetime.fromtimestamp(sandbox.clock.now(), settlements.IST).date()
        date = today if day is None else datetime.date.fromisoformat(day)
        settlement = settlements.settle(sandbox, date)
        return {**settlements.entity(settlement), "rows": len(settlement.rows)}


def replay(sandbox: "Sandbox", body: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, tuple[tuple[type, ...], Any]] = {
        "event_id": ((str,), None),
        "event_ids": ((list,), None),
        "n": ((int,), 1),
        "concurrent": ((bool,), False),
    }
    event_id, event_ids, n, concurrent = arguments(body, known)
    wanted = [event_id] if event_ids is None else event_ids
    with sandbox.lock:
        missing = [identifier for identifier in wanted if identifier not in sandbox.state.events]
    if missing or not 1 <= n <= 1000:
        raise ControlRefused(f"no such event: {missing}" if missing else "n is from 1 to 1000")
    return {"deliveries": webhooks.replay(sandbox, wanted, n, concurrent=concurrent)}


def rotate_secret(sandbox: "Sandbox", body: dict[str, Any]) -> dict[str, Any]:
    """From now on events are signed with the new secret; those before keep the old one."""
    (secret,) = arguments(body, {"secret": ((str,), None)})
    with sandbox.lock:
        sandbox.dirty = True
        old = sandbox.state.webhook_secret
        sandbox.state.webhook_secret = secret or sandbox.state.new_id("sandbox_webhook_secret_")
        return {"old": old, "secret": sandbox.state.webhook_secret}


def faults(sandbox: "Sandbox", body: dict[str, Any]) -> dict[str, Any]:
    """Put one fault, or the list under `faults`, in force."""
    sandbox.faults.add(body["faults"] if isinstance(body.get("faults"), list) else [body])
    return {"faults": sandbox.faults.as_json()}


def list_faults(sandbox: "Sandbox", _body: dict[str, Any]) -> dict[str, Any]:
    return {"faults": sandbox.faults.as_json()}


def clear_faults(sandbox: "Sandbox", _body: dict[str, Any]) -> dict[str, Any]:
    sandbox.faults.clear()
    return {"faults": []}


def scenario(sandbox: "Sandbox", body: dict[str, Any]) -> dict[str, Any]:
    (name,) = arguments(body, {"name": ((str,), REQUIRED)})
    if name not in SCENARIOS:
        raise ControlRefused(f"known scenarios: {', '.join(SCENARIOS)}")
    sandbox.faults.add(SCENARIOS[name].faults)
    return {"name": name, "steps": SCENARIOS[name].steps, "faults": sandbox.faults.as_json()}


def list_scenarios(_sandbox: "Sandbox", _body: dict[str, Any]) -> dict[str, Any]:
    return {name: dataclasses.asdict(scenario) for name, scenario in SCENARIOS.items()}


CALLS: dict[tuple[str, str], Callable[["Sandbox", dict[str, Any]], dict[str, Any]]] = {
    ("GET", "state"): state,
    ("GET", "faults"): list_faults,
    ("POST", "faults"): faults,
    ("DELETE", "faults"): clear_faults,
    ("GET", "scenarios"): list_scenarios,
    ("POST", "scenario"): scenario,
    ("POST", "reset"): reset,
    ("POST", "config"): config,
    ("POST", "advance"): advance,
    ("POST", "drain"): drain,
    ("POST", "pay"): pay,
    ("POST", "late"): late,
    ("POST", "dashboard_refund"): dashboard_refund,
    ("POST", "refund_status"): refund_status,
    ("POST", "dispute"): dispute,
    ("POST", "settle"): settle,
    ("POST", "replay"): replay,
    ("POST", "rotate_secret"): rotate_secret,
}


def answer(sandbox: "Sandbox", request: Request) -> Response:
    host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
    if host not in LOOPBACK_NAMES:  # a name that was made to point here
        return json_response({"error": "the control API answers on 127.0.0.1 and localhost only"}, 403)
    call = CALLS.get((request.method, request.path.removeprefix(PREFIX)))
    if call is None:
        known = [f"{method} {PREFIX}{name}" for method, name in CALLS]
        return json_response({"error": "no such call", "known": known}, 404)
    # A web page can't send this type to another origin unasked, so no site can reach the sandbox.
    if (
        request.method == "POST"
        and request.headers.get("content-type", "").partition(";")[0] != "application/json"
    ):
        return json_response({"error": "send JSON: curl --json '{…}'"}, 415)
    try:
        return json_response(call(sandbox, request.json_object()))
    except ApiError as error:
        return json_response({"error": error.body}, error.status)
    except (ControlRefused, FaultRefused, ValueError) as error:
        return json_response({"error": str(error)}, 400)
