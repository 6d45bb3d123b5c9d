"""Deciding one dispute: approve, reject, ask, for people and programs; told when it was decided before."""

import json
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from clinics.models import ApiToken, Clinic, StaffRequest, User
from credits.models import BillingRules, CreditTransaction
from disputes.models import DisputeEntry, LeadDispute
from disputes.services import cases
from leads.models import Lead
from tests import factories
from tests.clock import Clock
from tests.disputes.desk import (
    HTML,
    QUEUE,
    TEXT,
    approval,
    at,
    body_of,
    question,
    rejection,
    resolve,
    resolve_json,
)
from tests.site.back_office import sign_in, signed_in

pytestmark = pytest.mark.django_db

BAD_AMOUNTS = [
    "", " ", "0", "-1", "-0.01", "NaN", "Infinity", "-Infinity", "250.01", "0.001", "1e400", "1E+3", "9" * 40, "abc",
    "2,50", "١٠٠٠", "0x10",
]  # fmt: skip


def staff_of(group: str, **fields: Any) -> User:
    user = factories.UserFactory.create(is_staff=True, password=None, **fields)
    user.groups.add(Group.objects.get(name=group))
    return user


def client_of(user: User) -> Client:
    client = Client()
    sign_in(client, user)
    return client


@pytest.fixture
def resolver() -> User:
    return staff_of("resolver", email="meera@staff.example")


@pytest.fixture
def desk(resolver: User) -> Client:
    return client_of(resolver)


@pytest.fixture
def other_desk() -> Client:
    return client_of(staff_of("resolver"))


@pytest.fixture
def dispute(funded_clinic: Clinic) -> LeadDispute:
    """About a lead of 250."""
    return factories.dispute(factories.deliver(funded_clinic, 1, price=15_000))


def proven_by_the_books(clinic: Clinic) -> LeadDispute:
    """A duplicate that was approved by itself."""
    BillingRules.objects.update(repeat_window_days=0)
    repeat = factories.deliver(clinic, 1, price=15_000)
    BillingRules.objects.update(repeat_window_days=30)
    return factories.dispute(repeat, "duplicate")


def refunds() -> int:
    return CreditTransaction.objects.filter(transaction_type="refund").count()


class TestApproving:
    @pytest.mark.parametrize("amount", ["250", "250.00", "0.01", "99.9"])
    def test_in_full_or_part_gives_that_back_and_leads_on(
        self, amount: str, desk: Client, resolver: User, dispute: LeadDispute
    ) -> None:
        following = factories.dispute(factories.deliver(dispute.clinic, 2, price=15_000))

        response = resolve(desk, dispute, approval(amount))

        assert response.status_code == 303
        assert response.headers["Location"] == at(following)
        dispute.refresh_from_db()
        assert (dispute.status, dispute.refund_amount, dispute.resolved_by) == (
            "approved",
            Decimal(amount),
            resolver,
        )
        assert (dispute.reason_code, dispute.admin_notes) == ("confirmed", TEXT)
        assert Lead.objects.get(pk=dispute.lead_id).refunded_total == Decimal(amount)
        assert f"Dispute {dispute.pk} was approved" in body_of(desk.get(response.headers["Location"]))

    def test_the_last_one_leads_back_to_the_queue(self, desk: Client, dispute: LeadDispute) -> None:
        assert resolve(desk, dispute, approval()).headers["Location"] == QUEUE

    @pytest.mark.parametrize("amount", BAD_AMOUNTS)
    def test_a_bad_amount_is_a_400_that_keeps_what_was_typed(
        self, amount: str, desk: Client, dispute: LeadDispute
    ) -> None:
        response = resolve(desk, dispute, approval(amount, admin_notes="Typed with care"))

        assert response.status_code == 400
        assert "refund_amount" in response.context["decision"].errors
        assert "Typed with care" in body_of(response)
        dispute.refresh_from_db()
        assert dispute.status == "pending"
        assert refunds() == 0

    @pytest.mark.parametrize(
        "amount", [0, -1, 250.01, 0.001, "NaN", [250], {"a": 1}, True, None, "", "1e400"]
    )
    def test_a_bad_amount_in_json_is_a_400_naming_the_field(
        self, amount: Any, desk: Client, dispute: LeadDispute
    ) -> None:
        response = resolve_json(desk, dispute, approval(amount))
        assert response.status_code == 400
        assert (response.json()["status"], response.json()["code"]) == ("error", "invalid")
        assert list(response.json()["fields"]) == ["refund_amount"]
        assert refunds() == 0

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400", "-1e400"])
    def test_a_number_json_does_not_know_is_a_400(
        self, number: str, desk: Client, dispute: LeadDispute
    ) -> None:
        body = json.dumps(approval("AMOUNT")).replace('"AMOUNT"', number)
        assert resolve_json(desk, dispute, body).status_code == 400
        assert refunds() == 0

    @pytest.mark.parametrize(("data", "field"), [
        ({}, "action"),
        (approval(action="refund"), "action"),
        (approval(reason_code=""), "reason_code"),
        (approval(reason_code="not_confirmed"), "reason_code"),
        (approval(reason_code="automatic_duplicate"), "reason_code"),
        (rejection(reason_code="goodwill"), "reason_code"),
        (rejection(reason_code=""), "reason_code"),
        (approval(admin_notes="  "), "admin_notes"),
        (approval(admin_notes="x" * 2001), "admin_notes"),
        (approval(admin_notes="a\x00b"), "admin_notes"),
        (rejection(admin_notes="We rang +91 98765 00001"), "admin_notes"),
        ({**question(), "admin_notes": ""}, "admin_notes"),
    ])  # fmt: skip
    def test_each_wrong_field_is_named_on_the_page_and_in_json(
        self, data: dict[str, Any], field: str, desk: Client, dispute: LeadDispute
    ) -> None:
        page = resolve(desk, dispute, data)
        assert page.status_code == 400
        assert field in page.context["decision"].errors
        program = resolve_json(desk, dispute, data)
        assert program.status_code == 400
        if "\x00" not in data.get("admin_notes", ""):  # which is no text in JSON: the body itself is refused
            assert field in program.json()["fields"]
        dispute.refresh_from_db()
        assert dispute.status == "pending"


class TestStates:
    """Every illegal change of state, by every action, is a 409 that says by whom and how it was decided."""

    @pytest.fixture(params=["approved", "rejected", "cancelled", "automatic"])
    def ended(
        self, request: pytest.FixtureRequest, dispute: LeadDispute, staff: User
    ) -> tuple[LeadDispute, str]:
        if request.param == "approved":
            cases.approve(dispute=dispute, amount=Decimal(100), reason_code="confirmed", notes=TEXT, by=staff)
            return dispute, f"Approved already by {staff.email}"
        if request.param == "rejected":
            cases.reject(dispute=dispute, reason_code="no_evidence", notes=TEXT, by=staff)
            return dispute, f"Rejected already by {staff.email}"
        if request.param == "cancelled":
            cases.cancel(dispute=dispute, by=dispute.filed_by)
            return dispute, "The clinic cancelled this dispute"
        return proven_by_the_books(dispute.clinic), "Approved already by the books themselves"

    @pytest.mark.parametrize("action", ["approve", "reject", "ask", "nonsense"])
    def test_deciding_again(self, action: str, ended: tuple[LeadDispute, str], desk: Client) -> None:
        dispute, words = ended
        data = {"approve": approval(), "reject": rejection(), "ask": question(), "nonsense": {}}[action]
        before = LeadDispute.objects.values().get(pk=dispute.pk), refunds(), dispute.entries.count()

        page, program = resolve(desk, dispute, data), resolve_json(desk, dispute, data)

        assert (page.status_code, program.status_code) == (409, 409)
        assert words in body_of(page)
        assert program.json()["code"] == "already_decided"
        assert words in program.json()["message"]
        assert before == (
            LeadDispute.objects.values().get(pk=dispute.pk), refunds(), dispute.entries.count()
        )  # fmt: skip

    def test_taking_it(self, ended: tuple[LeadDispute, str], desk: Client) -> None:
        dispute, words = ended
        response = desk.post(at(dispute, "assign"), {"to": "me"}, headers=HTML)
        assert response.status_code == 409
        assert words in body_of(response)

    def test_a_note_among_staff_may_still_be_added(
        self, ended: tuple[LeadDispute, str], desk: Client
    ) -> None:
        dispute, _ = ended
        response = desk.post(at(dispute, "note"), {"text": "For the record"}, headers=HTML)
        assert response.status_code == 303
        assert "For the record" in body_of(desk.get(at(dispute)))

    def test_its_page_has_no_form_to_decide(self, ended: tuple[LeadDispute, str], desk: Client) -> None:
        assert 'name="refund_amount"' not in body_of(desk.get(at(ended[0])))

    def test_of_two_staff_with_the_page_open_the_second_is_told(
        self, desk: Client, other_desk: Client, dispute: LeadDispute
    ) -> None:
        assert desk.get(at(dispute)).status_code == other_desk.get(at(dispute)).status_code == 200

        first, second = resolve(desk, dispute, approval("100")), resolve(other_desk, dispute, rejection())

        assert (first.status_code, second.status_code) == (303, 409)
        assert "Approved already by meera@staff.example" in body_of(second)
        assert "₹100.00 came back" in body_of(second)
        assert refunds() == 1


class TestAskingAndRejecting:
    def test_a_question_stops_the_clock_and_can_be_followed_by_a_decision(
        self, desk: Client, dispute: LeadDispute
    ) -> None:
        assert resolve(desk, dispute, {**question(), "refund_amount": "250"}).status_code == 303
        dispute.refresh_from_db()
        assert (dispute.status, dispute.refund_amount) == ("pending", None)
        assert dispute.awaiting_clinic_since is not None
        assert "Waits for the clinic" in body_of(desk.get(at(dispute)))
        assert resolve(desk, dispute, rejection()).status_code == 303

    def test_a_rejection_ignores_the_amount_the_page_sends_along(
        self, desk: Client, dispute: LeadDispute
    ) -> None:
        assert resolve(desk, dispute, rejection(refund_amount="999999")).status_code == 303
        dispute.refresh_from_db()
        assert (dispute.status, dispute.refund_amount) == ("rejected", None)

    def test_a_program_that_sends_an_amount_with_a_rejection_is_told(
        self, desk: Client, dispute: LeadDispute
    ) -> None:
        response = resolve_json(desk, dispute, rejection(refund_amount=100))
        assert response.status_code == 400
        assert "refund_amount" in response.json()["fields"]


class TestTwoPeople:
    @pytest.fixture
    def dear(self, desk: Client, clinic: Clinic) -> LeadDispute:
        """A dispute of 500 by the fifth lead; the resolver gave back 1,800 to this clinic today."""
        factories.give_credits(clinic, 10_000)
        for phone, amount in ((1, 500), (2, 500), (3, 500), (4, 300)):
            resolve(
                desk, factories.dispute(factories.deliver(clinic, phone, price=200_000)), approval(amount)
            )
        return factories.dispute(factories.deliver(clinic, 5, price=200_000))

    def test_above_the_limit_a_request_is_made_and_the_way_goes_on_and_nothing_moves(
        self, desk: Client, dear: LeadDispute, resolver: User
    ) -> None:
        following = factories.dispute(factories.deliver(dear.clinic, 6, price=15_000))
        before = body_of(desk.get(at(dear)))
        assert "You can give back ₹200.00 more to this clinic today" in before

        response = resolve(desk, dear, approval("200.01"), "?waiting=us")

        assert response.status_code == 303
        assert response.headers["Location"] == f"{at(following)}?waiting=us"
        told = body_of(desk.get(response.headers["Location"]))
        assert "a second person must approve it" in told
        assert f'<a href="{at(dear)}">Dispute {dear.pk}</a> stays pending' in told
        page = body_of(desk.get(at(dear)))
        assert "Waits for a second person" in page
        assert "200.01" in page
        dear.refresh_from_db()
        assert dear.status == "pending"
        [request] = StaffRequest.objects.all()
        assert (request.requested_by, request.details["amount"]) == (resolver, "200.01")
        assert dear.entries.filter(kind=DisputeEntry.Kind.REQUESTED).count() == 1
        assert refunds() == 4

    def test_one_that_ran_out_is_no_longer_shown_and_another_can_be_made(
        self, desk: Client, dear: LeadDispute, staff: User, clock: Clock
    ) -> None:
        clock.advance(hours=-72, minutes=-1)
        cases.request_approval(
            dispute=dear, amount=Decimal(500), reason_code="confirmed", notes=TEXT, by=staff
        )
        clock.reset()

        page = body_of(desk.get(at(dear)))

        assert "Waits for a second person" not in page
        assert "Second person asked" not in page
        assert 'name="refund_amount"' in page
        assert resolve(desk, dear, approval("500")).status_code == 303
        assert "Waits for a second person" in body_of(desk.get(at(dear)))
        assert list(StaffRequest.objects.order_by("pk").values_list("state", flat=True)) == [
            "expired",
            "pending",
        ]

    def test_up_to_the_limit_one_person_is_enough(self, desk: Client, dear: LeadDispute) -> None:
        resolve(desk, dear, approval("200"))
        dear.refresh_from_db()
        assert dear.status == "approved"
        assert not StaffRequest.objects.exists()

    def test_a_second_request_is_refused_and_another_within_their_limit_voids_the_first(
        self, desk: Client, other_desk: Client, dear: LeadDispute
    ) -> None:
        resolve(desk, dear, approval("500"))

        again = resolve(desk, dear, approval("400"))
        assert again.status_code == 409
        assert "A second person has been asked already" in body_of(again)
        assert StaffRequest.objects.count() == 1

        assert resolve(other_desk, dear, approval("500")).status_code == 303
        assert StaffRequest.objects.get().state == "void"

    def test_a_program_is_told_with_202(self, desk: Client, dear: LeadDispute) -> None:
        response = resolve_json(desk, dear, approval(500))
        assert response.status_code == 202
        assert response.json()["request_id"] == StaffRequest.objects.get().pk
        assert response.json()["dispute_status"] == "pending"
        assert resolve_json(desk, dear, approval(500)).json()["code"] == "request_pending"

    def test_a_rejection_needs_nobody_else(self, desk: Client, dear: LeadDispute) -> None:
        assert resolve(desk, dear, rejection()).status_code == 303


class TestAppeals:
    @pytest.fixture
    def appeal(self, desk: Client, dispute: LeadDispute) -> LeadDispute:
        resolve(desk, dispute, approval("100"))
        dispute.refresh_from_db()
        return cases.appeal(dispute=dispute, description="All of it", by=dispute.filed_by)

    def test_who_decided_the_first_sees_that_another_must_and_is_refused(
        self, desk: Client, appeal: LeadDispute
    ) -> None:
        page = body_of(desk.get(at(appeal)))
        assert "Another person has to decide the appeal" in page
        assert 'name="refund_amount"' not in page

        for data in (approval("150"), rejection()):
            assert resolve(desk, appeal, data).status_code == 403
            program = resolve_json(desk, appeal, data)
            assert (program.status_code, program.json()["code"]) == (403, "same_person")
        appeal.refresh_from_db()
        assert appeal.status == "pending"

    def test_another_sees_the_first_decision_and_decides_the_rest(
        self, other_desk: Client, appeal: LeadDispute
    ) -> None:
        page = body_of(other_desk.get(at(appeal)))
        for fact in (
            "Approved ₹100.00",
            "meera@staff.example",
            TEXT,
            "Suggested: approve ₹150.00",
            "the rest",
        ):
            assert fact in page
        assert resolve(other_desk, appeal, approval("150.01")).status_code == 400
        assert resolve(other_desk, appeal, approval("150")).status_code == 303
        assert Lead.objects.get(pk=appeal.lead_id).refunded_total == 250

    def test_a_rejected_one_suggests_nothing_and_chooses_nothing(
        self, desk: Client, dispute: LeadDispute, staff: User
    ) -> None:
        cases.reject(dispute=dispute, reason_code="not_confirmed", notes=TEXT, by=staff)
        appeal = cases.appeal(dispute=dispute, description="But it is", by=dispute.filed_by)
        page = body_of(desk.get(at(appeal)))
        assert "Suggested: decide by hand" in page
        assert "Somebody rejected it before: look at what they wrote." in page
        assert TEXT in page
        assert " checked" not in page.partition('id="decision"')[2].partition("</fieldset>")[0]


class TestReadyTexts:
    """What is offered for the clinic to read holds for this case and by today's rules."""

    @pytest.fixture
    def other_rules(self) -> None:
        BillingRules.objects.update(appeal_days=3, repeat_window_days=1)

    @staticmethod
    def offered(client: Client, dispute: LeadDispute) -> str:
        return " ".join(text for _, _, text in client.get(at(dispute)).context["ready_texts"])

    @pytest.mark.usefixtures("other_rules")
    def test_their_numbers_are_those_of_the_rules(self, desk: Client, dispute: LeadDispute) -> None:
        texts = self.offered(desk, dispute)
        assert texts.count("You can appeal within 3 days.") == 2
        assert "no other charged enquiry of this number within 1 day." in texts

    def test_where_the_day_itself_is_all_there_is_they_say_so(
        self, desk: Client, dispute: LeadDispute
    ) -> None:
        BillingRules.objects.update(appeal_days=0)
        assert "could not confirm the reason you gave. You can appeal today." in self.offered(desk, dispute)

    def test_an_appeal_is_final_and_none_offers_another(
        self, desk: Client, dispute: LeadDispute, staff: User
    ) -> None:
        cases.reject(dispute=dispute, reason_code="not_confirmed", notes=TEXT, by=staff)
        appeal = cases.appeal(dispute=dispute, description="But it is", by=dispute.filed_by)
        texts = self.offered(desk, appeal)
        assert "You can appeal" not in texts
        assert texts.count("This decision is final.") == 2


class TestPrograms:
    def test_an_approval_says_what_it_did(self, desk: Client, dispute: LeadDispute) -> None:
        response = resolve_json(desk, dispute, approval(99.5))
        assert response.status_code == 200
        assert response.json() == {
            "status": "success", "dispute_id": dispute.pk, "dispute_status": "approved", "refund_amount": 99.5,
            "awaiting_clinic": False, "request_id": None,
        }  # fmt: skip

    def test_an_unknown_field_is_refused(self, desk: Client, dispute: LeadDispute) -> None:
        response = resolve_json(desk, dispute, {**approval(100), "amount": 5})
        assert response.status_code == 400
        assert "amount" in response.json()["fields"]

    @pytest.mark.parametrize("body", ["", "[]", "null", "{", '{"action": "ask", "action": "ask"}'])
    def test_a_broken_body_is_a_400(self, body: str, desk: Client, dispute: LeadDispute) -> None:
        assert resolve_json(desk, dispute, body).status_code == 400

    def test_who_may_not_gets_401_or_403(self, client: Client, dispute: LeadDispute) -> None:
        assert resolve_json(client, dispute, approval()).status_code == 401
        for who in ("nobody", "support", "finance", "auditor", "user admin"):
            response = resolve_json(signed_in(who), dispute, approval())
            assert (response.status_code, response.json()["code"]) == (403, "permission_denied"), who
        client.force_login(dispute.filed_by)
        assert resolve_json(client, dispute, approval()).status_code == 403
        assert refunds() == 0

    def test_no_token_decides_not_even_a_resolvers_own(
        self, client: Client, resolver: User, dispute: LeadDispute
    ) -> None:
        _, token = ApiToken.objects.create(
            user=resolver, clinic=dispute.clinic, name="crm", scopes=["credits:read", "leads:read"]
        )
        assert resolve_json(client, dispute, approval(), Authorization=f"Bearer {token}").status_code == 403
        assert resolve_json(client, dispute, approval(), Authorization="Bearer abc").status_code == 401

    def test_a_foreign_page_cannot_send_it(self, resolver: User, dispute: LeadDispute) -> None:
        strict = Client(enforce_csrf_checks=True)
        sign_in(strict, resolver)
        response = resolve_json(strict, dispute, approval())
        assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")

    @pytest.mark.parametrize("number", [999_999, 10**18, 10**30])
    def test_an_unknown_dispute_is_a_404(self, number: int, desk: Client) -> None:
        assert resolve_json(desk, number, approval()).status_code == 404
        for step in ("", "resolve", "note", "assign", "contact"):
            send = desk.post if step else desk.get
            assert send(at(number, step), headers=HTML).status_code == 404

    def test_a_program_that_reads_it_is_told_that_it_cannot(self, desk: Client, dispute: LeadDispute) -> None:
        response = desk.get(at(dispute, "resolve"), headers={"accept": "application/json"})
        assert response.status_code == 405


class TestAfterSigningInAgain:
    """One who was signed out meanwhile comes back by GET to what was to be done by POST."""

    @pytest.mark.parametrize("step", ["resolve", "contact", "note", "assign"])
    def test_it_leads_to_the_case_with_the_filters(
        self, step: str, desk: Client, dispute: LeadDispute
    ) -> None:
        response = desk.get(f"{at(dispute, step)}?reason=spam", headers=HTML)
        assert response.status_code == 302
        assert response.headers["Location"] == f"{at(dispute)}?reason=spam"
        assert dispute.entries.count() == 1

    def test_several_at_once_lead_to_the_queue(self, desk: Client) -> None:
        response = desk.get(f"{QUEUE}/bulk?reason=spam", headers=HTML)
        assert (response.status_code, response.headers["Location"]) == (302, f"{QUEUE}?reason=spam")


class TestWhoWorksOnIt:
    def test_it_is_taken_and_given_back(self, desk: Client, resolver: User, dispute: LeadDispute) -> None:
        for to, holder in (("me", resolver), ("nobody", None)):
            response = desk.post(f"{at(dispute, 'assign')}?due=overdue", {"to": to}, headers=HTML)
            assert response.headers["Location"] == f"{at(dispute)}?due=overdue"
            dispute.refresh_from_db()
            assert dispute.assigned_to == holder

    def test_it_is_given_to_nobody_else(self, desk: Client, dispute: LeadDispute) -> None:
        assert desk.post(at(dispute, "assign"), {"to": "5"}, headers=HTML).status_code == 400

    @pytest.mark.parametrize("text", ["", "   ", "x" * 2001, "a\x00b", "Her number is 98765 00001"])
    def test_a_bad_note_is_a_400_that_keeps_it(self, text: str, desk: Client, dispute: LeadDispute) -> None:
        response = desk.post(at(dispute, "note"), {"text": text}, headers=HTML)
        assert response.status_code == 400
        assert not dispute.entries.filter(kind=DisputeEntry.Kind.NOTE).exists()

    def test_support_may_note_and_the_note_stays_among_staff(self, dispute: LeadDispute) -> None:
        assert (
            signed_in("support").post(at(dispute, "note"), {"text": "Rang twice"}, headers=HTML).status_code
            == 303
        )
        [entry] = dispute.entries.filter(kind=DisputeEntry.Kind.NOTE)
        assert entry.is_internal
