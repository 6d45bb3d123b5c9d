"""Limits under concurrency: two members save at once, two release at once, a cap moves while leads arrive."""

from decimal import Decimal
from functools import partial

import pytest

from clinics.models import Clinic, Notice
from credits.models import CreditAccount, CreditTransaction, HeldLeadDecision
from credits.services.ledger import BillingService
from credits.services.limits import Limits, LimitsChanged, change_limits
from leads.models import Lead
from tests import factories
from tests.concurrency.threads import Crowd

WARNINGS = (Decimal(1000), Decimal(300))


def try_to_change(clinic: Clinic, limits: Limits, stamp: str) -> bool:
    try:
        change_limits(clinic=clinic, limits=limits, stamp=stamp)
    except LimitsChanged:
        return False
    return True


@pytest.mark.django_db(transaction=True)
def test_members_at_once_change_limits_and_release_leads_as_if_one_came_after_the_other(
    clinic: Clinic,
) -> None:
    owners = [factories.member_of(clinic, "owner", password=None) for _ in range(6)]
    factories.give_credits(clinic, 3000)

    with Crowd() as crowd:
        # Six save over what all of them have read: one does, five are told.
        stamp = Limits.of(CreditAccount.objects.get()).stamp()
        wanted = [Limits(Decimal(1000 + number), None, None, True, WARNINGS) for number in range(6)]
        saved = crowd.at_once([partial(try_to_change, clinic, limits, stamp) for limits in wanted])
        assert saved.count(True) == 1
        assert CreditAccount.objects.get().daily_cap == wanted[saved.index(True)].daily_cap

        # Leads arrive while the cap moves between 300 and 500: no lead passes the higher one, none is lost.
        def move(cap: int) -> None:
            seen = Limits.of(CreditAccount.objects.get())
            try_to_change(clinic, Limits(Decimal(cap), None, None, True, WARNINGS), seen.stamp())

        move(300)
        for turn in range(5):
            arrivals = [
                partial(BillingService.deliver_lead, factories.enquiry(clinic, phone))
                for phone in range(turn * 8, turn * 8 + 8)
            ]
            changes = [partial(move, cap) for cap in (300, 500, 300, 500)]
            crowd.at_once([*arrivals, *changes])
            assert CreditAccount.objects.get().charged_today <= 500
        assert Lead.objects.count() == 40
        assert Lead.objects.held().count() == 40 - CreditAccount.objects.get().charged_today / 100
        assert Notice.objects.filter(kind="budget_reached").count() == 1

        # All press the button at the same moment: each lead is charged once and has one decision.
        held = Lead.objects.held().count()
        move(500)
        CreditAccount.objects.update(daily_cap=None, auto_release=False)
        before = Lead.objects.held().count()
        released = crowd.at_once(
            [partial(BillingService.release_held_leads, clinic.pk, 200, by=owner.pk) for owner in owners]
        )
    funded = Lead.objects.filter(delivery_state="delivered").count()
    still_held = Lead.objects.held().count()
    assert before <= held
    assert sum(released) == HeldLeadDecision.objects.count() == before - still_held
    assert CreditTransaction.objects.filter(transaction_type="deduction").count() == funded == 30
    assert CreditAccount.objects.get().balance == 0
    assert HeldLeadDecision.objects.values("lead").distinct().count() == sum(released)
    assert [one.data for one in Notice.objects.filter(kind="low_balance")] == [
        {"threshold": "300.00", "balance": "0.00"}
    ]
