"""When held leads go out (rule 1): what ends each hold, at once or with the next `release_leads`, and no sooner."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from itertools import count
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command

from clinics.models import Clinic
from credits.models import BillingRules, CreditAccount
from credits.services import limits, switches
from credits.services.ledger import BillingService
from credits.services.limits import Limits
from leads.models import Lead
from tests.clock import Clock
from tests.credits.books import account
from tests.factories import adjust, deliver, deliver_many, enquiry, give_credits, paid_top_up

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]
INDIA: Final = ZoneInfo("Asia/Kolkata")
NUMBERS: Final = count()  # a new phone each time
Step = Callable[[Clinic, Clock], Any]


class Case(NamedTuple):
    hold: Step  # done before each of the leads that are to be held
    reason: str
    end: Step
    at_once: bool = True


def run() -> str:
    printed = StringIO()
    call_command("release_leads", stdout=printed)
    return printed.getvalue()


def new(clinic: Clinic) -> Lead:
    return deliver(clinic, next(NUMBERS))


def set_limits(**changes: Any) -> Step:
    def step(clinic: Clinic, _: Clock) -> None:
        seen = Limits.of(account(clinic))
        limits.change_limits(clinic=clinic, limits=replaced(seen, **changes), stamp=seen.stamp())

    return step


def replaced(seen: Limits, **changes: Any) -> Limits:
    names = ("daily_cap", "monthly_cap", "highest_cost", "auto_release", "low_balance_thresholds")
    return Limits(**{name: changes.get(name, getattr(seen, name)) for name in names})


def reach(cap: str, counter: str) -> Step:
    """Two charges, and a cap that leaves no room for a third, but for two on the next day or in the next month."""

    def step(clinic: Clinic, _: Clock) -> None:
        CreditAccount.objects.filter(clinic=clinic).update(**{cap: None})
        new(clinic), new(clinic)
        CreditAccount.objects.filter(clinic=clinic).update(**{cap: getattr(account(clinic), counter) + 99})

    return step


def next_day(_: Clinic, clock: Clock) -> None:
    now = clock.now().astimezone(INDIA)
    midnight = datetime(now.year, now.month, now.day, tzinfo=INDIA) + timedelta(days=1)
    clock.set(midnight - timedelta(seconds=60))
    assert run().startswith("Released 0 held leads")  # not a minute too early
    clock.set(midnight + timedelta(seconds=1))


def next_month(_: Clinic, clock: Clock) -> None:
    clock.set(datetime(2030, 2, 1, 0, 0, 1, tzinfo=INDIA))


def pause_for_a_day(clinic: Clinic, clock: Clock) -> None:
    limits.pause(clinic=clinic, until=clock.now() + timedelta(hours=1))


def owe(clinic: Clinic, _: Clock) -> None:
    if account(clinic).owed == 0:
        BillingService.add_credits(clinic.pk, Decimal(1), "So that there are credits to spend")
        spend = account(clinic).balance
        purchase = paid_top_up(clinic, 1000)
        while account(clinic).balance >= 100:
            deliver(clinic, next(NUMBERS), price=30000 if spend > 2000 else 1000)
        BillingService.take_back_top_up(purchase.pk, f"rfnd_{purchase.pk}", purchase.gross_paise)


def spend_all(clinic: Clinic, _: Clock) -> None:
    while account(clinic).balance >= 100:
        deliver(clinic, next(NUMBERS))


CASES: Final = {
    "the day turns": Case(reach("daily_cap", "charged_today"), "budget", next_day, at_once=False),
    "the month turns": Case(reach("monthly_cap", "charged_this_month"), "budget", next_month, at_once=False),
    "the daily cap rises": Case(
        set_limits(daily_cap=Decimal(50)), "budget", set_limits(daily_cap=Decimal(900))
    ),
    "the monthly cap goes": Case(set_limits(monthly_cap=Decimal(50)), "budget", set_limits(monthly_cap=None)),
    "the highest cost rises": Case(
        set_limits(highest_cost=Decimal(99)), "budget", set_limits(highest_cost=Decimal(100))
    ),
    "release by itself is switched on": Case(
        set_limits(daily_cap=Decimal(50), auto_release=False),
        "budget",
        set_limits(daily_cap=None, auto_release=True),
    ),
    "a pause ends by time": Case(
        pause_for_a_day, "paused", lambda _, clock: clock.advance(hours=2), at_once=False
    ),
    "a pause is ended by hand": Case(
        lambda clinic, _: limits.pause(clinic=clinic, until=None),
        "paused",
        lambda clinic, _: limits.end_pause(clinic=clinic),
    ),
    "a freeze lifts": Case(
        lambda clinic, _: switches.freeze_clinic(clinic=clinic, reason="A test"),
        "frozen",
        lambda clinic, _: switches.unfreeze_clinic(clinic=clinic, reason="It is over"),
    ),
    "charging is switched on again": Case(
        lambda *_: switches.stop_charging(reason="A test"),
        "frozen",
        lambda *_: switches.resume_charging(reason="It is over"),
    ),
    "a debt is settled": Case(owe, "frozen", lambda clinic, _: paid_top_up(clinic, 5000)),
    "a payment comes": Case(spend_all, "no_credits", lambda clinic, _: paid_top_up(clinic, 5000)),
    "staff give credits": Case(spend_all, "no_credits", lambda clinic, _: adjust(clinic, "500.00")),
}


@pytest.fixture
def base(clinic: Clinic, clock: Clock) -> Clinic:
    """A clinic with 1,000 credits, at noon in India, a few days before a month ends."""
    clock.set(datetime(2030, 1, 27, 12, tzinfo=INDIA))
    give_credits(clinic, 1000)
    return clinic


@pytest.mark.parametrize("case", CASES.values(), ids=[name.replace(" ", "_") for name in CASES])
def test_young_leads_go_out_when_what_held_them_ends_and_old_ones_and_those_in_review_stay(
    base: Clinic, clock: Clock, case: Case
) -> None:
    case.hold(base, clock)
    old = new(base)
    clock.advance(hours=73)
    case.hold(base, clock)
    young, suspect = [new(base), new(base)], deliver(base, next(NUMBERS), hold_for_review=True)
    assert {lead.held_reason for lead in (old, *young)} == {case.reason}
    assert BillingService.clinics_to_release() == []  # nothing to be done: nobody is visited
    assert run().startswith("Released 0 held leads at 0 clinics.")

    case.end(base, clock)

    if not case.at_once:
        assert Lead.objects.held().filter(pk__in=[lead.pk for lead in young]).count() == 2
        assert BillingService.clinics_to_release() == [base.pk]
        assert run().startswith("Released 2 held leads at 1 clinics.")
    released = Lead.objects.filter(pk__in=[lead.pk for lead in young]).order_by("delivered_at", "pk")
    assert [(lead.pk, lead.delivery_state) for lead in released] == [(lead.pk, "delivered") for lead in young]
    assert Lead.objects.get(pk=old.pk).delivery_state == "held"
    assert Lead.objects.get(pk=suspect.pk).held_reason == "review"
    assert BillingService.clinics_to_release() == []


def test_one_stored_while_the_account_was_busy_goes_out_with_the_next_run(base: Clinic, clock: Clock) -> None:
    set_limits(auto_release=False)(base, clock)
    BillingService.deliver_lead(enquiry(base, next(NUMBERS)), without_account=True)

    assert BillingService.clinics_to_release() == [base.pk]
    assert run().startswith("Released 1 held leads")


def test_a_payment_releases_a_batch_oldest_first_and_the_next_run_the_rest(clinic: Clinic) -> None:
    BillingRules.objects.update(release_batch=3)
    leads = deliver_many(clinic, range(5))

    paid_top_up(clinic, 1000)
    assert [lead.pk for lead in Lead.objects.received().order_by("pk")] == [lead.pk for lead in leads[:3]]

    assert run().startswith("Released 2 held leads at 1 clinics.")


def test_what_stays_says_the_reason_of_today_and_is_left_alone_from_then_on(
    base: Clinic, clock: Clock
) -> None:
    spend_all(base, clock)
    limits.pause(clinic=base, until=clock.now() + timedelta(hours=1))
    leads = deliver_many(base, [next(NUMBERS), next(NUMBERS)])
    assert {lead.held_reason for lead in leads} == {"paused"}

    clock.advance(hours=2)
    assert BillingService.clinics_to_release() == [base.pk]
    run()

    assert set(Lead.objects.held().values_list("held_reason", flat=True)) == {"no_credits"}
    assert BillingService.clinics_to_release() == []


def test_those_of_one_phone_are_found_by_the_one_they_wait_for(base: Clinic, clock: Clock) -> None:
    """The oldest decides: a cheap one behind a dear one of its phone waits with it, and goes out free behind it."""
    spend_all(base, clock)
    phone = next(NUMBERS)
    dear, cheap = deliver(base, phone, price=30000), deliver(base, phone)
    give_credits(base, 150)
    assert {lead.held_reason for lead in Lead.objects.held()} == {"no_credits"}
    assert BillingService.clinics_to_release() == []

    set_limits(auto_release=False)(base, clock)
    give_credits(base, 200)
    assert BillingService.clinics_to_release() == []
    CreditAccount.objects.update(auto_release=True)
    assert BillingService.clinics_to_release() == [base.pk]
    run()

    assert Lead.objects.get(pk=dear.pk).delivery_state == "delivered"
    assert Lead.objects.get(pk=cheap.pk).delivery_state == "free"


def test_one_that_became_a_repeat_goes_out_free_without_any_credits(base: Clinic, clock: Clock) -> None:
    spend_all(base, clock)
    set_limits(auto_release=False)(base, clock)
    phone = next(NUMBERS)
    suspect, repeat = deliver(base, phone, hold_for_review=True), deliver(base, phone)
    give_credits(base, 100)
    BillingService.release_lead(suspect.pk)
    assert account(base).balance == 0
    assert Lead.objects.get(pk=repeat.pk).held_reason == "no_credits"
    CreditAccount.objects.update(auto_release=True)

    assert BillingService.clinics_to_release() == [base.pk]
    run()

    assert Lead.objects.get(pk=repeat.pk).delivery_state == "free"


def test_whoever_is_not_to_be_visited_would_not_change_by_a_visit(base: Clinic, clock: Clock) -> None:
    """The choice and the release must agree, over many mixtures."""
    rules: list[dict[str, Any]] = [
        {"daily_cap": None}, {"daily_cap": Decimal(150)}, {"highest_cost": Decimal(150)}, {"highest_cost": None},
        {"auto_release": False}, {"paused_at": clock.now()}, {"paused_at": None}, {"auto_release": True},
        {"frozen_at": clock.now(), "frozen_reason": "A test"}, {"frozen_at": None, "frozen_reason": ""},
    ]  # fmt: skip
    state = ("pk", "delivery_state", "held_reason", "repeat_of")
    seen: Counter[bool] = Counter()
    for turn in range(60):
        deliver(base, 5000 + turn * 7 % 9, price=(1000, 7000, 30000)[turn % 3])
        CreditAccount.objects.update(**rules[turn * 3 % len(rules)])
        if turn % 4 == 0:
            clock.advance(hours=turn * 5 % 31)
        before = list(Lead.objects.order_by("pk").values_list(*state))
        is_chosen = BillingService.clinics_to_release() == [base.pk]
        BillingService.release_leads(base.pk)
        changed = before != list(Lead.objects.order_by("pk").values_list(*state))
        assert is_chosen == changed, turn
        assert BillingService.clinics_to_release() == [], turn
        seen[changed] += 1
    assert min(seen[True], seen[False]) > 10
