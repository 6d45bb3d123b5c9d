"""When the database can't serve, people get a 503 with Retry-After, wherever in the request it was missed."""

from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError
from django.test import Client

from clinics.models import Clinic, User
from credits.services.ledger import BillingService

pytestmark = pytest.mark.django_db


def away(*args: Any, **kwargs: Any) -> None:
    raise OperationalError("the connection is gone")


def test_a_view_that_misses_it_answers_503(
    monkeypatch: pytest.MonkeyPatch, clinic: Clinic, owner: User
) -> None:
    client = Client()
    client.force_login(owner)
    monkeypatch.setattr(BillingService, "get_clinic_credit_balance", away)

    response = client.get("/clinic/credits/balance")

    assert (response.status_code, response["Retry-After"], response.json()["code"]) == (503, "5", "busy")


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_session_that_cannot_be_read_is_a_503_too(
    monkeypatch: pytest.MonkeyPatch, clinic: Clinic, owner: User, accept: str
) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(owner)
    monkeypatch.setattr(SessionStore, "load", away)

    response = client.get("/clinic/dashboard", headers={"accept": accept})

    assert (response.status_code, response["Retry-After"]) == (503, "5")


def test_an_upload_nobody_asked_for_is_refused_before_it_is_read(client: Client) -> None:
    response = client.post("/contact-clinic", {"file": "x" * (1024 * 1024 + 1)})

    assert response.status_code == 413
