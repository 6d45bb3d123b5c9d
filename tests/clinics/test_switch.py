"""POST /clinic/switch: a member of several clinics works for one of them at a time."""

from typing import Any

import pytest
from django.test import Client

from clinics.models import Clinic, Membership, User
from tests import factories

pytestmark = pytest.mark.django_db
URL = "/clinic/switch"


@pytest.fixture
def two_clinics(clinic: Clinic, other_clinic: Clinic, owner: User) -> tuple[Clinic, Clinic]:
    """Sunrise and Lotus, the owner a member of both; Lotus comes first by name."""
    Membership.objects.create(user=owner, clinic=other_clinic, role="billing")
    return clinic, other_clinic


def clinic_of(client: Client) -> Any:
    return client.get("/clinic/dashboard", headers={"accept": "text/html"}).context["clinic"]


def test_a_member_of_two_clinics_changes_between_them(
    member: Client, two_clinics: tuple[Clinic, Clinic]
) -> None:
    sunrise, lotus = two_clinics
    assert clinic_of(member) == lotus

    for chosen in (sunrise, lotus, sunrise):
        response = member.post(URL, {"clinic_id": chosen.pk})
        assert (response.status_code, response["Location"]) == (303, "/clinic/dashboard")
        assert clinic_of(member) == chosen


def test_the_menu_offers_one_s_own_clinics_alone(member: Client, two_clinics: tuple[Clinic, Clinic]) -> None:
    factories.ClinicFactory.create(name="Marigold")

    html = member.get("/clinic/dashboard", headers={"accept": "text/html"}).content.decode()

    assert all(f'name="clinic_id" value="{clinic.pk}"' in html for clinic in two_clinics)
    assert "Marigold" not in html


def test_who_has_one_clinic_sees_nothing_to_switch(member: Client, clinic: Clinic) -> None:
    html = member.get("/clinic/dashboard", headers={"accept": "text/html"}).content.decode()

    assert URL not in html


def test_another_s_clinic_answers_like_a_missing_one(
    member: Client, clinic: Clinic, other_clinic: Clinic
) -> None:
    answers = [member.post(URL, {"clinic_id": pk}) for pk in (other_clinic.pk, 987_654_321)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert clinic_of(member) == clinic


@pytest.mark.parametrize("value", ["", "x", "0", "-1", "1.5", "99999999999999999999", "1\x00"])
def test_nonsense_is_a_404(member: Client, clinic: Clinic, value: str) -> None:
    assert member.post(URL, {"clinic_id": value}).status_code == 404
    assert clinic_of(member) == clinic


def test_a_membership_that_has_ended_can_not_be_chosen_and_a_chosen_one_is_left(
    member: Client, owner: User, two_clinics: tuple[Clinic, Clinic]
) -> None:
    sunrise, lotus = two_clinics
    member.post(URL, {"clinic_id": sunrise.pk})

    factories.member_of(sunrise, "owner")  # one stays
    Membership.objects.filter(clinic=sunrise, user=owner).update(is_active=False)

    assert clinic_of(member) == lotus
    assert member.post(URL, {"clinic_id": sunrise.pk}).status_code == 404


def test_only_a_signed_in_member_with_a_token_against_forgery_may_post(owner: User, clinic: Clinic) -> None:
    anonymous, strict = Client(), Client(enforce_csrf_checks=True)
    strict.force_login(owner)

    assert anonymous.post(URL, {"clinic_id": clinic.pk})["Location"].startswith("/accounts/login/")
    assert strict.post(URL, {"clinic_id": clinic.pk}).status_code == 403


def strict_client(user: User) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    return client


def send_profile(client: Client, name: str, token: str) -> Any:
    return client.post("/clinic/settings", {"name": name, "state": "27", "csrfmiddlewaretoken": token})


def token_on(client: Client) -> str:
    return str(client.get("/clinic/settings", headers={"accept": "text/html"}).context["csrf_token"])


def test_a_form_that_stood_open_when_its_member_switched_changes_neither_clinic(
    owner: User, two_clinics: tuple[Clinic, Clinic]
) -> None:
    sunrise, lotus = two_clinics
    Membership.objects.filter(user=owner).update(role="owner")
    browser = strict_client(owner)
    browser.post(URL, {"clinic_id": sunrise.pk, "csrfmiddlewaretoken": token_on(browser)})
    opened_for_sunrise = token_on(browser)
    browser.post(URL, {"clinic_id": lotus.pk, "csrfmiddlewaretoken": opened_for_sunrise})

    answer = send_profile(browser, "Another name", opened_for_sunrise)

    assert answer.status_code == 403
    assert not Clinic.objects.filter(name="Another name").exists()
    assert send_profile(browser, "Another name", token_on(browser)).status_code == 303
    assert Clinic.objects.get(name="Another name") == lotus


def test_a_form_of_a_clinic_one_no_longer_works_for_is_not_carried_out_for_the_other(
    owner: User, two_clinics: tuple[Clinic, Clinic]
) -> None:
    sunrise, _lotus = two_clinics
    Membership.objects.filter(user=owner).update(role="owner")
    browser = strict_client(owner)
    browser.post(URL, {"clinic_id": sunrise.pk, "csrfmiddlewaretoken": token_on(browser)})
    opened_for_sunrise = token_on(browser)
    factories.member_of(sunrise, "owner")  # one stays
    Membership.objects.filter(clinic=sunrise, user=owner).update(is_active=False)

    answers = [send_profile(browser, "Another name", opened_for_sunrise) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert not Clinic.objects.filter(name="Another name").exists()


def test_a_form_opened_after_signing_in_is_refused_once_that_clinic_is_left(
    client: Client, owner: User, two_clinics: tuple[Clinic, Clinic]
) -> None:
    sunrise, lotus = two_clinics
    signing_in = client.post("/accounts/login/", {"login": owner.email, "password": "correct horse battery"})
    assert signing_in.status_code == 302
    assert client.session["clinic_id"] == lotus.pk

    Membership.objects.filter(clinic=lotus, user=owner).update(is_active=False)

    response = client.post("/clinic/settings", {"name": "Lotus"}, headers={"accept": "text/html"})
    assert response.status_code == 403
    assert Clinic.objects.get(pk=sunrise.pk).name == sunrise.name
