from collections.abc import Iterator

import pytest

from credits.services import verification
from tests.steps import STEPS_LEAVE


@pytest.fixture
def books_are_clean(db: None) -> Iterator[None]:
    """Proves the books after the test, as `verify_ledger` does: whatever a test does, they must add up."""
    yield
    with verification.snapshot() as cursor:
        for exact in (False, True):
            found = verification.verify(cursor, exact=exact)
            assert [one for one in found if one.violations and one.check not in STEPS_LEAVE] == []
