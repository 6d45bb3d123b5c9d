"""The fault grammar: what shall go wrong, where, and how often.

A fault is `{"match": …, "times": n, "do": …}`. `match` names the place, `do` an action of that
place, either by its name or as `{"name": {parameters}}`. `times` counts down; -1 means for ever.
"""

import re
import threading
from dataclasses import dataclass
from typing import Any

NUMBER = (int, float)
Parameters = dict[str, tuple[type | tuple[type, ...], Any]]
REQUIRED = object()

GRAMMAR: dict[str, dict[str, Parameters]] = {
    "api": {
        "drop_before": {},
        "drop_after": {},
        "slow": {"s": (NUMBER, REQUIRED)},
        "slow_after": {"s": (NUMBER, REQUIRED)},
        "status": {
            "status": (int, REQUIRED),
            "body": ((str, dict, list), ""),
            "ctype": (str, "application/json"),
            "headers": (dict, {}),
            "after": (bool, False),
        },
        "patch": {"fields": (dict, REQUIRED)},
        "bad_json": {},
        "empty": {"status": (int, 200)},
    },
    "webhook": {
        "lose": {},
        "repeat": {"n": (int, REQUIRED), "concurrent": (bool, False)},
        "delay": {"s": (NUMBER, REQUIRED)},
        "tamper": {},
        "wrong_secret": {},
        "no_signature": {},
        "no_event_id": {},
        "new_event_id": {},
        "stale_snapshot": {},
        "unknown_event": {},
        "fail": {"attempts": (int, 1), "delivered": (bool, False)},
    },
    "autocapture": {"never": {}, "delay": {"s": (NUMBER, REQUIRED)}},
    "order_lag": {"delay": {"s": (NUMBER, REQUIRED)}},
    "webhook_order": {"reverse": {}, "shuffle": {}, "together": {}},
}


class FaultRefused(ValueError):
    """The fault isn't in the grammar; the message says what is."""


@dataclass
class Fault:
    kind: str
    match: str
    pattern: re.Pattern[str]
    method: str
    do: str
    parameters: dict[str, Any]
    times: int

    def matches(self, kind: str, subject: str, method: str) -> bool:
        if kind != self.kind or self.method not in ("*", method):
            return False
        return self.pattern.fullmatch(subject) is not None

    def as_json(self) -> dict[str, Any]:
        return {"match": self.match, "times": self.times, "do": {self.do: self.parameters}}


def parse_match(match: str) -> tuple[str, str, str]:
    """(kind, method, regular expression)."""
    if match in ("autocapture", "order_lag", "webhook_order"):
        return match, "*", ""
    first, _space, rest = match.partition(" ")
    if first == "webhook" and rest:
        return "webhook", "*", rest
    if first in ("GET", "POST", "PATCH", "PUT", "DELETE", "*") and rest.startswith("/"):
        return "api", first, rest
    raise FaultRefused(
        "match is '<METHOD> /<path regex>', 'webhook <event regex>', 'autocapture', 'order_lag' "
        f"or 'webhook_order', not {match!r}"
    )


def parse_do(kind: str, do: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(do, str):
        do = {do: {}}
    if not isinstance(do, dict) or len(do) != 1:
        raise FaultRefused('do is an action\'s name or {"name": {parameters}}')
    name, given = next(iter(do.items()))
    if name not in GRAMMAR[kind]:
        raise FaultRefused(f"{kind} faults can do {', '.join(GRAMMAR[kind])}, not {name!r}")
    known = GRAMMAR[kind][name]
    if not isinstance(given, dict) or set(given) - set(known):
        raise FaultRefused(f"{name} takes {sorted(known) or 'no parameters'}, not {given!r}")
    parameters = {}
    for parameter, (expected, default) in known.items():
        value = given.get(parameter, default)
        if value is REQUIRED:
            raise FaultRefused(f"{name} needs {parameter}")
        if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
            raise FaultRefused(f"{parameter} of {name} has the wrong type: {value!r}")
        parameters[parameter] = value
    return name, parameters


def parse(raw: Any) -> Fault:
    if not isinstance(raw, dict) or set(raw) - {"match", "times", "do"} or not {"match", "do"} <= set(raw):
        raise FaultRefused("a fault is {match, times, do}")
    times = raw.get("times", 1)
    if not isinstance(times, int) or isinstance(times, bool) or (times < 1 and times != -1):
        raise FaultRefused("times is a whole number from 1, or -1 for ever")
    kind, method, expression = parse_match(str(raw["match"]))
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise FaultRefused(f"match is not a regular expression: {error}") from None
    name, parameters = parse_do(kind, raw["do"])
    return Fault(kind, str(raw["match"]), pattern, method, name, parameters, times)


class Faults:
    """The faults in force; the first that matches is taken, and spent by one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, raw_faults: list[Any]) -> None:
        """All or none: a refused fault leaves the list as it was."""
        parsed = [parse(raw) for raw in raw_faults]
        with self._lock:
            self._faults.extend(parsed)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def as_json(self) -> list[dict[str, Any]]:
        with self._lock:
            return [fault.as_json() for fault in self._faults]

    def take(self, kind: str, subject: str = "", method: str = "*") -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.matches(kind, subject, method):
                    if fault.times > 0:
                        fault.times -= 1
                        if fault.times == 0:
                            self._faults.remove(fault)
                    return fault
        return None
