"""Tokens of a clinic: made once, shown once, and dead with the time of who made them."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from clinics.models import ApiToken, Clinic, IdempotencyKey, Membership, User
from clinics.services import tokens
from tests.site.portal_people import TOKENS, browser_of, member

pytestmark = pytest.mark.django_db


def form(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Our software",
        "scopes": ["credits:read"],
        "days": "30",
        "idempotency_key": "once",
        **changes,
    }


def make(client: Client, **changes: Any) -> str:
    response = client.post(TOKENS, form(**changes))
    assert response.status_code == 201, response.context["form"].errors
    return str(response.context["made"].secret)


def balance_with(secret: str) -> int:
    headers = {"authorization": f"Bearer {secret}", "accept": "application/json"}
    return Client().get("/clinic/credits/balance", headers=headers).status_code


def test_a_new_token_is_shown_in_the_answer_alone_and_works(owner: User, clinic: Clinic) -> None:
    client = browser_of(owner)
    response = client.post(TOKENS, form())

    secret = response.context["made"].secret
    assert response.status_code == 201
    assert secret in response.text
    assert "no-store" in response["Cache-Control"]
    assert balance_with(secret) == 200
    token = ApiToken.objects.get()
    assert (token.clinic, token.user, token.partner, token.scopes) == (clinic, owner, None, ["credits:read"])
    assert token.expiry is not None
    assert abs(token.expiry - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    # Nowhere else: not on the next page, in no session, message, idempotency row or token row.
    page = client.get(TOKENS).text
    assert secret not in page
    assert "Our software" in page
    stored = [Session(session_data=row.session_data).get_decoded() for row in Session.objects.all()]
    rows = [list(model.objects.values()) for model in (ApiToken, IdempotencyKey)]
    assert secret not in f"{stored} {rows} {client.cookies}"


def test_a_double_click_or_a_reload_makes_one_and_says_so(owner: User) -> None:
    client = browser_of(owner)
    make(client)
    for again in (form(), form(name="Edited and sent again")):
        response = client.post(TOKENS, again)
        assert response.status_code == 409
        assert "made already, and shown once" in response.text
    assert ApiToken.objects.count() == 1
    make(client, idempotency_key="twice")
    make(client, idempotency_key="")
    assert ApiToken.objects.count() == 3


def test_what_it_may_do_is_what_was_ticked(owner: User) -> None:
    secret = make(browser_of(owner), scopes=["credits:topup"])
    assert balance_with(secret) == 403


def test_a_clinic_s_program_may_read_leads_but_hand_over_none(owner: User) -> None:
    client = browser_of(owner)
    assert 'value="leads:write"' not in client.get(TOKENS).text

    secret = make(client, scopes=["leads:read"])

    headers = {"authorization": f"Bearer {secret}"}
    assert Client().get("/api/clinic/leads", headers=headers).json()["leads"] == []
    assert Client().get("/api/clinics", headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", "x" * 81), ("name", "\x00"), ("scopes", []), ("scopes", ["leads:write"]),
        ("scopes", ["everything"]), ("days", ""), ("days", "36500"), ("days", "abc"), ("idempotency_key", "é"),
        ("idempotency_key", "k" * 101),
    ],
)  # fmt: skip
def test_bad_input_makes_none_and_keeps_what_was_typed(owner: User, field: str, value: Any) -> None:
    response = browser_of(owner).post(TOKENS, form(**{field: value}))
    assert response.status_code == 400
    assert field in response.context["form"].errors
    assert not ApiToken.objects.exists()


def test_there_is_a_most(owner: User, clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST_TOKENS", 1)
    client = browser_of(owner)
    make(client)
    refused = client.post(TOKENS, form(idempotency_key="next"))
    assert (refused.status_code, ApiToken.objects.count()) == (409, 1)
    assert "End one first" in refused.text
    ApiToken.objects.update(expiry=timezone.now())
    make(client, idempotency_key="third")


def test_a_token_that_was_ended_or_ran_out_is_refused(owner: User) -> None:
    client = browser_of(owner)
    ended, old = make(client), make(client, idempotency_key="b", name="Old")
    token = ApiToken.objects.get(name="Our software")
    assert client.post(f"{TOKENS}/end", {"token": token.pk}).status_code == 303
    assert balance_with(ended) == 401
    first = ApiToken.objects.get(pk=token.pk).revoked_at
    client.post(f"{TOKENS}/end", {"token": token.pk})
    assert ApiToken.objects.get(pk=token.pk).revoked_at == first
    ApiToken.objects.filter(name="Old").update(expiry=timezone.now() - timedelta(seconds=1))
    assert balance_with(old) == 401
    assert "No program acts for your clinic" in client.get(TOKENS).text


def test_it_ends_with_its_maker_s_time_as_an_owner_and_sleeps_while_they_are_switched_off(
    owner: User, clinic: Clinic
) -> None:
    leaving = member(clinic)
    secret = make(browser_of(leaving))
    User.objects.filter(pk=leaving.pk).update(is_active=False)
    assert balance_with(secret) == 401
    User.objects.filter(pk=leaving.pk).update(is_active=True)
    assert balance_with(secret) == 200
    client = browser_of(owner)
    assert "1 program would be refused" in client.get("/clinic/settings/members").text
    membership = Membership.objects.get(user=leaving)
    client.post(f"/clinic/settings/members/{membership.pk}", {"action": "end"})
    assert balance_with(secret) == 401
    client.post(f"/clinic/settings/members/{membership.pk}", {"action": "return"})
    assert balance_with(secret) == 401  # for good


def test_a_sign_in_of_long_ago_is_confirmed_first_with_what_was_typed(owner: User) -> None:
    client = browser_of(owner, minutes_ago=6)
    asked = client.post(TOKENS, form())
    assert (asked.status_code, ApiToken.objects.count()) == (403, 0)
    assert 'value="Our software"' in asked.text
    done = client.post(TOKENS, form(step_up_password="correct horse battery"))
    assert (done.status_code, ApiToken.objects.count()) == (201, 1)
