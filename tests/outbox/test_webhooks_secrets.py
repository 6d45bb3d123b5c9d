"""How long a webhook's previous secret signs."""

from datetime import timedelta

import pytest
from django.utils import timezone

from clinics.models import Clinic
from clinics.services import webhooks as services
from tests.outbox.receiver import endpoint_of

pytestmark = pytest.mark.django_db


def test_a_secret_whose_day_is_over_signs_nothing_also_before_it_is_forgotten(clinic: Clinic) -> None:
    endpoint, old = endpoint_of(clinic, "https://crm.example/hook")
    endpoint, new = services.renew_secret(endpoint=endpoint, stamp=services.stamp_of(endpoint))
    until = endpoint.previous_secret_until
    assert until is not None
    assert services.secrets_in_force(endpoint, at=until - timedelta(seconds=1)) == [new, old]
    assert services.secrets_in_force(endpoint, at=until) == [new]


def test_the_previous_secret_can_be_ended_at_once(clinic: Clinic) -> None:
    endpoint, _ = endpoint_of(clinic, "https://crm.example/hook")
    endpoint, new = services.renew_secret(endpoint=endpoint, stamp=services.stamp_of(endpoint))
    services.forget_previous_secret(endpoint=endpoint)
    endpoint.refresh_from_db()
    assert services.secrets_in_force(endpoint, at=timezone.now()) == [new]
