"""A phone with an authenticator app, for tests."""

import time

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

PERIOD = 30


class Phone:
    """Shows the code of a secret, in a time that stands still until `wait` moves it on to the next code."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.time()
        monkeypatch.setattr("allauth.mfa.totp.internal.auth.time", self)

    def time(self) -> float:
        return self.now

    def wait(self) -> None:
        self.now += PERIOD

    def code(self, secret: str) -> str:
        return str(format_hotp_value(hotp_value(secret, int(self.now) // PERIOD)))

    def wrong_code(self, secret: str) -> str:
        return f"{(int(self.code(secret)) + 1) % 1_000_000:06d}"


@pytest.fixture
def phone(monkeypatch: pytest.MonkeyPatch) -> Phone:
    return Phone(monkeypatch)
