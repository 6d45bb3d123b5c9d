"""Links of mails name their clinic: who works for several sees there the one that the mail is of."""

from typing import Any

import pytest
from django.test import Client

from clinics.models import Clinic, Membership, User
from tests import factories
from tests.clinics.test_switch import clinic_of, send_profile, strict_client, token_on

pytestmark = pytest.mark.django_db
HTML = {"accept": "text/html"}


@pytest.fixture
def lotus(clinic: Clinic, other_clinic: Clinic, owner: User) -> Clinic:
    """A second clinic of the owner; the one that the pages show first, by name."""
    Membership.objects.create(user=owner, clinic=other_clinic, role="owner")
    return other_clinic


def test_a_link_shows_the_lead_of_its_clinic_whichever_one_works_for(
    member: Client, clinic: Clinic, lotus: Clinic
) -> None:
    lead = factories.deliver(clinic, 1)
    page = f"/clinic/leads/{lead.pk}"
    assert clinic_of(member) == lotus
    assert member.get(page, headers=HTML).status_code == 404

    followed = member.get(f"{page}?clinic={clinic.pk}&from=mail", headers=HTML)

    assert (followed.status_code, followed["Location"]) == (303, f"{page}?from=mail")
    assert member.get(followed["Location"], headers=HTML).status_code == 200
    assert clinic_of(member) == clinic


def test_credits_are_bought_for_the_clinic_that_runs_low(
    member: Client, clinic: Clinic, lotus: Clinic
) -> None:
    for there in (clinic, lotus, clinic):
        page: Any = member.get(f"/clinic/credits/topup?clinic={there.pk}", headers=HTML, follow=True)
        assert page.redirect_chain == [("/clinic/credits/topup", 303)]
        assert page.context["clinic"] == there


@pytest.mark.parametrize("named", ["", "x", "0", "-1", "1.5", "٣", "9" * 30, "1\x00", "//evil.example"])
def test_a_link_that_names_no_clinic_changes_nothing(member: Client, lotus: Clinic, named: str) -> None:
    page = member.get("/clinic/dashboard", {"clinic": named}, headers=HTML)

    assert page.status_code == 200
    assert page.context["clinic"] == lotus


def test_neither_another_s_clinic_nor_one_that_was_left_is_shown(
    member: Client, owner: User, clinic: Clinic, lotus: Clinic
) -> None:
    left = factories.ClinicFactory.create(name="Aster")
    Membership.objects.create(user=owner, clinic=left, role="front_desk", is_active=False)
    for there in (left, factories.ClinicFactory.create(name="Marigold")):
        page = member.get(f"/clinic/dashboard?clinic={there.pk}", headers=HTML)
        assert page.status_code == 200
        assert page.context["clinic"] == lotus


def test_a_form_is_sent_for_the_clinic_one_works_for_whatever_its_address_says(
    member: Client, clinic: Clinic, lotus: Clinic
) -> None:
    clinic_of(member)

    answer = member.post(f"/clinic/settings?clinic={clinic.pk}", {"name": "New", "state": "27"})

    assert answer.status_code == 303
    assert Clinic.objects.get(name="New") == lotus


def test_a_form_that_stood_open_is_refused_once_a_link_led_to_another_clinic(
    owner: User, clinic: Clinic, lotus: Clinic
) -> None:
    browser = strict_client(owner)
    browser.get(f"/clinic/settings?clinic={lotus.pk}", headers=HTML)
    opened = token_on(browser)
    browser.get(f"/clinic/settings?clinic={lotus.pk}", headers=HTML)  # where one is already: nothing ends
    assert send_profile(browser, "Lotus one", opened).status_code == 303

    browser.get(f"/clinic/settings?clinic={clinic.pk}", headers=HTML)

    assert send_profile(browser, "Lotus two", opened).status_code == 403
    assert not Clinic.objects.filter(name="Lotus two").exists()


def test_a_tab_that_asks_for_news_does_not_change_the_clinic(
    member: Client, clinic: Clinic, lotus: Clinic
) -> None:
    clinic_of(member)
    asked: dict[str, str | int] = {"clinic": clinic.pk, "since": "2026-01-01T00:00:00Z", "sequence": 0}

    answer = member.get("/clinic/leads/news", asked, headers=HTML)

    assert answer.status_code == 409
    assert clinic_of(member) == lotus


def test_who_has_to_sign_in_first_comes_to_the_right_clinic(
    client: Client, owner: User, clinic: Clinic, lotus: Clinic
) -> None:
    signing_in = client.get(f"/clinic/disputes?clinic={clinic.pk}", headers=HTML)["Location"]

    form = {"login": owner.email, "password": "correct horse battery"}
    page: Any = client.post(signing_in, form, headers=HTML, follow=True)

    assert [address for address, _status in page.redirect_chain] == [
        f"/clinic/disputes?clinic={clinic.pk}",
        "/clinic/disputes",
    ]
    assert page.context["clinic"] == clinic
