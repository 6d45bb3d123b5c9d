"""Signatures that no honest Razorpay sends."""

import inspect
from typing import Any

import pytest
import requests

from billing_site.razorpay_sandbox import KEY_ID, KEY_SECRET
from credits import gateway as gateway_package
from credits.gateway import (
    Gateway,
    GatewayConfig,
    payment_signature_is_valid,
    webhook_signature_is_valid,
)

SIGNATURE = "d42721809f681022282d330f42781577f821f00b2a95476455ddcfc29800e6da"
SECRET = "test_key_secret_0123456789abcdef"


@pytest.mark.parametrize(
    "signature",
    [None, "", "x", SIGNATURE.upper(), SIGNATURE + "\n", " " + SIGNATURE, SIGNATURE.encode(), "é" * 64, "\ud800" * 64,
     "0" * 64, SIGNATURE[:-1], SIGNATURE * 2, 5, [], {"a": 1}, "\x00"],
)  # fmt: skip
def test_a_hostile_signature_is_refused_without_an_error(signature: Any) -> None:
    order_id, payment_id = "order_TestVector0001", "pay_TestVector00001"
    assert payment_signature_is_valid(order_id, payment_id, SIGNATURE, SECRET)

    assert payment_signature_is_valid(order_id, payment_id, signature, SECRET) is False
    assert webhook_signature_is_valid(b"{}", signature, [SECRET]) is False


@pytest.mark.parametrize("secret", ["", " ", "\n", None])
def test_an_empty_secret_verifies_nothing(secret: Any) -> None:
    import hashlib
    import hmac

    key = secret.encode() if secret else b""
    forged = hmac.new(key, b"{}", hashlib.sha256).hexdigest()
    forged_payment = hmac.new(key, b"o|p", hashlib.sha256).hexdigest()

    assert webhook_signature_is_valid(b"{}", forged, [secret]) is False
    assert payment_signature_is_valid("o", "p", forged_payment, secret) is False


@pytest.mark.parametrize("value", [None, "", 5, b"order", ["x"]])
def test_missing_ids_verify_nothing(value: Any) -> None:
    assert payment_signature_is_valid(value, "pay_TestVector00001", SIGNATURE, SECRET) is False
    assert payment_signature_is_valid("order_TestVector0001", value, SIGNATURE, SECRET) is False


def test_a_body_of_any_bytes_is_checked_as_it_is() -> None:
    import hashlib
    import hmac

    for raw in (b"", b"\xff\x00\xfe", "दंत".encode(), b"\r\n"):
        signature = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        assert webhook_signature_is_valid(raw, signature, ["other_secret_0123456789", SECRET]) is True
        assert webhook_signature_is_valid(raw + b" ", signature, [SECRET]) is False


def test_the_package_says_all_that_it_offers() -> None:
    assert all(hasattr(gateway_package, name) for name in gateway_package.__all__)
    assert requests.Session in inspect.getmro(type(Gateway(GatewayConfig(KEY_ID, KEY_SECRET))._session))
