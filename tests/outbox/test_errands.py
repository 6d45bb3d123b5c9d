"""Claims and outcomes of what leaves the house, whatever it is."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from billing_site.outbox.handing_on import hand_on
from clinics.models import Clinic, Notice, OutgoingMail, User
from clinics.models.errands import MOST_TRIES

pytestmark = pytest.mark.django_db
LEASE = timedelta(minutes=1)


@pytest.fixture
def late(clinic: Clinic, owner: User) -> OutgoingMail:
    """Claimed, and its lease ran out."""
    Notice.objects.create(clinic=clinic, kind="low_balance", unique_key="low", data={})
    hand_on()
    [mail] = OutgoingMail.objects.claim(most=1, lease=LEASE)
    OutgoingMail.objects.update(due_at=Now())
    return mail


def claimed_again() -> OutgoingMail:
    [mail] = OutgoingMail.objects.claim(most=1, lease=LEASE)
    return mail


@pytest.mark.parametrize("is_replayed", [False, True])
def test_a_failure_that_comes_late_changes_nothing_of_a_newer_try(
    late: OutgoingMail, is_replayed: bool
) -> None:
    if is_replayed:
        OutgoingMail.objects.get().start_over()
    newer = claimed_again()

    late.put_off("late", waits=[LEASE])
    late.give_up("late")

    row = OutgoingMail.objects.get()
    assert (row.due_at, row.problem, row.given_up_at) == (newer.due_at, "", None)
    newer.give_up("its own")
    assert OutgoingMail.objects.get().problem == "its own"


def test_a_success_that_comes_late_counts(late: OutgoingMail) -> None:
    newer = claimed_again()

    late.finish()
    newer.put_off("refused as a double", waits=[LEASE])

    assert OutgoingMail.objects.open().count() == 0
    assert OutgoingMail.objects.get().problem == ""


def test_nobody_gets_what_is_claimed(late: OutgoingMail) -> None:
    claimed_again()
    assert OutgoingMail.objects.claim(most=1, lease=LEASE) == []


def test_what_is_claimed_for_ever_is_still_claimed(late: OutgoingMail) -> None:
    OutgoingMail.objects.update(tries=MOST_TRIES)
    assert claimed_again().tries == MOST_TRIES
