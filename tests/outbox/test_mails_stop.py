"""The link in each mail that stops its kind: by a person's button, by a mail program's, never by being looked at."""

import re

import pytest
from django.test import Client

from billing_site.outbox.stop_links import token_of
from clinics.models import AlertPreference, Clinic, Membership, Notice, User
from tests.factories import member_of
from tests.outbox.post import send_all, sent
from tests.pages import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def stranger() -> Client:
    """Signed out, and with Django's check of forms."""
    return Client(enforce_csrf_checks=True, headers={"accept": "text/html"})


def stopped(user: User) -> set[str]:
    off = AlertPreference.objects.filter(membership__user=user, by_email=False, in_portal=True)
    return set(off.values_list("kind", flat=True))


def link_of(owner: User, kind: str = "low_balance") -> str:
    return f"/mail/stop/{token_of(owner.memberships.get(), kind)}"


def test_looking_changes_nothing_and_the_button_stops_this_kind_alone(
    clinic: Clinic, owner: User, stranger: Client
) -> None:
    other = member_of(clinic, "front_desk")
    data = {"threshold": "1000.00", "balance": "990.00"}
    Notice.objects.create(clinic=clinic, kind="low_balance", unique_key="low", data=data)
    send_all()
    [mine] = [one for one in sent() if one["To"] == owner.email]
    found = re.search(r"/mail/stop/[^>]+", str(mine["List-Unsubscribe"]))
    assert found is not None
    for ask in (stranger.get, stranger.head):
        assert ask(found[0]).status_code == 200
    page = stranger.get(found[0])
    assert "Low balance" in text_of(page)
    assert not AlertPreference.objects.exists()
    form = {"csrfmiddlewaretoken": re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.content.decode())[1]}  # type: ignore[index]

    answer = stranger.post(found[0], form)

    assert (answer.status_code, answer.headers["Location"]) == (303, found[0])
    assert "These mails are stopped" in text_of(stranger.get(found[0]))
    assert (stopped(owner), stopped(other)) == ({"low_balance"}, set())


def test_a_mail_programs_own_button_works_without_cookies(owner: User, stranger: Client) -> None:
    link = link_of(owner)

    answer = stranger.post(link, {"List-Unsubscribe": "One-Click"}, headers={"accept": "*/*"})

    assert answer.status_code == 200
    assert stopped(owner) == {"low_balance"}
    assert "sessionid" not in answer.cookies


@pytest.mark.parametrize("body", [{}, {"List-Unsubscribe": "one click"}, {"x": "\x00"}])
def test_another_sites_form_is_refused(owner: User, stranger: Client, body: dict[str, str]) -> None:
    assert stranger.post(link_of(owner), body).status_code == 403
    assert not AlertPreference.objects.exists()


def test_of_somebody_who_left_it_tells_nothing_and_is_kept(owner: User, stranger: Client) -> None:
    before = stranger.get(link_of(owner, "daily_digest"))
    member_of(owner.memberships.get().clinic, "owner")
    Membership.objects.filter(user=owner).update(is_active=False)

    after = stranger.get(link_of(owner, "daily_digest"))
    stranger.post(link_of(owner, "daily_digest"), {"List-Unsubscribe": "One-Click"})

    assert (after.status_code, text_of(after)) == (200, text_of(before))
    assert stopped(owner) == {"daily_digest"}


def test_what_was_chosen_before_for_the_portal_stays(owner: User, stranger: Client) -> None:
    AlertPreference.objects.create(membership=owner.memberships.get(), kind="low_balance", in_portal=False)

    stranger.post(link_of(owner), {"List-Unsubscribe": "One-Click"})

    assert list(AlertPreference.objects.values_list("in_portal", "by_email")) == [(False, False)]


@pytest.mark.parametrize("spoiled", ["{}x", "9{}", "%00", "1", "{:.20}"])
def test_a_broken_link_is_said_to_be_one(owner: User, stranger: Client, spoiled: str) -> None:
    token = spoiled.format(token_of(owner.memberships.get(), "low_balance"))

    for answer in (
        stranger.get(f"/mail/stop/{token}"),
        stranger.post(f"/mail/stop/{token}", {"List-Unsubscribe": "One-Click"}),
    ):
        assert answer.status_code == 404
        assert "This link is not complete" in text_of(answer)
    assert not AlertPreference.objects.exists()
