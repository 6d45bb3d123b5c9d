"""/clinic/settings/alerts: each member chooses for themselves what the portal tells them."""

import re

import pytest
from django.test import Client

from billing_site.portal.alerts import HELP, KINDS
from billing_site.portal.notice_texts import TEXTS
from clinics.models import AlertPreference, Clinic, Membership, Notice
from tests.factories import deliver, member_of

pytestmark = pytest.mark.django_db
PAGE = "/clinic/settings/alerts"


@pytest.fixture
def desk(client: Client, clinic: Clinic) -> Client:
    client.force_login(member_of(clinic, "front_desk"))
    return client


def ticked(client: Client) -> set[str]:
    page = client.get(PAGE).content.decode()
    boxes = re.findall(r'<input [^>]*name="in_portal" value="(\w+)"[^>]*?( checked)?>', page)
    assert len(boxes) == len(KINDS)
    return {kind for kind, is_ticked in boxes if is_ticked}


def test_every_kind_of_notice_can_be_chosen_and_is_explained() -> None:
    assert set(KINDS) == set(Notice.Kind)
    assert set(HELP) == set(Notice.Kind.values) == set(TEXTS)


def test_what_is_switched_off_is_neither_shown_nor_counted_until_it_is_on_again(
    desk: Client, clinic: Clinic
) -> None:
    assert ticked(desk) == set(Notice.Kind.values)
    deliver(clinic, 1)

    answer = desk.post(PAGE, {"in_portal": ["lead_delivered", "dispute_asked"]})

    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    assert ticked(desk) == {"lead_delivered", "dispute_asked"}
    assert "dot-count" not in desk.get(PAGE).content.decode()

    desk.post(PAGE, {"in_portal": Notice.Kind.values})
    assert "dot-count" in desk.get(PAGE).content.decode()


def test_it_is_the_members_own_choice_and_leaves_e_mail_alone(desk: Client, clinic: Clinic) -> None:
    mine, others = Membership.objects.get(), member_of(clinic, "owner").memberships.get()
    AlertPreference.objects.create(membership=mine, kind="lead_held", by_email=False)

    desk.post(PAGE, {})

    assert not AlertPreference.objects.filter(membership=others).exists()
    assert AlertPreference.objects.get(membership=mine, kind="lead_held").by_email is False
    assert AlertPreference.objects.filter(membership=mine, by_email=True).count() == len(KINDS) - 1


@pytest.mark.parametrize("kind", ["moon_landing", "\x00", "x" * 5000])
def test_nonsense_is_refused_and_changes_nothing(desk: Client, kind: str) -> None:
    assert desk.post(PAGE, {"in_portal": ["lead_held", kind]}).status_code == 400
    assert not AlertPreference.objects.exists()
