"""Every scope of every kind of token on every JSON route of the URLconf; a route without a row fails."""

from collections.abc import Callable
from itertools import cycle
from typing import Any, Final, NamedTuple

import pytest
from django.test import Client
from django.urls import get_resolver

from billing_site.openapi.generator import json_views
from clinics.models import ApiToken, Clinic, Partner, RequestRate, Scope, User
from credits.models import CreditTransaction, TopUp
from leads.models import ContactAttempt, ContactView, Lead, LeadStatusChange
from tests import factories
from tests.api.stage import ALL_SCOPES, Stage, bearer, expired_token, partner, revoke, set_stage, token_of
from tests.site.test_read_only import read_only

pytestmark = pytest.mark.django_db
ROUTES: Final = sorted(
    {pattern.name or route for route, _, pattern in json_views(get_resolver().url_patterns)}
)


class Row(NamedTuple):
    """Who gets in by token: whose token it must be, with which scope, by which method, and the answer then."""

    method: str
    path: str
    body: str = ""
    holder: str = ""  # "partner" or "clinic"; empty: no token opens it
    scope: str = ""
    status: int = 200


ROWS: Final = {
    "api_schema": [Row("get", "/api/schema", holder="any")],
    "lead_batch": [Row("post", "/api/leads/batch", "lead_batch", "partner", "leads:write")],
    "partner_lead": [Row("get", "/api/leads/{lead_id}", "", "partner", "leads:write")],
    "clinics_api": [Row("get", "/api/clinics", "", "partner", "leads:write")],
    "enhanced_contact_clinic": [
        Row("post", "/contact-clinic", "contact_clinic", "partner", "leads:write", 201)
    ],
    "clinic_leads_api": [Row("get", "/api/clinic/leads", "", "clinic", "leads:read")],
    "clinic_lead_api": [Row("get", "/api/clinic/leads/{lead_id}", "", "clinic", "leads:read")],
    "get_credit_balance": [Row("get", "/clinic/credits/balance", "", "clinic", "credits:read")],
    "credit_history": [Row("get", "/clinic/credits/history", "", "clinic", "credits:read")],
    "payment_success": [Row("get", "/payment-success?top_up={top_up}", "", "clinic", "credits:read")],
    # 503: the gateway is not set up in this test, which is found out after the right.
    "credit_topup": [
        Row("get", "/clinic/credits/topup?amount=1000", "", "clinic", "credits:topup"),
        Row("post", "/clinic/credits/topup", "start_top_up", "clinic", "credits:topup", 503),
    ],
    "create_razorpay_order": [
        Row("post", "/create-razorpay-order", "create_razorpay_order", "clinic", "credits:topup", 503)
    ],
    "verify_payment": [Row("post", "/verify-payment", "verify_payment")],
    "update_lead_status": [Row("post", "/clinic/leads/update-status", "update_lead_status")],
    "record_attempt": [Row("post", "/clinic/leads/{lead_id}/attempts", "record_attempt")],
    "attempt_outcome": [Row("post", "/clinic/attempts/{attempt_id}/outcome", "attempt_outcome")],
    "disputes_dashboard": [Row("get", "/clinic/disputes")],
    "create_dispute": [
        Row("get", "/clinic/disputes/create/{lead_id}"),
        Row("post", "/clinic/disputes/create/{lead_id}", "file_dispute"),
    ],
    "dispute_page": [Row("get", "/clinic/disputes/{dispute_id}")],
    "cancel_dispute": [Row("post", "/clinic/disputes/{dispute_id}/cancel")],
    "answer_dispute": [Row("post", "/clinic/disputes/{dispute_id}/answer", "answer_dispute")],
    "appeal_dispute": [
        Row("get", "/clinic/disputes/{dispute_id}/appeal"),
        Row("post", "/clinic/disputes/{dispute_id}/appeal", "appeal_dispute"),
    ],
    "dispute_evidence": [Row("get", "/clinic/disputes/{dispute_id}/evidence/{evidence_id}")],
    "dispute_preview": [Row("get", "/clinic/disputes/{dispute_id}/evidence/{evidence_id}/preview")],
    "resolve_dispute": [Row("post", "/admin/disputes/{dispute_id}/resolve", "resolve_dispute")],
}
CASES: Final = [row for name in sorted(ROWS) for row in ROWS[name]]
SCOPE_SETS: Final[list[tuple[str, ...]]] = [(), *((scope,) for scope in Scope.values), ALL_SCOPES]


@pytest.fixture
def stage(funded_clinic: Clinic, other_clinic: Clinic, settings: Any) -> Stage:
    settings.API_REQUESTS_PER_MINUTE = settings.QUOTES_PER_MINUTE = 10**6
    settings.RAZORPAY_KEY_ID = settings.RAZORPAY_KEY_SECRET = ""
    return set_stage(funded_clinic, other_clinic, with_file=False)


def call(stage: Stage, row: Row, token: str, *, header: str | None = None, user: User | None = None) -> Any:
    """With a token, or another Authorization header; `user` is signed in besides."""
    path, client = stage.path(row.path).replace("{top_up}", str(stage.top_up.pk)), Client()
    if user is not None:
        client.force_login(user)
    headers = bearer(token) if header is None else {"authorization": header}
    if row.method == "get":
        return client.get(path, headers=headers)
    return client.post(path, stage.body(row.body), content_type="application/json", headers=headers)


def facts() -> Any:
    return (
        ContactAttempt.objects.values_list("pk", "outcome").last(),
        Lead.objects.count(),
        CreditTransaction.objects.count(),
        TopUp.objects.count(),
        ContactView.objects.count(),
        LeadStatusChange.objects.count(),
        list(Lead.objects.order_by("pk").values_list("status", "delivery_state")),
    )


def test_each_json_route_has_a_row() -> None:
    assert set(ROUTES) == set(ROWS)


@pytest.mark.parametrize("row", CASES, ids=lambda row: f"{row.method} {row.path}")
def test_a_token_opens_a_route_by_its_holder_and_scope_alone(stage: Stage, row: Row) -> None:
    for holder in (stage.partner, stage.clinic):
        kind = "partner" if isinstance(holder, Partner) else "clinic"
        for scopes in SCOPE_SETS:
            user = stage.owner if kind == "clinic" else None
            token, before = token_of(holder, *scopes, user=user), facts()

            response = call(stage, row, token)

            is_right = row.holder == "any" or (row.holder == kind and row.scope in scopes)
            assert response.status_code == (row.status if is_right else 403), (kind, scopes)
            if not is_right:
                assert facts() == before
                assert response.json()["code"] == "permission_denied"
                assert b"Zubeida" not in response.content


def revoked(stage: Stage, holder: Any, scope: str) -> str:
    token = token_of(holder, scope)
    revoke(token)
    return token


def of_a_closed_holder(stage: Stage, holder: Any, scope: str) -> str:
    type(holder).objects.filter(pk=holder.pk).update(is_active=False)
    return token_of(holder, scope)


def of_an_inactive_user(stage: Stage, holder: Any, scope: str) -> str:
    user = factories.UserFactory.create(password=None, is_active=False)
    return token_of(holder, scope, user=user)


def cut_short(stage: Stage, holder: Any, scope: str) -> str:
    return token_of(holder, scope)[:-1]


DEAD: Final[dict[str, Callable[[Stage, Any, str], str]]] = {
    "expired": lambda stage, holder, scope: expired_token(holder, scope),
    "revoked": revoked,
    "of an inactive user": of_an_inactive_user,
    "of a closed clinic or an inactive partner": of_a_closed_holder,
    "cut short": cut_short,
    "unknown": lambda stage, holder, scope: "f" * 64,
}
OPEN: Final = [row for row in CASES if row.scope]


@pytest.mark.parametrize("way", DEAD)
def test_a_dead_token_opens_nothing(stage: Stage, way: str) -> None:
    for row in CASES:
        holder = stage.partner if row.holder == "partner" else stage.clinic
        token, before = DEAD[way](stage, holder, row.scope or Scope.LEADS_READ), facts()

        response = call(stage, row, token)

        assert response.status_code == 401, row
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert response.json()["status"] == "error"
        assert facts() == before


def test_what_is_wrong_with_a_token_is_named(stage: Stage) -> None:
    balance = "/clinic/credits/balance"

    def told(token: str, path: str = balance) -> str:
        message: str = Client().get(path, headers=bearer(token)).json()["message"]
        return message

    assert told("a" * 64) == "This token is not valid."
    assert told(expired_token(stage.clinic, "credits:read")) == "This token has expired: use a new one."
    assert told(token_of(stage.clinic, "leads:read")) == "Use a clinic's token with the scope credits:read."
    assert told(token_of(stage.partner, *ALL_SCOPES)) == "Use a clinic's token with the scope credits:read."


SCHEMES: Final = ("Token {}", "Basic {}", "bearer", "Bearer", "Bearer {} {}", "{}", "")


def test_another_scheme_opens_nothing_not_even_with_a_members_session(stage: Stage) -> None:
    """A browser's session is not asked once somebody sends the header."""
    tokens = {"partner": token_of(stage.partner, *ALL_SCOPES), "clinic": token_of(stage.clinic, *ALL_SCOPES)}
    before = facts()
    for row, scheme in [*zip(CASES, cycle(SCHEMES), strict=False), *((OPEN[0], one) for one in SCHEMES)]:
        header = scheme.replace("{}", tokens["partner" if row.holder == "partner" else "clinic"])

        response = call(stage, row, "", header=header, user=stage.owner)

        assert (response.status_code, response.json()["code"]) == (401, "authentication_failed"), (
            row,
            scheme,
        )
    assert facts() == before


def test_every_route_a_token_opens_tells_it_when_it_asks_too_often(stage: Stage, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1
    Partner.objects.update(requests_per_minute=1)
    for row in OPEN:
        RequestRate.objects.all().delete()
        token = token_of(stage.partner if row.holder == "partner" else stage.clinic, row.scope)
        call(stage, row, token)
        before = facts()

        response = call(stage, row, token)

        assert (response.status_code, response.json()["code"]) == (429, "too_many_requests"), row
        assert 1 <= int(response["Retry-After"]) <= 60
        assert facts() == before


def test_another_clinics_token_finds_nothing_of_this_one(stage: Stage) -> None:
    token = token_of(stage.other, *ALL_SCOPES)

    for row in (row for row in OPEN if row.holder == "clinic"):
        response = call(stage, row, token)
        needs_own = "{lead_id}" in row.path or "{top_up}" in row.path
        assert response.status_code == (404 if needs_own else row.status), row
        assert b"Zubeida" not in response.content
    assert Client().get("/api/clinic/leads", headers=bearer(token)).json()["leads"] == []
    assert Client().get("/clinic/credits/balance", headers=bearer(token)).json()["balance"] == 0


def test_another_partners_token_does_not_find_this_ones_leads(stage: Stage) -> None:
    token = token_of(partner("Other Portal"), *ALL_SCOPES)
    theirs = Client().get(f"/api/leads/{stage.lead.pk}", headers=bearer(token))
    missing = Client().get("/api/leads/987654321", headers=bearer(token))

    assert (theirs.status_code, theirs.content) == (404, missing.content)


def test_using_a_token_is_seen_but_nobody_waits_for_that(stage: Stage) -> None:
    token = token_of(stage.clinic, "credits:read")
    with read_only():
        unseen = Client().get("/clinic/credits/balance", headers=bearer(token))
    assert (unseen.status_code, ApiToken.objects.get(token_key=token[:15]).last_used_at) == (200, None)

    Client().get("/clinic/credits/balance", headers=bearer(token))

    assert ApiToken.objects.get(token_key=token[:15]).last_used_at is not None
