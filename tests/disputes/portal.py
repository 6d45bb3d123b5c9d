"""A clinic's people at their disputes, as browsers and programs of theirs send it."""

import json
import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from disputes.models import LeadDispute
from disputes.services import cases
from leads.models import Lead
from tests import factories
from tests.disputes.hostile_files import picture

IST = ZoneInfo("Asia/Kolkata")
HTML: Any = {"accept": "text/html"}
LIST = "/clinic/disputes"
SAID = "We tried three times and nobody there had asked for anything."


def ist(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=IST)  # type: ignore[arg-type,misc]


def photo(name: str = "photo.jpg", content: bytes | None = None) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, picture() if content is None else content, "image/jpeg")


def create_url(lead: Lead | int) -> str:
    return f"{LIST}/create/{lead if isinstance(lead, int) else lead.pk}"


def case_url(dispute: LeadDispute) -> str:
    return f"{LIST}/{dispute.pk}"


def url(dispute: LeadDispute, what: str) -> str:
    return f"{case_url(dispute)}/{what}"


def file_by_form(client: Client, lead: Lead, **fields: Any) -> Any:
    """POST of the page's form; fields set to None are left out."""
    body = {"dispute_type": "spam", "description": SAID, **fields}
    body = {name: value for name, value in body.items() if value is not None}
    return client.post(create_url(lead), body, headers=HTML)


def file_by_json(client: Client, lead: Lead, **fields: Any) -> Any:
    body = {"dispute_type": "spam", "description": SAID, **fields}
    return send(client, create_url(lead), body)


def send(client: Client, path: str, body: Any, **headers: str) -> Any:
    """POST of JSON; text is sent as it stands."""
    data = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return client.post(path, data, content_type="application/json", headers=headers)


def page(client: Client, path: str = LIST) -> str:
    response = client.get(path, headers=HTML)
    assert response.status_code == 200, response.status_code
    return str(response.content.decode())


def dispute_ids(html: str) -> list[int]:
    return [int(number) for number in re.findall(r'id="dispute-(\d+)"', html)]


def asked(dispute: LeadDispute) -> LeadDispute:
    staff = factories.UserFactory.create(is_staff=True, password=None)
    return cases.ask_clinic(dispute=dispute, text="When did you call?", by=staff)


def rejected(dispute: LeadDispute) -> LeadDispute:
    staff = factories.UserFactory.create(is_staff=True, password=None)
    return cases.reject(
        dispute=dispute, reason_code="not_confirmed", notes="We reached the patient at once.", by=staff
    )
