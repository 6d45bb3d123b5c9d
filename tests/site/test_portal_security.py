"""One's own sign-in: name and language, devices, password, and codes by mail instead of it."""

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from billing_site.outbox.mails import send_due_mails
from clinics.models import Clinic, User
from clinics.services.devices import _device
from clinics.sign_in import SECOND_FACTOR_SALT
from clinics.stored_secrets import encrypted
from tests import factories
from tests.site.back_office import TOTP_SECRET, person
from tests.site.codes import Phone, phone
from tests.site.portal_people import HTML, PASSWORD, SECURITY, browser_of, link_in_mail, member

__all__ = ["phone"]
pytestmark = pytest.mark.django_db

CODE_PAGE = "/accounts/login/code/"
CONFIRM = "/accounts/login/code/confirm/"
SESSIONS = "/accounts/sessions/"


@pytest.fixture(autouse=True)
def nothing_counted_yet(db: None) -> None:
    cache.clear()  # the limits count in it


class TestYou:
    def test_nobody_makes_another_address_their_own(self, owner: User) -> None:
        """It is what invitations and rights of staff are given to."""
        client, before = browser_of(owner), owner.email
        for action in ("action_add", "action_primary"):
            answer = client.post("/accounts/email/", {"email": "victim@care.example", action: ""})
            assert answer["Location"] == "/accounts/sessions/"
        owner.refresh_from_db()
        assert owner.email == before
        assert not EmailAddress.objects.filter(email="victim@care.example").exists()

    def test_name_and_language_are_one_s_own_and_in_force_at_once(self, owner: User) -> None:
        client = browser_of(owner)
        response = client.post(SECURITY, {"full_name": "Dr Meghna Bhatt", "language": "hi"})
        assert (response.status_code, response["Location"]) == (303, SECURITY)
        owner.refresh_from_db()
        assert (owner.full_name, owner.language) == ("Dr Meghna Bhatt", "hi")
        assert client.get(SECURITY)["Content-Language"] == "hi"

    @pytest.mark.parametrize(
        ("field", "value"),
        [("full_name", ""), ("full_name", "x" * 151), ("full_name", "\x00"), ("language", "fr")],
    )
    def test_bad_input_changes_nothing(self, owner: User, field: str, value: str) -> None:
        response = browser_of(owner).post(SECURITY, {"full_name": "New", "language": "en", field: value})
        assert response.status_code == 400
        assert field in response.context["form"].errors
        assert User.objects.get(pk=owner.pk).full_name == ""


def on(agent: str, user: User) -> Client:
    """Signed in by the page, as a browser that calls itself so."""
    client = Client(headers={"accept": "text/html", "user-agent": agent}, REMOTE_ADDR="127.0.0.1")
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    return client


CHROME = (
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Safari/604.1"
)
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0"


class TestDevices:
    def test_the_browsers_where_one_is_signed_in_are_listed_by_what_they_are(self, owner: User) -> None:
        here, _, _ = on(CHROME, owner), on(IPHONE, owner), on(EDGE, owner)
        page = here.get(SECURITY)
        devices = [(one.browser, one.system, one.is_here) for one in page.context["devices"]]
        assert devices == [
            ("Chrome", "Android", True),
            ("Edge", "Windows", False),
            ("Safari", "iPhone", False),
        ]
        assert "Chrome on Android" in page.text
        assert "127.0.0.1" not in page.text

    def test_what_calls_itself_nothing_we_know_is_listed_too(self) -> None:
        unknown = _device(1, "curl/8", None, is_here=False)
        assert (unknown.browser, unknown.system) == ("", "")

    def test_one_is_ended_or_all_others_and_never_this_one(self, owner: User, clinic: Clinic) -> None:
        here, phone_, office = on(CHROME, owner), on(IPHONE, owner), on(EDGE, owner)
        stranger = on(CHROME, member(clinic))
        key = UserSession.objects.get(user=owner, user_agent=IPHONE).pk
        assert here.post(SESSIONS, {"device": key})["Location"] == SECURITY
        answers = [client.get("/clinic/dashboard").status_code for client in (here, phone_, office, stranger)]
        assert answers == [200, 302, 200, 200]
        assert here.post(SESSIONS, {"device": key}).status_code == 404
        mine = UserSession.objects.get(user=owner, user_agent=CHROME).pk
        assert here.post(SESSIONS, {"device": mine}).status_code == 404
        here.post(SESSIONS)
        answers = [client.get("/clinic/dashboard").status_code for client in (here, office, stranger)]
        assert answers == [200, 302, 200]

    @pytest.mark.parametrize("device", ["0", "-1", "abc", "9" * 30, "\x00"])
    def test_another_s_and_nonsense_are_a_404_and_end_nothing(
        self, owner: User, clinic: Clinic, device: str
    ) -> None:
        here, other = on(CHROME, owner), on(CHROME, member(clinic))
        theirs = UserSession.objects.exclude(user=owner).get().pk
        for key in (device, theirs):
            assert here.post(SESSIONS, {"device": key}).status_code == 404
        assert Session.objects.count() == 2
        assert other.get("/clinic/dashboard").status_code == 200

    def test_any_number_of_them_costs_the_same(self, owner: User) -> None:
        here = on(CHROME, owner)
        here.get(SECURITY)
        with CaptureQueriesContext(connection) as few:
            here.get(SECURITY)
        for _ in range(5):
            on(EDGE, owner)
        with CaptureQueriesContext(connection) as many:
            here.get(SECURITY)
        assert len(many) == len(few) <= 14, [query["sql"][:90] for query in many]

    def test_the_library_s_page_leads_members_here_and_is_for_staff_there(
        self, owner: User, client: Client
    ) -> None:
        assert browser_of(owner).get(SESSIONS)["Location"] == SECURITY
        assert "Where you are signed in" in browser_of(person("support")).get(SESSIONS).text
        assert client.get(SESSIONS)["Location"].startswith("/accounts/login/")

    def test_a_changed_password_and_being_switched_off_end_every_session(self, owner: User) -> None:
        here, there = on(CHROME, owner), on(EDGE, owner)
        on(IPHONE, owner)  # never asks again: its session stays in the table, and opens nothing
        new = "another quite long one"
        here.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
        assert [client.get("/clinic/dashboard").status_code for client in (here, there)] == [302, 302]
        owner.refresh_from_db()
        again = browser_of(owner)
        assert [one.is_here for one in again.get(SECURITY).context["devices"]] == [True]
        User.objects.filter(pk=owner.pk).update(is_active=False)
        assert again.get("/clinic/dashboard").status_code == 302


def ask_for_code(client: Client, email: str) -> Any:
    return client.post(CODE_PAGE, {"email": email}, **HTML)


def code_in_mail() -> str:
    send_due_mails()
    found = re.search(r"^[A-Z]{4}-[A-Z]{4}$", str(mail.outbox[-1].body), re.MULTILINE)
    assert found, mail.outbox[-1].body
    return found[0]


def by_code(user: User) -> tuple[Client, Any]:
    client = Client(REMOTE_ADDR="127.0.0.1", headers={"accept": "text/html"})
    ask_for_code(client, user.email)
    return client, client.post(CONFIRM, {"code": code_in_mail()})


class TestCodeByMail:
    def test_the_sign_in_page_offers_it_and_fits_password_managers(self, client: Client) -> None:
        page = client.get("/accounts/login/", **HTML).text
        assert CODE_PAGE in page
        for attribute in ('autocomplete="username"', 'autocomplete="current-password"', 'inputmode="email"'):
            assert attribute in page
        assert "placeholder" not in page

    def test_a_code_signs_in_typed_in_any_case_where_it_was_asked_for(self, owner: User) -> None:
        client, answer = by_code(owner)
        assert answer["Location"] == "/clinic/dashboard"
        assert client.get("/clinic/dashboard").status_code == 200
        other = Client(REMOTE_ADDR="127.0.0.1")
        ask_for_code(other, owner.email)
        code = code_in_mail()
        assert other.post(CONFIRM, {"code": code.lower().replace("-", " ")}, **HTML).status_code == 302
        third = Client(REMOTE_ADDR="127.0.0.1")  # a code is good in the browser that asked for it alone
        assert third.post(CONFIRM, {"code": code}, **HTML)["Location"] == CODE_PAGE
        ask_for_code(third, owner.email)
        assert third.post(CONFIRM, {"code": code}, **HTML).status_code == 200

    def test_an_unknown_or_switched_off_address_is_answered_like_a_known_one(self, owner: User) -> None:
        gone = factories.UserFactory.create(is_active=False).email
        pages = []
        for email in (owner.email, "nobody@here.example", gone):
            client = Client(REMOTE_ADDR="127.0.0.1")
            answer = ask_for_code(client, email)
            assert (answer.status_code, answer["Location"]) == (302, CONFIRM)
            html = client.get(CONFIRM, **HTML).text.replace(email, "X")
            pages.append(re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", html))
            assert client.post(CONFIRM, {"code": "AAAA-AAAA"}, **HTML).status_code == 200
        assert pages[0] == pages[1] == pages[2]
        assert not mail.outbox
        send_due_mails()
        assert [len(mail.outbox), {message.to[0] for message in mail.outbox}] == [
            3, {owner.email, "nobody@here.example", gone},
        ]  # fmt: skip
        assert "signup" not in str(mail.outbox[1].body)

    def test_three_wrong_codes_end_it_and_asking_has_a_limit(self, owner: User, client: Client) -> None:
        ask_for_code(client, owner.email)
        right = code_in_mail()
        answers = [client.post(CONFIRM, {"code": "AAAA-AAAA"}, **HTML).status_code for _ in range(3)]
        assert answers == [200, 200, 302]
        client.post(CONFIRM, {"code": right}, **HTML)
        assert client.get("/clinic/dashboard", **HTML).status_code == 302
        for _ in range(6):
            last = ask_for_code(Client(), owner.email)
        assert last.status_code == 200
        assert "Too many" in last.text
        send_due_mails()
        assert len(mail.outbox) == 5

    def test_staff_need_their_second_factor_all_the_same(self, settings: Settings, phone: Phone) -> None:
        settings.STAFF_MFA_REQUIRED = True
        without = person("support", password=None)
        client, _ = by_code(without)
        assert client.get("/admin/")["Location"] == "/accounts/2fa/totp/activate/"
        # Mail alone sets no factor up either: that takes the password, which this one has not got.
        assert client.get("/accounts/2fa/totp/activate/").status_code == 403
        with_factor = person("support")
        Authenticator.objects.create(
            user=with_factor, type="totp", data={"secret": encrypted(TOTP_SECRET, salt=SECOND_FACTOR_SALT)}
        )
        client, answer = by_code(with_factor)
        assert answer["Location"] == "/accounts/2fa/authenticate/"
        assert client.get("/admin/")["Location"].startswith("/admin/login/")
        client.post("/accounts/2fa/authenticate/", {"code": phone.code(TOTP_SECRET)})
        assert client.get("/admin/").status_code == 200

    def test_it_is_no_proof_for_changes_that_ask_again(self, owner: User, clinic: Clinic) -> None:
        client, _ = by_code(owner)
        response = client.post("/clinic/settings/members", {"email": "a@b.example", "role": "billing"})
        assert response.status_code == 403
        assert "step_up_password" in response.text

    def test_who_has_no_password_is_led_to_set_one_by_mail_and_then_may(self, clinic: Clinic) -> None:
        owner = member(clinic, password=None)
        client, _ = by_code(owner)
        invitation = {"email": "a@b.example", "role": "billing"}
        refused = client.post("/clinic/settings/members", invitation)
        assert refused.status_code == 403
        assert "This needs a password" in refused.text
        assert client.get("/accounts/2fa/totp/activate/").status_code == 403  # an app would be a proof
        for page in ("/accounts/password/set/", "/accounts/password/change/"):  # a session alone sets none
            assert client.get(page, follow=True).redirect_chain[-1][0] == "/accounts/password/reset/"
        client.post("/accounts/password/set/", {"password1": PASSWORD, "password2": PASSWORD})
        owner.refresh_from_db()
        assert not owner.has_usable_password()
        assert client.get(SECURITY).context["has_password"] is False

        client.post("/accounts/password/reset/", {"email": owner.email})
        form = client.get(link_in_mail())["Location"]
        client.post(form, {"password1": PASSWORD, "password2": PASSWORD})
        client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})
        assert client.post("/clinic/settings/members", invitation).status_code == 303
