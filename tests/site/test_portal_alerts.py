"""/clinic/settings/alerts: each member chooses for themselves what the portal tells them, and what is mailed."""

import re

import pytest
from django.test import Client

from billing_site.portal.alerts import HELP, KINDS
from billing_site.portal.notice_texts import TEXTS
from clinics.models import AlertPreference, Clinic, Membership, Notice
from clinics.models.outbox import DAILY_DIGEST, FOR_OWNERS
from tests.factories import deliver, member_of

pytestmark = pytest.mark.django_db
PAGE = "/clinic/settings/alerts"
ALL = set(Notice.Kind.values)
OF_DESK = ALL - set(FOR_OWNERS)


@pytest.fixture
def desk(client: Client, clinic: Clinic) -> Client:
    client.force_login(member_of(clinic, "front_desk"))
    return client


def ticked(client: Client, name: str = "in_portal") -> set[str]:
    page = client.get(PAGE).content.decode()
    boxes = re.findall(rf'<input [^>]*name="{name}" value="(\w+)"[^>]*?( checked)?>', page)
    return {kind for kind, is_ticked in boxes if is_ticked}


def test_every_kind_of_notice_can_be_chosen_and_is_explained() -> None:
    assert set(KINDS) == set(Notice.Kind)
    assert set(HELP) == {*Notice.Kind.values, DAILY_DIGEST}
    assert set(TEXTS) == ALL


def test_what_is_switched_off_is_neither_shown_nor_counted_until_it_is_on_again(
    desk: Client, clinic: Clinic
) -> None:
    assert ticked(desk) == OF_DESK
    deliver(clinic, 1)

    answer = desk.post(PAGE, {"in_portal": ["lead_delivered", "dispute_asked"]})

    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    assert ticked(desk) == {"lead_delivered", "dispute_asked"}
    assert "dot-count" not in desk.get(PAGE).content.decode()

    desk.post(PAGE, {"in_portal": Notice.Kind.values})
    assert "dot-count" in desk.get(PAGE).content.decode()


def test_mails_are_chosen_beside_it_and_the_daily_summary_too(desk: Client) -> None:
    assert ticked(desk, "by_email") == {*OF_DESK, DAILY_DIGEST}

    desk.post(PAGE, {"in_portal": ["lead_held"], "by_email": ["low_balance"]})
    assert (ticked(desk), ticked(desk, "by_email")) == ({"lead_held"}, {"low_balance"})

    desk.post(PAGE, {"in_portal": ["lead_held"], "by_email": [DAILY_DIGEST]})
    assert ticked(desk, "by_email") == {DAILY_DIGEST}
    assert AlertPreference.objects.count() == len(OF_DESK) + 1


def test_of_webhooks_owners_alone_choose_and_who_becomes_one_hears_of_them(
    desk: Client, clinic: Clinic
) -> None:
    desk.post(PAGE, {})
    assert ticked(desk) == set()

    Membership.objects.filter(clinic=clinic, role="front_desk").update(role="owner")

    assert ticked(desk) == ticked(desk, "by_email") == set(FOR_OWNERS)
    desk.post(PAGE, {})
    assert ticked(desk) == set()


def test_it_is_the_members_own_choice(desk: Client, clinic: Clinic) -> None:
    others = member_of(clinic, "owner").memberships.get()

    desk.post(PAGE, {})

    assert not AlertPreference.objects.filter(membership=others).exists()
    assert Membership.objects.count() == 2


@pytest.mark.parametrize("name", ["in_portal", "by_email"])
@pytest.mark.parametrize("kind", ["moon_landing", "\x00", "x" * 5000])
def test_nonsense_is_refused_and_changes_nothing(desk: Client, name: str, kind: str) -> None:
    assert desk.post(PAGE, {name: ["lead_held", kind]}).status_code == 400
    assert desk.post(PAGE, {"in_portal": [DAILY_DIGEST]}).status_code == 400
    assert not AlertPreference.objects.exists()
