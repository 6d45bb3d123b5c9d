"""The stage of `tests.api.stage`, with the local Razorpay as the gateway where orders are made."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from pytest_django.fixtures import Settings

from billing_site.razorpay_sandbox import KEY_ID, KEY_SECRET, WEBHOOK_SECRET, RunningSandbox, start
from clinics.models import Clinic
from tests.api.stage import Stage, set_stage


@pytest.fixture
def stage(funded_clinic: Clinic, other_clinic: Clinic, evidence_folder: Path) -> Stage:
    return set_stage(funded_clinic, other_clinic)


@pytest.fixture
def kept_connection(db: None) -> Iterator[None]:
    """Requests go on in the test's own transaction, as Django's test client arranges it for itself."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture(scope="module")
def running_sandbox() -> Iterator[RunningSandbox]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEBUG", "1")
        patch.delenv("RAZORPAY_KEY_ID", raising=False)
        with start() as sandbox:
            yield sandbox


@pytest.fixture
def gateway(running_sandbox: RunningSandbox, settings: Settings) -> RunningSandbox:
    settings.RAZORPAY_API_URL = running_sandbox.url
    settings.RAZORPAY_KEY_ID, settings.RAZORPAY_KEY_SECRET = KEY_ID, KEY_SECRET
    settings.RAZORPAY_WEBHOOK_SECRETS = [WEBHOOK_SECRET]
    return running_sandbox
