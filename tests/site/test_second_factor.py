"""Two-step sign-in: set up by everybody who likes, forced on staff, stored unreadably, reset by ops."""

import logging
import re
from datetime import timedelta
from typing import Any, Final

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from clinics.models import User
from tests import factories
from tests.site.back_office import GROUPS, TOTP_SECRET, person, sign_in
from tests.site.codes import Phone, phone

__all__ = ["phone"]
pytestmark = pytest.mark.django_db

PASSWORD: Final = "correct horse battery"
SET_UP: Final = "/accounts/2fa/totp/activate/"
BROWSER: Any = {"headers": {"accept": "text/html"}}


@pytest.fixture
def enforced(settings: Settings) -> None:
    settings.STAFF_MFA_REQUIRED = True


def staff_member() -> User:
    return factories.UserFactory.create(is_staff=True, is_superuser=True)


def by_password(user: User) -> tuple[Client, Any]:
    """Signs in on the page, and what it answers."""
    client = Client()
    return client, client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})


def set_up(client: Client, phone: Phone) -> tuple[str, list[str]]:
    """Sets the factor up on its pages; the app's secret and the recovery codes that are shown."""
    found = re.search(r'id="totp-secret">(\w+)<', client.get(SET_UP).content.decode())
    assert found
    response = client.post(SET_UP, {"code": phone.code(found[1])}, follow=True)
    codes = re.findall(r"<code[^>]*>(\d{8})</code>", response.content.decode())
    phone.wait()
    return found[1], codes


def staff_with_factor(phone: Phone) -> tuple[User, str, list[str]]:
    user = staff_member()
    secret, codes = set_up(by_password(user)[0], phone)
    return user, secret, codes


# --- what staff must do ---------------------------------------------------------------------------
@pytest.mark.usefixtures("enforced")
def test_staff_without_a_factor_are_led_to_set_it_up_and_then_let_in(phone: Phone) -> None:
    user = staff_member()
    client, _ = by_password(user)
    assert client.get("/admin/clinics/user/").headers["Location"] == SET_UP
    assert "Staff sign in to the back office with a second step" in client.get(SET_UP).content.decode()

    _, codes = set_up(client, phone)

    assert len(codes) == 10
    assert client.get("/admin/").status_code == 200


@pytest.mark.usefixtures("enforced")
@pytest.mark.parametrize("who", [*GROUPS, "superuser", "nobody"])
def test_nobody_on_the_staff_changes_anything_without_a_factor(who: str) -> None:
    client, user = Client(), person(who)
    sign_in(client, user)
    address = f"/admin/clinics/user/{user.pk}/change/"
    page, program = client.post(address, **BROWSER), client.post(address)
    assert (page.status_code, program.status_code) == (403, 403)
    assert "second factor" in page.content.decode()
    assert program.json()["code"] == "second_factor_needed"
    assert client.put("/admin/").status_code == 403
    assert client.get("/admin/").headers["Location"].startswith((SET_UP, "/accounts/reauthenticate/"))


@pytest.mark.usefixtures("enforced")
def test_without_a_factor_staff_can_sign_out_and_use_the_rest_of_the_site() -> None:
    client, _ = by_password(staff_member())
    assert client.get("/accounts/password/change/").status_code == 200
    assert client.post("/admin/logout/").status_code == 200
    assert "_auth_user_id" not in client.session


@pytest.mark.usefixtures("enforced")
def test_a_password_alone_signs_nobody_in_who_has_a_factor(phone: Phone) -> None:
    user, secret, _ = staff_with_factor(phone)
    client, answer = by_password(user)
    assert answer.headers["Location"] == "/accounts/2fa/authenticate/"
    assert client.get("/admin/").headers["Location"].startswith("/admin/login/")

    refused = client.post("/accounts/2fa/authenticate/", {"code": phone.wrong_code(secret)})
    assert "Incorrect code" in refused.content.decode()
    assert "_auth_user_id" not in client.session

    client.post("/accounts/2fa/authenticate/", {"code": phone.code(secret)})
    assert client.get("/admin/").status_code == 200


@pytest.mark.usefixtures("enforced")
def test_a_session_from_before_the_factor_gives_a_code_first(phone: Phone) -> None:
    user = staff_member()
    old, _ = by_password(user)
    secret, _ = set_up(by_password(user)[0], phone)

    asked = old.get("/admin/clinics/user/?q=a")
    assert (
        asked.headers["Location"] == "/accounts/2fa/reauthenticate/?next=%2Fadmin%2Fclinics%2Fuser%2F%3Fq%3Da"
    )
    confirmed = old.post(
        "/accounts/2fa/reauthenticate/", {"code": phone.code(secret), "next": "/admin/clinics/user/?q=a"}
    )

    assert confirmed.headers["Location"] == "/admin/clinics/user/?q=a"
    assert old.get("/admin/").status_code == 200


@pytest.mark.usefixtures("enforced")
def test_a_password_only_session_cannot_take_the_factor_away_with_the_password(phone: Phone) -> None:
    user = staff_member()
    old = Client()
    sign_in(old, user, minutes_ago=6)
    set_up(by_password(user)[0], phone)

    for address in ("/accounts/2fa/totp/deactivate/", "/accounts/2fa/recovery-codes/generate/"):
        assert old.get(address).headers["Location"].startswith("/accounts/2fa/reauthenticate/")
    refused = old.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert refused.headers["Location"].startswith("/accounts/2fa/reauthenticate/")
    assert old.post("/accounts/2fa/totp/deactivate/").status_code == 302
    assert Authenticator.objects.filter(user=user).count() == 2


@pytest.mark.usefixtures("enforced")
def test_a_factor_that_is_taken_away_ends_at_the_next_click_in_every_session(phone: Phone) -> None:
    user, secret, _ = staff_with_factor(phone)
    clients = [by_password(user)[0] for _ in range(2)]
    for client in clients:
        client.post("/accounts/2fa/authenticate/", {"code": phone.code(secret)})
        phone.wait()
        assert client.get("/admin/").status_code == 200

    clients[0].post("/accounts/2fa/totp/deactivate/")

    assert not Authenticator.objects.filter(user=user).exists()
    assert [client.get("/admin/").headers["Location"] for client in clients] == [SET_UP, SET_UP]


def asks(client: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        client.get(address)
    return [query["sql"] for query in queries if "mfa_authenticator" in query["sql"]]


@pytest.mark.usefixtures("enforced")
def test_the_check_costs_one_look_up_a_page_of_the_back_office_and_nothing_elsewhere(phone: Phone) -> None:
    user, secret, _ = staff_with_factor(phone)
    staff, _ = by_password(user)
    staff.post("/accounts/2fa/authenticate/", {"code": phone.code(secret)})
    member = Client()
    member.force_login(factories.member_of(factories.ClinicFactory.create(), "owner"))
    assert len(asks(staff, "/admin/")) == 1
    assert asks(staff, "/clinic/dashboard") == asks(member, "/admin/") == asks(Client(), "/admin/") == []
    assert asks(member, "/clinic/dashboard") == []


def test_where_it_is_not_required_a_password_is_enough() -> None:
    assert by_password(staff_member())[0].get("/admin/").status_code == 200


# --- codes ----------------------------------------------------------------------------------------
def test_a_recovery_code_signs_in_once(phone: Phone, settings: Settings) -> None:
    settings.STAFF_MFA_REQUIRED = True
    user, _, codes = staff_with_factor(phone)
    for attempt in ("first", "second"):
        client, _ = by_password(user)
        client.post("/accounts/2fa/authenticate/", {"code": codes[3]})
        assert (client.get("/admin/").status_code == 200) is (attempt == "first")


def test_a_code_of_the_app_signs_in_once(phone: Phone) -> None:
    user, secret, _ = staff_with_factor(phone)
    for attempt in ("first", "second"):
        client, _ = by_password(user)
        client.post("/accounts/2fa/authenticate/", {"code": phone.code(secret)})
        assert ("_auth_user_id" in client.session) is (attempt == "first")


def test_the_code_that_set_the_app_up_does_not_sign_in(phone: Phone) -> None:
    user = staff_member()
    client, _ = by_password(user)
    secret = re.search(r'id="totp-secret">(\w+)<', client.get(SET_UP).content.decode())
    assert secret
    client.post(SET_UP, {"code": phone.code(secret[1])})
    other, _ = by_password(user)
    other.post("/accounts/2fa/authenticate/", {"code": phone.code(secret[1])})
    assert "_auth_user_id" not in other.session


def test_codes_cannot_be_guessed(phone: Phone) -> None:
    user, secret, _ = staff_with_factor(phone)
    client, _ = by_password(user)
    for _ in range(10):
        client.post("/accounts/2fa/authenticate/", {"code": phone.wrong_code(secret)})
    locked = client.post("/accounts/2fa/authenticate/", {"code": phone.code(secret)})
    assert "Too many failed login attempts" in locked.content.decode()
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("code", ["", "\x00", "१२३४५६", "9" * 10_000, "' OR 1=1", "-1", "1.0", " "])
def test_nonsense_for_a_code_is_refused_kindly(phone: Phone, code: str) -> None:
    user, _, _ = staff_with_factor(phone)
    client, _ = by_password(user)
    assert client.post("/accounts/2fa/authenticate/", {"code": code}).status_code == 200
    assert "_auth_user_id" not in client.session


def test_recovery_codes_are_shown_once(phone: Phone) -> None:
    client, _ = by_password(staff_member())
    _, codes = set_up(client, phone)
    later = client.get("/accounts/2fa/recovery-codes/").content.decode()
    assert codes
    assert not [code for code in codes if code in later]
    assert client.get("/accounts/2fa/recovery-codes/download/").status_code == 403
    renewed = client.post("/accounts/2fa/recovery-codes/generate/", follow=True).content.decode()
    assert len(set(re.findall(r"<code[^>]*>(\d{8})</code>", renewed)) - set(codes)) == 10


# --- what is stored -------------------------------------------------------------------------------
def test_the_database_alone_gives_no_factor_away(phone: Phone, settings: Settings) -> None:
    user, secret, codes = staff_with_factor(phone)
    stored = [row.data for row in Authenticator.objects.filter(user=user)]
    assert len(stored) == 2
    assert secret not in str(stored)
    assert not any(code in str(stored) for code in codes)
    assert secret not in str([row.get_decoded() for row in Session.objects.all()])

    settings.SECRET_KEY, old = "another key of fifty characters, as it should be...", settings.SECRET_KEY
    client, _ = by_password(user)
    unreadable = client.post("/accounts/2fa/authenticate/", {"code": phone.code(secret)})
    # The session of the first step was signed with the new key; the secret is under the old one.
    assert (unreadable.status_code, "_auth_user_id" in client.session) == (200, False)
    assert "can&#x27;t be read any more" in unreadable.content.decode()

    settings.SECRET_KEY_FALLBACKS = [old]
    client.post("/accounts/2fa/authenticate/", {"code": phone.code(secret)})
    assert "_auth_user_id" in client.session


def test_the_back_office_has_no_page_of_factors() -> None:
    client, _ = by_password(staff_member())
    assert client.get("/admin/mfa/authenticator/").status_code == 404


# --- a lost phone ---------------------------------------------------------------------------------
def test_a_reset_takes_the_factor_away_ends_every_session_and_is_logged(
    phone: Phone, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    user, _, _ = staff_with_factor(phone)
    other, _, _ = staff_with_factor(phone)
    bystander = Client()
    sign_in(bystander, other, with_code=True)
    here = Client()
    sign_in(here, user, with_code=True)
    Session.objects.filter(pk=here.session.session_key).update(expire_date=timezone.now() + timedelta(days=1))

    with caplog.at_level(logging.WARNING):
        call_command("reset_second_factor", user.email.upper(), "--reason", "Lost phone, seen on video")

    assert not Authenticator.objects.filter(user=user).exists()
    assert Authenticator.objects.filter(user=other).count() == 2
    assert here.get("/admin/").headers["Location"].startswith("/admin/login/")
    assert bystander.get("/admin/").status_code == 200
    assert f"user {user.pk} " in caplog.text
    assert "Lost phone, seen on video" in caplog.text
    assert user.email not in caplog.text
    assert "The second factor is gone; 2 sessions ended." in capsys.readouterr().out
    assert by_password(user)[1].headers["Location"] != "/accounts/2fa/authenticate/"


@pytest.mark.parametrize(
    ("email", "reason", "message"),
    [
        ("nobody@x.example", "Lost phone", "Nobody signs in"),
        ("", "Lost phone", "Nobody signs in"),
        ("me@x.example", " ", "Say why"),
        ("me@x.example", "asked by me@x.example", "no e-mail address"),
    ],
)
def test_a_reset_without_a_user_or_a_reason_is_refused(email: str, reason: str, message: str) -> None:
    user = factories.UserFactory.create(email="me@x.example")
    client = Client()
    sign_in(client, user, with_code=True)
    with pytest.raises(CommandError, match=message):
        call_command("reset_second_factor", email, "--reason", reason)
    assert Authenticator.objects.filter(user=user).exists()
    assert "_auth_user_id" in client.session


def test_a_member_of_a_clinic_may_have_a_factor_too(phone: Phone) -> None:
    member = factories.member_of(factories.ClinicFactory.create(), "owner")
    client, _ = by_password(member)
    assert "Two-step sign-in" in client.get("/clinic/settings/security").content.decode()
    assert "Staff" not in client.get(SET_UP).content.decode()
    secret, _ = set_up(client, phone)
    again, answer = by_password(member)
    assert answer.headers["Location"] == "/accounts/2fa/authenticate/"
    again.post("/accounts/2fa/authenticate/", {"code": phone.code(secret)})
    assert again.get("/clinic/dashboard").status_code == 200
    assert secret != TOTP_SECRET
