"""Limits under concurrency: the edge of a cap, members who save or release at once, a cap that moves meanwhile."""

from decimal import Decimal
from functools import partial

import pytest
from django.db import transaction
from django.db.models import Sum

from clinics.models import Clinic, Notice
from credits.models import CreditAccount, CreditTransaction, HeldLeadDecision
from credits.services.ledger import BillingService, ReviewAlreadyDecided
from credits.services.limits import Limits, LimitsChanged, change_limits
from leads.models import Lead
from tests import factories
from tests.concurrency.threads import Crowd

CLIENTS, ROUNDS = 16, 200
PRICES = (1000, 7000, 15000, 30000)  # 100, 180, 250, 320 credits
WARNINGS = (Decimal(1000), Decimal(300))


def try_to_change(clinic: Clinic, limits: Limits, stamp: str) -> bool:
    try:
        change_limits(clinic=clinic, limits=limits, stamp=stamp)
    except LimitsChanged:
        return False
    return True


def edge_of(clinic: Clinic, number: int) -> tuple[Decimal, Decimal | None, Decimal | None]:
    """Leaves room for some of this round's leads: of the day, of the month, or of both, one rupee apart."""
    account = CreditAccount.objects.get(clinic=clinic)
    room = Decimal(number * 37 % 1200)
    day, month = account.charged_today + room, account.charged_this_month + room
    caps = ((day, None), (None, month), (day, month + 1))[number % 3]
    CreditAccount.objects.filter(clinic=clinic).update(daily_cap=caps[0], monthly_cap=caps[1])
    return room, *caps


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_sixteen_at_once_never_pass_a_cap_by_a_rupee_and_none_is_lost(clinic: Clinic) -> None:
    factories.give_credits(clinic, CLIENTS * ROUNDS * 320)
    charged = Decimal(0)

    with Crowd(CLIENTS) as crowd:
        for number in range(ROUNDS):
            room, day, month = edge_of(clinic, number)
            first = number * CLIENTS
            arrivals = [
                factories.enquiry(clinic, phone, PRICES[phone * 7 % 4])
                for phone in range(first, first + CLIENTS)
            ]
            fates = crowd.at_once([partial(BillingService.deliver_lead, one) for one in arrivals])

            account = CreditAccount.objects.get()
            assert day is None or account.charged_today <= day, number
            assert month is None or account.charged_this_month <= month, number
            spent = sum((one.cost for one in fates if one.delivery_state == "delivered"), Decimal(0))
            held = [one.cost for one in fates if one.held_reason == "budget"]
            assert spent <= room, number
            # None was held that still had room: what is left is less than the cheapest of them.
            assert not held or min(held) > room - spent, number
            assert len(held) + sum(one.delivery_state == "delivered" for one in fates) == CLIENTS, number
            charged += spent

    assert Lead.objects.count() == CLIENTS * ROUNDS
    assert (
        -CreditTransaction.objects.filter(transaction_type="deduction").aggregate(all=Sum("amount"))["all"]
        == charged
    )
    assert CreditAccount.objects.get().charged_today == charged
    # Those held go out when there is room, each charged once.
    held_before = Lead.objects.held().count()
    CreditAccount.objects.update(daily_cap=None, monthly_cap=None)
    assert BillingService.release_leads(clinic.pk) == held_before
    assert CreditTransaction.objects.filter(transaction_type="deduction").count() == CLIENTS * ROUNDS


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


@pytest.mark.django_db(transaction=True)
def test_of_many_who_decide_on_one_enquiry_one_does_and_the_others_are_told(clinic: Clinic) -> None:
    factories.give_credits(clinic, 5000)
    staff = [factories.staff_of("support") for _ in range(6)]
    owner = factories.member_of(clinic, "owner", password=None)

    with Crowd() as crowd:
        for number in range(10):
            lead = factories.deliver(clinic, number, hold_for_review=True)
            decisions = [
                partial(
                    BillingService.review_lead,
                    lead.pk,
                    action="release" if turn % 2 else "refuse",
                    reason_code="clinic_asked",
                    by=person.pk,
                )
                for turn, person in enumerate(staff)
            ]
            answers = crowd.at_once([*decisions, partial(BillingService.refuse_lead, lead.pk, by=owner.pk)])

            by_staff = [one for one in answers[:6] if not isinstance(one, ReviewAlreadyDecided)]
            decided = HeldLeadDecision.objects.get(lead=lead)
            assert len(by_staff) == (decided.decided_by_id != owner.pk)
            assert {one.delivery_state for one in by_staff} <= {decided.delivery_state}

    charged = CreditTransaction.objects.filter(transaction_type="deduction").count()
    assert charged == HeldLeadDecision.objects.filter(action="release").count()
    assert CreditAccount.objects.get().balance == 5000 - 100 * charged


@pytest.mark.django_db(transaction=True)
def test_while_an_account_is_stuck_nobody_slips_past_the_number_an_address_has_an_hour(
    clinic: Clinic,
) -> None:
    """Who can't be counted at once waits for a look."""
    factories.give_credits(clinic, 5000)
    arrivals = [
        factories.enquiry(clinic, phone, address_hmac=b"one", per_hour_limit=5, per_minute_limit=100)
        for phone in range(25)
    ]
    send = [partial(BillingService.deliver_lead, one, without_account=True) for one in arrivals]

    with Crowd() as crowd:
        with transaction.atomic():
            send[0]()
            crowd.at_once(send[1:13])
        crowd.at_once(send[13:])
    BillingService.release_leads(clinic.pk)

    assert Lead.objects.count() == 25
    assert 1 <= CreditTransaction.objects.filter(transaction_type="deduction").count() <= 5
