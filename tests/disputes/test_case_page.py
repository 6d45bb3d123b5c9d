"""All facts on one page, none of them the patient's; the contact by POST with a reason, logged each time."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clinics.models import Clinic, User
from credits.models import BillingRules
from credits.services.ledger import BillingService
from disputes.models import DisputePolicy, Evidence, LeadDispute
from disputes.services import cases
from leads.models import ContactAttempt, ContactView, LeadStatusChange
from tests import factories
from tests.disputes.desk import HTML, TEXT, at, body_of
from tests.site.back_office import PATIENT, PATIENT_PHONE, TRACES, happenings, signed_in

pytestmark = pytest.mark.django_db
WHY = "To ring the patient myself"


@pytest.fixture
def dispute(funded_clinic: Clinic) -> LeadDispute:
    lead = factories.deliver(funded_clinic, PATIENT_PHONE, price=15_000, **PATIENT)
    return factories.dispute(lead)


def show(client: Client, dispute: LeadDispute, reason: str = WHY) -> Any:
    return client.post(at(dispute, "contact"), {"reason": reason}, headers=HTML)


def leaks(response: Any) -> list[str]:
    return [trace for trace in TRACES if trace in body_of(response)]


class TestFacts:
    def test_what_it_cost_and_from_which_purchase_and_what_came_back(
        self, desk: Client, clinic: Clinic
    ) -> None:
        purchase = factories.paid_top_up(clinic, 1000, 100)
        lead = factories.deliver(clinic, 1, price=15_000, source="google-ads", city="Surat")
        decided = factories.refund(lead, 50)

        page = desk.get(at(decided))

        used = page.context["dossier"].charged_from
        assert [(one.grant.kind, one.grant.purchase, one.amount, one.returned) for one in used] == [
            ("bonus", purchase, Decimal("100.00"), Decimal("20.00")),
            ("paid", purchase, Decimal("150.00"), Decimal("30.00")),
        ]
        body = body_of(page)
        for fact in (
            "What it cost: ₹250.00", "Bonus credits, grant", "Paid credits, grant", f"top-up {purchase.pk} of",
            "Refund of ₹50.00", "google-ads", "from Surat", "₹15,000.00", "250.00 credits",
            "Approved: ₹50.00 came back",
        ):  # fmt: skip
            assert fact in body, fact

    def test_the_clinics_history_and_what_it_tried(
        self, desk: Client, dispute: LeadDispute, owner: User
    ) -> None:
        factories.give_credits(dispute.clinic, 1000)
        factories.refund(factories.deliver(dispute.clinic, 2, price=15_000), 250)
        ContactAttempt.objects.create(lead=dispute.lead, kind="call", outcome="wrong_number", made_by=owner)
        LeadStatusChange.objects.create(
            lead=dispute.lead, from_status="new", to_status="lost", changed_by=owner
        )

        page = desk.get(at(dispute))

        history = page.context["dossier"].history
        assert (history.rate.disputes, history.rate.delivered, history.refunded) == (2, 2, Decimal("250.00"))
        assert history.by_outcome == {"Pending": 1, "Approved": 1, "Rejected": 0, "Cancelled": 0}
        for fact in ("Wrong number", "<b>Lost</b>", "Balance now"):
            assert fact in body_of(page), fact
        assert "Balance now" not in body_of(signed_in("support").get(at(dispute)))

    def test_the_same_number_elsewhere_as_counts_and_states_only(
        self, desk: Client, dispute: LeadDispute, other_clinic: Clinic
    ) -> None:
        again = factories.deliver(dispute.clinic, PATIENT_PHONE, price=15_000, **PATIENT)
        factories.deliver(other_clinic, PATIENT_PHONE, price=15_000, **PATIENT)
        factories.deliver(other_clinic, 5, price=15_000)

        page = desk.get(at(dispute))

        same = page.context["dossier"].same_phone
        assert same.here == [again]
        assert (same.clinics_elsewhere, same.states_elsewhere) == (1, [("Held", 1)])
        assert "At 1 other clinic: 1 held." in body_of(page)
        assert other_clinic.name not in body_of(page)
        assert not leaks(page)

    def test_another_charged_lead_of_the_number_marks_a_repeat_and_the_suggestion_says_so(
        self, desk: Client, clinic: Clinic
    ) -> None:
        factories.give_credits(clinic, 5000)
        first = factories.deliver(clinic, 1, price=15_000)
        BillingRules.objects.update(repeat_window_days=0)
        second = factories.deliver(clinic, 1, price=15_000)
        BillingRules.objects.update(repeat_window_days=30)
        DisputePolicy.objects.update(is_automatic=False)
        dispute = factories.dispute(second, "duplicate")

        page = desk.get(at(dispute))

        assert "another lead of this number is charged within the window" in body_of(page)
        suggestion = page.context["dossier"].suggestion
        assert (suggestion.advice, suggestion.amount) == ("approve", Decimal("250.00"))
        factories.refund(first, 250)
        again = desk.get(at(dispute))
        assert "is charged within the window" not in body_of(again)
        assert f"lead {first.pk}" in body_of(again)
        assert again.context["dossier"].suggestion.advice == "reject"

    def test_an_erased_contact_has_no_number_to_compare(self, desk: Client, dispute: LeadDispute) -> None:
        BillingService.withdraw_lead(dispute.lead_id)
        other = factories.deliver(dispute.clinic, 2, price=15_000)
        BillingService.withdraw_lead(other.pk)
        same = desk.get(at(dispute)).context["dossier"].same_phone
        assert (same.here, same.clinics_elsewhere) == ([], 0)

    def test_evidence_is_linked_and_opened_elsewhere(self, desk: Client, dispute: LeadDispute) -> None:
        file = Evidence.objects.create(
            dispute=dispute, position=1, stored_name=f"{1:032x}.png", original_name="<i>calls.png",
            media_type="image/png", byte_size=2_000, sha256="0" * 64, uploaded_by=dispute.filed_by,
        )  # fmt: skip
        body = body_of(desk.get(at(dispute)))
        assert f'href="{at(dispute)}/evidence/{file.pk}"' in body
        assert "&lt;i&gt;calls.png" in body

    def test_many_happenings_take_as_many_statements_as_few(
        self, desk: Client, dispute: LeadDispute, owner: User, staff: User
    ) -> None:
        happenings(dispute.lead, dispute.filed_by, 1)
        cases.note(dispute=dispute, text="One", by=staff)
        few = statements(desk, at(dispute))
        happenings(dispute.lead, owner, 40)
        for number in range(40):
            cases.note(dispute=dispute, text=f"Note {number}", by=staff)
        factories.give_credits(dispute.clinic, 10_000)
        for phone in range(2, 22):
            factories.refund(factories.deliver(dispute.clinic, phone, price=15_000), 10)
        many = statements(desk, at(dispute))
        assert len(many) == len(few), "\n".join(many)


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
@pytest.mark.parametrize(("answer", "advice"), [("true", "approve"), ("false", "reject")])
def test_a_repeat_is_what_the_function_says_that_decides_by_itself(
    answer: str, advice: str, clinic: Clinic
) -> None:
    """Page, queue and suggestion ask it, and keep no second version of rule 2."""
    factories.give_credits(clinic, 5000)
    DisputePolicy.objects.update(is_automatic=False)
    dispute = factories.dispute(factories.deliver(clinic, 1, price=15_000), "duplicate")
    if answer == "false":
        BillingRules.objects.update(repeat_window_days=0)
        factories.deliver(clinic, 1, price=15_000)
        BillingRules.objects.update(repeat_window_days=30)
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION lead_repeats_a_charged_one(l leads) RETURNS boolean"
            f" LANGUAGE sql STABLE AS $$ SELECT {answer} $$"
        )
    connections["owner"].close()
    client = signed_in("resolver")

    page, queue = client.get(at(dispute)), client.get("/admin/disputes")

    assert page.context["dossier"].suggestion.advice == advice
    assert queue.context["rows"][0].suggestion.advice == advice
    assert ("is charged within the window" in body_of(page)) is (answer == "true")


def statements(client: Client, address: str) -> list[str]:
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return [row["sql"] for row in captured.captured_queries]


class TestContact:
    def test_no_page_shows_it_unasked(self, desk: Client, dispute: LeadDispute) -> None:
        for address in (at(dispute), "/admin/disputes", f"/admin/disputes?q=lead+{dispute.lead_id}"):
            assert not leaks(desk.get(address)), address
        assert not ContactView.objects.exists()

    def test_with_a_reason_it_stands_in_that_answer_alone_and_is_logged(
        self, desk: Client, resolver: User, dispute: LeadDispute
    ) -> None:
        shown = show(desk, dispute)

        assert shown.status_code == 200
        assert "Zubeida Qureshi" in body_of(shown)
        assert "+919876500000" in body_of(shown)
        assert "no-store" in shown.headers["Cache-Control"]
        [view] = ContactView.objects.all()
        assert (view.lead_id, view.viewer, view.reason) == (dispute.lead_id, resolver, WHY)
        assert not leaks(desk.get(at(dispute)))
        stored = str([session.get_decoded() for session in Session.objects.all()])
        assert not [trace for trace in TRACES if trace in stored]

    def test_each_look_is_logged_also_on_the_same_day(self, desk: Client, dispute: LeadDispute) -> None:
        for _ in range(3):
            show(desk, dispute)
        assert ContactView.objects.filter(reason=WHY).count() == 3

    @pytest.mark.parametrize("reason", ["", "   ", "too short", " " * 9 + "x", "x" * 201, "Look\x00 at it, please",
                                        "Ring 98765 00001 back"])  # fmt: skip
    def test_without_a_proper_reason_it_is_refused_and_nothing_is_logged(
        self, reason: str, desk: Client, dispute: LeadDispute
    ) -> None:
        response = show(desk, dispute, reason)
        assert response.status_code == 400
        assert not [trace for trace in TRACES if trace in body_of(response).replace(reason, "")]
        assert not ContactView.objects.exists()

    def test_a_reason_of_exactly_the_limits_is_taken(self, desk: Client, dispute: LeadDispute) -> None:
        assert show(desk, dispute, "x" * 10).status_code == 200
        assert show(desk, dispute, "x" * 200).status_code == 200

    def test_an_erased_one_is_never_shown(self, desk: Client, dispute: LeadDispute) -> None:
        BillingService.withdraw_lead(dispute.lead_id)
        response = show(desk, dispute)
        assert response.status_code == 409
        assert "masked for everybody" in body_of(response)
        assert not ContactView.objects.exists()

    def test_one_of_a_fully_refunded_lead_is_masked_for_staff_too(
        self, desk: Client, dispute: LeadDispute, staff: User
    ) -> None:
        cases.approve(dispute=dispute, amount=Decimal(250), reason_code="confirmed", notes=TEXT, by=staff)
        response = show(desk, dispute)
        assert response.status_code == 409
        assert not leaks(response)
        assert not ContactView.objects.exists()

    def test_a_decided_one_that_was_not_refunded_may_be_looked_at(
        self, desk: Client, dispute: LeadDispute, staff: User
    ) -> None:
        cases.reject(dispute=dispute, reason_code="not_confirmed", notes=TEXT, by=staff)
        assert "Zubeida Qureshi" in body_of(show(desk, dispute))

    @pytest.mark.parametrize("who", ["support", "finance", "auditor", "user admin", "nobody"])
    def test_others_of_the_staff_may_not(self, who: str, dispute: LeadDispute) -> None:
        client = signed_in(who)
        response = show(client, dispute)
        assert response.status_code == 403
        assert not leaks(response)
        assert not ContactView.objects.exists()
        if who not in ("user admin", "nobody"):
            assert 'name="reason"' not in body_of(client.get(at(dispute)))

    def test_what_a_patient_wrote_stays_text(self, desk: Client, funded_clinic: Clinic) -> None:
        lead = factories.deliver(funded_clinic, 1, price=15_000, name="<b>Asha", message="<script>1</script>")
        body = body_of(show(desk, factories.dispute(lead)))
        assert "&lt;b&gt;Asha" in body
        assert "<script>1" not in body
