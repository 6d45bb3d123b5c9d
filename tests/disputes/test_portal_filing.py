"""Filing, answering, appealing and cancelling from the portal, as a form and as JSON."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from clinics.models import Clinic, IdempotencyKey, Membership, Partner, User
from credits.models import BillingRules
from credits.services.ledger import BillingService
from disputes.models import DisputePolicy, Evidence, LeadDispute
from disputes.services import cases, filing
from leads.models import ContactAttempt, Lead
from tests import factories
from tests.clock import Clock
from tests.disputes.hostile_files import pdf, picture
from tests.disputes.portal import (
    HTML,
    LIST,
    SAID,
    asked,
    case_url,
    create_url,
    file_by_form,
    file_by_json,
    ist,
    page,
    photo,
    rejected,
    send,
    url,
)
from tests.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("evidence_folder")]
WINDOWS = {
    "invalid_contact": 7,
    "duplicate": 30,
    "spam": 7,
    "outside_area": 7,
    "wrong_treatment": 7,
    "technical_error": 30,
    "other": 7,
}


@pytest.fixture
def lead(funded_clinic: Clinic) -> Lead:
    """A lead of 250, charged."""
    return factories.deliver(funded_clinic, price=15_000, name="Zubeida Sharma")


class TestReasons:
    """What the form says beforehand is what happens when it is sent."""

    @pytest.mark.parametrize("reason", WINDOWS)
    @pytest.mark.parametrize("edge", [(-60, None), (0, "too_late"), (86_400, "too_late")])
    def test_each_reason_ends_with_its_last_day_in_india(
        self, member: Client, clinic: Clinic, clock: Clock, reason: str, edge: tuple[int, str | None]
    ) -> None:
        late_by, refusal = edge
        clock.set(ist(2040, 5, 10, 0, 30))  # in London the day before
        factories.give_credits(clinic, 1000)
        lead = factories.deliver(clinic, price=15_000)
        last_day_over = ist(2040, 5, 11) + timedelta(days=WINDOWS[reason])
        clock.set(last_day_over + timedelta(seconds=late_by))

        told = {row["dispute_type"]: row for row in member.get(create_url(lead)).json()["reasons"]}
        filed = file_by_json(member, lead, dispute_type=reason)

        assert told[reason]["until"] == (last_day_over - timedelta(days=1)).date().isoformat()
        assert told[reason]["refusal"] == refusal
        assert filed.status_code == (409 if refusal else 201)
        if refusal:
            assert filed.json()["code"] == refusal

    def test_the_page_names_day_share_and_what_is_refused(
        self, member: Client, clinic: Clinic, clock: Clock
    ) -> None:
        clock.set(ist(2040, 5, 10, 12, 0))
        factories.give_credits(clinic, 1000)
        lead = factories.deliver(clinic, price=15_000)

        html = page(member, create_url(lead))

        text = text_of(html)
        assert "Until 17 May 2040 · usually 100 % of the credits" in text
        assert "Until 17 May 2040 · usually 50 % of the credits" in text
        assert "Until 17 May 2040 · decided by hand" in text
        assert "Until 9 Jun 2040" in text
        assert 'value="not_interested" required aria-describedby="dispute_type-problem" disabled' in html
        assert "This reason is not accepted." in text

    def test_wrong_treatment_sent_by_a_partner_gives_everything_back(
        self, member: Client, lead: Lead, funded_clinic: Clinic
    ) -> None:
        partner = Partner.objects.create(name="P", slug="p", service_user=factories.UserFactory.create())
        sent = factories.deliver(funded_clinic, 9, partner_id=partner.pk)

        def percent(of: Lead) -> int:
            reasons = member.get(create_url(of)).json()["reasons"]
            return next(
                int(row["suggested_percent"]) for row in reasons if row["dispute_type"] == "wrong_treatment"
            )

        assert [percent(lead), percent(sent)] == [50, 100]

    @pytest.mark.parametrize("reason", ["not_interested", "price_only"])
    def test_what_is_not_accepted_is_refused_and_the_form_comes_back(
        self, member: Client, lead: Lead, reason: str
    ) -> None:
        response = file_by_form(member, lead, dispute_type=reason)

        assert response.status_code == 409
        assert "This reason is not accepted." in text_of(response)
        assert SAID in text_of(response)
        assert file_by_json(member, lead, dispute_type=reason).json()["code"] == "not_accepted"
        assert not LeadDispute.objects.exists()

    def test_contact_attempts_are_counted_before_and_named(
        self, member: Client, lead: Lead, owner: User
    ) -> None:
        DisputePolicy.objects.filter(dispute_type="invalid_contact").update(least_contact_attempts=2)
        ContactAttempt.objects.create(lead=lead, kind="call", made_by=owner)

        assert "it takes 2 recorded calls or messages, 1 so far." in text_of(page(member, create_url(lead)))
        assert file_by_json(member, lead, dispute_type="invalid_contact").json()["code"] == "attempts"
        ContactAttempt.objects.create(lead=lead, kind="whatsapp", made_by=owner)
        assert "2 contact attempts needed, 2 recorded" in text_of(page(member, create_url(lead)))
        assert file_by_json(member, lead, dispute_type="invalid_contact").status_code == 201

    def test_a_reason_may_need_a_file(self, member: Client, lead: Lead) -> None:
        DisputePolicy.objects.filter(dispute_type="spam").update(evidence_needed=True)

        assert "needs a file" in text_of(page(member, create_url(lead)))
        response = file_by_form(member, lead)
        assert response.status_code == 400
        assert "This reason needs at least one file." in text_of(response)
        assert file_by_json(member, lead).json()["fields"] == {
            "evidence": ["This reason needs at least one file."]
        }
        assert file_by_form(member, lead, evidence=photo()).status_code == 303

    @pytest.mark.parametrize(
        ("make", "code", "words"),
        [
            (lambda clinic: factories.deliver(clinic, 7, hold_for_review=True), "not_charged", "not charged"),
            (lambda clinic: [factories.deliver(clinic, 7) for _ in range(2)][1], "not_charged", "not charged"),
            (lambda clinic: factories.refund(factories.deliver(clinic, 7), 100).lead, "refunded", "come back already"),
            (lambda clinic: factories.dispute(factories.deliver(clinic, 7)).lead, "pending", "disputed already"),
            (lambda clinic: rejected(factories.dispute(factories.deliver(clinic, 7))).lead, "decided", "can appeal"),
        ],
        ids=["held", "free", "refunded", "pending", "decided"],
    )  # fmt: skip
    def test_a_lead_that_cannot_be_disputed_says_why_and_has_no_form(
        self, member: Client, funded_clinic: Clinic, make: Any, code: str, words: str
    ) -> None:
        lead = make(funded_clinic)
        before = LeadDispute.objects.count()

        html = page(member, create_url(lead))

        assert words in text_of(html)
        assert 'name="dispute_type"' not in html
        assert member.get(create_url(lead)).json()["refusal"] == code
        assert file_by_form(member, lead).status_code == 409
        assert file_by_json(member, lead).json()["code"] == code
        assert LeadDispute.objects.count() == before

    def test_a_converted_lead_is_not_disputed(self, member: Client, lead: Lead) -> None:
        send(member, "/clinic/leads/update-status", {"lead_id": lead.pk, "status": "converted"})

        assert file_by_json(member, lead).json()["code"] == "converted"


class TestFiling:
    def test_a_form_files_it_with_its_files_and_leads_to_its_page(
        self, member: Client, lead: Lead, owner: User
    ) -> None:
        files = [photo("one.jpg"), photo("two.pdf", pdf())]

        response = file_by_form(member, lead, evidence=files)

        dispute = LeadDispute.objects.get()
        assert (response.status_code, response["Location"]) == (303, case_url(dispute))
        assert (dispute.lead, dispute.dispute_type, dispute.description) == (lead, "spam", SAID)
        assert (dispute.filed_by, dispute.status) == (owner, "pending")
        assert list(
            Evidence.objects.order_by("position").values_list("position", "original_name", "media_type")
        ) == [
            (1, "evidence-1.jpg", "image/jpeg"),
            (2, "evidence-2.pdf", "application/pdf"),
        ]
        assert "is disputed. We answer within 2 days." in text_of(page(member, case_url(dispute)))

    def test_json_answers_201_with_the_dispute(self, member: Client, lead: Lead) -> None:
        response = file_by_json(member, lead)

        assert response.status_code == 201
        body = response.json()
        assert body["status"] == "success"
        assert {
            name: body["dispute"][name] for name in ("lead_id", "dispute_type", "description", "status")
        } == {
            "lead_id": lead.pk,
            "dispute_type": "spam",
            "description": SAID,
            "status": "pending",
        }

    def test_a_program_sends_files_as_multipart(self, member: Client, lead: Lead) -> None:
        body = {"dispute_type": "spam", "description": SAID, "evidence": [photo(), photo()]}

        response = member.post(create_url(lead), body)

        assert response.status_code == 201
        assert len(response.json()["dispute"]["evidence"]) == 2

    def test_a_duplicate_that_the_books_prove_is_approved_at_once(
        self, member: Client, funded_clinic: Clinic, clock: Clock
    ) -> None:
        factories.deliver(funded_clinic)
        clock.advance(days=20)
        BillingRules.objects.update(repeat_window_days=10)  # so that the second one is charged
        again = factories.deliver(funded_clinic)
        BillingRules.objects.update(repeat_window_days=30)

        response = file_by_form(member, again, dispute_type="duplicate")

        assert response.status_code == 303
        text = text_of(page(member, response["Location"]))
        assert f"Our books show it: 100 credits for lead {again.pk} are back." in text
        assert "100 credits came back. At once and by itself." in text
        assert "Approved: 100 credits are back" in text

    def test_the_log_says_so_without_the_patient(
        self, member: Client, lead: Lead, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")

        file_by_form(member, lead, evidence=photo("Zubeida.jpg"))

        assert f"Dispute created: Lead {lead.pk}, Type spam" in caplog.text
        assert "Zubeida" not in caplog.text


class TestDoubleTaps:
    def test_a_second_tap_files_nothing_and_gets_the_first_answer(self, member: Client, lead: Lead) -> None:
        answers = [file_by_form(member, lead, evidence=photo(), idempotency_key="tap") for _ in range(3)]

        assert {(one.status_code, one["Location"]) for one in answers} == {
            (303, case_url(LeadDispute.objects.get()))
        }
        assert Evidence.objects.count() == 1

    def test_programs_may_send_it_as_a_header(self, member: Client, lead: Lead) -> None:
        body = {"dispute_type": "spam", "description": SAID}
        first, second = (send(member, create_url(lead), body, idempotency_key="k1") for _ in range(2))

        assert [first.status_code, second.status_code] == [201, 201]
        assert first.json() == second.json()

    def test_another_body_or_file_under_the_key_is_a_409(self, member: Client, lead: Lead) -> None:
        file_by_form(member, lead, evidence=photo(), idempotency_key="tap")

        other_text = file_by_form(
            member, lead, evidence=photo(), idempotency_key="tap", description=SAID + " Twice."
        )
        other_file = file_by_form(
            member, lead, evidence=photo(content=picture(size=(9, 9))), idempotency_key="tap"
        )

        assert [other_text.status_code, other_file.status_code] == [409, 409]
        assert "You sent this form before, with other contents" in text_of(other_text)
        response = file_by_json(member, lead, idempotency_key="tap")
        assert (response.status_code, response.json()["code"]) == (409, "idempotency_key_reused")

    def test_a_tap_that_is_overtaken_gets_the_first_answer_too(
        self, lead: Lead, owner: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def tap() -> LeadDispute:
            sent = filing.Sent(lead.clinic, owner, key="tap")
            return filing.file_dispute(sent=sent, lead=lead, dispute_type="spam", description=SAID)

        firsts: list[LeadDispute] = []
        look = cases.refusals

        def overtaken(of: Lead) -> dict[str, str | None]:
            """The first tap ends just before the second one is looked at."""
            monkeypatch.setattr(cases, "refusals", look)
            firsts.append(tap())
            return look(of)

        monkeypatch.setattr(cases, "refusals", overtaken)

        assert [tap()] == firsts
        assert LeadDispute.objects.count() == 1

    def test_a_refused_one_keeps_no_key(self, member: Client, lead: Lead) -> None:
        file_by_form(member, lead, dispute_type="price_only", idempotency_key="tap")

        assert not IdempotencyKey.objects.exists()
        assert file_by_form(member, lead, idempotency_key="tap").status_code == 303

    def test_a_key_is_one_member_s_own_and_one_clinic_s(
        self, client: Client, lead: Lead, owner: User, other_clinic: Clinic
    ) -> None:
        factories.give_credits(other_clinic, 1000)
        Membership.objects.create(user=owner, clinic=other_clinic, role="owner")
        client.force_login(owner)
        client.post("/clinic/switch", {"clinic_id": lead.clinic_id})
        file_by_json(client, lead, idempotency_key="same")
        client.post("/clinic/switch", {"clinic_id": other_clinic.pk})

        response = file_by_json(client, factories.deliver(other_clinic), idempotency_key="same")

        assert response.status_code == 409

    def test_an_answer_and_an_appeal_count_once_too(self, member: Client, lead: Lead) -> None:
        dispute = asked(factories.dispute(lead))
        for _ in range(2):
            answer = {"answer": "We called in the morning.", "idempotency_key": "a"}
            assert member.post(url(dispute, "answer"), answer, headers=HTML).status_code == 303
        rejected(dispute)
        for _ in range(2):
            appeal = {"description": "It was another person who answered.", "idempotency_key": "b"}
            assert member.post(url(dispute, "appeal"), appeal, headers=HTML).status_code == 303

        assert dispute.entries.filter(kind="answered").count() == 1
        assert LeadDispute.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_taps_at_the_same_moment_file_one_dispute_and_keep_one_file(
    funded_clinic: Clinic, owner: User, evidence_folder: Path
) -> None:
    lead = factories.deliver(funded_clinic)
    start = threading.Barrier(4)

    def tap(_: int) -> int:
        start.wait()
        sent = filing.Sent(funded_clinic, owner, [photo()], "one tap")
        try:
            return filing.file_dispute(sent=sent, lead=lead, dispute_type="spam", description=SAID).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(tap, range(4)))

    assert made == {LeadDispute.objects.get().pk}
    name = Evidence.objects.get().stored_name
    assert {path.name for path in evidence_folder.iterdir()} == {name, f"{name}.preview"}


class TestAnswering:
    def test_an_answer_starts_the_time_again_and_may_bring_files(self, member: Client, lead: Lead) -> None:
        dispute = asked(factories.dispute(lead))

        response = member.post(
            url(dispute, "answer"), {"answer": "On three mornings.", "evidence": photo()}, headers=HTML
        )

        dispute.refresh_from_db()
        assert (response.status_code, response["Location"]) == (303, case_url(dispute))
        assert dispute.awaiting_clinic_since is None
        assert dispute.entries.get(kind="answered").text == "On three mornings."
        assert dispute.evidence.count() == 1

    def test_five_files_are_the_most_for_a_dispute_with_all_its_answers(
        self, member: Client, lead: Lead
    ) -> None:
        file_by_form(member, lead, evidence=[photo() for _ in range(4)])
        dispute = LeadDispute.objects.get()

        two = {"answer": "Here are two more.", "evidence": [photo(), photo()]}
        assert member.post(url(dispute, "answer"), two, headers=HTML).status_code == 400
        one = {"answer": "Here is one more.", "evidence": photo()}
        assert member.post(url(dispute, "answer"), one).status_code == 200
        assert sorted(dispute.evidence.values_list("position", flat=True)) == [1, 2, 3, 4, 5]
        assert dispute.entries.filter(kind="answered").count() == 1

    def test_after_a_decision_it_is_a_409(self, member: Client, lead: Lead) -> None:
        dispute = rejected(factories.dispute(lead))

        assert member.post(url(dispute, "answer"), {"answer": SAID}, headers=HTML).status_code == 409
        assert send(member, url(dispute, "answer"), {"answer": SAID}).json()["code"] == "already_decided"


class TestAppealing:
    def test_a_decision_is_appealed_once(self, member: Client, lead: Lead) -> None:
        dispute = rejected(factories.dispute(lead))

        response = member.post(
            url(dispute, "appeal"), {"description": SAID, "evidence": photo()}, headers=HTML
        )

        appeal = LeadDispute.objects.get(appeal_of=dispute)
        assert (response.status_code, response["Location"]) == (303, case_url(appeal))
        assert appeal.evidence.count() == 1
        again = send(member, url(dispute, "appeal"), {"description": SAID})
        assert (again.status_code, again.json()["code"]) == (409, "appealed")
        assert send(member, url(appeal, "appeal"), {"description": SAID}).json()["code"] == "not_decided"

    @pytest.mark.parametrize(("late_by", "status"), [(-60, 201), (0, 409)])
    def test_until_the_end_of_the_seventh_day_in_india(
        self, member: Client, lead: Lead, clock: Clock, late_by: int, status: int
    ) -> None:
        clock.set(ist(2040, 5, 10, 23, 30))
        factories.give_credits(lead.clinic, 1000)
        dispute = rejected(factories.dispute(factories.deliver(lead.clinic, 9)))
        clock.set(ist(2040, 5, 18) + timedelta(seconds=late_by))

        told = member.get(url(dispute, "appeal")).json()["appeal"]
        html = page(member, url(dispute, "appeal"))
        response = send(member, url(dispute, "appeal"), {"description": SAID})

        assert response.status_code == status
        assert told["is_possible"] is (status == 201)
        assert ("<textarea" in html) is (status == 201)
        assert ("until 17 May 2040" in text_of(html)) is True
        if status == 201:
            assert told["until"] == "2040-05-17"
        else:
            assert response.json()["code"] == told["refusal"] == "too_late"

    def test_a_pending_or_cancelled_one_cannot_be(self, member: Client, lead: Lead) -> None:
        dispute = factories.dispute(lead)

        assert "Only a decided dispute can be appealed." in text_of(page(member, url(dispute, "appeal")))
        member.post(url(dispute, "cancel"))
        response = member.post(url(dispute, "appeal"), {"description": SAID}, headers=HTML)
        assert response.status_code == 409


class TestCancelling:
    def test_it_is_taken_back_and_may_be_filed_again(self, member: Client, lead: Lead) -> None:
        dispute = factories.dispute(lead)

        response = member.post(url(dispute, "cancel"), headers=HTML)

        dispute.refresh_from_db()
        assert (response.status_code, dispute.status) == (303, "cancelled")
        assert "It can be filed again while there is time." in text_of(page(member, case_url(dispute)))
        assert file_by_json(member, lead).status_code == 201

    def test_one_tap_cancels_nothing_and_a_cancelled_appeal_is_said_to_be_final(
        self, member: Client, lead: Lead, owner: User
    ) -> None:
        dispute = rejected(factories.dispute(lead))
        appeal = cases.appeal(dispute=dispute, description=SAID, by=owner)

        before = page(member, case_url(appeal))
        member.post(url(appeal, "cancel"))
        after = text_of(page(member, case_url(appeal)))

        form = before.index(f'action="{url(appeal, "cancel")}"')
        assert before.rindex("<details", 0, form) > before.rindex("</details>", 0, form)
        assert (
            '<details class="story no-print">' in before[before.rindex("<details", 0, form) : form]
        )  # closed at first
        assert "a cancelled appeal is final" in text_of(before)
        assert "Cancel the appeal for good" in text_of(before)
        assert "The decision stands: a lead's dispute is appealed once." in after
        assert "filed again" not in text_of(before) + after

    def test_a_decided_one_is_a_409_on_both_surfaces(self, member: Client, lead: Lead) -> None:
        dispute = rejected(factories.dispute(lead))

        response = member.post(url(dispute, "cancel"), headers=HTML)

        assert response.status_code == 409
        assert "was decided meanwhile" in text_of(response)
        assert f'href="{case_url(dispute)}"' in response.content.decode()
        told = member.post(url(dispute, "cancel"))
        assert (told.status_code, told.json()["code"]) == (409, "already_decided")


class TestTheLeadMeanwhile:
    def test_it_is_not_converted_while_it_is_disputed(self, member: Client, lead: Lead) -> None:
        file_by_form(member, lead)
        body = {"lead_id": lead.pk, "status": "converted"}

        told = send(member, "/clinic/leads/update-status", body)
        response = member.post("/clinic/leads/update-status", body, headers=HTML)

        assert (told.status_code, told.json()["code"]) == (409, "lead_in_dispute")
        assert response.status_code == 409
        assert Lead.objects.get(pk=lead.pk).status == "new"

    def test_after_a_full_refund_the_contact_is_hidden_everywhere(self, member: Client, lead: Lead) -> None:
        file_by_form(member, lead)
        assert "Zubeida" in page(member, "/clinic/dashboard")
        staff = factories.UserFactory.create(is_staff=True, password=None)
        cases.approve(
            dispute=LeadDispute.objects.get(),
            amount=Decimal(250),
            reason_code="confirmed",
            notes="Right.",
            by=staff,
        )

        for path in ("/clinic/dashboard", LIST, "/clinic/credits/history", create_url(lead)):
            html = page(member, path)
            assert "Zubeida" not in html
            assert "98765" not in html
        assert "Zubeida" not in member.get(LIST).content.decode()
        assert BillingService.get_clinic_credit_balance(lead.clinic_id) == 1000
        told = send(member, "/clinic/leads/update-status", {"lead_id": lead.pk, "status": "converted"})
        assert (told.status_code, told.json()["code"]) == (409, "lead_fully_refunded")
