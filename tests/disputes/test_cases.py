"""The life of a dispute: what may happen in which state, to whom, and until when."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from clinics import requests
from clinics.models import Clinic, Membership, Notice, StaffRequest, User
from credits.models import BillingRules, CreditTransaction
from credits.services.ledger import (
    BillingError,
    DisputeAlreadyDecided,
    InvalidAmount,
    LeadNotFound,
    RefundExceedsCost,
    SamePerson,
    SecondPersonNeeded,
)
from disputes.models import DisputePolicy, DisputeType, LeadDispute
from disputes.services import cases
from leads.models import Lead
from leads.services.status import LeadInDispute, change_status
from tests import factories
from tests.clock import Clock
from tests.credits.books import balance, open_grants, trace

pytestmark = pytest.mark.django_db
IST = ZoneInfo("Asia/Kolkata")
ACCEPTED = {
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
    return factories.deliver(funded_clinic, price=15_000)


@pytest.fixture
def resolver(db: None) -> User:
    """May decide, and approve as a second person too: what stops them is who they are."""
    return factories.staff_of("resolver", "finance")


def approve(dispute: LeadDispute, by: User, amount: float | str = 250) -> LeadDispute:
    return cases.approve(
        dispute=dispute, amount=Decimal(amount), reason_code="confirmed", notes="We called it too.", by=by
    )


def reject(dispute: LeadDispute, by: User) -> LeadDispute:
    return cases.reject(dispute=dispute, reason_code="lead_was_good", notes="They answered us.", by=by)


# --- filing -------------------------------------------------------------------------------------------


def test_a_filed_dispute_waits_for_48_hours_and_moves_nothing(lead: Lead, owner: User, clock: Clock) -> None:
    before = trace(lead.clinic)

    dispute = factories.dispute(lead, by=owner)

    assert (dispute.status, dispute.filed_by, dispute.clinic) == ("pending", owner, lead.clinic)
    assert dispute.due_at - dispute.created_at == timedelta(hours=48)
    assert [entry.kind for entry in dispute.entries.all()] == ["filed"]
    assert trace(lead.clinic) == before


@pytest.mark.parametrize("reason", ["not_interested", "price_only"])
def test_a_reason_that_is_not_accepted_is_refused(lead: Lead, reason: str) -> None:
    assert cases.refusals(lead)[reason] == "not_accepted"
    with pytest.raises(cases.DisputeRefused, match="not_accepted"):
        factories.dispute(lead, reason)
    assert not LeadDispute.objects.exists()


@pytest.mark.parametrize(("reason", "days"), ACCEPTED.items())
def test_a_window_ends_with_its_last_day_in_india(lead: Lead, clock: Clock, reason: str, days: int) -> None:
    assert lead.delivered_at is not None
    last_day = lead.delivered_at.astimezone(IST).date() + timedelta(days=days)
    midnight = datetime.combine(last_day + timedelta(days=1), datetime.min.time(), IST)

    clock.set(midnight - timedelta(seconds=5))
    assert cases.refusals(lead)[reason] is None
    clock.set(midnight)
    assert cases.refusals(lead)[reason] == "too_late"
    with pytest.raises(cases.DisputeRefused, match="too_late"):
        factories.dispute(lead, reason)
    clock.set(midnight - timedelta(seconds=5))
    assert factories.dispute(lead, reason).dispute_type == reason


def test_the_day_of_delivery_is_the_one_in_india_not_in_london(funded_clinic: Clinic, clock: Clock) -> None:
    """00:30 in India is still the day before in UTC: seven days are counted from India's."""
    night = datetime.now(IST).replace(hour=0, minute=30, second=0, microsecond=0) + timedelta(days=3)
    clock.set(night)
    lead = factories.deliver(funded_clinic)

    clock.set(night + timedelta(days=7, hours=23, minutes=29))
    assert cases.refusals(lead)["spam"] is None
    clock.set(night + timedelta(days=7, hours=23, minutes=31))
    assert cases.refusals(lead)["spam"] == "too_late"


def test_only_charged_leads_are_disputed(funded_clinic: Clinic, other_clinic: Clinic) -> None:
    charged = factories.deliver(funded_clinic, 1)
    free, held = factories.deliver(funded_clinic, 1), factories.deliver(other_clinic, 1)

    for lead in (free, held):
        assert set(cases.refusals(lead).values()) == {"not_charged"}
        with pytest.raises(cases.DisputeRefused, match="not_charged"):
            factories.dispute(lead)
    with pytest.raises(LeadNotFound):
        cases.file_dispute(
            clinic=other_clinic,
            lead=charged,
            dispute_type="spam",
            description="Not ours",
            by=factories.member_of(other_clinic, "owner"),
        )
    assert not LeadDispute.objects.exists()


def test_contact_attempts_that_the_policy_asks_for_must_be_there(lead: Lead, owner: User) -> None:
    DisputePolicy.objects.filter(dispute_type="invalid_contact").update(least_contact_attempts=2)
    lead.contact_attempts.create(kind="call", made_by=owner)

    assert cases.refusals(lead)["invalid_contact"] == "attempts"
    lead.contact_attempts.create(kind="whatsapp", made_by=owner)
    assert cases.refusals(lead)["invalid_contact"] is None


def test_a_lead_in_dispute_is_not_set_to_converted_and_a_converted_one_not_disputed(
    lead: Lead, owner: User
) -> None:
    dispute = factories.dispute(lead, by=owner)
    with pytest.raises(LeadInDispute):
        change_status(lead=lead, status=Lead.Status.CONVERTED, by=owner)
    change_status(lead=lead, status=Lead.Status.LOST, by=owner)

    cases.cancel(dispute=dispute, by=owner)
    change_status(lead=lead, status=Lead.Status.CONVERTED, by=owner)

    assert set(cases.refusals(lead).values()) == {"converted"}
    with pytest.raises(cases.DisputeRefused, match="converted"):
        factories.dispute(lead, by=owner)


# --- duplicates that the books prove -----------------------------------------------------------------------


@pytest.fixture
def twins(funded_clinic: Clinic, clock: Clock) -> tuple[Lead, Lead]:
    """Two charged leads of one phone, 20 days apart: the window was shorter when the second came."""
    first = factories.deliver(funded_clinic)
    clock.advance(days=20)
    BillingRules.objects.update(repeat_window_days=10)
    second = factories.deliver(funded_clinic)
    BillingRules.objects.update(repeat_window_days=30)
    assert {first.delivery_state, second.delivery_state} == {"delivered"}
    return first, second


def test_a_duplicate_the_books_prove_is_approved_by_itself(twins: tuple[Lead, Lead]) -> None:
    first, second = twins

    dispute = factories.dispute(second, "duplicate")

    assert (dispute.status, dispute.is_automatic, dispute.resolved_by) == ("approved", True, None)
    assert (dispute.refund_amount, balance(second.clinic)) == (Decimal(100), "900.00")
    assert [entry.kind for entry in dispute.entries.order_by("pk")] == ["filed", "approved"]
    # The other one is no repeat of a charged lead any more: the patient was not for free.
    assert factories.dispute(first, "duplicate").status == "pending"


def test_a_duplicate_that_is_none_waits_for_a_person(lead: Lead) -> None:
    assert factories.dispute(lead, "duplicate").status == "pending"


def test_what_the_policy_leaves_to_people_is_not_approved_by_itself(twins: tuple[Lead, Lead]) -> None:
    DisputePolicy.objects.filter(dispute_type="duplicate").update(is_automatic=False)

    assert factories.dispute(twins[1], "duplicate").status == "pending"


# --- deciding ----------------------------------------------------------------------------------------------


def test_an_approval_gives_back_the_grants_it_came_from_and_tells_the_clinic(
    clinic: Clinic, resolver: User
) -> None:
    factories.paid_top_up(clinic, 1000, bonus=100)
    lead = factories.deliver(clinic, price=15_000)  # 100 bonus and 150 paid
    dispute = factories.dispute(lead)

    decided = approve(dispute, resolver, "125.00")

    assert (decided.status, decided.refund_amount, decided.resolved_by) == (
        "approved",
        Decimal(125),
        resolver,
    )
    refund = decided.refund_transaction
    assert refund is not None
    assert (refund.transaction_type, refund.amount, refund.lead_id) == ("refund", Decimal(125), lead.pk)
    assert open_grants(clinic) == [("paid", "850.00"), ("bonus", "50.00"), ("paid", "75.00")]
    notice = Notice.objects.get(kind="dispute_decided")
    assert notice.data == {"dispute_id": dispute.pk, "lead_id": lead.pk, "status": "approved"}


def test_a_full_refund_hides_the_patient_again(lead: Lead, resolver: User) -> None:
    assert lead.contact_is_visible
    approve(factories.dispute(lead), resolver, 250)

    lead.refresh_from_db()
    assert not lead.contact_is_visible


@pytest.mark.parametrize("amount", ["0", "-1", "250.01", "0.001", "NaN", "1e12"])
def test_an_impossible_amount_is_refused_and_the_dispute_stays_pending(
    lead: Lead, resolver: User, amount: str
) -> None:
    dispute, before = factories.dispute(lead), trace(lead.clinic)

    with pytest.raises((InvalidAmount, RefundExceedsCost, SecondPersonNeeded)):
        approve(dispute, resolver, amount)

    dispute.refresh_from_db()
    assert dispute.status == "pending"
    assert trace(lead.clinic) == before


def test_who_filed_a_dispute_does_not_decide_it(lead: Lead, owner: User) -> None:
    dispute = factories.dispute(lead, by=owner)

    for decide in (approve, reject):
        with pytest.raises(SamePerson):
            decide(dispute, owner)


def test_asking_the_clinic_stops_the_clock_and_its_answer_starts_it(
    lead: Lead, resolver: User, clock: Clock
) -> None:
    dispute = factories.dispute(lead)
    clock.advance(hours=40)
    asked = cases.ask_clinic(dispute=dispute, text="Which number did you call?", by=resolver)
    clock.advance(days=5)

    answered = cases.answer(dispute=asked, text="The one you gave us.", by=asked.filed_by)

    assert answered.awaiting_clinic_since is None
    left = answered.time_left(clock.now())
    assert timedelta(hours=7, minutes=59) < left <= timedelta(hours=8, minutes=1)
    assert [entry.kind for entry in answered.entries.order_by("pk")] == ["filed", "asked", "answered"]


# --- one person's limit ------------------------------------------------------------------------------------


def disputes_of(clinic: Clinic, count: int) -> list[LeadDispute]:
    """Disputed leads of 400 each."""
    factories.give_credits(clinic, 400 * count)
    return [factories.dispute(factories.deliver(clinic, 100 + number, 60_000)) for number in range(count)]


def test_above_2000_a_day_and_clinic_it_takes_a_second_person(
    clinic: Clinic, other_clinic: Clinic, resolver: User, clock: Clock
) -> None:
    clock.set(datetime.now(IST).replace(hour=12) + timedelta(days=1))
    *five, sixth = disputes_of(clinic, 6)
    for dispute in five:
        approve(dispute, resolver, 400)

    with pytest.raises(SecondPersonNeeded):
        approve(sixth, resolver, "0.01")
    approve(disputes_of(other_clinic, 1)[0], resolver, 400)  # each clinic has a limit of its own

    request = cases.request_approval(
        dispute=sixth, amount=Decimal(400), reason_code="confirmed", notes="Yes.", by=resolver
    )
    sixth.refresh_from_db()
    assert sixth.status == "pending"
    with pytest.raises(requests.RequestBySamePerson):
        requests.approve(request=request, by=resolver)
    finance = factories.staff_of("finance")
    requests.approve(request=request, by=finance)

    sixth.refresh_from_db()
    assert (sixth.status, sixth.resolved_by, sixth.approved_by) == ("approved", resolver, finance)


def test_the_limit_begins_anew_at_midnight_in_india(clinic: Clinic, resolver: User, clock: Clock) -> None:
    evening = datetime.now(IST).replace(hour=23, minute=50, second=0) + timedelta(days=1)
    clock.set(evening)
    *five, sixth = disputes_of(clinic, 6)
    for dispute in five:
        approve(dispute, resolver, 400)
    with pytest.raises(SecondPersonNeeded):
        approve(sixth, resolver, 400)

    clock.set(evening + timedelta(minutes=11))

    assert approve(sixth, resolver, 400).status == "approved"


def test_what_the_books_approved_counts_for_nobody(twins: tuple[Lead, Lead], resolver: User) -> None:
    BillingRules.objects.update(staff_refund_limit=100)
    factories.dispute(twins[1], "duplicate")

    assert approve(factories.dispute(twins[0], "technical_error"), resolver, 100).status == "approved"


def test_a_decision_voids_the_request_about_it(lead: Lead, owner: User, resolver: User) -> None:
    dispute = factories.dispute(lead, by=owner)
    request = cases.request_approval(
        dispute=dispute, amount=Decimal(250), reason_code="confirmed", notes="Yes.", by=resolver
    )

    cases.cancel(dispute=dispute, by=owner)

    request.refresh_from_db()
    assert request.state == "void"
    with pytest.raises(requests.RequestNotPending):
        requests.approve(request=request, by=factories.staff_of("finance"))
    with pytest.raises(DisputeAlreadyDecided):
        cases.request_approval(
            dispute=dispute, amount=Decimal(1), reason_code="confirmed", notes="Yes.", by=resolver
        )
    assert StaffRequest.objects.count() == 1


# --- appeals -----------------------------------------------------------------------------------------------


def test_an_appeal_is_for_the_rest_and_for_another_person(lead: Lead, owner: User, resolver: User) -> None:
    first = approve(factories.dispute(lead, by=owner), resolver, 100)

    appeal = cases.appeal(dispute=first, description="All of it was wrong", by=owner)

    assert (appeal.appeal_of, appeal.dispute_type, appeal.lead_id) == (first, first.dispute_type, lead.pk)
    for decide in (approve, reject):
        with pytest.raises(SamePerson):
            decide(appeal, resolver)
    another = factories.UserFactory.create(is_staff=True, password=None)
    with pytest.raises(RefundExceedsCost):
        approve(appeal, another, "150.01")
    assert approve(appeal, another, 150).status == "approved"
    assert cases.appeal_refusal(appeal) == "is_an_appeal"
    assert cases.appeal_refusal(first) == "appealed"


def test_an_appeal_is_not_carried_past_its_person_by_a_request(
    lead: Lead, owner: User, resolver: User
) -> None:
    first = reject(factories.dispute(lead, by=owner), resolver)
    appeal = cases.appeal(dispute=first, description="Look again", by=owner)
    another = factories.staff_of("resolver")
    request = cases.request_approval(
        dispute=appeal, amount=Decimal(250), reason_code="confirmed", notes="Yes.", by=another
    )

    with pytest.raises(requests.RequestBySamePerson):
        requests.approve(request=request, by=resolver)


def test_an_appeal_has_seven_days_to_the_end_of_the_last_in_india(
    lead: Lead, owner: User, resolver: User, clock: Clock
) -> None:
    decided = reject(factories.dispute(lead, by=owner), resolver)
    assert decided.resolved_at is not None
    last_day = decided.resolved_at.astimezone(IST).date() + timedelta(days=7)
    midnight = datetime.combine(last_day + timedelta(days=1), datetime.min.time(), IST)

    clock.set(midnight)
    assert cases.appeal_refusal(decided) == "too_late"
    with pytest.raises(cases.DisputeRefused, match="too_late"):
        cases.appeal(dispute=decided, description="Look again", by=owner)
    clock.set(midnight - timedelta(seconds=5))
    assert cases.appeal(dispute=decided, description="Look again", by=owner).status == "pending"


def test_after_a_cancel_it_may_be_filed_again_and_after_a_decision_not(
    lead: Lead, owner: User, resolver: User
) -> None:
    first = cases.cancel(dispute=factories.dispute(lead, by=owner), by=owner)
    assert cases.appeal_refusal(first) == "not_decided"
    second = factories.dispute(lead, by=owner)
    with pytest.raises(cases.DisputeRefused, match="pending"):
        factories.dispute(lead, by=owner)

    reject(second, resolver)

    with pytest.raises(cases.DisputeRefused, match="decided"):
        factories.dispute(lead, by=owner)


# --- every illegal change of state ------------------------------------------------------------------------------

STATES: dict[str, Callable[[LeadDispute, User], Any]] = {
    "approved": approve,
    "rejected": reject,
    "cancelled": lambda dispute, _: cases.cancel(dispute=dispute, by=dispute.filed_by),
}
DEEDS: dict[str, Callable[[LeadDispute, User], Any]] = {
    "approve": approve,
    "reject": reject,
    "cancel": lambda dispute, _: cases.cancel(dispute=dispute, by=dispute.filed_by),
    "ask": lambda dispute, by: cases.ask_clinic(dispute=dispute, text="Which number?", by=by),
    "answer": lambda dispute, _: cases.answer(dispute=dispute, text="This one.", by=dispute.filed_by),
    "assign": lambda dispute, by: cases.assign(dispute=dispute, to=by),
    "ask a second person": lambda dispute, by: cases.request_approval(
        dispute=dispute, amount=Decimal(1), reason_code="confirmed", notes="Yes.", by=by
    ),
}


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("state", STATES)
def test_what_is_decided_stays_so(lead: Lead, resolver: User, state: str, deed: str) -> None:
    dispute = factories.dispute(lead)
    STATES[state](dispute, resolver)
    dispute.refresh_from_db()
    books, rows = trace(lead.clinic), LeadDispute.objects.values().get()
    entries = dispute.entries.count()

    with pytest.raises(BillingError):
        DEEDS[deed](dispute, factories.UserFactory.create(is_staff=True))

    assert LeadDispute.objects.values().get() == rows
    assert (trace(lead.clinic), dispute.entries.count()) == (books, entries)


HALF_DECISIONS = (
    "status = 'approved', resolved_at = now(), resolved_by_id = {staff}, reason_code = 'x', admin_notes = 'x'",
    "status = 'approved', resolved_at = now(), refund_amount = 5",
    "status = 'rejected', resolved_at = now()",
    "status = 'rejected', resolved_at = now(), resolved_by_id = filed_by_id, reason_code = 'x', admin_notes = 'x'",
    "status = 'cancelled'",
    "status = 'gone', resolved_at = now(), resolved_by_id = {staff}",
    "resolved_at = now()",
    "refund_amount = 5",
    "lead_id = lead_id",
    "clinic_id = clinic_id",
    "description = 'other'",
    "filed_by_id = {staff}",
    "created_at = now()",
)


def test_the_database_itself_refuses_half_a_decision(lead: Lead, resolver: User, superuser: Any) -> None:
    """As a superuser with psql: triggers and constraints hold for everybody."""
    factories.dispute(lead)
    before = LeadDispute.objects.values().get()

    for change in HALF_DECISIONS:
        with pytest.raises(psycopg.Error, match=r"violates check|never change"):
            superuser.execute(f"UPDATE lead_disputes SET {change.format(staff=resolver.pk)}")
    assert LeadDispute.objects.values().get() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE lead_disputes SET status = 'cancelled', resolved_at = now()",
        "INSERT INTO lead_disputes DEFAULT VALUES",
        "DELETE FROM lead_disputes",
        "UPDATE dispute_entries SET text = ''",
        "DELETE FROM dispute_evidence",
        "SELECT dispute_approve(d, 1, NULL, NULL, 'x', 'x') FROM lead_disputes d",
        "SELECT carry_out_dispute_refund(r) FROM staff_requests r",
        "SELECT void_request('x')",
        "UPDATE staff_requests SET state = 'approved'",
    ],
)
def test_the_webs_role_goes_through_the_functions(lead: Lead, statement: str) -> None:
    factories.dispute(lead)

    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        connection.cursor().execute(statement)


def test_a_second_original_and_another_clinics_lead_are_refused_by_constraints(
    lead: Lead, other_clinic: Clinic, superuser: Any
) -> None:
    dispute = factories.dispute(lead)
    copy = (
        "INSERT INTO lead_disputes (lead_id, clinic_id, dispute_type, description, filed_by_id, created_at, due_at)"
        " SELECT lead_id, {clinic}, dispute_type, description, filed_by_id, created_at, due_at FROM lead_disputes"
    )

    with pytest.raises(psycopg.Error, match="duplicate key"):
        superuser.execute(copy.format(clinic="clinic_id"))
    with pytest.raises(psycopg.Error, match="was not charged for lead"):
        superuser.execute(copy.format(clinic=other_clinic.pk))
    assert LeadDispute.objects.get() == dispute


def test_reasons_and_states_are_those_of_the_policy() -> None:
    assert set(DisputePolicy.objects.values_list("dispute_type", flat=True)) == set(DisputeType.values)
    with pytest.raises(IntegrityError), transaction.atomic():
        DisputePolicy.objects.filter(dispute_type="spam").update(suggested_percent=101)
    with pytest.raises(IntegrityError), transaction.atomic():
        DisputePolicy.objects.filter(dispute_type="spam").update(is_automatic=True)
    assert not CreditTransaction.objects.exists()


def test_staff_decide_nothing_for_a_clinic_of_their_own(lead: Lead, resolver: User) -> None:
    """Also when a colleague filed it, also as the second person, also when they have left."""
    membership = Membership.objects.create(user=resolver, clinic=lead.clinic, role="billing")
    dispute = factories.dispute(lead)
    request = cases.request_approval(
        dispute=dispute,
        amount=Decimal(250),
        reason_code="confirmed",
        notes="Yes.",
        by=factories.staff_of("resolver"),
    )

    for is_active in (True, False):
        Membership.objects.filter(pk=membership.pk).update(is_active=is_active)
        for decide in (approve, reject):
            with pytest.raises(SamePerson):
                decide(dispute, resolver)
        with pytest.raises(requests.RequestBySamePerson):
            requests.approve(request=request, by=resolver)


def test_a_request_says_the_dispute_it_is_about(lead: Lead, resolver: User) -> None:
    """Else two could wait for one dispute."""
    dispute = factories.dispute(lead)
    request = requests.ask(
        kind=StaffRequest.Kind.DISPUTE_REFUND,
        object_key="dispute:0",
        details={"dispute_id": dispute.pk, "amount": "250.00", "reason_code": "confirmed", "notes": "Yes."},
        shown=[("Dispute", "", "0")],
        reason_code=StaffRequest.Reason.ABOVE_LIMIT,
        reason="Yes.",
        by=resolver,
        clinic=lead.clinic,
    )

    with pytest.raises(requests.RequestRefused, match="another dispute"):
        requests.approve(request=request, by=factories.staff_of("finance"))
    dispute.refresh_from_db()
    assert dispute.status == "pending"


def test_the_clinic_is_told_of_each_question_once(lead: Lead, resolver: User) -> None:
    dispute = factories.dispute(lead)
    for text in ("Which number?", "On which day?"):
        cases.ask_clinic(dispute=dispute, text=text, by=resolver)

    told = Notice.objects.filter(kind="dispute_asked")
    assert [notice.data for notice in told] == [{"dispute_id": dispute.pk, "lead_id": lead.pk}] * 2
