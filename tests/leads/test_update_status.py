"""POST /clinic/leads/update-status: the clinic's own working status, as JSON and as a form."""

import json
import threading
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from clinics.models import ApiToken, Clinic, Scope, User
from credits.services.ledger import BillingService
from leads.models import Lead, LeadStatusChange
from leads.services.status import change_status
from tests import factories, steps
from tests.factories import deliver

pytestmark = pytest.mark.django_db
URL = "/clinic/leads/update-status"
STATUSES = ["new", "contacted", "converted", "lost"]


@pytest.fixture
def lead(funded_clinic: Clinic) -> Lead:
    return deliver(funded_clinic)


def send(client: Client, body: Any, **headers: str) -> Any:
    text = body if isinstance(body, str) else json.dumps(body)
    return client.post(URL, text, content_type="application/json", headers=headers)


def submit(client: Client, **fields: Any) -> Any:
    return client.post(URL, fields, headers={"accept": "text/html"})


def changes() -> list[tuple[str, str]]:
    return list(LeadStatusChange.objects.order_by("pk").values_list("from_status", "to_status"))


class TestChanging:
    def test_a_change_is_made_and_kept_with_who_made_it(
        self, member: Client, owner: User, lead: Lead
    ) -> None:
        response = send(member, {"lead_id": lead.pk, "status": "contacted"})

        assert (response.status_code, response.json()) == (
            200,
            {"status": "success", "lead_id": lead.pk, "lead_status": "contacted"},
        )
        lead.refresh_from_db()
        change = LeadStatusChange.objects.get()
        assert lead.status == "contacted"
        assert (change.lead_id, change.from_status, change.to_status) == (lead.pk, "new", "contacted")
        assert change.changed_by == owner

    @pytest.mark.parametrize("start", STATUSES)
    @pytest.mark.parametrize("end", STATUSES)
    def test_any_status_follows_any_other_and_the_same_again_keeps_nothing(
        self, member: Client, lead: Lead, start: str, end: str
    ) -> None:
        Lead.objects.filter(pk=lead.pk).update(status=start)

        response = send(member, {"lead_id": lead.pk, "status": end})

        assert response.status_code == 200
        assert Lead.objects.get(pk=lead.pk).status == end
        assert changes() == ([] if start == end else [(start, end)])

    def test_a_free_lead_has_a_status_too(self, member: Client, lead: Lead) -> None:
        free = deliver(lead.clinic)

        assert send(member, {"lead_id": free.pk, "status": "lost"}).status_code == 200

    @pytest.mark.parametrize("role", ["owner", "billing", "front_desk"])
    def test_every_role_may(self, client: Client, lead: Lead, role: str) -> None:
        client.force_login(factories.member_of(lead.clinic, role))

        assert send(client, {"lead_id": lead.pk, "status": "lost"}).status_code == 200

    def test_a_partly_refunded_lead_may_still_be_converted(self, member: Client, lead: Lead) -> None:
        steps.refund_lead(lead.pk, lead.cost / 2, "Half")

        assert send(member, {"lead_id": lead.pk, "status": "converted"}).status_code == 200


class TestRefusals:
    @pytest.fixture(autouse=True)
    def nothing_is_changed(self, lead: Lead) -> Any:
        yield
        assert not LeadStatusChange.objects.exists()
        assert set(Lead.objects.values_list("status", flat=True)) == {"new"}

    @pytest.mark.parametrize("state", ["held", "refused", "withdrawn"])
    def test_a_lead_the_clinic_never_got_has_no_status(self, member: Client, lead: Lead, state: str) -> None:
        waiting = deliver(lead.clinic, phone=9, hold_for_review=True)
        if state == "refused":
            BillingService.refuse_lead(waiting.pk)
        if state == "withdrawn":
            BillingService.withdraw_lead(waiting.pk)

        response = send(member, {"lead_id": waiting.pk, "status": "contacted"})

        assert (response.status_code, response.json()["code"]) == (409, "lead_not_received")
        assert submit(member, lead_id=waiting.pk, status="contacted").status_code == 409

    def test_converted_is_refused_after_a_full_refund(self, member: Client, lead: Lead) -> None:
        steps.refund_lead(lead.pk, lead.cost, "All of it")

        response = send(member, {"lead_id": lead.pk, "status": "converted"})

        assert (response.status_code, response.json()["code"]) == (409, "lead_fully_refunded")
        assert submit(member, lead_id=lead.pk, status="converted").status_code == 409

    def test_another_clinic_s_lead_answers_like_a_missing_one(
        self, member: Client, other_clinic: Clinic
    ) -> None:
        foreign = deliver(other_clinic)

        for ask in (send, lambda client, body: submit(client, **body)):
            answers = [ask(member, {"lead_id": pk, "status": "lost"}) for pk in (foreign.pk, 987_654_321)]
            assert [answer.status_code for answer in answers] == [404, 404]
            assert answers[0].content == answers[1].content

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({}, {"lead_id", "status"}),
            ({"lead_id": 1}, {"status"}),
            ({"status": "lost"}, {"lead_id"}),
            ({"lead_id": None, "status": None}, {"lead_id", "status"}),
            ({"lead_id": True, "status": "lost"}, {"lead_id"}),
            ({"lead_id": [1], "status": ["lost"]}, {"lead_id", "status"}),
            ({"lead_id": {"a": 1}, "status": {}}, {"lead_id", "status"}),
            ({"lead_id": 0, "status": "lost"}, {"lead_id"}),
            ({"lead_id": -1, "status": "lost"}, {"lead_id"}),
            ({"lead_id": 1.5, "status": "lost"}, {"lead_id"}),
            ({"lead_id": 10**19, "status": "lost"}, {"lead_id"}),
            ({"lead_id": "x", "status": "lost"}, {"lead_id"}),
            ({"lead_id": 1, "status": "Contacted"}, {"status"}),
            ({"lead_id": 1, "status": "delivered"}, {"status"}),
            ({"lead_id": 1, "status": 1}, {"status"}),
        ],
    )
    def test_bad_fields_are_a_400_that_names_them(self, member: Client, body: Any, fields: set[str]) -> None:
        response = send(member, body)

        assert response.status_code == 400
        answer = response.json()
        assert (answer["status"], answer["code"]) == ("error", "invalid")
        assert set(answer["fields"]) == fields

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "{",
            "[]",
            "null",
            '{"lead_id": NaN, "status": "lost"}',
            '{"lead_id": 1e400, "status": "lost"}',
            '{"lead_id": 1, "lead_id": 2, "status": "lost"}',
            '{"lead_id": 1, "status": "lost\\u0000"}',
            '{"lead_id": 1, "status": "\\ud800"}',
            '{"lead_id":' + "[" * 1000,
        ],
    )
    def test_malformed_json_is_a_400(self, member: Client, body: str) -> None:
        response = send(member, body)

        assert response.status_code == 400
        assert response.json()["status"] == "error"

    @pytest.mark.parametrize(
        "fields", [{}, {"lead_id": "x", "status": "lost"}, {"lead_id": "1", "status": "\x00"}]
    )
    def test_a_bad_form_is_a_page_with_400(self, member: Client, fields: dict[str, str]) -> None:
        response = submit(member, **fields)

        assert response.status_code == 400
        assert "Nothing was changed" in response.content.decode()

    def test_somebody_signed_out_changes_nothing(self, client: Client, lead: Lead) -> None:
        body = {"lead_id": lead.pk, "status": "lost"}

        assert send(client, body).status_code == 401
        page = submit(client, **body)
        assert page.status_code == 302
        assert page["Location"] == "/accounts/login/?next=/clinic/dashboard"

    def test_a_token_of_any_scope_is_refused(self, client: Client, owner: User, lead: Lead) -> None:
        _, token = ApiToken.objects.create(user=owner, clinic=lead.clinic, name="all", scopes=Scope.values)

        response = send(client, {"lead_id": lead.pk, "status": "lost"}, authorization=f"Bearer {token}")

        assert (response.status_code, response.json()["code"]) == (403, "permission_denied")

    def test_without_a_token_against_forgery_it_is_refused(self, owner: User, lead: Lead) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(owner)

        assert send(strict, {"lead_id": lead.pk, "status": "lost"}).status_code == 403
        assert submit(strict, lead_id=lead.pk, status="lost").status_code == 403

    def test_only_post_is_served(self, member: Client) -> None:
        for method in (member.get, member.put, member.patch, member.delete):
            assert method(URL).status_code == 405
            assert method(URL, headers={"accept": "text/html"}).status_code == 405

    def test_a_member_of_no_clinic_is_refused(self, client: Client, lead: Lead) -> None:
        client.force_login(factories.UserFactory.create())

        assert send(client, {"lead_id": lead.pk, "status": "lost"}).status_code == 403
        assert submit(client, lead_id=lead.pk, status="lost").status_code == 403


class TestForm:
    def test_it_goes_back_to_the_list_it_came_from(self, member: Client, lead: Lead) -> None:
        response = submit(member, lead_id=lead.pk, status="contacted", next="/clinic/dashboard?status=new")

        assert response.status_code == 303
        assert response["Location"] == f"/clinic/dashboard?status=new#lead-{lead.pk}"
        assert changes() == [("new", "contacted")]

    def test_it_goes_back_to_the_lead_s_own_page_and_to_no_other_lead_s(
        self, member: Client, lead: Lead
    ) -> None:
        own, foreign = (
            submit(member, lead_id=lead.pk, status="lost", next=f"/clinic/leads/{pk}") for pk in (lead.pk, 7)
        )

        assert own["Location"] == f"/clinic/leads/{lead.pk}"
        assert foreign["Location"] == f"/clinic/dashboard#lead-{lead.pk}"

    def test_a_script_s_tap_gets_the_buttons_as_they_are_now(self, member: Client, lead: Lead) -> None:
        headers = {"accept": "text/html", "hx-request": "true"}
        tapped = member.post(URL, {"lead_id": lead.pk, "status": "lost"}, headers=headers)
        steps.refund_lead(lead.pk, lead.cost, "All of it")
        refused = member.post(URL, {"lead_id": lead.pk, "status": "converted"}, headers=headers)

        html = tapped.content.decode()
        assert html.count("aria-pressed") == 1
        assert 'value="lost" aria-pressed="true"' in html
        told = json.loads(tapped["HX-Trigger"])["inbox:changed"]
        assert told == {"message": f"Lead {lead.pk} is now «Lost».", "lead": lead.pk, "unread": 0}
        assert (refused.status_code, refused["Content-Type"]) == (409, "text/plain; charset=utf-8")
        assert refused.content.decode() == "This lead was refunded in full and can't be set to converted."

    @pytest.mark.parametrize(
        "elsewhere",
        [
            "",
            "https://evil.example/clinic/dashboard",
            "//evil.example",
            "/admin/",
            "javascript:alert(1)",
            "\\\\evil",
        ],
    )
    def test_it_goes_nowhere_else(self, member: Client, lead: Lead, elsewhere: str) -> None:
        response = submit(member, lead_id=lead.pk, status="contacted", next=elsewhere)

        assert response["Location"] == f"/clinic/dashboard#lead-{lead.pk}"

    def test_the_page_s_own_button_does_it(self, member: Client, lead: Lead) -> None:
        html = member.get("/clinic/dashboard", headers={"accept": "text/html"}).content.decode()

        assert f'action="{URL}"' in html
        assert f'name="lead_id" value="{lead.pk}"' in html
        assert 'name="status" value="new" aria-pressed="true"' in html


@pytest.mark.django_db(transaction=True)
def test_changes_at_the_same_moment_follow_one_another(funded_clinic: Clinic) -> None:
    """Each kept change starts where the one before it ended: nobody overwrites what they did not see."""
    lead, member = deliver(funded_clinic), factories.UserFactory.create()
    start = threading.Barrier(4)

    def change(status: str) -> None:
        start.wait()
        for other in [status, "new"] * 10:
            change_status(lead=lead, status=Lead.Status(other), by=member)
        connection.close()

    threads = [threading.Thread(target=change, args=(status,)) for status in [*STATUSES[1:], "contacted"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    kept = changes()
    assert len(kept) > 4
    assert kept[0][0] == "new"
    assert all(before[1] == after[0] for before, after in pairwise(kept))
    assert Lead.objects.get(pk=lead.pk).status == kept[-1][1]
