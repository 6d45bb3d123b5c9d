"""A patient who has waited for a day is told so: once, not why, and with the way to withdraw."""

import re
from collections import Counter
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db.models.functions import Now
from django.test import Client

from billing_site.outbox.mails import send_due_mails
from billing_site.outbox.patients import write_to_waiting_patients
from clinics.models import Clinic, OutgoingMail, User
from credits.services.ledger import BillingService
from leads.models import Lead, LeadContact
from tests.clock import Clock
from tests.concurrency.threads import second_waits_for_first
from tests.factories import ClinicFactory, PackageFactory, deliver, give_credits
from tests.outbox.post import all_words, part, sent

pytestmark = pytest.mark.django_db
ADDRESS = "asha@patient.example"


def tell() -> int:
    call_command("tell_waiting_patients", verbosity=0)
    return send_due_mails()


def waiting(clinic: Clinic, phone: int = 1, email: str = ADDRESS) -> Lead:
    lead = deliver(clinic, phone, email=email)
    assert lead.delivery_state == "held"
    return lead


def test_after_a_day_they_are_told_once_in_both_languages_and_can_withdraw_from_there(
    clinic: Clinic, clock: Clock, client: Client
) -> None:
    package = PackageFactory.create(clinic=clinic, title="Hair transplant")
    lead = deliver(clinic, 1, email=ADDRESS, package_id=package.pk)
    clock.advance(hours=23)
    assert tell() == 0
    clock.advance(hours=2)

    assert [tell(), tell()] == [1, 0]
    clock.advance(days=5)
    assert tell() == 0

    [message] = sent()
    assert message["To"] == ADDRESS
    assert "Hair" not in str(message["Subject"])
    assert "Sunrise" not in str(message["Subject"])
    assert "List-Unsubscribe" not in message
    for body in (part(message, "text/plain"), part(message, "text/html")):
        assert "Sunrise has not answered your enquiry yet" in body
        assert not re.search(
            "credit(?!s)|balance|budget|paid|Hair|Asha|98765", body.replace("Clinic Credits", "")
        )
    assert all(f'<div lang="{code}">' in part(message, "text/html") for code in ("en", "hi"))
    [link] = set(re.findall(r"http\S+(/enquiries/\S+)", part(message, "text/plain")))
    assert client.get(link).status_code == 200
    assert client.post(link).status_code == 303
    lead.refresh_from_db()
    assert (lead.delivery_state, lead.expired_reason) == ("expired", "withdrawn")


def test_what_became_of_the_enquiry_before_the_mail_left_counts(clinic: Clinic, clock: Clock) -> None:
    delivered, withdrawn, _ = (waiting(clinic, phone, f"p{phone}@patient.example") for phone in (1, 2, 3))
    clock.advance(hours=25)
    call_command("tell_waiting_patients", verbosity=0)
    give_credits(clinic, 100)
    BillingService.release_lead(delivered.pk)
    BillingService.withdraw_lead(withdrawn.pk)

    assert send_due_mails() == 1

    assert [one["To"] for one in sent()] == ["p3@patient.example"]
    notes = OutgoingMail.objects.exclude(problem="").values_list("problem", flat=True)
    assert set(notes) == {"Not sent: the enquiry does not wait any more."}


def test_who_is_held_for_whatever_reason_and_gave_an_address_is_told_nobody_else(
    clinic: Clinic, clock: Clock
) -> None:
    waiting(clinic, 1, "funds@patient.example")
    deliver(clinic, 2, hold_for_review=True, email="review@patient.example")
    deliver(clinic, 3)
    BillingService.withdraw_lead(waiting(clinic, 4, "gone@patient.example").pk)
    clock.advance(hours=25)

    tell()

    assert {one["To"] for one in sent()} == {"funds@patient.example", "review@patient.example"}


def test_who_wrote_ten_times_to_one_clinic_gets_one_mail_and_another_clinics_too(
    clinic: Clinic, other_clinic: Clinic, clock: Clock
) -> None:
    for phone in range(10):
        waiting(clinic, phone, ADDRESS if phone % 2 else ADDRESS.upper())
    waiting(other_clinic, 1)
    clock.advance(hours=25)

    tell()

    assert len(sent()) == 2


def test_withdrawing_what_was_told_sends_a_stranger_no_further_mail(clinic: Clinic, clock: Clock) -> None:
    leads = [waiting(clinic, phone) for phone in range(4)]
    waiting(clinic, 4, "asha+clinic@patient.example")  # the same mailbox
    clock.advance(hours=25)

    for lead in leads:
        tell()
        BillingService.withdraw_lead(lead.pk)
    tell()

    assert len(sent()) == 1


def test_one_mailbox_gets_three_a_day_of_all_clinics_and_the_others_the_day_after(
    clinic: Clinic, clock: Clock
) -> None:
    clinics = ClinicFactory.create_batch(5)
    for one in clinics[:2]:
        waiting(one, 1)
    clock.advance(hours=25)
    tell()
    for one in clinics[2:]:
        waiting(one, 1)
    waiting(clinic, 2, "ravi@patient.example")
    clock.advance(hours=25)

    assert [tell(), tell()] == [2, 0]
    OutgoingMail.objects.update(created_at=Now() - timedelta(hours=25))
    assert [tell(), tell()] == [2, 0]

    assert Counter(one["To"] for one in sent()) == {ADDRESS: 5, "ravi@patient.example": 1}


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_send_one_mailbox_no_more_than_one_would(clock: Clock) -> None:
    for one in ClinicFactory.create_batch(5):
        waiting(one)

    def a_day_later() -> int:
        Clock().advance(hours=25)  # of whichever thread it runs in
        return write_to_waiting_patients()

    assert second_waits_for_first(a_day_later, a_day_later) == (3, 0)


def test_a_clinic_that_takes_no_enquiries_any_more_is_said_to(clinic: Clinic, clock: Clock) -> None:
    waiting(clinic)
    Clinic.objects.update(is_active=False)
    clock.advance(hours=25)

    assert tell() == 1

    assert "The clinic takes no enquiries here at the moment." in part(sent()[0], "text/plain")


def test_the_address_is_nowhere_but_in_the_contact_and_the_mail(
    clinic: Clinic,
    owner: User,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: object) -> None:
        raise ValueError(f"can't send to {ADDRESS}")

    waiting(clinic)
    clock.advance(hours=25)
    monkeypatch.setattr("billing_site.outbox.mails.Line.send", refuse)

    assert tell() == 0

    [mail] = OutgoingMail.objects.all()
    assert mail.problem == "ValueError"
    assert ADDRESS not in "".join(map(str, OutgoingMail.objects.values_list()))
    assert ADDRESS not in caplog.text
    assert "ValueError" in caplog.text
    assert LeadContact.objects.get().email == ADDRESS
    monkeypatch.undo()
    OutgoingMail.objects.get().start_over()
    assert send_due_mails() == 1
    assert "Asha" not in all_words(sent()[0]).replace(ADDRESS, "")
