"""A gateway of its own for each test, and the sandbox it talks to."""

from collections.abc import Iterator

import pytest

from billing_site.razorpay_sandbox import KEY_ID, KEY_SECRET, RunningSandbox, start
from credits.gateway import (
    Gateway,
    GatewayConfig,
)


@pytest.fixture(autouse=True)
def _development(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBUG", "1")
    monkeypatch.delenv("RAZORPAY_KEY_ID", raising=False)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with start() as sandbox:
        yield sandbox


@pytest.fixture
def gateway(sandbox: RunningSandbox) -> Iterator[Gateway]:
    with Gateway(
        GatewayConfig(KEY_ID, KEY_SECRET, sandbox.url, timeout=(10.0, 10.0), total_s=20.0)
    ) as gateway:
        yield gateway


@pytest.fixture
def hasty_gateway(sandbox: RunningSandbox) -> Iterator[Gateway]:
    """For who is not answered in time."""
    with Gateway(GatewayConfig(KEY_ID, KEY_SECRET, sandbox.url, timeout=(1.0, 1.0), total_s=2.0)) as gateway:
        yield gateway
