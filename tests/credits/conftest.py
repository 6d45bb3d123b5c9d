from collections.abc import Iterator

import pytest

from clinics.models import Clinic
from credits.services import verification
from tests.clock import Clock
from tests.credits.statements import june_2040
from tests.steps import STEPS_LEAVE


@pytest.fixture
def june(clinic: Clinic, clock: Clock) -> Clinic:
    """A clinic with a month of movements: see `june_2040`."""
    june_2040(clinic, clock)
    return clinic


@pytest.fixture
def books_are_clean(db: None) -> Iterator[None]:
    """Proves the books after the test, as `verify_ledger` does: whatever a test does, they must add up."""
    yield
    with verification.snapshot() as cursor:
        for exact in (False, True):
            found = verification.verify(cursor, exact=exact)
            assert [one for one in found if one.violations and one.check not in STEPS_LEAVE] == []
