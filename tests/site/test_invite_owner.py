"""«Invite first owner»: a user, a membership and an active clinic in one step, and a mail after it."""

import threading
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.db import connection
from django.test import Client

from billing_site.outbox.mails import send_due_mails
from clinics.models import Clinic, Membership, OutgoingMail, User
from clinics.services import AddressNotUsable, UserIsDeactivated, invite_owner
from tests import factories
from tests.site.back_office import (
    GROUPS,
    WHY,
    clinic_without_owner,
    form_data,
    page,
    person,
    sign_in,
    signed_in,
)
from tests.site.portal_people import link_in_mail

pytestmark = pytest.mark.django_db

INVITATION = {"email": "Asha@Care.Example", "full_name": "Asha Patel"}


def invitation_page(clinic: Clinic) -> str:
    return page("clinics.clinic", "invite-owner", clinic.pk)


def state_of(clinic: Clinic) -> tuple[Any, ...]:
    clinic.refresh_from_db()
    people = clinic.memberships.order_by("pk").values_list("user__email", "role", "is_active")
    return clinic.is_active, list(people), User.objects.count()


def test_an_invited_owner_is_in_force_the_clinic_active_and_a_mail_on_its_way() -> None:
    clinic = clinic_without_owner()
    response = signed_in("user admin").post(invitation_page(clinic), INVITATION)

    assert response.headers["Location"] == page("clinics.clinic", "change", clinic.pk)
    assert state_of(clinic)[:2] == (True, [("asha@care.example", "owner", True)])
    newcomer = User.objects.get(email="asha@care.example")
    assert (newcomer.full_name, newcomer.is_staff, newcomer.has_usable_password()) == (
        "Asha Patel",
        False,
        False,
    )
    assert not mail.outbox
    assert send_due_mails() == 1
    assert [message.to for message in mail.outbox] == [["asha@care.example"]]


def test_the_link_in_the_mail_sets_a_password_that_signs_in(client: Client) -> None:
    clinic = clinic_without_owner()
    signed_in("user admin").post(invitation_page(clinic), INVITATION)
    form = client.get(link_in_mail()).headers["Location"]
    client.post(form, {"password1": "a quite long one 77", "password2": "a quite long one 77"})
    assert client.login(email="asha@care.example", password="a quite long one 77")


def test_inviting_again_changes_nothing_and_sends_the_mail_again() -> None:
    clinic = clinic_without_owner()
    client = signed_in("user admin")
    client.post(invitation_page(clinic), INVITATION)
    before, entries = state_of(clinic), LogEntry.objects.count()

    client.post(invitation_page(clinic), INVITATION)

    assert state_of(clinic) == before
    assert LogEntry.objects.count() == entries
    assert send_due_mails() == 2


def test_the_invitation_stands_in_the_clinics_history() -> None:
    clinic = clinic_without_owner()
    client = signed_in("user admin")
    client.post(invitation_page(clinic), INVITATION)
    invited = User.objects.get(email="asha@care.example")
    body = client.get(page("clinics.clinic", "history", clinic.pk)).content.decode()
    assert f"user:{invited.pk}" in body or f"<b>user_id</b>:\n    {invited.pk}" in body
    assert "Invited as owner" in body


def test_somebody_who_is_known_keeps_their_name_and_password_and_becomes_owner(clinic: Clinic) -> None:
    desk = factories.member_of(clinic, "front_desk", email="asha@care.example", full_name="A. Patel")
    Membership.objects.filter(user=desk).update(is_active=False)

    membership = invite_owner(clinic=clinic, by=person("user admin"), **INVITATION)

    assert (membership.user, membership.role, membership.is_active) == (desk, "owner", True)
    desk.refresh_from_db()
    assert desk.full_name == "A. Patel"
    assert desk.check_password("correct horse battery")
    assert clinic.memberships.count() == 1


def test_a_deactivated_person_is_not_brought_back_by_an_invitation() -> None:
    clinic = clinic_without_owner()
    factories.UserFactory.create(email="asha@care.example", is_active=False)
    before = state_of(clinic)

    response = signed_in("superuser").post(invitation_page(clinic), INVITATION)

    assert response.status_code == 400
    assert "deactivated" in response.content.decode()
    assert state_of(clinic)[:2] == before[:2]
    assert not OutgoingMail.objects.exists()
    with pytest.raises(UserIsDeactivated):
        invite_owner(clinic=clinic, by=person("user admin"), **INVITATION)


@pytest.mark.parametrize(
    "data",
    [
        {}, {"email": "", "full_name": "A"}, {"email": "asha", "full_name": "A"}, {"email": "asha@care.example"},
        {"email": "a\x00@care.example", "full_name": "A"}, {"email": "asha@care.example", "full_name": "A\x00"},
        {"email": f"{'a' * 300}@care.example", "full_name": "A"}, {"email": "a@care.example", "full_name": "A" * 151},
        {"email": "a@care.example\nBcc: all@x.example", "full_name": "A"}, {"email": "a@b.c, d@e.f", "full_name": "A"},
    ],
)  # fmt: skip
def test_bad_input_is_said_so_and_changes_nothing(data: dict[str, str]) -> None:
    clinic = clinic_without_owner()
    client = signed_in("user admin")
    before = state_of(clinic)
    response = client.post(invitation_page(clinic), data)
    assert response.status_code == 400
    assert "errorlist" in response.content.decode()
    assert state_of(clinic) == before
    assert not OutgoingMail.objects.exists()


@pytest.mark.parametrize("email", ["", "asha", f"{'a' * 300}@care.example"])
def test_the_service_refuses_what_is_no_address(email: str) -> None:
    clinic = clinic_without_owner()
    with pytest.raises(AddressNotUsable):
        invite_owner(clinic=clinic, email=email, full_name="A", by=person("user admin"))
    assert state_of(clinic)[:2] == (False, [])


@pytest.mark.parametrize("who", ["nobody", *GROUPS, "superuser"])
def test_only_those_who_may_add_memberships_see_the_button_and_the_form(who: str) -> None:
    clinic = clinic_without_owner()
    client, allowed = signed_in(who), who in ("user admin", "superuser")
    assert client.get(invitation_page(clinic)).status_code == (200 if allowed else 403)
    shown = client.get(page("clinics.clinic", "change", clinic.pk)).content.decode()
    assert ("Invite first owner" in shown) is allowed
    if not allowed:
        assert client.post(invitation_page(clinic), INVITATION).status_code == 403
        assert state_of(clinic)[:2] == (False, [])


def test_the_anonymous_are_sent_to_sign_in(client: Client) -> None:
    response = client.get(invitation_page(clinic_without_owner()), follow=True)
    assert response.redirect_chain[-1][0].startswith("/accounts/login/")


def test_without_the_forms_token_nothing_is_taken() -> None:
    clinic = clinic_without_owner()
    client = Client(enforce_csrf_checks=True)
    sign_in(client, person("user admin"))
    assert client.post(invitation_page(clinic), INVITATION).status_code == 403
    assert state_of(clinic)[:2] == (False, [])


@pytest.mark.parametrize("key", ["999999", "abc", "%00", "1000000000000000000000"])
def test_an_unknown_clinic_is_answered_as_the_admin_does(key: str) -> None:
    client = signed_in("user admin")
    assert client.get(page("clinics.clinic", "invite-owner", key)).headers["Location"] == "/admin/"
    assert client.post(page("clinics.clinic", "invite-owner", key), INVITATION).status_code == 302


def test_what_became_of_the_owner_before_the_mail_left_counts() -> None:
    ended, demoted, known = (clinic_without_owner() for _ in range(3))
    old_hand = factories.UserFactory.create(email="known@care.example")
    by = person("user admin")
    for clinic, email in ((ended, "a@b.example"), (demoted, "c@d.example"), (known, old_hand.email)):
        invite_owner(clinic=clinic, email=email, full_name="Asha Patel", by=by)
        factories.member_of(clinic, "owner")
    Membership.objects.filter(clinic=ended, user__email="a@b.example").update(is_active=False)
    Membership.objects.filter(clinic=demoted, user__email="c@d.example").update(role="billing")

    assert send_due_mails() == 1

    [message] = mail.outbox
    assert message.to == [old_hand.email]
    assert "password" not in str(message.body)  # they have one
    assert f"/clinic/dashboard?clinic={known.pk}" in str(message.body)


@pytest.mark.django_db(transaction=True)
def test_two_invitations_at_once_make_one_user() -> None:
    clinics = [clinic_without_owner() for _ in range(6)]
    clients = [signed_in("user admin") for _ in clinics]
    statuses: list[int] = []

    def invite(client: Client, clinic: Clinic) -> None:
        statuses.append(client.post(invitation_page(clinic), INVITATION).status_code)
        connection.close()

    threads = [threading.Thread(target=invite, args=pair) for pair in zip(clients, clinics, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [302] * 6
    assert User.objects.filter(email="asha@care.example").count() == 1
    assert Membership.objects.filter(user__email="asha@care.example", role="owner").count() == 6
    assert OutgoingMail.objects.filter(kind="new_owner").count() == 6


def tick_active(clinic: Clinic) -> Any:
    client = signed_in("superuser")
    address = page("clinics.clinic", "change", clinic.pk)
    return client.post(address, {**form_data(client.get(address)), "is_active": "on"})


@pytest.mark.parametrize("case", ["nobody", "front desk", "ended", "deactivated"])
def test_a_clinic_without_an_active_owner_is_not_activated_by_a_tick(case: str) -> None:
    clinic = clinic_without_owner()
    if case != "nobody":
        role = "front_desk" if case == "front desk" else "owner"
        member = factories.member_of(clinic, role, is_active=case != "deactivated")
        Membership.objects.filter(user=member).update(is_active=case != "ended")

    response = tick_active(clinic)

    assert "Invite a first owner" in response.content.decode()
    clinic.refresh_from_db()
    assert not clinic.is_active


def test_a_clinic_with_an_active_owner_is_activated_by_a_tick() -> None:
    clinic = clinic_without_owner()
    factories.member_of(clinic, "owner")
    assert tick_active(clinic).status_code == 302
    clinic.refresh_from_db()
    assert clinic.is_active


def test_a_new_clinic_cannot_start_active() -> None:
    client = signed_in("superuser")
    facts = {"name": "Care", "slug": "care", "state": "24", "operating_hours": "{}", "is_active": "on"}
    inlines = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    response = client.post(page("clinics.clinic", "add"), {**facts, **inlines})
    assert "Invite a first owner" in response.content.decode()
    assert not Clinic.objects.filter(slug="care").exists()


def test_a_gstin_of_another_state_and_a_wrong_pincode_are_refused_in_words() -> None:
    clinic = clinic_without_owner()
    client = signed_in("superuser")
    address = page("clinics.clinic", "change", clinic.pk)
    data = {**form_data(client.get(address)), "gstin": "27AAPFU0939F1ZV", "pincode": "012345"}
    body = client.post(address, data).content.decode()
    assert "code of the clinic&#x27;s state" in body
    assert "six digits" in body


@pytest.mark.parametrize("who", ["oneself", "a colleague"])
def test_staff_are_not_made_owners(who: str) -> None:
    clinic = clinic_without_owner()
    inviter, colleague = person("user admin"), person("support")
    client = Client()
    sign_in(client, inviter)
    invited = inviter if who == "oneself" else colleague

    response = client.post(
        page("clinics.clinic", "invite-owner", clinic.pk),
        {"email": invited.email, "full_name": "Somebody", "audit_reason": WHY},
    )

    assert "somebody of staff" in response.content.decode()
    assert not Membership.objects.exists()
