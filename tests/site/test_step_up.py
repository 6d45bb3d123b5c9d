"""«Is it still you?»: what is asked before money and rights are touched, and what it keeps of what was typed."""

from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.test import Client, RequestFactory
from django.urls import path
from django.views.generic import View
from pytest_django import Settings

from billing_site.urls import urlpatterns as site_urls
from clinics.models import User
from clinics.step_up import RecentSignInMixin, recent_sign_in_required, signed_in_recently
from tests import factories
from tests.site.back_office import (
    TOTP_SECRET,
    WHY,
    clinic_without_owner,
    grow_old,
    page,
    person,
    sign_in,
    signed_in,
)
from tests.site.codes import Phone, phone

__all__ = ["phone"]
pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
BROWSER: Any = {"headers": {"accept": "text/html"}}


def admin_with_password() -> User:
    user = person("user admin")
    user.set_password(PASSWORD)
    user.save()
    return user


def old_session(**more: Any) -> tuple[Client, User]:
    """A user admin whose last proof is older than five minutes."""
    client, user = Client(), admin_with_password()
    sign_in(client, user, minutes_ago=5.1, **more)
    return client, user


def change_page(user: User) -> str:
    return page("clinics.user", "change", user.pk)


def rights(user: User) -> dict[str, Any]:
    return {
        "email": user.email,
        "full_name": "Renamed",
        "is_active": "on",
        "audit_reason": WHY,
        "_save": "Save",
    }


@pytest.mark.parametrize(("minutes", "recent"), [(0, True), (4.9, True), (5.1, False), (-5.1, False)])
def test_a_password_counts_for_five_minutes(minutes: float, recent: bool) -> None:
    client, user = Client(), admin_with_password()
    sign_in(client, user, minutes_ago=minutes)
    request = HttpRequest()
    request.user, request.session = user, client.session
    assert signed_in_recently(request) is recent


def test_neither_a_stranger_nor_a_link_in_a_mail_nor_another_user_s_proof_counts() -> None:
    client = Client()
    sign_in(client, admin_with_password())
    request = HttpRequest()
    request.session = client.session
    request.user = AnonymousUser()
    assert not signed_in_recently(request)
    request.user = person("finance")
    assert not signed_in_recently(request)
    request.user = User.objects.get(pk=client.session["_auth_user_id"])
    assert signed_in_recently(request)
    request.session["account_authentication_methods"][0]["method"] = "password_reset"
    assert not signed_in_recently(request)


def test_the_page_is_shown_after_the_password_and_no_question_follows_for_five_minutes() -> None:
    client, _ = old_session()
    member = factories.UserFactory.create()
    asked = client.get(change_page(member))
    assert asked.headers["Location"] == f"/accounts/reauthenticate/?next={quote(change_page(member), '')}"

    wrong = client.post(asked.headers["Location"], {"password": "wrong", "next": change_page(member)})
    assert wrong.status_code == 200
    assert client.get(change_page(member)).status_code == 302

    right = client.post(asked.headers["Location"], {"password": PASSWORD, "next": change_page(member)})
    assert right.headers["Location"] == change_page(member)
    assert client.get(change_page(member)).status_code == 200
    assert client.post(change_page(member), rights(member)).status_code == 302
    grow_old(client.session, 5.1)
    assert client.get(change_page(member)).status_code == 302


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_the_way_back_leads_nowhere_else(target: str) -> None:
    client, _ = old_session()
    response = client.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": target})
    assert response.status_code == 302
    assert "evil" not in response.headers["Location"]
    assert "javascript" not in response.headers["Location"]


def test_a_late_form_is_held_in_the_page_and_goes_on_with_the_right_password() -> None:
    client, _ = old_session()
    member, group = person("auditor"), Group.objects.get(name="support")
    member.groups.add(group)
    sent = {**rights(member), "is_staff": "on", "groups": [group.pk], "full_name": '<b>"A"</b>'}

    held = client.post(change_page(member), sent, **BROWSER)
    member.refresh_from_db()
    body = held.content.decode()
    assert (held.status_code, member.full_name) == (403, "")
    assert ("full_name", '<b>"A"</b>') in held.context["typed"]
    assert "&lt;b&gt;&quot;A&quot;&lt;/b&gt;" in body
    assert "no-store" in held.headers["Cache-Control"]

    again = dict(held.context["typed"])
    wrong = client.post(change_page(member), {**again, "step_up_password": "wrong"}, **BROWSER)
    empty = client.post(change_page(member), {**again, "step_up_password": ""}, **BROWSER)
    member.refresh_from_db()
    assert (wrong.status_code, empty.status_code, member.full_name) == (403, 403, "")
    assert ("full_name", '<b>"A"</b>') in wrong.context["typed"]
    assert "step_up_password" not in dict(wrong.context["typed"])

    done = client.post(change_page(member), {**again, "step_up_password": PASSWORD}, **BROWSER)
    member.refresh_from_db()
    assert done.status_code == 302
    assert (member.is_staff, member.full_name, list(member.groups.all())) == (True, '<b>"A"</b>', [group])
    assert client.get(change_page(member)).status_code == 200


def test_nothing_of_a_late_form_stays_on_the_server_to_be_carried_out_later() -> None:
    client, _ = old_session()
    member = factories.UserFactory.create()
    client.post(change_page(member), rights(member), **BROWSER)
    assert "Renamed" not in str(SessionStore(client.session.session_key).load())

    client.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": change_page(member)})

    member.refresh_from_db()
    assert member.full_name != "Renamed"


def test_who_has_an_app_may_confirm_a_late_form_with_its_code(phone: Phone) -> None:
    client, _ = old_session(with_code=True)
    member = factories.UserFactory.create()
    sent = rights(member)
    wrong = {**sent, "step_up_code": phone.wrong_code(TOTP_SECRET), "step_up_password": ""}
    assert client.post(change_page(member), wrong, **BROWSER).status_code == 403
    right = {**sent, "step_up_code": phone.code(TOTP_SECRET), "step_up_password": ""}
    assert client.post(change_page(member), right, **BROWSER).status_code == 302
    member.refresh_from_db()
    assert member.full_name == "Renamed"


def test_a_program_gets_the_usual_error_and_changes_nothing() -> None:
    client, _ = old_session()
    member = factories.UserFactory.create()
    response = client.post(change_page(member), {**rights(member), "step_up_password": PASSWORD})
    assert (response.status_code, response.json()["code"]) == (403, "sign_in_again")
    member.refresh_from_db()
    assert member.full_name != "Renamed"


def test_passwords_cannot_be_guessed_on_the_question() -> None:
    client, _ = old_session()
    member = factories.UserFactory.create()
    wrong = {**rights(member), "step_up_password": "wrong"}
    statuses = [client.post(change_page(member), wrong, **BROWSER).status_code for _ in range(12)]
    assert statuses[0] == 403
    assert statuses[-1] == 429
    right = {**rights(member), "step_up_password": PASSWORD}
    assert client.post(change_page(member), right, **BROWSER).status_code == 429
    member.refresh_from_db()
    assert member.full_name != "Renamed"


def test_setting_a_password_adding_a_user_and_inviting_an_owner_ask_too() -> None:
    client, user = old_session()
    member, clinic = factories.UserFactory.create(), clinic_without_owner()
    data = {
        "email": "new@x.example",
        "full_name": "N",
        "usable_password": "false",
        "password1": "x",
        "password2": "x",
    }
    for address in (
        page("clinics.user", "password", member.pk),
        page("clinics.user", "add"),
        page("clinics.clinic", "invite-owner", clinic.pk),
    ):
        assert client.get(address).status_code == 302
        assert client.post(address, data, **BROWSER).status_code == 403
    assert not User.objects.filter(email="new@x.example").exists()
    sign_in(client, user)
    assert client.get(page("clinics.clinic", "invite-owner", clinic.pk)).status_code == 200


def test_giving_and_changing_a_membership_asks_too() -> None:
    client, user = old_session()
    clinic, member = clinic_without_owner(), factories.UserFactory.create()
    old = factories.member_of(clinic, "billing").memberships.get()
    facts = {"user": member.pk, "clinic": clinic.pk, "role": "owner", "is_active": "on", "audit_reason": WHY}
    for address in (page("clinics.membership", "add"), page("clinics.membership", "change", old.pk)):
        assert client.get(address).status_code == 302
        assert client.post(address, facts, **BROWSER).status_code == 403
    assert [(row.user, row.role) for row in clinic.memberships.all()] == [(old.user, "billing")]
    sign_in(client, user)
    for address in (page("clinics.membership", "add"), page("clinics.membership", "change", old.pk)):
        assert client.post(address, facts).status_code == 302
    assert set(clinic.memberships.values_list("role", flat=True)) == {"owner"}
    assert clinic.memberships.count() == 2


def test_who_may_only_look_is_not_asked() -> None:
    client = Client()
    sign_in(client, person("auditor"), minutes_ago=60)
    membership = factories.member_of(clinic_without_owner(), "owner").memberships.get()
    assert client.get(page("clinics.membership", "change", membership.pk)).status_code == 200
    assert signed_in("support").get(page("clinics.membership", "add")).status_code == 403
    assert client.get(change_page(factories.UserFactory.create())).status_code == 200
    assert signed_in("support").get(page("clinics.user", "add")).status_code == 403


@recent_sign_in_required
def guarded(request: HttpRequest) -> HttpResponseBase:
    return JsonResponse(dict(request.POST.lists()))


urlpatterns = [path("guarded", guarded), *site_urls]


class Guarded(RecentSignInMixin, View):
    def post(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.POST["amount"])


@pytest.mark.parametrize("view", [guarded, Guarded.as_view()])
def test_functions_and_classes_are_guarded_alike(view: Any) -> None:
    client, user = old_session()
    request = RequestFactory().post("/x", {"amount": "5"}, **BROWSER)
    request.user, request.session = user, client.session
    assert view(request).status_code == 403
    sign_in(client, user)
    request = RequestFactory().post("/x", {"amount": "5"})
    request.user, request.session = user, client.session
    assert "5" in view(request).content.decode()
    request.user = AnonymousUser()
    assert view(request).headers["Location"].startswith("/accounts/login/")


def test_the_view_behind_the_question_sees_only_what_its_own_form_sent(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    client, _ = old_session()
    answer = client.post("/guarded", {"amount": ["1", "2"], "step_up_password": PASSWORD}, **BROWSER)
    assert answer.json() == {"amount": ["1", "2"]}


def test_without_password_and_app_nobody_can_confirm() -> None:
    client, user = Client(), person("user admin", password=None)
    sign_in(client, user, minutes_ago=6)
    member = factories.UserFactory.create()
    assert client.get(change_page(member), follow=True).status_code == 403
    assert (
        client.post(change_page(member), {**rights(member), "step_up_password": ""}, **BROWSER).status_code
        == 403
    )
