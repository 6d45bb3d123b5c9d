from collections.abc import Iterator

import pytest

from credits.services import verification


@pytest.fixture
def books_are_clean(db: None) -> Iterator[None]:
    """Proves the books after the test, as `verify_ledger` does: whatever a test does, they must add up."""
    yield
    with verification.snapshot() as cursor:
        for exact in (False, True):
            broken = [finding for finding in verification.verify(cursor, exact=exact) if finding.violations]
            assert broken == []
