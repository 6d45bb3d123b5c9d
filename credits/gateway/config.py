"""Keys and address of the gateway, and what is wrong with them."""

import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LIVE_URL = "https://api.razorpay.com"
KEY_ID_PATTERN = re.compile(r"rzp_(test|live)_[A-Za-z0-9]{10,40}", re.ASCII)
LEAST_SECRET = 16
PLACEHOLDERS = ("none", "null", "undefined", "changeme", "secret")
TRUE_WORDS = ("true", "on", "ok", "y", "yes", "1")  # as django-environ reads a boolean


class GatewayMisconfigured(Exception):
    """The keys or the address can't be used; the message says why and never shows a secret."""


@dataclass(frozen=True)
class GatewayConfig:
    """`timeout` is (connect, read) in seconds; `total_s` bounds a whole answer, however slowly it drips."""

    key_id: str
    key_secret: str = field(repr=False)
    base_url: str = LIVE_URL
    timeout: tuple[float, float] = (3.05, 10.0)
    total_s: float = 30.0
    unique_receipt: bool = False  # newer than most of Razorpay's documentation, so it can be left out
    ca_file: str | None = None  # None: certifi's

    def __post_init__(self) -> None:
        problems = [*key_problems(self.key_id, self.key_secret), *url_problems(self.base_url, self.key_id)]
        if problems:
            raise GatewayMisconfigured("; ".join(problems))


def config_from_settings() -> GatewayConfig:
    """From django.conf.settings, read now: tests and shells may change them."""
    from django.conf import settings

    return GatewayConfig(
        key_id=settings.RAZORPAY_KEY_ID,
        key_secret=settings.RAZORPAY_KEY_SECRET,
        base_url=settings.RAZORPAY_API_URL or LIVE_URL,
        unique_receipt=settings.RAZORPAY_UNIQUE_RECEIPT,
    )


def configuration_problems(
    key_id: str, key_secret: str, webhook_secrets: Sequence[str], base_url: str
) -> list[str]:
    """Everything that must stop a start, one sentence each; empty when all is well."""
    problems = [*key_problems(key_id, key_secret), *url_problems(base_url, key_id)]
    if not webhook_secrets:
        problems.append("RAZORPAY_WEBHOOK_SECRETS is empty: no webhook could be believed")
    for number, secret in enumerate(webhook_secrets, start=1):
        problems.extend(secret_problems(f"RAZORPAY_WEBHOOK_SECRETS, number {number},", secret))
        if secret == key_secret:
            problems.append("a webhook secret is the same as RAZORPAY_KEY_SECRET")
    return problems


def key_problems(key_id: str, key_secret: str) -> list[str]:
    problems = secret_problems("RAZORPAY_KEY_SECRET", key_secret)
    if not isinstance(key_id, str) or KEY_ID_PATTERN.fullmatch(key_id) is None:
        problems.insert(0, "RAZORPAY_KEY_ID is missing or not of the form rzp_test_… or rzp_live_…")
    return problems


def secret_problems(name: str, secret: str) -> list[str]:
    if not isinstance(secret, str) or not secret.strip() or secret.strip().lower() in PLACEHOLDERS:
        return [f"{name} is missing"]
    if secret != secret.strip():
        return [f"{name} has spaces around it"]
    if len(secret) < LEAST_SECRET:
        return [f"{name} is shorter than {LEAST_SECRET} characters"]
    return []


def url_problems(base_url: str, key_id: str) -> list[str]:
    """https anywhere, or plain http to this machine while the environment says DEBUG.

    The environment is asked, not settings.DEBUG, which test runners set to False.
    """
    try:
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        _ = parts.port
    except (ValueError, AttributeError, TypeError):
        return ["RAZORPAY_API_URL is not a URL"]
    if (
        not host
        or parts.username
        or parts.password
        or parts.query
        or parts.fragment
        or parts.path not in ("", "/")
    ):
        return ["RAZORPAY_API_URL must be a scheme and a host, nothing else"]
    if is_loopback(host) and str(key_id).startswith("rzp_live_"):
        return ["a live key must not be used with a RAZORPAY_API_URL on this machine"]
    debug = os.environ.get("DEBUG", "").strip().lower() in TRUE_WORDS
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host) and debug):
        return []
    return ["RAZORPAY_API_URL must be https (plain http only to this machine, with DEBUG)"]


def checkout_problems(checkout_url: str) -> list[str]:
    """Razorpay's own hosts by https, or this machine while the environment says DEBUG: its script sees the payer."""
    try:
        parts = urlsplit(checkout_url)
        host = parts.hostname or ""
    except (ValueError, AttributeError, TypeError):
        return ["RAZORPAY_CHECKOUT_JS_URL is not a URL"]
    if parts.scheme == "https" and is_razorpay(host):
        return []
    debug = os.environ.get("DEBUG", "").strip().lower() in TRUE_WORDS
    if parts.scheme in ("http", "https") and is_loopback(host) and debug:
        return []
    return ["RAZORPAY_CHECKOUT_JS_URL must be Razorpay's own (this machine's only with DEBUG)"]


def is_razorpay(host: str) -> bool:
    return host == "razorpay.com" or host.endswith(".razorpay.com")


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
