"""A patient withdraws: a clinic that could see the contact is told once, and of the lead's number alone (rule 1)."""

import pytest
from django.db import transaction

from clinics.models import Clinic, Notice, User
from credits.services.ledger import BillingService
from leads.models import Lead, LeadContact
from tests.credits.books import account
from tests.factories import deliver, give_credits, refund
from tests.site.back_office import PATIENT, TRACES

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]


def withdraw_twice(lead: Lead) -> list[dict[str, object]]:
    BillingService.withdraw_lead(lead.pk)
    BillingService.withdraw_lead(lead.pk)
    told = Notice.objects.filter(kind="lead_withdrawn", clinic=lead.clinic_id)
    assert not [trace for trace in TRACES if trace in str(told.values())]
    assert LeadContact.objects.get(pk=lead.pk).erased_at is not None
    return list(told.order_by("pk").values_list("data", flat=True))


@pytest.mark.parametrize("hold", ["no_credits", "review"])
def test_a_held_lead_expires_and_the_clinic_that_never_saw_it_is_not_told(clinic: Clinic, hold: str) -> None:
    leads = [
        deliver(clinic, phone, 1000, hold_for_review=hold == "review", **PATIENT) for phone in range(1, 4)
    ]
    assert {lead.held_reason for lead in leads} == {hold}

    assert [withdraw_twice(lead) for lead in leads] == [[]] * 3

    assert set(Lead.objects.values_list("delivery_state", "expired_reason")) == {("expired", "withdrawn")}
    give_credits(clinic, 1000)
    assert account(clinic).balance == 1000


def test_a_charge_already_made_stays_and_the_clinic_is_told_once(funded_clinic: Clinic) -> None:
    charged, free = deliver(funded_clinic, 1, 1000, **PATIENT), deliver(funded_clinic, 1, 1000, **PATIENT)

    assert withdraw_twice(charged) == [{"lead_id": charged.pk, "state": "delivered"}]
    assert withdraw_twice(free)[1:] == [{"lead_id": free.pk, "state": "free"}]

    assert account(funded_clinic).balance == 900


def test_it_is_not_told_of_what_it_never_saw(clinic: Clinic, owner: User) -> None:
    refused, held = deliver(clinic, 1, hold_for_review=True), deliver(clinic, 2)
    BillingService.refuse_lead(refused.pk, by=owner.pk)

    assert [withdraw_twice(lead) for lead in (refused, held)] == [[], []]


def test_it_is_told_also_of_what_it_saw_before_the_refund(funded_clinic: Clinic) -> None:
    """It may have noted the number in a system of its own."""
    lead = deliver(funded_clinic, 1, 1000, **PATIENT)
    refund(lead, 100)

    assert withdraw_twice(lead) == [{"lead_id": lead.pk, "state": "delivered"}]


def test_a_withdrawal_that_is_undone_tells_nobody(funded_clinic: Clinic) -> None:
    lead = deliver(funded_clinic, 1)
    with transaction.atomic():
        BillingService.withdraw_lead(lead.pk)
        transaction.set_rollback(True)

    assert not Notice.objects.filter(kind="lead_withdrawn").exists()
    assert LeadContact.objects.get(pk=lead.pk).erased_at is None
