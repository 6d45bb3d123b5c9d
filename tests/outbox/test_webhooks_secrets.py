"""How webhooks are signed, how long a previous secret signs, and what the guide says of it."""

import json
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from billing_site.outbox.webhook_events import TYPES
from billing_site.outbox.webhook_signing import headers_for
from clinics.models import AuditEvent, Clinic, WebhookEndpoint
from clinics.services import webhooks as services
from tests.outbox.receiver import Receiver, endpoint_of, sent_round, tell

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


def test_while_a_secret_is_renewed_both_verify_and_after_a_day_the_new_one_alone(
    clinic: Clinic, receiver: Receiver
) -> None:
    endpoint, old = endpoint_of(clinic, receiver.url())
    _, new = services.renew_secret(endpoint=endpoint, stamp=services.stamp_of(endpoint))
    with pytest.raises(services.WebhookRefused):  # the same form again
        services.renew_secret(endpoint=endpoint, stamp=services.stamp_of(endpoint))
    tell(clinic, 1)
    sent_round()
    (got,) = receiver.got
    assert got.headers["webhook-signature"].count("v1,") == 2
    for secret in (old, new):
        Webhook(secret).verify(got.body, got.headers)

    WebhookEndpoint.objects.update(previous_secret_until=F("created_at") - timedelta(days=1))
    tell(clinic, 2)
    sent_round()
    Webhook(new).verify(receiver.got[1].body, receiver.got[1].headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(receiver.got[1].body, receiver.got[1].headers)
    endpoint.refresh_from_db()
    assert (endpoint.previous_secret, endpoint.previous_secret_until) == ("", None)
    trail = f"{list(AuditEvent.objects.values_list('before', 'after', 'reason'))}"
    assert "whsec" not in trail
    assert endpoint.secret not in trail


def test_the_example_of_the_guide_is_signed_as_we_sign() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
    body = re.findall(r"```json\n(.*?)\n```", guide, re.DOTALL)[0].encode()
    (table,) = re.findall(r"```text\n(.*?)```", guide, re.DOTALL)
    told = dict(line.split() for line in table.splitlines())

    signed = headers_for(
        event_id=told["webhook-id"],
        timestamp=int(told["webhook-timestamp"]),
        body=body,
        secrets=[told["secret"]],
    )

    assert {**signed, "secret": told["secret"]} == told
    assert json.loads(body)["id"] == told["webhook-id"]


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="needs curl and openssl")
def test_the_lines_by_which_one_calls_oneself_sign_as_we_do(receiver: Receiver) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```sh you\n(.*?)```", guide, re.DOTALL)
    secret = services.new_secret()
    environment = {
        "URL": receiver.url(),
        "SECRET": secret,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "NO_PROXY": "*",
    }
    subprocess.run(["sh", "-ec", lines], env=environment, capture_output=True, timeout=60, check=True)
    (got,) = receiver.got
    assert Webhook(secret).verify(got.body, got.headers)["type"] == "test.ping"


def test_the_lines_of_the_guide_tell_ours_from_others(clinic: Clinic, receiver: Receiver) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  # our own document
    is_ours = names["is_from_clinic_credits"]
    endpoint, old = endpoint_of(clinic, receiver.url())
    _, new = services.renew_secret(endpoint=endpoint, stamp=services.stamp_of(endpoint))
    tell(clinic, 345)
    sent_round()
    (got,) = receiver.got
    assert is_ours(old, got.headers, got.body)
    assert is_ours(new, got.headers, got.body)
    assert not is_ours(services.new_secret(), got.headers, got.body)
    assert not is_ours(new, got.headers, got.body.replace(b"345", b"346"))
    assert not is_ours(new, {**got.headers, "webhook-timestamp": "1700000000"}, got.body)
    assert not is_ours(new, {**got.headers, "webhook-id": "another"}, got.body)
    assert not is_ours(new, {}, got.body)
    for junk in ("", "soon", "9" * 5000, "\u0663", "v1,\xff"):
        for name in ("webhook-timestamp", "webhook-signature"):
            assert not is_ours(new, {**got.headers, name: junk}, got.body)
    for told in TYPES.values():
        row = next(line for line in guide.splitlines() if line.startswith(f"| `{told.name}`"))
        assert {f"`{name}`" for name in (*told.ids, *told.amounts)} <= set(re.findall(r"`\w+`", row))
