"""In any order of events the database is what the product's words say it must be.

`LEDGER_EXAMPLES=5000 python -m pytest tests/property` searches longer. A failure prints a blob that replays it.
"""

import os
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property import frozen_clock
from tests.property.lead_rules import LeadRules
from tests.property.money_rules import MoneyRules

EXAMPLES: Final = int(os.environ.get("LEDGER_EXAMPLES", "250"))
PROFILE: Final = settings(
    max_examples=EXAMPLES,
    stateful_step_count=50,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class LedgerMachine(MoneyRules, LeadRules):
    pass


@pytest.mark.django_db(transaction=True)
def test_the_ledger_agrees_with_the_words_of_the_product_after_every_step() -> None:
    """Each example is one transaction that is rolled back."""
    frozen_clock.install()

    run_state_machine_as_test(LedgerMachine, settings=PROFILE)
