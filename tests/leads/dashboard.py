"""Reading the dashboard as a member's browser gets it."""

import re
from typing import Any

from django.test import Client

from leads.models import Lead
from tests.factories import PHONES

# What must not be seen of a patient whose contact is hidden.
SECRETS: dict[str, Any] = {
    "name": "Zubeida Secret",
    "email": "zubeida@secret.example",
    "message": "Secret message",
    "procedure_name": "Secret procedure",
    "guardian_name": "Guardian Secret",
    "is_minor": True,
}


def get(client: Client, query: str = "") -> Any:
    return client.get(f"/clinic/dashboard{query}", headers={"accept": "text/html"})


def page(client: Client, query: str = "") -> str:
    response = get(client, query)
    assert response.status_code == 200
    return str(response.content.decode())


def lead_page(client: Client, lead: Lead) -> str:
    """A lead's own page."""
    response = client.get(f"/clinic/leads/{lead.pk}", headers={"accept": "text/html"})
    assert response.status_code == 200
    return str(response.content.decode())


def search(client: Client, text: str) -> str:
    response = client.post("/clinic/dashboard", {"q": text}, headers={"accept": "text/html"})
    assert response.status_code == 200
    return response.content.decode()


def lead_ids(html: str) -> list[int]:
    return [int(number) for number in re.findall(r'id="lead-(\d+)"', html)]


def assert_hidden(html: str, phone: str = PHONES[0]) -> None:
    for secret in (*SECRETS.values(), phone, phone[3:], f"{phone[3:8]} {phone[8:]}", "Zubeida"):
        if isinstance(secret, str):
            assert secret not in html
