"""The daily summary: one a day for who wants it and has something to read, with the figures of their clinic alone."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from pytest_django import DjangoAssertNumQueries

from billing_site.outbox.digests import write_digests
from billing_site.outbox.mails import send_due_mails
from clinics.models import AlertPreference, Clinic, Notice, OutgoingMail, User
from disputes.services import cases
from tests import factories
from tests.clock import Clock
from tests.factories import deliver, give_credits, member_of
from tests.outbox.post import part, sent

pytestmark = pytest.mark.django_db
INDIA = ZoneInfo("Asia/Kolkata")


@pytest.fixture(autouse=True)
def yesterday(clock: Clock) -> Clock:
    """A quarter of an hour before midnight in India: what happens now is yesterday's in half an hour."""
    clock.set(datetime(2030, 1, 30, 23, 45, tzinfo=INDIA))
    return clock


def next_morning(clock: Clock) -> None:
    Notice.objects.update(sent_at=datetime(2030, 1, 30, tzinfo=INDIA))  # their mails are not looked at here
    clock.set(datetime(2030, 1, 31, 0, 15, tzinfo=INDIA))


def test_it_says_what_happened_and_what_waits(clinic: Clinic, owner: User, clock: Clock) -> None:
    give_credits(clinic, 1000)
    lead = deliver(clinic, 1, price=7000)
    deliver(clinic, 1)
    deliver(clinic, 2, hold_for_review=True)
    second = deliver(clinic, 3)
    factories.refund(lead, 50)
    case = factories.dispute(second, by=owner)
    cases.ask_clinic(dispute=case, text="Which number?", by=factories.UserFactory.create(is_staff=True))
    next_morning(clock)
    deliver(clinic, 4)  # today's: not told yet, but on the balance

    call_command("daily_digest")
    assert send_due_mails() == OutgoingMail.objects.count()

    [message] = [one for one in sent() if one["To"] == owner.email]
    assert message["Subject"].strip() == "Yesterday at Sunrise: 4 leads"
    text = part(message, "text/plain")
    for line in (
        "Your day: 30 Jan 2030", "Leads delivered – 2", "Free leads: repeats of one you paid for – 1",
        "Leads held: kept for you, nothing charged – 1", "Spent – ₹280", "Came back for disputed leads – ₹50",
        "Balance now – ₹670", "- 4 leads that nobody has opened: ",
        "- 1 question about a dispute waits for your answer: ",
    ):  # fmt: skip
        assert line in text
        assert re.split(" – |:", line.lstrip("- "))[0] in re.sub("<[^>]+>", "", part(message, "text/html"))


def test_it_is_written_once_a_day_however_often_asked(clinic: Clinic, owner: User, clock: Clock) -> None:
    give_credits(clinic, 1000)
    deliver(clinic, 1)
    next_morning(clock)

    assert [write_digests(), write_digests(), send_due_mails(), write_digests()] == [1, 0, 1, 0]
    clock.advance(days=1)
    assert [write_digests(), write_digests()] == [1, 0]  # nobody has opened that lead


def test_nothing_to_tell_no_mail(clinic: Clinic, owner: User, clock: Clock) -> None:
    give_credits(clinic, 1000)
    next_morning(clock)

    assert write_digests() == 0


def test_a_lead_that_nobody_opens_is_a_reason_for_a_week(clinic: Clinic, owner: User, clock: Clock) -> None:
    give_credits(clinic, 1000)
    deliver(clinic, 1)
    next_morning(clock)
    mornings = []
    for _ in range(10):
        mornings.append(write_digests())
        clock.advance(days=1)

    assert mornings == [1] * 7 + [0] * 3


def test_who_does_not_want_it_or_is_not_active_gets_none(
    clinic: Clinic, other_clinic: Clinic, owner: User, clock: Clock
) -> None:
    quiet, off, gone, stranger = (member_of(clinic, "front_desk") for _ in range(4))
    AlertPreference.objects.create(membership=quiet.memberships.get(), kind="daily_digest", by_email=False)
    User.objects.filter(pk=off.pk).update(is_active=False)
    gone.memberships.update(is_active=False)
    stranger.memberships.update(clinic=other_clinic)
    give_credits(clinic, 1000)
    deliver(clinic, 1)
    next_morning(clock)

    write_digests()
    AlertPreference.objects.filter(kind="daily_digest").update(by_email=True)

    assert set(OutgoingMail.objects.values_list("membership__user", flat=True)) == {owner.pk}


def test_what_is_read_or_too_old_when_it_leaves_is_not_sent(
    clinic: Clinic, owner: User, clock: Clock
) -> None:
    give_credits(clinic, 1000)
    deliver(clinic, 1)
    next_morning(clock)
    write_digests()
    clock.advance(days=3)

    assert send_due_mails() == 0

    assert OutgoingMail.objects.get().problem == "Not sent: too late to be of use."


def test_it_asks_the_database_as_often_for_ten_clinics_as_for_one(
    clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(10):
        clinic = factories.ClinicFactory.create()
        member_of(clinic, "owner", password=None)
        deliver(clinic, 1)
    next_morning(clock)

    with django_assert_num_queries(4):  # a savepoint and its end, the clock, and one for all
        assert write_digests() == 10
