"""Many decide at once: one outcome, at most one refund, never above the cost or one person's limit."""

import os
from collections import Counter
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, Final

import pytest
from django.db import OperationalError

from clinics import requests
from clinics.models import Clinic, StaffRequest, User
from credits.models import CreditTransaction
from credits.services.ledger import (
    BillingService,
    DisputeAlreadyDecided,
    RefundExceedsCost,
    SamePerson,
    SecondPersonNeeded,
)
from disputes.models import LeadDispute
from disputes.services import cases
from leads.models import Lead
from leads.services.status import LeadInDispute, change_status
from tests import factories
from tests.concurrency.books import assert_books_are_right
from tests.concurrency.threads import SIZE, Crowd, second_waits_for_first

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS: Final = 500 if os.environ.get("DISPUTE_RACES") == "full" else 120


def lead_of(clinic: Clinic, phone: int, price: int = 15_000) -> Lead:
    """A charged lead, by default of 250."""
    factories.give_credits(clinic, 500)
    return factories.deliver(clinic, phone, price)


def staff(count: int) -> list[User]:
    """Who may decide and approve alike: what stops them is each other."""
    return [factories.staff_of("resolver", "finance") for _ in range(count)]


def approve(dispute: LeadDispute, by: User, amount: int = 250) -> Any:
    return cases.approve(
        dispute=dispute, amount=Decimal(amount), reason_code="confirmed", notes="We called it too.", by=by
    )


def reject(dispute: LeadDispute, by: User) -> Any:
    return cases.reject(dispute=dispute, reason_code="lead_was_good", notes="They answered us.", by=by)


def refusal_of(call: Any) -> Any:
    """What a caller is told, as an answer: the crowd takes refusals of billing for answers by itself."""
    try:
        return call()
    except (cases.DisputeRefused, LeadInDispute, requests.RequestRefused) as refusal:
        return refusal


def refunds_of(lead: Lead) -> list[Decimal]:
    rows = CreditTransaction.objects.filter(lead=lead, transaction_type="refund")
    return list(rows.values_list("amount", flat=True))


def test_twelve_decide_one_dispute_and_one_of_them_does() -> None:
    clinic, people, random = factories.ClinicFactory.create(), staff(SIZE), Random(1)  # noqa: S311 - dice
    owner = factories.member_of(clinic, "owner", password=None)
    outcomes: Counter[str] = Counter()
    with Crowd() as crowd:
        for number in range(ROUNDS):
            dispute = factories.dispute(lead_of(clinic, number), by=owner)
            # Each round by people of its own, so that the day's limit plays no part.
            if number % 5 == 0:
                people = staff(8)
            deeds = [
                *[partial(approve, dispute, person) for person in people[:4]],
                *[partial(reject, dispute, person) for person in people[4:8]],
                *[partial(cases.cancel, dispute=dispute, by=owner)] * 4,
            ]
            random.shuffle(deeds)

            answers = crowd.at_once(deeds)

            told = Counter(type(answer) for answer in answers)
            assert told == {LeadDispute: 1, DisputeAlreadyDecided: SIZE - 1}, number
            decided = LeadDispute.objects.get(pk=dispute.pk)
            assert refunds_of(dispute.lead) == ([Decimal(250)] if decided.status == "approved" else [])
            outcomes[decided.status] += 1

    assert set(outcomes) == {"approved", "rejected", "cancelled"}  # the race is one
    assert_books_are_right()


def test_partial_refunds_a_full_one_and_an_appeal_never_exceed_the_cost() -> None:
    clinic, random = factories.ClinicFactory.create(), Random(2)  # noqa: S311 - dice
    owner = factories.member_of(clinic, "owner", password=None)
    with Crowd() as crowd:
        for number in range(ROUNDS // 3):
            lead, people = lead_of(clinic, number), staff(11)
            first = factories.dispute(lead, by=owner)
            amounts = [random.randint(1, 249) for _ in people[1:]] + [250]
            file_appeal = partial(
                refusal_of, partial(cases.appeal, dispute=first, description="Not enough", by=owner)
            )
            crowd.at_once(
                [
                    *[
                        partial(approve, first, person, amount)
                        for person, amount in zip(people, amounts, strict=True)
                    ],
                    file_appeal,
                ]
            )
            assert len(refunds_of(lead)) == 1
            if sum(refunds_of(lead)) < 250 and not LeadDispute.objects.filter(appeal_of=first).exists():
                file_appeal()

            for appeal in LeadDispute.objects.filter(appeal_of=first).select_related("lead", "clinic"):
                answers = crowd.at_once(
                    [
                        partial(approve, appeal, person, amount)
                        for person, amount in zip(people, amounts, strict=True)
                    ]
                )
                kinds = {type(answer) for answer in answers}
                assert kinds <= {LeadDispute, DisputeAlreadyDecided, RefundExceedsCost, SamePerson}

            assert sum(refunds_of(lead)) <= 250
            assert len(refunds_of(lead)) == LeadDispute.objects.filter(lead=lead, status="approved").count()
    assert_books_are_right()


def test_one_person_at_twelve_desks_stops_at_the_days_limit() -> None:
    with Crowd() as crowd:
        for _ in range(ROUNDS // 10):
            clinic, [person] = factories.ClinicFactory.create(), staff(1)
            owner = factories.member_of(clinic, "owner", password=None)
            disputes = [
                factories.dispute(lead_of(clinic, number, 60_000), by=owner) for number in range(SIZE)
            ]

            answers = crowd.at_once([partial(approve, dispute, person, 400) for dispute in disputes])

            assert Counter(type(answer) for answer in answers) == {
                LeadDispute: 5,
                SecondPersonNeeded: SIZE - 5,
            }
            refunded = LeadDispute.objects.filter(resolved_by=person, status="approved")
            assert [dispute.refund_amount for dispute in refunded] == [Decimal(400)] * 5
    assert_books_are_right()


def test_two_approvers_of_one_request_and_a_cancel_carry_it_out_at_most_once() -> None:
    clinic = factories.ClinicFactory.create()
    owner = factories.member_of(clinic, "owner", password=None)
    with Crowd() as crowd:
        for number in range(ROUNDS // 3):
            lead, people = lead_of(clinic, number), staff(9)
            dispute = factories.dispute(lead, by=owner)
            request = cases.request_approval(
                dispute=dispute, amount=Decimal(250), reason_code="confirmed", notes="Yes.", by=people[0]
            )

            crowd.at_once(
                [
                    *[
                        partial(refusal_of, partial(requests.approve, request=request, by=person))
                        for person in people
                    ],
                    *[partial(cases.cancel, dispute=dispute, by=owner)] * 3,
                ]
            )

            dispute.refresh_from_db()
            request.refresh_from_db()
            assert (dispute.status, request.state) in {("approved", "approved"), ("cancelled", "void")}
            assert refunds_of(lead) == ([Decimal(250)] if dispute.status == "approved" else [])
    assert StaffRequest.objects.filter(state="pending").count() == 0
    assert_books_are_right()


def test_one_lead_is_disputed_once_however_often_the_button_is_pressed() -> None:
    clinic = factories.ClinicFactory.create()
    owner = factories.member_of(clinic, "owner", password=None)
    with Crowd() as crowd:
        for number in range(ROUNDS // 3):
            lead = lead_of(clinic, number)
            file = partial(refusal_of, partial(factories.dispute, lead, by=owner))
            convert = partial(
                refusal_of, partial(change_status, lead=lead, status=Lead.Status.CONVERTED, by=owner)
            )

            crowd.at_once([*[file] * 8, *[convert] * 4])

            lead.refresh_from_db()
            disputed = LeadDispute.objects.filter(lead=lead).count()
            assert (disputed, lead.status) in {(1, "new"), (0, "converted")}
    assert_books_are_right()


# --- the same, step by step --------------------------------------------------------------------------------


def test_the_second_of_two_decisions_waits_and_is_told() -> None:
    clinic, [one, another] = factories.ClinicFactory.create(), staff(2)
    dispute = factories.dispute(lead_of(clinic, 1))

    _, second = second_waits_for_first(partial(approve, dispute, one), partial(reject, dispute, another))

    assert isinstance(second, DisputeAlreadyDecided)
    assert BillingService.get_clinic_credit_balance(clinic.pk) == 500
    assert_books_are_right()


def test_a_decision_that_is_rolled_back_leaves_the_dispute_to_the_next() -> None:
    clinic, [one, another] = factories.ClinicFactory.create(), staff(2)
    dispute = factories.dispute(lead_of(clinic, 1))

    second_waits_for_first(
        partial(approve, dispute, one), partial(reject, dispute, another), first_is_undone=True
    )

    dispute.refresh_from_db()
    assert (dispute.status, refunds_of(dispute.lead)) == ("rejected", [])


def test_two_approvals_at_the_limit_the_second_sees_the_first() -> None:
    clinic, [person] = factories.ClinicFactory.create(), staff(1)
    disputes = [factories.dispute(lead_of(clinic, number, 60_000)) for number in range(6)]
    for dispute in disputes[:4]:
        approve(dispute, person, 400)

    _, second = second_waits_for_first(
        partial(approve, disputes[4], person, 400), partial(approve, disputes[5], person, 400)
    )

    assert isinstance(second, SecondPersonNeeded)


def test_asking_approving_and_deciding_at_once_never_wait_for_each_other_in_a_circle() -> None:
    """Who decides locks the request, then the dispute; a request that appears in between is not waited for."""
    clinic = factories.ClinicFactory.create()
    owner = factories.member_of(clinic, "owner", password=None)
    with Crowd() as crowd:
        for number in range(ROUNDS // 3):
            dispute, people = factories.dispute(lead_of(clinic, number), by=owner), staff(8)

            answers = crowd.at_once(
                [
                    *[partial(at_once_or_busy, partial(ask_and_approve, dispute, *people[:2]))] * 4,
                    *[partial(at_once_or_busy, partial(reject, dispute, person)) for person in people[2:6]],
                    *[partial(at_once_or_busy, partial(approve, dispute, person)) for person in people[6:]],
                ]
            )

            assert "deadlock" not in " ".join(map(str, answers))
            dispute.refresh_from_db()
            assert dispute.status in {"approved", "rejected"}
            assert len(refunds_of(dispute.lead)) == (dispute.status == "approved")
    assert StaffRequest.objects.filter(state="pending").count() == 0
    assert_books_are_right()


def ask_and_approve(dispute: LeadDispute, one: User, another: User) -> StaffRequest:
    request = cases.request_approval(
        dispute=dispute, amount=Decimal(250), reason_code="confirmed", notes="Yes.", by=one
    )
    return requests.approve(request=request, by=another)


def at_once_or_busy(call: Any) -> Any:
    """A lock that is not waited for is a 503 on a page: an answer, unlike a deadlock."""
    try:
        return refusal_of(call)
    except OperationalError as busy:
        return busy
