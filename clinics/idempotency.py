"""Idempotency keys: one request by a caller on a route, told from another under the same key.

Leads claim theirs in the SQL that delivers them; what talks to the gateway claims it here.
"""

import hmac
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from django.conf import settings

from clinics.models import IdempotencyKey


class KeyUsedForAnother(Exception):
    """The key stands for a request with another body."""


def claim(*, caller: str, route: str, key: str, body_hmac: bytes) -> tuple[IdempotencyKey, bool]:
    """The key's row, and whether it is new. Inside a transaction: a twin that claims it at the same moment waits for
    this one's commit. Raises KeyUsedForAnother.
    """
    row, is_new = IdempotencyKey.objects.get_or_create(
        caller=caller, route=route, key=key, defaults={"body_hmac": body_hmac}
    )
    if bytes(row.body_hmac) != body_hmac:
        raise KeyUsedForAnother
    return row, is_new


def body_digest(fields: Mapping[str, Any]) -> bytes:
    """What tells a repeat from another request: a keyed digest, so that the stored value gives nothing away."""
    return keyed_digest(
        "body", json.dumps({name: str(value) for name, value in fields.items()}, sort_keys=True)
    )


def keyed_digest(purpose: str, text: str) -> bytes:
    """HMAC-SHA256 under the site's secret, one key a purpose."""
    return hmac.digest(f"{purpose}:{settings.SECRET_KEY}".encode(), text.encode(), sha256)
