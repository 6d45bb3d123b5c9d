"""What may be sent. Ids are pasted into URLs by the SDK, so each is checked by pattern before."""

import re
from collections.abc import Mapping
from typing import Literal

from .errors import InvalidGatewayValue

IdKind = Literal["order", "pay", "rfnd", "disp", "setl"]
ID_PATTERN = re.compile(r"(order|pay|rfnd|disp|setl)_[A-Za-z0-9]{14}", re.ASCII)
IDEMPOTENCY_KEY_PATTERN = re.compile(r"[A-Za-z0-9_-]{10,100}", re.ASCII)
MAX_RECEIPT = 40
MAX_NOTES = 15
MAX_NOTE = 256


def is_gateway_id(value: object, kind: IdKind) -> bool:
    """Whether `value` is an id of that kind; the only place that knows their form."""
    if not isinstance(value, str):
        return False
    found = ID_PATTERN.fullmatch(value)
    return found is not None and found[1] == kind


def checked_id(value: object, kind: IdKind) -> str:
    if not isinstance(value, str) or not is_gateway_id(value, kind):
        raise InvalidGatewayValue(f"not an id of kind {kind}: {value!r:.60}")
    return value


def checked_paise(value: object) -> int:
    """Amounts are whole paise above zero: `int` alone, no bool, float, Decimal or text."""
    if type(value) is not int:
        raise InvalidGatewayValue(f"an amount is int paise, not {type(value).__name__}")
    if value <= 0:
        raise InvalidGatewayValue(f"an amount is above zero, not {value}")
    return value


def checked_receipt(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_RECEIPT:
        raise InvalidGatewayValue(f"a receipt has 1 to {MAX_RECEIPT} characters, not {value!r:.60}")
    return value


def checked_idempotency_key(value: object) -> str:
    if not isinstance(value, str) or IDEMPOTENCY_KEY_PATTERN.fullmatch(value) is None:
        raise InvalidGatewayValue("an idempotency key has at least 10 letters, digits, - and _")
    return value


def copied_notes(notes: Mapping[str, str]) -> dict[str, str]:
    """A fresh dict: the SDK keeps and changes what it is given."""
    if len(notes) > MAX_NOTES:
        raise InvalidGatewayValue(f"at most {MAX_NOTES} notes")
    for name, value in notes.items():
        if not isinstance(name, str) or not isinstance(value, str) or len(value) > MAX_NOTE:
            raise InvalidGatewayValue(f"the note {name!r:.60} is not text of at most {MAX_NOTE} characters")
    return dict(notes)
