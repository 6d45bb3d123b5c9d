"""Who may change whose sign-in in the back office."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.test import Client

from clinics.models import Membership, User
from tests import factories
from tests.site.back_office import form_data, page, person, signed_in

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "a fairly long pass phrase 7"


def change(client: Client, user: User, **values: Any) -> Any:
    """Opens the user's page, changes some fields and saves; None takes a tick away."""
    address = page("clinics.user", "change", user.pk)
    data: dict[str, Any] = {**form_data(client.get(address)), **values}
    return client.post(address, {name: value for name, value in data.items() if value is not None})


def test_a_user_admin_adds_a_member_whose_address_is_kept_in_lower_case() -> None:
    response = signed_in("user admin").post(
        page("clinics.user", "add"),
        {"email": "Asha@Care.Example", "full_name": "Asha", "usable_password": "false"},
    )
    assert response.status_code == 302
    newcomer = User.objects.get(full_name="Asha")
    assert (newcomer.email, newcomer.is_staff, newcomer.has_usable_password()) == (
        "asha@care.example",
        False,
        False,
    )


def test_the_same_address_in_other_letters_is_refused() -> None:
    factories.UserFactory.create(email="asha@care.example")
    response = signed_in("user admin").post(
        page("clinics.user", "add"),
        {"email": "ASHA@care.example", "full_name": "A", "usable_password": "false"},
    )
    assert "already exists" in response.content.decode()
    assert User.objects.filter(email__iexact="asha@care.example").count() == 1


def test_a_user_admin_gives_a_group_but_never_superuser() -> None:
    user = factories.UserFactory.create()
    group = Group.objects.get(name="support")
    response = change(signed_in("user admin"), user, is_staff="on", groups=[group.pk], is_superuser="on")
    assert response.status_code == 302
    user.refresh_from_db()
    assert (user.is_staff, user.is_superuser, list(user.groups.all())) == (True, False, [group])


def test_a_superuser_makes_a_superuser() -> None:
    user = factories.UserFactory.create()
    change(signed_in("superuser"), user, is_staff="on", is_superuser="on")
    user.refresh_from_db()
    assert user.is_superuser


def test_nobody_changes_their_own_rights() -> None:
    for who in ("user admin", "superuser"):
        user = person(who)
        client = Client()
        client.force_login(user)
        finance = Group.objects.get(name="finance")
        before = (user.is_staff, user.is_superuser, set(user.groups.all()))
        response = change(
            client, user, groups=[finance.pk], is_superuser="on", is_staff=None, full_name="Renamed"
        )
        assert response.status_code == 302
        user.refresh_from_db()
        assert user.full_name == "Renamed"
        assert (user.is_staff, user.is_superuser, set(user.groups.all())) == before


def test_a_superuser_is_out_of_a_user_admins_reach() -> None:
    boss = person("superuser")
    client = signed_in("user admin")
    assert client.get(page("clinics.user", "change", boss.pk)).status_code == 200
    assert client.post(page("clinics.user", "change", boss.pk), {"email": "me@x.example"}).status_code == 403
    assert client.get(page("clinics.user", "password", boss.pk)).status_code == 403


def test_a_user_admin_sets_a_members_password_but_no_colleagues_and_not_their_own() -> None:
    admin = person("user admin")
    member, colleague = factories.UserFactory.create(), person("finance")
    client = Client()
    client.force_login(admin)
    data = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"}

    for user, status in ((member, 302), (colleague, 403), (admin, 403)):
        address = page("clinics.user", "password", user.pk)
        assert client.post(address, data).status_code == status
        user.refresh_from_db()
        assert user.check_password(NEW_PASSWORD) is (status == 302)
    assert client.get(page("clinics.user", "password", "abc")).status_code == 404
    assert client.get(page("clinics.user", "password", "%00")).status_code == 404


def test_a_user_admin_cannot_move_a_colleagues_address_but_a_members() -> None:
    client = signed_in("user admin")
    colleague, member = person("finance"), factories.UserFactory.create()
    for user, moved in ((colleague, False), (member, True)):
        response = change(client, user, email=f"new{user.pk}@x.example", full_name="N")
        assert response.status_code == 302
        user.refresh_from_db()
        assert (user.email == f"new{user.pk}@x.example") is moved


def test_an_old_address_no_longer_counts_once_it_is_changed() -> None:
    user = factories.UserFactory.create(email="old@care.example")
    EmailAddress.objects.create(user=user, email="old@care.example", primary=True, verified=True)
    change(signed_in("superuser"), user, email="New@care.example")
    user.refresh_from_db()
    assert user.email == "new@care.example"
    assert not EmailAddress.objects.filter(email="old@care.example").exists()


def test_the_hash_of_a_password_is_on_no_page() -> None:
    user = factories.UserFactory.create()
    client = signed_in("superuser")
    for address in (page("clinics.user", "change", user.pk), page("clinics.user", "")):
        body = client.get(address).content.decode()
        assert user.email in body
        assert user.password.split("$")[0] not in body


def test_a_membership_is_ended_and_its_user_and_clinic_stay(owner: User) -> None:
    membership = Membership.objects.get(user=owner)
    other = factories.UserFactory.create()
    client = signed_in("user admin")
    response = client.post(
        page("clinics.membership", "change", membership.pk),
        {"role": "billing", "user": other.pk, "clinic": "1"},
    )
    assert response.status_code == 302
    membership.refresh_from_db()
    assert (membership.user, membership.role, membership.is_active) == (owner, "billing", False)


def test_a_second_membership_at_one_clinic_is_refused(owner: User) -> None:
    membership = Membership.objects.get(user=owner)
    response = signed_in("user admin").post(
        page("clinics.membership", "add"),
        {"user": owner.pk, "clinic": membership.clinic_id, "role": "billing", "is_active": "on"},
    )
    assert response.status_code == 200
    assert response.context["errors"]
    assert Membership.objects.filter(user=owner).count() == 1
