"""Razorpay's two signatures, checked on bytes.

The SDK's own checks need text, raise TypeError or UnicodeEncodeError on hostile headers and accept
an empty secret. These never raise, and an empty secret verifies nothing.
"""

import hashlib
import hmac
from collections.abc import Sequence


def payment_signature_is_valid(order_id: object, payment_id: object, signature: object, secret: str) -> bool:
    """Whether Razorpay signed this pair. `order_id` must be the one we stored, never the browser's.

    It proves that the attempt is Razorpay's, not that money was captured.
    """
    if not isinstance(order_id, str) or not isinstance(payment_id, str) or not order_id or not payment_id:
        return False
    return matches(as_bytes(f"{order_id}|{payment_id}"), signature, secret)


def webhook_signature_is_valid(raw: bytes, signature: object, secrets: Sequence[str]) -> bool:
    """Whether one of `secrets` signed exactly these bytes.

    Several, since after a rotation Razorpay still signs the retries of older events with the old one.
    """
    return any([matches(raw, signature, secret) for secret in secrets])  # noqa: C419 - each is tried


def matches(message: bytes, signature: object, secret: str) -> bool:
    if not isinstance(signature, str) or not isinstance(secret, str) or not secret.strip():
        return False
    expected = hmac.new(as_bytes(secret), message, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode("ascii"), as_bytes(signature))


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
