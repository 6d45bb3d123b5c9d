"""A long queue of held leads that can't be delivered costs its reading alone, under the account's lock."""

from collections import Counter
from typing import Any

import pytest
from django.db import connection

from clinics.models import Clinic, Notice, User
from credits.models import CreditAccount
from credits.services.ledger import BillingService
from leads.models import Lead
from tests.clock import Clock
from tests.factories import deliver, deliver_many, give_credits

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]


def touched() -> int:
    """Rows of held leads that were locked or replaced since they were written."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM leads WHERE delivery_state = 'held' AND xmax <> 0")
        return int(cursor.fetchone()[0])


def test_what_stays_for_the_reason_it_has_is_not_even_locked(clinic: Clinic, owner: User) -> None:
    deliver_many(clinic, [1, 2, 3, 3, 4])

    assert BillingService.release_held_leads(clinic.pk, 200, by=owner.pk) == 0
    assert BillingService.release_leads(clinic.pk) == 0

    assert touched() <= 1  # the older one of the two of one phone is asked again


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"daily_cap": 90}, "budget"),
        ({"paused_at": "2020-01-01T00:00Z"}, "paused"),
        ({"frozen_at": "2020-01-01T00:00Z", "frozen_reason": "A test"}, "frozen"),
    ],
)
def test_all_that_stay_say_why_and_a_cap_that_holds_them_is_told_once(
    clinic: Clinic, owner: User, change: dict[str, Any], reason: str
) -> None:
    deliver_many(clinic, [1, 2, 3, 3, 4])
    CreditAccount.objects.update(**change)

    assert BillingService.release_held_leads(clinic.pk, 200, by=owner.pk) == 0

    assert Counter(Lead.objects.values_list("held_reason", flat=True)) == {reason: 5}
    assert Notice.objects.filter(kind="budget_reached").count() == (reason == "budget")


def test_behind_many_that_stay_the_cheap_and_the_free_are_found(
    clinic: Clinic, owner: User, clock: Clock
) -> None:
    give_credits(clinic, 100)
    deliver(clinic, 1)
    CreditAccount.objects.update(paused_at=clock.now(), auto_release=False)
    dear = deliver_many(clinic, [2, 3, 4], price=30000)
    free, cheap, late = deliver(clinic, 1), deliver(clinic, 5), deliver(clinic, 6)
    CreditAccount.objects.update(paused_at=None)
    give_credits(clinic, 100)

    assert BillingService.release_held_leads(clinic.pk, 200, by=owner.pk) == 2

    states = dict(Lead.objects.values_list("pk", "delivery_state"))
    assert (states[free.pk], states[cheap.pk]) == ("free", "delivered")
    assert {lead.pk: lead.held_reason for lead in Lead.objects.held()} == {
        lead.pk: "no_credits" for lead in (*dear, late)
    }
