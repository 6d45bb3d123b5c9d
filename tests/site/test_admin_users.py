"""Who may change whose sign-in in the back office."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.test import Client

from clinics.models import Clinic, Membership, User
from clinics.staff_rights import rights_of
from tests import factories
from tests.site.back_office import WHY, form_data, page, person, sign_in, signed_in
from tests.site.requesting import two_people_set

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
        {"email": "Asha@Care.Example", "full_name": "Asha", "usable_password": "false", "audit_reason": WHY},
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
        {"email": "ASHA@care.example", "full_name": "A", "usable_password": "false", "audit_reason": WHY},
    )
    assert "already exists" in response.content.decode()
    assert User.objects.filter(email__iexact="asha@care.example").count() == 1


@pytest.mark.parametrize("who", ["user admin", "superuser"])
def test_nobody_gives_a_right_by_the_users_page(who: str) -> None:
    member, deactivated = factories.UserFactory.create(), person("finance")
    deactivated.is_active = False
    deactivated.save(update_fields=["is_active"])
    group = Group.objects.get(name="support")
    client = signed_in(who)
    for user in (member, deactivated):
        response = change(
            client,
            user,
            is_staff="on",
            groups=[group.pk],
            is_superuser="on",
            is_active="on",
            full_name="Seen",
        )
        assert response.status_code == 302 or response.context["errors"]
    assert rights_of(member) == {"is_active": True, "is_staff": False, "is_superuser": False, "groups": []}
    assert rights_of(deactivated)["groups"] == ["finance"]
    assert (deactivated.is_active, deactivated.is_superuser) == (False, False)


def test_rights_are_taken_away_at_once_by_one_person() -> None:
    colleague = person("finance")
    colleague.groups.add(Group.objects.get(name="auditor"))
    client = signed_in("user admin")
    assert change(client, colleague, groups=[Group.objects.get(name="auditor").pk]).status_code == 302
    assert rights_of(colleague)["groups"] == ["auditor"]
    assert change(client, colleague, groups=None, is_staff=None).status_code == 302
    colleague.refresh_from_db()
    assert rights_of(colleague) == {"is_active": True, "is_staff": False, "is_superuser": False, "groups": []}


def test_a_superuser_is_made_by_two_people_and_unmade_by_one() -> None:
    user = person("nobody")
    two_people_set(user, is_superuser=True, groups=[])
    user.refresh_from_db()
    assert user.is_superuser
    change(signed_in("superuser"), user, is_superuser=None)
    user.refresh_from_db()
    assert not user.is_superuser


def test_nobody_changes_their_own_rights() -> None:
    for who in ("user admin", "superuser"):
        user = person(who)
        client = Client()
        sign_in(client, user)
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


@pytest.mark.parametrize("who", ["user admin", "superuser"])
def test_a_members_password_is_set_but_no_colleagues_and_not_ones_own(who: str) -> None:
    """Whoever could sign in as a colleague would be two people."""
    admin = person(who)
    member, colleague, boss = factories.UserFactory.create(), person("finance"), person("superuser")
    client = Client()
    sign_in(client, admin)
    data = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"}

    for user, status in ((member, 302), (colleague, 403), (boss, 403), (admin, 403)):
        address = page("clinics.user", "password", user.pk)
        assert client.post(address, data).status_code == status
        user.refresh_from_db()
        assert user.check_password(NEW_PASSWORD) is (status == 302)
    assert client.get(page("clinics.user", "password", "abc")).status_code == 404
    assert client.get(page("clinics.user", "password", "%00")).status_code == 404


@pytest.mark.parametrize("who", ["user admin", "superuser"])
def test_a_colleagues_address_is_not_moved_but_a_members(who: str) -> None:
    client = signed_in(who)
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
    factories.member_of(membership.clinic, "owner")  # one stays
    other = factories.UserFactory.create()
    client = signed_in("user admin")
    response = client.post(
        page("clinics.membership", "change", membership.pk),
        {"role": "billing", "user": other.pk, "clinic": "1", "audit_reason": WHY},
    )
    assert response.status_code == 302
    membership.refresh_from_db()
    assert (membership.user, membership.role, membership.is_active) == (owner, "billing", False)


def test_nobody_makes_themselves_or_others_of_the_back_office_members_of_a_clinic(clinic: Clinic) -> None:
    me = person("user admin")
    client = Client()
    sign_in(client, me)
    for user in (me, person("support"), person("superuser")):
        facts = {
            "user": user.pk,
            "clinic": clinic.pk,
            "role": "owner",
            "is_active": "on",
            "audit_reason": WHY,
        }
        response = client.post(page("clinics.membership", "add"), facts)
        assert response.status_code == 200
        assert "can&#x27;t be members of a clinic here" in response.content.decode()
    assert not Membership.objects.exists()


def test_a_membership_of_staff_is_not_raised_or_taken_up_again_but_can_be_ended(clinic: Clinic) -> None:
    me = person("user admin")
    client = Client()
    sign_in(client, me)
    for user in (me, person("support"), person("superuser")):
        membership = Membership.objects.create(user=user, clinic=clinic, role="billing", is_active=False)
        address = page("clinics.membership", "change", membership.pk)

        def saved(
            role: str, is_active: bool, address: str = address, membership: Membership = membership
        ) -> tuple[int, str, bool]:
            ticked = {"is_active": "on"} if is_active else {}
            status = client.post(address, {"role": role, "audit_reason": WHY, **ticked}).status_code
            membership.refresh_from_db()
            return status, membership.role, membership.is_active

        assert saved("billing", True) == (200, "billing", False)
        assert saved("owner", False) == (200, "billing", False)
        Membership.objects.filter(pk=membership.pk).update(is_active=True)
        assert saved("owner", True) == (200, "billing", True)
        assert saved("owner", False) == (200, "billing", True)
        assert saved("billing", False) == (302, "billing", False)


def test_a_second_membership_at_one_clinic_is_refused(owner: User) -> None:
    membership = Membership.objects.get(user=owner)
    response = signed_in("user admin").post(
        page("clinics.membership", "add"),
        {
            "user": owner.pk,
            "clinic": membership.clinic_id,
            "role": "billing",
            "is_active": "on",
            "audit_reason": WHY,
        },
    )
    assert response.status_code == 200
    assert response.context["errors"]
    assert Membership.objects.filter(user=owner).count() == 1


@pytest.mark.parametrize(("works_for_a_clinic", "place"), [(False, "/admin/"), (True, "/clinic/dashboard")])
def test_staff_without_a_clinic_land_in_the_back_office(
    clinic: Clinic, works_for_a_clinic: bool, place: str
) -> None:
    user = factories.UserFactory.create(is_staff=True)
    if works_for_a_clinic:
        Membership.objects.create(user=user, clinic=clinic, role="owner")

    answer = Client().post("/accounts/login/", {"login": user.email, "password": "correct horse battery"})

    assert (answer.status_code, answer.headers["Location"]) == (302, place)
