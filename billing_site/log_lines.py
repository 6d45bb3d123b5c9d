"""What may stand in a log line."""

from collections.abc import MutableMapping
from typing import Any


def without_personal_data(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: drops the caller's address and browser, and the query string of the request.

    A search may hold a name or a number; an address beside a lead's id is a person.
    """
    event.pop("ip", None)
    event.pop("user_agent", None)
    if isinstance(request := event.get("request"), str):
        event["request"] = request.partition("?")[0]
    return event
