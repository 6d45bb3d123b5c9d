"""Which language a page is in, and what choosing one does."""

import pytest
from django.test import Client
from django.utils import translation

from clinics.models import Clinic, User
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
HTML = {"accept": "text/html"}


def language_of(client: Client, path: str, **headers: str) -> str:
    response = client.get(path, headers={**HTML, **headers})
    assert f'<html lang="{response["Content-Language"]}"' in response.text
    return str(response["Content-Language"])


class TestWhichLanguage:
    def test_a_stranger_gets_what_the_browser_asks_for(self, client: Client, clinic: Clinic) -> None:
        path = f"/clinics/{clinic.slug}"
        assert language_of(client, path) == "en"
        assert language_of(client, path, accept_language="hi-IN,hi;q=0.9,en;q=0.5") == "hi"
        assert language_of(client, path, accept_language="ta,fr;q=0.9") == "en"

    def test_a_members_choice_wins_over_the_browser(self, client: Client, owner: User) -> None:
        User.objects.filter(pk=owner.pk).update(language="en")
        client.force_login(owner)
        assert language_of(client, "/clinic/settings", accept_language="hi") == "en"

    def test_the_back_office_is_english(self, client: Client) -> None:
        client.force_login(UserFactory.create(is_staff=True, language="hi"))
        assert client.get("/admin/", headers={**HTML, "accept-language": "hi"})["Content-Language"] == "en"

    def test_the_next_request_of_a_thread_does_not_inherit_it(self, client: Client, clinic: Clinic) -> None:
        before = translation.get_language()
        client.get(f"/clinics/{clinic.slug}", headers={**HTML, "accept-language": "hi"})
        assert translation.get_language() == before


class TestChoosing:
    def test_a_stranger_keeps_it_in_this_browser(self, client: Client, clinic: Clinic) -> None:
        path = f"/clinics/{clinic.slug}"
        response = client.post("/language", {"language": "hi", "next": path})
        assert (response.status_code, response["Location"]) == (303, path)
        assert language_of(client, path) == "hi"

    def test_a_member_has_it_everywhere(self, client: Client, owner: User) -> None:
        client.force_login(owner)
        client.post("/language", {"language": "hi"})
        elsewhere = Client()
        elsewhere.force_login(owner)
        assert language_of(elsewhere, "/clinic/settings") == "hi"

    @pytest.mark.parametrize("language", ["", "xx", "hi\x00", "en-gb" * 50])
    def test_an_unknown_language_changes_nothing(self, client: Client, owner: User, language: str) -> None:
        client.force_login(owner)
        response = client.post("/language", {"language": language})
        assert response.status_code == 303
        assert not response.cookies
        assert User.objects.get(pk=owner.pk).language == ""

    @pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
    def test_it_leads_back_to_us_alone(self, client: Client, back: str) -> None:
        assert client.post("/language", {"language": "hi", "next": back})["Location"] == "/"

    def test_another_site_cannot_choose_for_us(self) -> None:
        UserFactory.create()
        assert Client(enforce_csrf_checks=True).post("/language", {"language": "hi"}).status_code == 403


class TestTextsOfScripts:
    @pytest.mark.parametrize("language", ["en", "hi"])
    def test_each_language_has_its_own_address_which_browsers_keep(
        self, client: Client, language: str
    ) -> None:
        response = client.get(f"/texts/{language}.js")
        assert response.status_code == 200
        assert "max-age=3600" in response["Cache-Control"]
        assert "gettext" in response.text
        assert "Choose a Date" not in response.text  # the admin's own texts stay out

    def test_there_is_none_in_an_unknown_one(self, client: Client) -> None:
        assert client.get("/texts/fr.js").status_code == 404
