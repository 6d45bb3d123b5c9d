"""In any order of events the database is what the product's words say it must be.

`LEDGER_EXAMPLES=5000 python -m pytest tests/property` searches longer. A failure prints a blob that replays it.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property import frozen_clock
from tests.property.lead_rules import LeadRules
from tests.property.money_rules import MoneyRules

EXAMPLES: Final = int(os.environ.get("LEDGER_EXAMPLES", "120"))
PROFILE: Final = settings(
    max_examples=EXAMPLES,
    stateful_step_count=50,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class LedgerMachine(MoneyRules, LeadRules):
    pass


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_the_ledger_agrees_with_the_words_of_the_product_after_every_step() -> None:
    """Each example is one transaction that is rolled back."""
    frozen_clock.install()

    run_state_machine_as_test(LedgerMachine, settings=PROFILE)


@pytest.fixture
def state() -> Iterator[LedgerMachine]:
    frozen_clock.install()
    state = LedgerMachine()
    yield state
    state.teardown()


@pytest.mark.django_db(transaction=True)
def test_money_taken_back_uses_the_purchase_s_own_bonus_before_older_goodwill(state: LedgerMachine) -> None:
    """What the search seldom reaches: the bonus came back by a refund and expires after the goodwill."""
    purchase = state.start(0, (100, 50, 0), 0)
    state.pay(purchase)
    lead = state.arrive(0, "+919876500000", None)
    state.adjust(0, Decimal(-50))
    state.clock.move(timedelta(days=10))
    state.add_credits(0, Decimal(60), None)
    state.clock.move(timedelta(days=10))
    state.a_lead_is_refunded(lead, Fraction(1), too_much=False)

    state.take_back(0, purchase[1], "rfnd_1", 10_000)

    left = [(grant.kind, grant.remaining) for grant in state.accounts[0].grants if grant.remaining]
    assert left == [("goodwill", Decimal(60))]
    assert state.accounts[0].losses[0].forgiven == 50
    state.books_agree()


@pytest.mark.django_db(transaction=True)
def test_a_lead_from_review_is_free_when_a_later_one_of_its_phone_was_charged(state: LedgerMachine) -> None:
    state.add_credits(0, Decimal(1000), None)
    reviewed = state.arrive(0, "+919876500000", None, "review")
    state.clock.move(timedelta(days=29))
    state.arrive(0, "+919876500000", None)

    state.a_lead_is_released_by_hand(reviewed)

    assert [lead.state for lead in state.accounts[0].leads.values()] == ["free", "delivered"]
    state.books_agree()


@pytest.mark.django_db(transaction=True)
def test_a_pause_is_over_at_the_moment_it_says(state: LedgerMachine) -> None:
    state.add_credits(0, Decimal(1000), None)
    state.one_switch_is_thrown_and_all_others_back(0, "paused until", 200)
    state.arrive(0, "+919876500000", None)

    state.clock.move(timedelta(hours=5))
    state.the_worker_does(0, "release", 200)

    assert [lead.state for lead in state.accounts[0].leads.values()] == ["delivered"]
    state.books_agree()
