"""Who may do what with a clinic's disputes and files, on every route, and what everybody else is told."""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import include, path

from clinics.models import ApiToken, Clinic, Scope, User
from credits.services.ledger import BillingService
from disputes.evidence.storage import path_of
from disputes.models import DisputeEntry, Evidence, LeadDispute
from disputes.services import cases, filing
from disputes.views import EvidenceForStaff
from leads.models import ContactView, Lead
from tests import factories
from tests.disputes.portal import HTML, LIST, SAID, case_url, create_url, photo, url

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("evidence_folder", "a_picture_is_judged_once")]
JSON: Any = {"accept": "application/json"}
MISSING = 987_654_321

urlpatterns = [
    path(
        "admin/disputes/<int:dispute_id>/evidence/<int:evidence_id>",
        EvidenceForStaff.as_view(),
        name="staff_file",
    ),
    path("", include("billing_site.urls")),
]


@pytest.fixture
def case(funded_clinic: Clinic, owner: User) -> LeadDispute:
    """A pending dispute with a file, about a lead of its clinic; another lead of the clinic may be disputed."""
    lead = factories.deliver(funded_clinic, name="Zubeida Sharma")
    return filing.file_dispute(
        sent=filing.Sent(funded_clinic, owner, [photo("seen.jpg")]),
        lead=lead,
        dispute_type="spam",
        description=SAID,
    )


@pytest.fixture
def free_lead(funded_clinic: Clinic) -> Lead:
    return factories.deliver(funded_clinic, 9)


@dataclass
class Stage:
    case: LeadDispute
    free_lead: Lead
    other_clinic: Clinic


@pytest.fixture
def stage(case: LeadDispute, free_lead: Lead, other_clinic: Clinic) -> Stage:
    return Stage(case, free_lead, other_clinic)


def people(clinic: Clinic, other: Clinic) -> dict[str, User | None]:
    factories.give_credits(other, 100)
    return {
        "anonymous": None,
        "other clinic's owner": factories.member_of(other, "owner"),
        "owner": factories.member_of(clinic, "owner"),
        "billing": factories.member_of(clinic, "billing"),
        "front desk": factories.member_of(clinic, "front_desk"),
        "no clinic": factories.UserFactory.create(),
        "staff": factories.UserFactory.create(is_staff=True),
        "superuser": factories.UserFactory.create(is_staff=True, is_superuser=True),
    }


class Route(NamedTuple):
    """A route and a method; the status for somebody of another clinic, for owner and billing, for the front desk."""

    name: str
    method: str
    other: int
    acts: int
    desk: int


ROUTES = [
    Route("list", "get", other=200, acts=200, desk=200),
    Route("page", "get", other=404, acts=200, desk=200),
    Route("create", "get", other=404, acts=200, desk=403),
    Route("create", "post", other=404, acts=201, desk=403),
    Route("answer", "post", other=404, acts=200, desk=403),
    Route("appeal", "get", other=404, acts=200, desk=403),
    Route("appeal", "post", other=404, acts=409, desk=403),
    Route("cancel", "post", other=404, acts=200, desk=403),
    Route("file", "get", other=404, acts=200, desk=200),
    Route("preview", "get", other=404, acts=200, desk=200),
]
BODIES: dict[str, Any] = {
    "create": {"dispute_type": "spam", "description": SAID},
    "answer": {"answer": SAID},
    "appeal": {"description": SAID},
}


def address(route: str, case: LeadDispute, lead: Lead) -> str:
    file = Evidence.objects.get(dispute=case)
    return {
        "list": LIST,
        "page": case_url(case),
        "create": create_url(lead),
        "answer": url(case, "answer"),
        "appeal": url(case, "appeal"),
        "cancel": url(case, "cancel"),
        "file": url(case, f"evidence/{file.pk}"),
        "preview": url(case, f"evidence/{file.pk}/preview"),
    }[route]


def call(client: Client, method: str, where: str, route: str, headers: Any) -> Any:
    if method == "get":
        return client.get(where, headers=headers)
    return client.post(where, BODIES.get(route, {}), headers=headers)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.name}")
@pytest.mark.parametrize("who", [
    "anonymous", "other clinic's owner", "owner", "billing", "front desk", "no clinic", "staff", "superuser",
])  # fmt: skip
@pytest.mark.parametrize("accept", [HTML, JSON], ids=["page", "json"])
def test_everybody_on_every_route(client: Client, stage: Stage, route: Route, who: str, accept: Any) -> None:
    person = people(stage.case.clinic, stage.other_clinic)[who]
    if person is not None:
        client.force_login(person)
    before = facts()

    response = call(
        client, route.method, address(route.name, stage.case, stage.free_lead), route.name, accept
    )

    expected = {
        "anonymous": 302 if accept is HTML else 401,
        "other clinic's owner": route.other,
        "owner": route.acts,
        "billing": route.acts,
        "front desk": route.desk,
    }.get(who, 403)
    if accept is HTML and route.method == "post" and expected in (200, 201):
        expected = 303
    assert response.status_code == expected
    if response.status_code not in (200, 201, 303):
        assert facts() == before
    body = b"".join(response) if response.streaming else response.content
    if who in ("other clinic's owner", "no clinic", "staff", "superuser", "anonymous"):
        assert b"Zubeida" not in body
        assert SAID.encode() not in body
        assert b"seen.jpg" not in body
        assert b"evidence-1" not in body


def mask(case: LeadDispute, how: str) -> None:
    if how == "refunded":
        staff = factories.UserFactory.create(is_staff=True, password=None)
        cases.approve(
            dispute=case, amount=case.lead.cost, reason_code="confirmed", notes="So it is.", by=staff
        )
    else:
        BillingService.withdraw_lead(case.lead_id)


def facts() -> Any:
    return (
        list(LeadDispute.objects.order_by("pk").values_list("pk", "status", "due_at")),
        DisputeEntry.objects.count(),
        Evidence.objects.count(),
    )


@pytest.mark.parametrize("route", ROUTES[1:], ids=lambda route: f"{route.method} {route.name}")
@pytest.mark.parametrize("accept", [HTML, JSON], ids=["page", "json"])
def test_what_is_another_clinic_s_reads_like_what_is_missing(
    client: Client, stage: Stage, route: Route, accept: Any
) -> None:
    client.force_login(factories.member_of(stage.other_clinic, "owner"))
    where = address(route.name, stage.case, stage.free_lead)
    nowhere = re.sub(r"\d+", str(MISSING), where)

    foreign, missing = (call(client, route.method, one, route.name, accept) for one in (where, nowhere))

    assert foreign.status_code == missing.status_code == 404
    assert without_tokens(foreign) == without_tokens(missing)


def without_tokens(response: Any) -> str:
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", response.content.decode())


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "99999999999999999999999", "9" * 5000, "x", "1%00"])
def test_odd_numbers_lead_nowhere(client: Client, case: LeadDispute, number: str) -> None:
    client.force_login(case.filed_by)

    for accept in (HTML, JSON):
        for where in (f"create/{number}", f"{number}/cancel", f"{number}/answer", f"{number}/evidence/1"):
            assert client.post(f"{LIST}/{where}", BODIES["create"], headers=accept).status_code in (404, 405)
            assert client.get(f"{LIST}/{where}", headers=accept).status_code in (404, 405)


def test_a_file_is_had_only_through_its_own_dispute(
    client: Client, case: LeadDispute, free_lead: Lead
) -> None:
    client.force_login(case.filed_by)
    file = Evidence.objects.get()
    other = factories.dispute(free_lead, by=case.filed_by)

    assert client.get(url(other, f"evidence/{file.pk}")).status_code == 404
    assert client.get(url(case, f"evidence/{file.pk}")).status_code == 200


@pytest.mark.parametrize("accept", [HTML, JSON], ids=["page", "json"])
@pytest.mark.parametrize("route", ["create", "answer", "appeal", "cancel"])
def test_a_forged_post_is_refused(case: LeadDispute, free_lead: Lead, route: str, accept: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(case.filed_by)
    before = facts()

    response = call(strict, "post", address(route, case, free_lead), route, accept)

    assert response.status_code == 403
    assert facts() == before


@pytest.mark.parametrize("scope", [None, *Scope.values])
def test_no_token_opens_them(client: Client, case: LeadDispute, free_lead: Lead, scope: str | None) -> None:
    _, token = ApiToken.objects.create(
        user=case.filed_by, clinic=case.clinic, name="crm", scopes=[scope] if scope else []
    )

    for route, method, *_ in ROUTES:
        response = call(
            client,
            method,
            address(route, case, free_lead),
            route,
            {**JSON, "authorization": f"Bearer {token}"},
        )
        assert response.status_code == 403


def test_other_methods_are_405(client: Client, case: LeadDispute, free_lead: Lead) -> None:
    client.force_login(case.filed_by)

    for route, _, *_ in ROUTES:
        for accept in (HTML, JSON):
            assert client.put(address(route, case, free_lead), headers=accept).status_code == 405
            assert client.delete(address(route, case, free_lead), headers=accept).status_code == 405
    assert client.get(url(case, "cancel"), headers=HTML).status_code == 405
    assert client.get(url(case, "answer"), headers=HTML).status_code == 405


class TestServingFiles:
    def test_a_file_is_saved_and_never_shown(self, client: Client, case: LeadDispute) -> None:
        client.force_login(factories.member_of(case.clinic, "front_desk"))
        file = Evidence.objects.get()

        for accept in (HTML, JSON):
            response = client.get(url(case, f"evidence/{file.pk}"), headers=accept)

            assert b"".join(response) == path_of(file.stored_name).read_bytes()
            told = {name: response[name] for name in (
                "Content-Type", "Content-Disposition", "X-Content-Type-Options", "Content-Security-Policy",
                "Cache-Control", "Cross-Origin-Resource-Policy",
            )}  # fmt: skip
            assert told == {
                "Content-Type": "image/jpeg",
                "Content-Disposition": 'attachment; filename="evidence-1.jpg"',
                "X-Content-Type-Options": "nosniff",
                "Content-Security-Policy": "sandbox; default-src 'none'",
                "Cache-Control": "no-store, private",
                "Cross-Origin-Resource-Policy": "same-origin",
            }

    @pytest.mark.urls(__name__)
    @pytest.mark.parametrize("how", ["refunded", "erased"])
    def test_a_file_is_masked_with_the_contact_for_everybody(
        self, client: Client, case: LeadDispute, how: str
    ) -> None:
        file = Evidence.objects.get()
        path_for_staff = f"/admin/disputes/{case.pk}/evidence/{file.pk}"
        boss = factories.UserFactory.create(is_staff=True, is_superuser=True)
        client.force_login(case.filed_by)
        address = url(case, f"evidence/{file.pk}")
        assert client.get(LIST).json()["disputes"][0]["evidence"][0]["url"] == address
        assert client.get(address).status_code == 200
        mask(case, how)

        for accept in (HTML, JSON):
            assert client.get(address, headers=accept).status_code == 404
            assert client.get(f"{address}/preview", headers=accept).status_code == 404
        told = client.get(LIST).json()["disputes"][0]["evidence"][0]
        html = client.get(case_url(case), headers=HTML).content.decode()
        client.force_login(boss)
        response = client.get(path_for_staff)

        assert (told["name"], told["url"]) == ("evidence-1.jpg", None)
        assert "evidence-1.jpg, hidden like the contact" in html
        assert address not in html
        assert response.status_code == 403
        assert "masked like the contact" in response.content.decode()
        assert not ContactView.objects.filter(viewer=boss).exists()

    def test_a_right_that_ended_opens_nothing(self, client: Client, case: LeadDispute) -> None:
        member = factories.member_of(case.clinic, "billing")
        client.force_login(member)
        where = url(case, f"evidence/{Evidence.objects.get().pk}")
        assert client.get(where).status_code == 200

        member.memberships.update(is_active=False)

        assert client.get(where).status_code == 403

    def test_a_file_that_is_gone_is_a_404_and_an_error_in_the_log(
        self, client: Client, case: LeadDispute, caplog: pytest.LogCaptureFixture
    ) -> None:
        client.force_login(case.filed_by)
        file = Evidence.objects.get()
        path_of(file.stored_name).unlink()

        for accept in (HTML, JSON):
            assert client.get(url(case, f"evidence/{file.pk}"), headers=accept).status_code == 404
        assert f"the file of {file.pk} is gone" in caplog.text

    @pytest.mark.urls(__name__)
    def test_staff_open_it_with_the_right_alone(self, client: Client, case: LeadDispute) -> None:
        file = Evidence.objects.get()
        where = f"/admin/disputes/{case.pk}/evidence/{file.pk}"
        may = Permission.objects.get(codename="view_evidence")
        expected: list[tuple[dict[str, Any], bool, int]] = [
            ({"is_staff": True}, True, 200),
            ({"is_staff": True}, False, 403),
            ({"is_staff": False}, True, 403),
            ({"is_staff": True, "is_superuser": True}, False, 200),
        ]
        assert client.get(where).status_code == 302
        for fields, has_right, status in expected:
            person = factories.UserFactory.create(**fields)
            if has_right:
                person.user_permissions.add(may)
            client.force_login(person)
            response = client.get(where)
            assert response.status_code == status, (fields, has_right)
        assert response["Content-Disposition"].startswith("attachment")
        looks = ContactView.objects.filter(lead=case.lead).exclude(reason="").values_list("viewer", "reason")
        assert len(looks) == 2  # each of those who got it
        assert {reason for _, reason in looks} == {f"Evidence {file.pk} of dispute {case.pk}"}
        assert client.get(f"/admin/disputes/{case.pk + 1}/evidence/{file.pk}").status_code == 404
        client.force_login(case.filed_by)
        assert client.get(where).status_code == 403


def test_a_cancel_that_comes_too_late_changes_nothing(client: Client, case: LeadDispute) -> None:
    staff = factories.UserFactory.create(is_staff=True, password=None)
    cases.reject(dispute=case, reason_code="not_confirmed", notes="We reached them.", by=staff)
    client.force_login(case.filed_by)

    assert client.post(url(case, "cancel"), headers=JSON).status_code == 409
    case.refresh_from_db()
    assert case.status == "rejected"
