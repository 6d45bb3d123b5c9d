"""What people and programs read when something goes wrong: kind words, a way on, in their language."""

from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import include, path
from django.utils import translation
from django.utils.translation import trans_real

from clinics.models import Clinic, User
from credits.services.ledger import BillingService
from tests import factories

pytestmark = pytest.mark.django_db
HTML: Any = {"accept": "text/html"}
HINDI: Any = {"accept": "text/html", "accept-language": "hi"}


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a bug")


def malformed(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("nonsense")


urlpatterns = [path("broken", broken), path("malformed", malformed), path("", include("billing_site.urls"))]
handler400 = "billing_site.error_pages.bad_request"
handler403 = "billing_site.error_pages.permission_denied"
handler404 = "billing_site.error_pages.page_not_found"
handler500 = "billing_site.error_pages.server_error"


@pytest.fixture
def in_hindi(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A catalogue of a few words, so that this needs no finished translation."""
    words: dict[str, str] = {}
    catalogue = trans_real.translation("hi")
    real = catalogue.gettext
    monkeypatch.setattr(catalogue, "gettext", lambda text: words.get(text, real(text)))
    return words


class TestNothingHere:
    def test_a_stranger_is_led_to_the_start_and_a_member_back_to_work(
        self, client: Client, owner: User
    ) -> None:
        stranger = client.get("/nothing/here", headers=HTML)
        client.force_login(owner)
        member = client.get("/nothing/here", headers=HTML)

        assert (stranger.status_code, member.status_code) == (404, 404)
        assert 'href="/"' in stranger.content.decode()
        assert 'href="/clinic/dashboard"' in member.content.decode()

    def test_staff_are_led_to_the_back_office(self, client: Client) -> None:
        client.force_login(factories.UserFactory.create(is_staff=True))

        assert 'href="/admin/"' in client.get("/nothing/here", headers=HTML).content.decode()

    def test_a_program_gets_the_error_shape_without_what_was_looked_for(self, client: Client) -> None:
        response = client.get("/nothing/98765")

        assert response.status_code == 404
        assert response.json() == {
            "status": "error", "code": "not_found", "message": "There is nothing here.", "fields": {},
        }  # fmt: skip

    def test_it_speaks_the_browser_s_language(self, client: Client, in_hindi: dict[str, str]) -> None:
        in_hindi["There is nothing here"] = "यहाँ कुछ नहीं है"

        html = client.get("/nothing/here", headers=HINDI).content.decode()

        assert "यहाँ कुछ नहीं है" in html
        assert '<html lang="hi"' in html


class TestNoAccess:
    def test_the_reason_is_told_with_a_way_back(self, client: Client, clinic: Clinic) -> None:
        client.force_login(factories.member_of(clinic, "front_desk"))

        page = client.get("/clinic/credits/topup", headers=HTML)
        told = client.get("/clinic/credits/topup")

        assert (page.status_code, told.status_code) == (403, 403)
        assert "Your role at this clinic does not include this." in page.content.decode()
        assert 'href="/clinic/dashboard"' in page.content.decode()
        assert told.json()["code"] == "permission_denied"

    def test_a_page_that_was_open_too_long_says_so(self, owner: User) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(owner)

        response = strict.post("/clinic/switch", {"clinic_id": 1}, headers=HTML)

        assert response.status_code == 403
        assert "This page is too old" in response.content.decode()


@pytest.mark.urls(__name__)
class TestOurMistake:
    def test_it_needs_neither_database_nor_user(
        self, monkeypatch: pytest.MonkeyPatch, owner: User, django_assert_num_queries: Any
    ) -> None:
        client = Client(raise_request_exception=False)

        with django_assert_num_queries(0):
            response = client.get("/broken", headers=HTML)

        assert response.status_code == 500
        assert "Something went wrong on our side" in response.content.decode()
        assert "a bug" not in response.content.decode()
        assert client.get("/broken").json()["code"] == "server_error"

    def test_it_speaks_the_visitor_s_language(self, in_hindi: dict[str, str]) -> None:
        in_hindi["Something went wrong on our side"] = "हमारी ओर से कुछ गड़बड़ हुई"
        client = Client(raise_request_exception=False)

        html = client.get("/broken", headers=HINDI).content.decode()

        assert "हमारी ओर से कुछ गड़बड़ हुई" in html
        assert '<html lang="hi"' in html
        assert translation.get_language() == "en"

    def test_a_malformed_request_is_a_400(self, client: Client) -> None:
        page = client.get("/malformed", headers=HTML)
        told = client.get("/malformed")

        assert (page.status_code, told.status_code) == (400, 400)
        assert "Go back, reload the page and try again." in page.content.decode()
        assert told.json()["code"] == "invalid"

    def test_a_host_that_is_not_ours_is_a_400_with_words(self, client: Client) -> None:
        with override_settings(ALLOWED_HOSTS=["testserver"]):
            response = client.get("/clinic/dashboard", headers={**HTML, "host": "evil.example"})

        assert response.status_code == 400
        assert "evil.example" not in response.content.decode()


class TestWait:
    def test_a_flood_is_told_how_long(
        self, client: Client, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(31):
            response = client.post(
                "/accounts/login/", {"login": "nobody@example.com", "password": "wrong"}, headers=HTML
            )

        assert response.status_code == 429
        assert response["Retry-After"] == "60"
        assert "Please wait 1 minute and try again." in response.content.decode()

    def test_a_busy_database_is_told_with_a_way_to_try_again(
        self, client: Client, owner: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*args: Any, **kwargs: Any) -> None:
            raise OperationalError("the connection is gone")

        client.force_login(owner)
        monkeypatch.setattr(SessionStore, "load", away)
        client.raise_request_exception = False

        response = client.get("/clinic/disputes?status=pending", headers=HTML)

        assert (response.status_code, response["Retry-After"]) == (503, "5")
        assert 'href="/clinic/disputes?status=pending"' in response.content.decode()

    def test_a_busy_database_in_a_page_is_the_same(
        self, client: Client, owner: User, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*args: Any, **kwargs: Any) -> None:
            raise OperationalError("the connection is gone")

        client.force_login(owner)
        monkeypatch.setattr(BillingService, "get_clinic_credit_balance", away)

        assert client.get("/clinic/credits/balance").json()["code"] == "busy"

    def test_too_much_at_once_is_a_413_in_words(self, client: Client) -> None:
        body = {"file": "x" * (1024 * 1024 + 1)}

        page = client.post("/contact-clinic", body, headers=HTML)
        told = client.post("/contact-clinic", body)

        assert (page.status_code, told.status_code) == (413, 413)
        assert "At most 1024 KB can be sent at once." in page.content.decode()
        assert told.json()["code"] == "too_large"


class TestOnAHomeScreen:
    def test_the_manifest_names_what_a_phone_needs(self, client: Client, in_hindi: dict[str, str]) -> None:
        in_hindi["Clinic Credits"] = "क्लिनिक क्रेडिट"

        response = client.get("/manifest.webmanifest")
        manifest = response.json()

        assert response["Content-Type"] == "application/manifest+json"
        assert (manifest["start_url"], manifest["scope"], manifest["display"]) == (
            "/clinic/dashboard", "/", "standalone",
        )  # fmt: skip
        assert {(icon["sizes"], icon["purpose"]) for icon in manifest["icons"]} >= {
            ("192x192", "any"), ("512x512", "any"), ("512x512", "maskable"),
        }  # fmt: skip
        hindi = client.get("/manifest.webmanifest", headers={"accept-language": "hi"}).json()
        assert hindi["name"] == "क्लिनिक क्रेडिट"

    def test_favicon_ico_leads_to_the_icon(self, client: Client) -> None:
        assert client.get("/favicon.ico")["Location"].startswith("/static/site/icon")
