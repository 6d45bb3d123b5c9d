"""A sandbox of its own for each test, the unmodified SDK, and a shop that takes webhooks."""

from collections.abc import Iterator

import pytest
import razorpay

from billing_site.razorpay_sandbox import KEY_ID, KEY_SECRET, RunningSandbox, start

from .shop import Shop


@pytest.fixture(autouse=True)
def _development(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBUG", "1")
    monkeypatch.delenv("RAZORPAY_KEY_ID", raising=False)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as shop:
        yield shop


@pytest.fixture
def sandbox(shop: Shop) -> Iterator[RunningSandbox]:
    with start(seed=1, webhook_url=shop.url) as sandbox:
        yield sandbox


@pytest.fixture
def client(sandbox: RunningSandbox) -> razorpay.Client:
    return sdk(sandbox)


def sdk(sandbox: RunningSandbox) -> razorpay.Client:
    return razorpay.Client(auth=(KEY_ID, KEY_SECRET), base_url=sandbox.url)
