"""The sandbox as the product's gateway, and a shop in front of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.servers.basehttp import WSGIServer
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from billing_site.razorpay_sandbox import KEY_ID, KEY_SECRET, WEBHOOK_SECRET, RunningSandbox, start
from clinics.models import Clinic
from tests.credits.payments.shop import WEBHOOK, Shop, member

WSGIServer.request_queue_size = 128  # the test server's own is 10: more callers at once would be hung up on


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[RunningSandbox]:
    """Without a webhook URL: its events are recorded, and a test posts them when and how it likes."""
    monkeypatch.setenv("DEBUG", "1")
    monkeypatch.delenv("RAZORPAY_KEY_ID", raising=False)
    with start() as sandbox:
        settings.RAZORPAY_API_URL = sandbox.url
        settings.RAZORPAY_CHECKOUT_JS_URL = f"{sandbox.url}/v1/checkout.js"
        settings.RAZORPAY_KEY_ID, settings.RAZORPAY_KEY_SECRET = KEY_ID, KEY_SECRET
        settings.RAZORPAY_WEBHOOK_SECRETS = [WEBHOOK_SECRET]
        yield sandbox


@pytest.fixture
def shop(sandbox: RunningSandbox, clinic: Clinic, client: Client, monkeypatch: pytest.MonkeyPatch) -> Shop:
    client.force_login(member(clinic, "owner"))
    shop = Shop(sandbox, clinic, client)
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + shop.offset)
    return shop


@pytest.fixture
def live_shop(transactional_db: None, live_server: Any, shop: Shop) -> Shop:
    """The same with real commits, and webhooks that arrive by HTTP at a running server."""
    shop.sandbox.control("config", webhook_url=f"{live_server.url}{WEBHOOK}")
    return shop
