"""A clinic's own system that listens on loopback."""

from collections.abc import Iterator

import pytest

from tests.outbox.receiver import Receiver, listening


@pytest.fixture
def developers_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a webhook may go to loopback."""
    monkeypatch.setenv("DEBUG", "on")


@pytest.fixture
def receiver(developers_machine: None) -> Iterator[Receiver]:
    with listening() as receiver:
        yield receiver
