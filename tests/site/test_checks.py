"""What refuses an unsafe start."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from billing_site.checks import (
    database_is_fit_for_money,
    limits_let_somebody_in,
    links_in_mails_lead_here,
    mails_leave,
    refuse_unsafe_start,
    seal_key_is_a_secret,
    secret_problem,
    staff_need_a_second_factor,
)
from credits.gateway import checkout_problems


@pytest.mark.parametrize("value", ["", "None", "null", "changeme", "short"])
def test_what_stands_for_nothing_is_no_secret(value: str) -> None:
    assert secret_problem("SECRET_KEY", value) is not None


def test_fifty_characters_are_a_secret() -> None:
    assert secret_problem("SECRET_KEY", "x7" * 25) is None


@pytest.mark.django_db
def test_without_debug_and_keys_the_web_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBUG", "off")

    with pytest.raises(ImproperlyConfigured, match="RAZORPAY_KEY_ID"):
        refuse_unsafe_start()


@pytest.mark.django_db
@pytest.mark.parametrize(("debug", "required", "refused"), [
    ("off", False, True), ("off", True, False), ("on", False, False), ("on", True, False),
])  # fmt: skip
def test_staff_without_a_second_factor_are_for_the_demo_alone(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, debug: str, required: bool, refused: bool
) -> None:
    monkeypatch.setenv("DEBUG", debug)
    settings.STAFF_MFA_REQUIRED = required

    found = [message.id for message in staff_need_a_second_factor(None)]

    assert found == (["billing_site.E008"] if refused else [])
    if refused:
        with pytest.raises(ImproperlyConfigured, match="STAFF_MFA_REQUIRED is off"):
            refuse_unsafe_start()


@pytest.mark.parametrize(
    ("debug", "url", "is_fine"),
    [
        ("off", "https://credits.example", True),
        ("off", "", False),
        ("off", "http://credits.example", False),
        ("on", "", True),
    ],
)
def test_links_in_mails_lead_to_the_site(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, debug: str, url: str, is_fine: bool
) -> None:
    monkeypatch.setenv("DEBUG", debug)
    settings.SITE_URL = url

    assert (links_in_mails_lead_here(None) == []) is is_fine


@pytest.mark.parametrize(
    ("debug", "backend", "is_fine"),
    [("off", "smtp", True), ("off", "console", False), ("off", "filebased", False), ("on", "console", True)],
)
def test_mails_that_stay_here_are_for_development(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, debug: str, backend: str, is_fine: bool
) -> None:
    monkeypatch.setenv("DEBUG", debug)
    settings.EMAIL_CONFIG = {"EMAIL_BACKEND": f"django.core.mail.backends.{backend}.EmailBackend"}

    assert (mails_leave(None) == []) is is_fine


@pytest.mark.parametrize(("limit", "is_fine"), [(1, True), (0, False), (-1, False)])
def test_a_limit_that_lets_nobody_in_is_refused(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, limit: int, is_fine: bool
) -> None:
    monkeypatch.setenv("DEBUG", "off")
    settings.API_REQUESTS_PER_MINUTE = limit

    assert (limits_let_somebody_in(None) == []) is is_fine


@pytest.mark.parametrize(
    ("key", "problem"), [("", "E001"), ("short", "E002"), ("s" * 50, "E010"), ("k" * 50, None)]
)
def test_the_seal_key_is_a_secret_of_its_own(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, key: str, problem: str | None
) -> None:
    monkeypatch.setenv("DEBUG", "off")
    settings.SECRET_KEY, settings.SEAL_KEY = "s" * 50, key

    assert [message.id for message in seal_key_is_a_secret(None)] == (
        [f"billing_site.{problem}"] if problem else []
    )


@pytest.mark.parametrize(
    ("url", "is_fine"),
    [
        ("https://checkout.razorpay.com/v1/checkout.js", True),
        ("http://checkout.razorpay.com/v1/checkout.js", False),
        ("https://evilrazorpay.com/v1/checkout.js", False),
        ("https://razorpay.com.example/checkout.js", False),
        ("http://127.0.0.1:8077/v1/checkout.js", False),
        ("", False),
    ],
)
def test_the_checkout_script_is_razorpay_s(monkeypatch: pytest.MonkeyPatch, url: str, is_fine: bool) -> None:
    monkeypatch.setenv("DEBUG", "off")

    assert (checkout_problems(url) == []) is is_fine


def test_the_sandbox_s_script_needs_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBUG", "on")

    assert checkout_problems("http://127.0.0.1:8077/v1/checkout.js") == []


@pytest.mark.django_db
def test_the_embedded_database_and_one_role_for_both_are_refused(settings: object) -> None:
    settings.DATABASE_URL = ""  # type: ignore[attr-defined]
    assert [message.id for message in database_is_fit_for_money(None)] == ["billing_site.E003"]

    settings.DATABASE_URL = "postgres://web@db/credits"  # type: ignore[attr-defined]
    assert database_is_fit_for_money(None, databases=["default"]) == []
