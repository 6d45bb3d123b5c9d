"""A partner is made in the back office, without a shell: its service user, its limit, its tokens, shown once."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from clinics.models import ApiToken, AuditEvent, IdempotencyKey, Partner
from clinics.services import tokens
from tests.api.stage import bearer, partner
from tests.site.back_office import WHY, page, person, sign_in, signed_in

pytestmark = pytest.mark.django_db
ADD = page("clinics.partner", "add")


def partner_form(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Health Portal",
        "slug": "health-portal",
        "requests_per_minute": "2",
        "is_active": "on",
        "audit_reason": WHY,
        **changes,
    }


def token_form(**changes: Any) -> dict[str, Any]:
    return {"name": "Live", "days": "90", "audit_reason": WHY, "idempotency_key": "once", **changes}


def make_token(client: Client, whose: Partner, **changes: Any) -> Any:
    return client.post(page("clinics.partner", "make-token", whose.pk), token_form(**changes))


def ask(secret: str) -> Any:
    return Client().get("/api/clinics", headers=bearer(secret))


def test_from_the_first_form_to_the_revoked_token_nobody_needs_a_shell() -> None:
    client = signed_in("superuser")
    assert client.post(ADD, partner_form()).status_code == 302
    made = Partner.objects.select_related("service_user").get()
    assert "make-token" in client.get(page("clinics.partner", "change", made.pk)).text

    response = make_token(client, made)

    secret = response.context["made"].secret
    assert (response.status_code, response.text.count(secret)) == (201, 1)
    assert "no-store" in response["Cache-Control"]
    assert [ask(secret).status_code for _ in range(3)] == [200, 200, 429]  # its own limit
    assert not made.service_user.has_usable_password()
    assert made.service_user.email == "health-portal@partner.invalid"
    token = ApiToken.objects.get()
    assert (token.partner, token.user, token.scopes) == (made, made.service_user, ["leads:write"])
    assert token.expiry is not None
    assert abs(token.expiry - timezone.now() - timedelta(days=90)) < timedelta(minutes=1)
    assert AuditEvent.objects.filter(reason=WHY, table_name="api_tokens").exists()
    revoking = {"action": "revoke", "_selected_action": token.pk, "audit_reason": WHY}
    assert client.post(page("clinics.apitoken", ""), revoking).status_code == 302
    assert ask(secret).status_code == 401


def test_a_token_is_shown_once_and_a_reload_makes_no_second(client: Client) -> None:
    ours = partner()
    client = signed_in("superuser")
    secret = make_token(client, ours).context["made"].secret

    again = make_token(client, ours)

    assert (again.status_code, ApiToken.objects.count()) == (409, 1)
    assert "shown once" in again.text
    shown = [client.get(page("clinics.partner", "change", ours.pk)).text, again.text]
    rows = [list(model.objects.values()) for model in (ApiToken, IdempotencyKey, Session)]
    assert secret not in f"{shown} {rows}"
    assert make_token(client, ours, idempotency_key="other").status_code == 201


@pytest.mark.parametrize("who", ["nobody", "support", "finance", "auditor", "user admin"])
def test_others_of_staff_make_neither_partners_nor_tokens(who: str) -> None:
    ours, client = partner(), signed_in(who)

    assert client.post(ADD, partner_form(slug="x", name="X")).status_code == 403
    assert make_token(client, ours).status_code == 403
    assert (Partner.objects.count(), ApiToken.objects.count()) == (1, 0)


def test_it_asks_again_whether_it_is_still_you() -> None:
    ours, client = partner(), Client()
    sign_in(client, person("superuser"), minutes_ago=6)
    html = {"accept": "text/html"}

    asked = client.post(ADD, partner_form(slug="x", name="X"), headers=html)
    unmade = client.post(page("clinics.partner", "make-token", ours.pk), token_form(), headers=html)

    assert (asked.status_code, unmade.status_code) == (403, 403)
    assert (Partner.objects.count(), ApiToken.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "x" * 81), ("name", "\x00"), ("days", "1"), ("days", ""), ("audit_reason", "")],
)
def test_a_bad_form_makes_no_token(field: str, value: str) -> None:
    response = make_token(signed_in("superuser"), partner(), **{field: value})

    assert (response.status_code, ApiToken.objects.count()) == (400, 0)


def test_there_is_a_most_and_a_missing_partner_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST_TOKENS", 1)
    ours, client = partner(), signed_in("superuser")
    make_token(client, ours)

    assert make_token(client, ours, idempotency_key="next").status_code == 409
    assert client.get(page("clinics.partner", "make-token", 987654321)).status_code == 302
    assert ApiToken.objects.count() == 1


def test_the_address_of_an_earlier_partner_is_not_taken_up() -> None:
    client = signed_in("superuser")
    client.post(ADD, partner_form())
    Partner.objects.update(name="Renamed", slug="renamed")

    assert client.post(ADD, partner_form()).status_code == 200
    assert Partner.objects.count() == 1
