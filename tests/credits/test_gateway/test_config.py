"""Keys and address: what must stop a start."""

from typing import Any

import pytest

from billing_site.razorpay_sandbox import KEY_ID, KEY_SECRET, RunningSandbox
from credits.gateway import (
    Gateway,
    GatewayConfig,
    GatewayMisconfigured,
    GatewayRefused,
    config_from_settings,
    configuration_problems,
)

from .calls import order


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"key_id": ""}, "RAZORPAY_KEY_ID is missing"), ({"key_id": "None"}, "RAZORPAY_KEY_ID is missing"),
        ({"key_id": "rzp_prod_12345678901234"}, "RAZORPAY_KEY_ID is missing or not of the form"),
        ({"key_secret": ""}, "RAZORPAY_KEY_SECRET is missing"), ({"key_secret": "None"}, "SECRET is missing"),
        ({"key_secret": None}, "SECRET is missing"), ({"key_secret": "short"}, "shorter than 16"),
        ({"key_secret": " " * 20}, "SECRET is missing"), ({"key_secret": "0123456789abcdef\n"}, "spaces around it"),
        ({"webhook_secrets": []}, "RAZORPAY_WEBHOOK_SECRETS is empty"),
        ({"webhook_secrets": ["0123456789abcdefgh", ""]}, "number 2, is missing"),
        ({"webhook_secrets": ["123456"]}, "number 1, is shorter"), ({"webhook_secrets": [KEY_SECRET]}, "the same as"),
        ({"base_url": "http://api.razorpay.com"}, "must be https"), ({"base_url": "ftp://127.0.0.1"}, "must be https"),
        ({"base_url": "https://user:pw@api.razorpay.com"}, "a scheme and a host"), ({"base_url": ""}, "a scheme and"),
        ({"base_url": "https://api.razorpay.com/v1"}, "a scheme and a host"), ({"base_url": "https://["}, "not a URL"),
        ({"base_url": "http://127.0.0.1.example.com"}, "must be https"), ({"base_url": "https://a:b"}, "not a URL"),
        ({"base_url": "http://127.0.0.1:8077", "key_id": "rzp_live_12345678901234"}, "a live key must not"),
    ],
)  # fmt: skip
def test_unusable_keys_and_addresses_are_named(changes: dict[str, Any], sentence: str) -> None:
    good = {
        "key_id": KEY_ID,
        "key_secret": KEY_SECRET,
        "webhook_secrets": ["0123456789abcdefgh"],
        "base_url": "https://api.razorpay.com",
    }
    assert configuration_problems(**good) == []  # type: ignore[arg-type]

    problems = configuration_problems(**{**good, **changes})

    assert [problem for problem in problems if sentence in problem], problems
    assert not any(KEY_SECRET in problem for problem in problems)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8077", "http://localhost:8077", "http://[::1]:8077"])
def test_plain_http_is_for_this_machine_in_development(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert Gateway(GatewayConfig(KEY_ID, KEY_SECRET, url))

    monkeypatch.setenv("DEBUG", "0")

    with pytest.raises(GatewayMisconfigured, match="must be https"):
        GatewayConfig(KEY_ID, KEY_SECRET, url)


def test_the_settings_are_read_when_a_gateway_is_made(settings: Any, sandbox: RunningSandbox) -> None:
    settings.RAZORPAY_KEY_ID, settings.RAZORPAY_KEY_SECRET = KEY_ID, KEY_SECRET
    settings.RAZORPAY_API_URL = sandbox.url
    settings.RAZORPAY_UNIQUE_RECEIPT = True

    with Gateway() as gateway:
        order(gateway)
        with pytest.raises(GatewayRefused, match="receipt"):
            order(gateway)

    settings.RAZORPAY_API_URL = ""
    assert config_from_settings().base_url == "https://api.razorpay.com"
