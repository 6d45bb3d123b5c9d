"""Taps on «Call» and «WhatsApp»: recorded once each, how they went said once, and for nobody's hidden number."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client

from clinics.models import ApiToken, Clinic, Scope, User
from credits.services.ledger import BillingService
from disputes.models import DisputePolicy
from disputes.services import cases
from leads.models import ContactAttempt, Lead
from leads.services.attempts import OutcomeIsSet, record_attempt, set_outcome
from leads.services.openings import open_lead
from tests import factories, steps
from tests.factories import deliver

pytestmark = pytest.mark.django_db
CALL, WHATSAPP = ContactAttempt.Kind
OPENED, REACHED, NO_ANSWER, WRONG_NUMBER = ContactAttempt.Outcome


@pytest.fixture
def lead(funded_clinic: Clinic) -> Lead:
    return deliver(funded_clinic)


def tap(client: Client, lead_id: int, body: Any = None, **headers: str) -> Any:
    text = body if isinstance(body, str) else json.dumps({"kind": "call"} if body is None else body)
    address = f"/clinic/leads/{lead_id}/attempts"
    return client.post(address, text, content_type="application/json", headers=headers)


def say(client: Client, attempt_id: int, body: Any) -> Any:
    text = body if isinstance(body, str) else json.dumps(body)
    return client.post(f"/clinic/attempts/{attempt_id}/outcome", text, content_type="application/json")


def submit(client: Client, path: str, **fields: str) -> Any:
    return client.post(path, fields, headers={"accept": "text/html"})


def attempts() -> list[tuple[str, str]]:
    return list(ContactAttempt.objects.order_by("pk").values_list("kind", "outcome"))


class TestTapping:
    def test_a_tap_is_an_attempt_of_the_member_and_opens_the_lead(
        self, member: Client, owner: User, lead: Lead
    ) -> None:
        response = tap(member, lead.pk)

        attempt = ContactAttempt.objects.get()
        assert (response.status_code, response.json()) == (
            201,
            {"status": "success", "attempt_id": attempt.pk, "outcome": "opened"},
        )
        assert (attempt.lead, attempt.kind, attempt.made_by) == (lead, "call", owner)
        lead.refresh_from_db()
        assert lead.opened_by == owner

    def test_a_double_tap_is_one_attempt_and_another_way_or_person_is_another(
        self, member: Client, client: Client, lead: Lead
    ) -> None:
        first = tap(member, lead.pk).json()
        again = tap(member, lead.pk).json()
        tap(member, lead.pk, {"kind": "whatsapp"})
        client.force_login(factories.member_of(lead.clinic, "front_desk"))
        tap(client, lead.pk)

        assert first == again
        assert attempts() == [("call", "opened"), ("whatsapp", "opened"), ("call", "opened")]

    def test_a_tap_some_seconds_later_is_another(self, owner: User, lead: Lead, monkeypatch: Any) -> None:
        first = record_attempt(lead=lead, kind=CALL, by=owner)
        monkeypatch.setattr("leads.services.attempts.DOUBLE_TAP", first.made_at - first.made_at)

        assert record_attempt(lead=lead, kind=CALL, by=owner) != first

    def test_a_call_by_another_telephone_is_recorded_with_how_it_went(
        self, member: Client, lead: Lead
    ) -> None:
        response = submit(member, f"/clinic/leads/{lead.pk}/attempts", kind="call", outcome="no_answer")

        assert (response.status_code, response["Location"]) == (303, f"/clinic/leads/{lead.pk}")
        assert attempts() == [("call", "no_answer")]
        assert "Your attempt is recorded." in member.get(response["Location"]).content.decode()

    def test_it_counts_for_a_dispute(self, member: Client, owner: User, lead: Lead) -> None:
        DisputePolicy.objects.filter(dispute_type="invalid_contact").update(least_contact_attempts=2)
        tap(member, lead.pk)
        tap(member, lead.pk)
        assert cases.refusals(lead)["invalid_contact"] == "attempts"

        tap(member, lead.pk, {"kind": "whatsapp"})

        assert cases.refusals(lead)["invalid_contact"] is None


class TestNobodyIsCalledWhoseNumberIsHidden:
    @pytest.mark.parametrize("state", ["held", "refused", "erased", "refunded", "repeat of a refunded one"])
    def test_it_is_a_409_and_nothing_is_kept(self, member: Client, lead: Lead, state: str) -> None:
        hidden = lead
        if state in ("held", "refused"):
            hidden = deliver(lead.clinic, phone=9, hold_for_review=True)
        if state == "refused":
            BillingService.refuse_lead(hidden.pk)
        if state == "erased":
            BillingService.withdraw_lead(lead.pk)
        if state.startswith("repeat"):
            hidden = deliver(lead.clinic)
        if "refunded" in state:
            steps.refund_lead(lead.pk, lead.cost, "All of it")

        response = tap(member, hidden.pk)

        assert (response.status_code, response.json()["code"]) == (409, "contact_not_visible")
        assert submit(member, f"/clinic/leads/{hidden.pk}/attempts", kind="call").status_code == 409
        assert attempts() == []
        hidden.refresh_from_db()
        assert hidden.opened_at is None

    def test_another_clinic_s_lead_answers_like_a_missing_one(
        self, member: Client, other_clinic: Clinic
    ) -> None:
        factories.give_credits(other_clinic, 1000)
        foreign = deliver(other_clinic, phone=5)

        answers = [tap(member, pk) for pk in (foreign.pk, 987_654_321, 10**30)]
        pages = [
            submit(member, f"/clinic/leads/{pk}/attempts", kind="call") for pk in (foreign.pk, 987_654_321)
        ]

        assert {answer.status_code for answer in (*answers, *pages)} == {404}
        assert answers[0].content == answers[1].content
        assert pages[0].content == pages[1].content
        assert attempts() == []


class TestOutcome:
    def test_it_is_asked_on_the_lead_s_page_and_said_once(self, member: Client, lead: Lead) -> None:
        attempt_id = tap(member, lead.pk).json()["attempt_id"]
        address = f"/clinic/attempts/{attempt_id}/outcome"
        assert f'action="{address}"' in member.get(f"/clinic/leads/{lead.pk}").content.decode()

        said = submit(member, address, outcome="wrong_number")
        again = submit(member, address, outcome="wrong_number")
        otherwise = submit(member, address, outcome="reached")

        assert [said.status_code, again.status_code, otherwise.status_code] == [303, 303, 409]
        assert attempts() == [("call", "wrong_number")]
        assert address not in member.get(f"/clinic/leads/{lead.pk}").content.decode()

    @pytest.mark.parametrize(("outcome", "offered"), [("reached", True), ("no_answer", False)])
    def test_who_reached_the_patient_of_a_new_lead_moves_it_on_with_one_tap(
        self, member: Client, lead: Lead, outcome: str, offered: bool
    ) -> None:
        page, offer = f"/clinic/leads/{lead.pk}", "Set to Contacted"
        attempt_id = tap(member, lead.pk).json()["attempt_id"]
        before = member.get(page).content.decode()
        submit(member, f"/clinic/attempts/{attempt_id}/outcome", outcome=outcome)
        after = member.get(page).content.decode()
        moved = submit(
            member, "/clinic/leads/update-status", lead_id=str(lead.pk), status="contacted", next=page
        )

        assert [offer in before, offer in after] == [False, offered]
        assert (moved.status_code, moved["Location"]) == (303, page)
        assert offer not in member.get(page).content.decode()

    def test_programs_say_it_too(self, member: Client, lead: Lead) -> None:
        attempt_id = tap(member, lead.pk).json()["attempt_id"]

        said, otherwise = (say(member, attempt_id, {"outcome": one}) for one in ("reached", "no_answer"))

        assert (said.status_code, said.json()["outcome"]) == (200, "reached")
        assert (otherwise.status_code, otherwise.json()["code"]) == (409, "outcome_is_set")

    def test_another_clinic_s_attempt_answers_like_a_missing_one(
        self, member: Client, other_clinic: Clinic
    ) -> None:
        factories.give_credits(other_clinic, 1000)
        colleague = factories.member_of(other_clinic, "owner")
        foreign = record_attempt(lead=deliver(other_clinic, phone=5), kind=CALL, by=colleague)

        answers = [say(member, pk, {"outcome": "reached"}) for pk in (foreign.pk, 987_654_321, 10**30)]

        assert {answer.status_code for answer in answers} == {404}
        assert answers[0].content == answers[1].content
        assert attempts() == [("call", "opened")]

    def test_the_database_lets_it_be_set_once_and_nothing_else_ever(self, owner: User, lead: Lead) -> None:
        other = deliver(lead.clinic, phone=2)
        attempt = record_attempt(lead=lead, kind=CALL, by=owner)
        mine = ContactAttempt.objects.filter(pk=attempt.pk)

        for changes in (
            {"kind": "whatsapp"},
            {"lead": other},
            {"made_at": lead.created_at},
            {"outcome": "opened"},
        ):
            with pytest.raises(DatabaseError, match=r"permission denied|is a fact"), transaction.atomic():
                mine.update(**changes)
        set_outcome(attempt=attempt, outcome=NO_ANSWER)
        with pytest.raises(DatabaseError, match="is a fact"), transaction.atomic():
            mine.update(outcome=REACHED)
        with pytest.raises(OutcomeIsSet):
            set_outcome(attempt=attempt, outcome=REACHED)
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            mine.delete()


class TestBadInput:
    @pytest.mark.parametrize(
        "body", [{}, {"kind": "fax"}, {"kind": None}, {"kind": ["call"]}, {"kind": "call", "lead_id": 1},
                 {"kind": "call", "outcome": "fine"}, "", "{", "[]", '{"kind": "call", "kind": "call"}',
                 '{"kind": "call\\u0000"}'],
    )  # fmt: skip
    def test_a_bad_tap_is_a_400(self, member: Client, lead: Lead, body: Any) -> None:
        response = tap(member, lead.pk, body)

        assert (response.status_code, response.json()["status"]) == (400, "error")
        assert attempts() == []

    @pytest.mark.parametrize("body", [{}, {"outcome": "opened"}, {"outcome": "x"}, {"outcome": 1}, "null"])
    def test_a_bad_outcome_is_a_400(self, member: Client, lead: Lead, body: Any) -> None:
        attempt_id = tap(member, lead.pk).json()["attempt_id"]

        assert say(member, attempt_id, body).status_code == 400
        assert attempts() == [("call", "opened")]

    def test_a_bad_form_is_a_page_with_400(self, member: Client, lead: Lead) -> None:
        attempt_id = tap(member, lead.pk).json()["attempt_id"]

        bad = [
            submit(member, f"/clinic/leads/{lead.pk}/attempts", kind="\x00"),
            submit(member, f"/clinic/attempts/{attempt_id}/outcome", outcome="opened"),
        ]

        assert [answer.status_code for answer in bad] == [400, 400]
        assert all("Nothing was changed" in answer.content.decode() for answer in bad)


class TestWhoMay:
    def test_signed_out_by_token_or_without_a_token_against_forgery(
        self, client: Client, owner: User, lead: Lead
    ) -> None:
        attempt = record_attempt(lead=lead, kind=WHATSAPP, by=owner)
        paths = (f"/clinic/leads/{lead.pk}/attempts", f"/clinic/attempts/{attempt.pk}/outcome")
        _, token = ApiToken.objects.create(user=owner, clinic=lead.clinic, name="all", scopes=Scope.values)
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(owner)

        for path in paths:
            body = {"kind": "call", "outcome": "reached"}
            assert client.post(path, body, content_type="application/json").status_code == 401
            page = submit(client, path, **body)
            assert (page.status_code, page["Location"]) == (302, "/accounts/login/?next=/clinic/dashboard")
            answer = client.post(
                path, body, content_type="application/json", headers={"authorization": f"Bearer {token}"}
            )
            assert answer.status_code == 403
            assert strict.post(path, body, content_type="application/json").status_code == 403
            assert submit(strict, path, **body).status_code == 403
        assert attempts() == [("whatsapp", "opened")]

    def test_only_post_is_served(self, member: Client, lead: Lead) -> None:
        for path in (f"/clinic/leads/{lead.pk}/attempts", "/clinic/attempts/1/outcome"):
            for method in (member.get, member.put, member.patch, member.delete):
                assert method(path).status_code == 405
                assert method(path, headers={"accept": "text/html"}).status_code == 405

    @pytest.mark.parametrize("role", ["billing", "front_desk"])
    def test_every_role_may(self, client: Client, lead: Lead, role: str) -> None:
        client.force_login(factories.member_of(lead.clinic, role))

        attempt_id = tap(client, lead.pk).json()["attempt_id"]

        assert say(client, attempt_id, {"outcome": "reached"}).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_taps_at_the_same_moment_are_one_attempt(funded_clinic: Clinic) -> None:
    leads = [deliver(funded_clinic, phone=number) for number in range(5)]
    member = factories.member_of(funded_clinic, "front_desk")
    for lead in leads:  # opening one would make them queue by itself
        open_lead(lead=lead, by=member, at=lead.created_at)
    start = threading.Barrier(4)

    def tap_at_once() -> None:
        connection.ensure_connection()
        for lead in leads:
            start.wait()
            record_attempt(lead=lead, kind=CALL, by=member)
        connection.close()

    threads = [threading.Thread(target=tap_at_once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert attempts() == [("call", "opened")] * len(leads)


class TestUnderAKey:
    def test_a_repeat_is_the_first_attempt_and_another_body_is_refused(
        self, member: Client, lead: Lead, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr("leads.services.attempts.DOUBLE_TAP", timedelta(0))
        key = {"idempotency-key": "tap-1"}

        first, again = (tap(member, lead.pk, **key) for _ in range(2))
        other = tap(member, lead.pk, {"kind": "whatsapp"}, **key)

        assert (first.status_code, again.json()) == (201, first.json())
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
        assert attempts() == [("call", "opened")]

    def test_what_was_refused_leaves_the_key_free(self, member: Client, clinic: Clinic) -> None:
        held = deliver(clinic)
        key = {"idempotency-key": "tap-1"}
        assert tap(member, held.pk, **key).status_code == 409
        factories.give_credits(clinic, 1000)

        assert tap(member, held.pk, **key).status_code == 201
