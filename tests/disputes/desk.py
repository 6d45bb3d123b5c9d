"""Steps at the desk, as a browser takes them."""

from typing import Any, Final

from django.test import Client

from disputes.models import LeadDispute

HTML: Final = {"accept": "text/html"}
QUEUE: Final = "/admin/disputes"
TEXT: Final = "We called it too."


def at(dispute: LeadDispute | int, step: str = "") -> str:
    """The address, written out: a renamed route must fail."""
    number = dispute if isinstance(dispute, int) else dispute.pk
    return f"/admin/disputes/{number}{'/' if step else ''}{step}"


def approval(amount: object = "100", **more: Any) -> dict[str, Any]:
    facts = {"action": "approve", "refund_amount": amount, "reason_code": "confirmed", "admin_notes": TEXT}
    return {**facts, **more}


def rejection(**more: Any) -> dict[str, Any]:
    return {"action": "reject", "reason_code": "not_confirmed", "admin_notes": TEXT, **more}


def question() -> dict[str, Any]:
    return {"action": "ask", "admin_notes": "When did you call?"}


def resolve(client: Client, dispute: LeadDispute, data: dict[str, Any], query: str = "") -> Any:
    return client.post(at(dispute, "resolve") + query, data, headers=HTML)


def resolve_json(client: Client, dispute: LeadDispute | int, body: Any, **headers: str) -> Any:
    return client.post(
        at(dispute, "resolve"),
        body,
        content_type="application/json",
        headers={"accept": "application/json", **headers},
    )


def body_of(response: Any) -> str:
    text: str = response.content.decode()
    return text


def numbers(response: Any) -> list[int]:
    """The disputes of a queue's page, in their order."""
    return [row.dispute.pk for row in response.context["rows"]]
