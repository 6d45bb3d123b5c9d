"""What may stand in a log line."""

import re
from collections.abc import MutableMapping
from typing import Any, Final

# What stands behind these in a path opens a door to whoever has it.
LINKS: Final = re.compile(r"(/(?:accounts/(?:invitations|password/reset/key)|enquiries|mail/stop)/)\S+")


def without_personal_data(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: drops the caller's address and browser, the request's query string, and links from mails.

    A search may hold a name or a number; an address beside a lead's id is a person.
    """
    event.pop("ip", None)
    event.pop("user_agent", None)
    if isinstance(request := event.get("request"), str):
        event["request"] = LINKS.sub(r"\1…", request.partition("?")[0])
    return event
