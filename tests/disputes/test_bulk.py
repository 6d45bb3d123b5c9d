"""Several disputes at once: each on its own, within one person's limit, and everything that was left is told."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from clinics.models import Clinic, StaffRequest, User
from credits.models import CreditTransaction
from disputes.models import DisputeEntry, LeadDispute
from disputes.services import cases
from leads.models import Lead
from tests import factories
from tests.clock import Clock
from tests.disputes.desk import HTML, QUEUE, TEXT, body_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def rich_clinic(clinic: Clinic) -> Clinic:
    factories.give_credits(clinic, 100_000)
    return clinic


def file(clinic: Clinic, phone: int, kind: str = "invalid_contact", price: int = 15_000) -> LeadDispute:
    return factories.dispute(factories.deliver(clinic, phone, price=price), kind)


def send(client: Client, disputes: list[LeadDispute], query: str = "", **data: Any) -> Any:
    facts = {"action": "approve", "reason_code": "confirmed", "admin_notes": TEXT, **data}
    ticked = {"dispute": [dispute.pk for dispute in disputes]}
    return client.post(f"{QUEUE}/bulk{query}", {**facts, **ticked}, headers=HTML)


def told(response: Any) -> list[str]:
    return [re.sub(r"<[^>]+>", "", str(message)) for message in get_messages(response.wsgi_request)]


def states(disputes: list[LeadDispute]) -> list[str]:
    found = dict(LeadDispute.objects.values_list("pk", "status"))
    return [found[dispute.pk] for dispute in disputes]


def test_suggested_amounts_are_approved_each_with_its_own_refund(
    desk: Client, resolver: User, rich_clinic: Clinic, other_clinic: Clinic
) -> None:
    factories.give_credits(other_clinic, 1000)
    ticked = [file(rich_clinic, 1), file(rich_clinic, 2, "wrong_treatment"), file(other_clinic, 3, "spam")]
    left_alone = file(rich_clinic, 4)

    response = send(desk, ticked, "?reason=spam")

    assert response.status_code == 303
    assert response.headers["Location"] == f"{QUEUE}?reason=spam"
    assert told(response) == ["3 disputes were approved, ₹625.00 came back in all."]
    amounts = (
        LeadDispute.objects.filter(status="approved").order_by("pk").values_list("refund_amount", flat=True)
    )
    assert list(amounts) == [Decimal("250.00"), Decimal("125.00"), Decimal("250.00")]
    assert CreditTransaction.objects.filter(transaction_type="refund").count() == 3
    for dispute in LeadDispute.objects.filter(status="approved"):
        assert (dispute.resolved_by, dispute.reason_code, dispute.admin_notes) == (
            resolver,
            "confirmed",
            TEXT,
        )
    assert states([left_alone]) == ["pending"]


def test_rejecting_gives_nothing_back_and_one_reason_to_all(desk: Client, rich_clinic: Clinic) -> None:
    ticked = [file(rich_clinic, phone) for phone in (1, 2)]

    response = send(desk, ticked, action="reject", reason_code="no_evidence")

    assert told(response) == ["2 disputes were rejected."]
    assert states(ticked) == ["rejected", "rejected"]
    assert not CreditTransaction.objects.filter(transaction_type="refund").exists()


def test_it_stops_at_the_days_limit_for_a_clinic_and_lists_what_was_left(
    desk: Client, rich_clinic: Clinic, other_clinic: Clinic
) -> None:
    """2,000 a day and clinic: four of 500; the fifth and sixth are left, another clinic's is not."""
    factories.give_credits(other_clinic, 1000)
    ticked = [file(rich_clinic, phone, price=200_000) for phone in range(1, 7)]
    elsewhere = file(other_clinic, 9)

    response = send(desk, [*ticked, elsewhere])

    assert states([*ticked, elsewhere]) == ["approved"] * 4 + ["pending"] * 2 + ["approved"]
    good, left = told(response)
    assert good == "5 disputes were approved, ₹2,250.00 came back in all."
    assert left.startswith("Left as it was (above what you may refund to that clinic today")
    assert left.endswith(f": {ticked[4].pk}, {ticked[5].pk}.")
    for dispute in ticked[4:]:
        assert Lead.objects.get(pk=dispute.lead_id).refunded_total == 0
        assert not dispute.entries.exclude(kind=DisputeEntry.Kind.FILED).exists()
    assert not StaffRequest.objects.exists()
    followed = body_of(desk.get(response.headers["Location"]))
    assert f'<a href="/admin/disputes/{ticked[4].pk}">{ticked[4].pk}</a>' in followed


def test_each_that_cannot_be_decided_is_told_with_its_reason(
    desk: Client, resolver: User, rich_clinic: Clinic, staff: User
) -> None:
    by_hand, decided, requested, first, fine = (
        file(rich_clinic, 1, "other"), file(rich_clinic, 2), file(rich_clinic, 3), file(rich_clinic, 4),
        file(rich_clinic, 5),
    )  # fmt: skip
    cases.reject(dispute=decided, reason_code="not_confirmed", notes=TEXT, by=staff)
    cases.request_approval(
        dispute=requested, amount=Decimal(250), reason_code="confirmed", notes=TEXT, by=staff
    )
    cases.approve(dispute=first, amount=Decimal(100), reason_code="confirmed", notes=TEXT, by=resolver)
    appeal = cases.appeal(dispute=first, description="No", by=factories.member_of(rich_clinic, "owner"))

    response = send(desk, [by_hand, decided, requested, appeal, fine])

    messages = told(response)
    assert messages[0] == "1 dispute was approved, ₹250.00 came back in all."
    for dispute, why in (
        (by_hand, "no amount is suggested"), (decided, "decided or cancelled meanwhile"),
        (requested, "a second person has been asked"), (appeal, "an appeal of your own decision"),
    ):  # fmt: skip
        [line] = [message for message in messages if why in message]
        assert line.endswith(f": {dispute.pk}.")
    assert states([by_hand, decided, requested, appeal, fine]) == [
        "pending", "rejected", "pending", "pending", "approved",
    ]  # fmt: skip


def test_an_appeal_against_a_rejection_is_left_to_a_person(
    desk: Client, rich_clinic: Clinic, staff: User
) -> None:
    rejected, in_part = file(rich_clinic, 1, "spam"), file(rich_clinic, 2, "spam")
    cases.reject(dispute=rejected, reason_code="not_confirmed", notes=TEXT, by=staff)
    cases.approve(dispute=in_part, amount=Decimal(100), reason_code="confirmed", notes=TEXT, by=staff)
    appeals = [
        cases.appeal(dispute=one, description="All of it", by=one.filed_by) for one in (rejected, in_part)
    ]

    response = send(desk, appeals)

    assert states(appeals) == ["pending", "approved"]
    assert LeadDispute.objects.get(pk=appeals[1].pk).refund_amount == Decimal(150)
    assert told(response)[1].startswith("Left as it was (no amount is suggested")


def test_a_request_that_ran_out_holds_nothing_up(
    desk: Client, rich_clinic: Clinic, staff: User, clock: Clock
) -> None:
    old, young = file(rich_clinic, 1), file(rich_clinic, 2)
    for dispute, hours in ((old, -73), (young, 2)):
        clock.advance(hours=hours)
        cases.request_approval(
            dispute=dispute, amount=Decimal(250), reason_code="confirmed", notes=TEXT, by=staff
        )
    clock.reset()

    send(desk, [old, young])

    assert states([old, young]) == ["approved", "pending"]
    assert [request.state for request in StaffRequest.objects.order_by("pk")] == ["void", "pending"]


def test_the_same_tick_twice_and_a_repeat_refund_once(desk: Client, rich_clinic: Clinic) -> None:
    dispute = file(rich_clinic, 1)
    send(desk, [dispute, dispute])
    response = send(desk, [dispute])
    assert told(response)[-1].startswith("Left as it was (decided or cancelled meanwhile)")
    assert CreditTransaction.objects.filter(transaction_type="refund").count() == 1


def test_several_are_taken_by_oneself_without_a_reason(
    desk: Client, resolver: User, rich_clinic: Clinic, staff: User
) -> None:
    ticked = [file(rich_clinic, phone) for phone in (1, 2, 3)]
    cases.reject(dispute=ticked[2], reason_code="not_confirmed", notes=TEXT, by=staff)

    response = send(desk, ticked, action="take", reason_code="", admin_notes="")

    assert told(response)[0] == "2 disputes were assigned to you."
    assert set(LeadDispute.objects.filter(assigned_to=resolver)) == set(ticked[:2])


@pytest.mark.parametrize(("wrong", "problem"), [
    ({"reason_code": ""}, "Choose a reason."),
    ({"reason_code": "not_confirmed"}, "This is no reason to approve."),
    ({"reason_code": "automatic_duplicate"}, "Select a valid choice"),
    ({"action": "reject", "reason_code": "goodwill"}, "This is no reason to reject."),
    ({"admin_notes": " "}, "Write what the clinics will read."),
    ({"admin_notes": "Ring 98765 00001"}, "phone numbers out"),
    ({"action": "ask"}, "Select a valid choice"),
    ({"action": ""}, "This field is required"),
    ({"dispute": []}, "Tick at least one dispute."),
    ({"dispute": ["abc"]}, "These are no disputes."),
    ({"dispute": ["9" * 30]}, "These are no disputes."),
    ({"dispute": [str(number) for number in range(1, 102)]}, "At most 100 at once."),
])  # fmt: skip
def test_wrong_fields_decide_nothing_and_keep_what_was_typed(
    wrong: dict[str, Any], problem: str, desk: Client, rich_clinic: Clinic
) -> None:
    dispute = file(rich_clinic, 1)
    facts = {
        "action": "approve",
        "reason_code": "confirmed",
        "admin_notes": TEXT,
        "dispute": [dispute.pk],
        **wrong,
    }

    response = desk.post(f"{QUEUE}/bulk", facts, headers=HTML)

    assert response.status_code == 400
    body = body_of(response)
    assert problem in body
    assert str(facts["admin_notes"]).strip() in body
    if "dispute" not in wrong:
        assert re.search(rf'name="dispute" value="{dispute.pk}"[^>]* checked', body)
    assert states([dispute]) == ["pending"]


def test_disputes_that_do_not_exist_change_nothing(desk: Client, rich_clinic: Clinic) -> None:
    response = desk.post(
        f"{QUEUE}/bulk",
        {"action": "reject", "reason_code": "no_evidence", "admin_notes": TEXT, "dispute": ["999999999"]},
        headers=HTML,
    )
    assert response.status_code == 303
    assert told(response) == ["Left as it was (there is no such dispute): 999999999."]
