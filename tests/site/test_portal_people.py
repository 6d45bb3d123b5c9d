"""The settings about the clinic and its people: who may read and change what, and that an owner always stays."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clinics.gstin import check_digit
from clinics.models import ApiToken, AuditEvent, Clinic, Invitation, Membership, User
from clinics.services import people
from tests import factories
from tests.site.back_office import person, sign_in
from tests.site.portal_people import HTML, MEMBERS, SECURITY, SETTINGS, SUPPORT, TOKENS, browser_of, member

pytestmark = pytest.mark.django_db

PROFILE = {
    "name": "Sunrise Dental", "address": "Harmony", "city": "Ahmedabad", "state": "24", "pincode": "380 009",
    "phone": "079 2640 0100", "email": "hello@sunrise.example",
    "website_url": "sunrise.example", "specialties": "Dentist\nOrthodontist\n\nDentist",
    "hours_0": "10 AM to 7 PM", "hours_6": "Closed",
}  # fmt: skip


def gstin(state: str) -> str:
    first = f"{state}AAPFU0939F1Z"
    return first + check_digit(first)


def profile(**changes: str) -> dict[str, str]:
    return {**PROFILE, "gstin": gstin("24").lower(), **changes}


def membership_of(user: User) -> Membership:
    return Membership.objects.get(user=user)


def change(client: Client, user: User, **data: str) -> Any:
    return client.post(f"{MEMBERS}/{membership_of(user).pk}", data)


class TestWhoMayCome:
    # GET and an empty POST, by role: pages everybody reads are changed by the owner alone.
    ROLES = {  # noqa: RUF012
        SETTINGS: {"owner": (200, 400), "billing": (200, 403), "front_desk": (200, 403)},
        MEMBERS: {"owner": (200, 400), "billing": (403, 403), "front_desk": (403, 403)},
        TOKENS: {"owner": (200, 400), "billing": (403, 403), "front_desk": (403, 403)},
        SECURITY: {"owner": (200, 400), "billing": (200, 400), "front_desk": (200, 400)},
        SUPPORT: {"owner": (200, 400), "billing": (200, 400), "front_desk": (200, 400)},
    }

    @pytest.mark.parametrize("role", ["owner", "billing", "front_desk"])
    def test_each_role_opens_and_changes_what_the_table_says(self, clinic: Clinic, role: str) -> None:
        client = browser_of(member(clinic, role))
        for page, answers in self.ROLES.items():
            assert (client.get(page).status_code, client.post(page, {}).status_code) == answers[role], page

    def test_strangers_sign_in_first_and_staff_and_people_without_a_clinic_are_refused(
        self, client: Client
    ) -> None:
        for page in self.ROLES:
            assert client.get(page, **HTML).headers["Location"].startswith("/accounts/login/")
            assert client.post(page, {}, **HTML).headers["Location"].startswith("/accounts/login/")
        for user in (person("support"), person("superuser"), factories.UserFactory.create()):
            outsider = browser_of(user)
            assert {outsider.get(page).status_code for page in self.ROLES} == {403}

    def test_another_clinics_people_invitations_and_tokens_are_a_404_as_missing_ones_are(
        self, clinic: Clinic, other_clinic: Clinic, owner: User
    ) -> None:
        stranger = member(other_clinic)
        invitation = Invitation.objects.create(
            clinic=other_clinic, email="a@b.example", role="billing", invited_by=stranger,
            expires_at=timezone.now() + timedelta(days=1),
        )  # fmt: skip
        token, _ = ApiToken.objects.create(
            user=stranger, name="CRM", clinic=other_clinic, scopes=["leads:read"]
        )
        mine = browser_of(owner)
        theirs = [
            mine.post(f"{MEMBERS}/{membership_of(stranger).pk}", {"action": "end"}),
            mine.post(f"/clinic/settings/invitations/{invitation.pk}", {"action": "revoke"}),
            mine.post(f"{TOKENS}/end", {"token": token.pk}),
        ]
        missing = [
            mine.post(f"{MEMBERS}/{10**18}", {"action": "end"}),
            mine.post(f"/clinic/settings/invitations/{10**30}", {"action": "revoke"}),
            mine.post(f"{TOKENS}/end", {"token": "\x00"}),
        ]
        assert [answer.status_code for answer in theirs + missing] == [404] * 6
        assert theirs[0].content == missing[0].content
        assert membership_of(stranger).is_active
        assert not ApiToken.objects.filter(revoked_at__isnull=False).exists()


class TestProfile:
    def test_the_owner_changes_it_and_the_trail_says_that_tax_was_touched(
        self, clinic: Clinic, owner: User
    ) -> None:
        response = browser_of(owner).post(SETTINGS, profile())

        assert response.status_code == 303, response.context["form"].errors
        assert response["Location"] == SETTINGS
        clinic.refresh_from_db()
        assert (clinic.name, clinic.pincode, clinic.gstin) == ("Sunrise Dental", "380009", gstin("24"))
        assert (str(clinic.phone), clinic.website_url) == ("+917926400100", "https://sunrise.example")
        assert clinic.specialties == ["Dentist", "Orthodontist"]
        assert clinic.operating_hours == {"Monday": "10 AM to 7 PM", "Sunday": "Closed"}
        assert clinic.slug == "sunrise"
        event = AuditEvent.objects.filter(table_name="clinics").order_by("-pk")[0]
        assert (event.actor, event.reason) == (owner, "State or GSTIN changed by an owner")
        assert event.after is not None
        assert event.after["gstin"] == gstin("24")

    def test_what_was_not_changed_is_not_written_and_other_fields_have_another_reason(
        self, clinic: Clinic, owner: User
    ) -> None:
        client = browser_of(owner)
        client.post(SETTINGS, profile())
        before = AuditEvent.objects.count()
        client.post(SETTINGS, profile())
        assert AuditEvent.objects.count() == before
        client.post(SETTINGS, profile(city="Surat"))
        event = AuditEvent.objects.order_by("-pk")[0]
        assert (event.after, event.reason) == ({"city": "Surat"}, "Profile changed by an owner")

    @pytest.mark.parametrize(
        ("field", "value", "problem"),
        [
            ("name", "", "required"),
            ("gstin", "27AAPFU0939F1ZV", "belongs to Maharashtra"),
            ("gstin", "24AAPFU0939F1ZV", "typing mistake"),
            ("gstin", "nonsense", "15 characters"),
            ("gstin", "\x00", "Null characters"),
            ("state", "25", "Select a valid choice"),
            ("pincode", "012345", "six digits"),
            ("pincode", "३८०००९", "six digits"),
            ("phone", "12", "valid phone number"),
            ("email", "nobody", "valid email"),
            ("website_url", "javascript:alert(1)", "valid URL"),
            ("hours_3", "x" * 81, "at most 80"),
            ("specialties", "y" * 121, "At most 120"),
            ("specialties", "\n".join(map(str, range(31))), "At most 30"),
        ],
    )
    def test_bad_input_is_said_at_its_field_and_what_was_typed_stays(
        self, clinic: Clinic, owner: User, field: str, value: str, problem: str
    ) -> None:
        response = browser_of(owner).post(SETTINGS, profile(**{field: value, "city": "Typed-Town"}))
        assert response.status_code == 400
        form = response.context["form"]
        assert problem in " ".join(form.errors[field]), form.errors
        assert "Typed-Town" in response.text
        assert Clinic.objects.get().city == "Ahmedabad"
        assert response.context["clinic"].name == "Sunrise"  # the header is not what was typed

    def test_others_read_it_with_the_public_address(self, clinic: Clinic) -> None:
        page = browser_of(member(clinic, "front_desk")).get(SETTINGS)
        assert "http://testserver/clinics/sunrise" in page.text
        assert "Gujarat" in page.text
        assert "<textarea" not in page.text


class TestMembers:
    def test_the_page_shows_everybody_with_role_last_sign_in_and_second_step(
        self, clinic: Clinic, owner: User
    ) -> None:
        client = browser_of(owner)
        client.get(MEMBERS)
        with CaptureQueriesContext(connection) as few:
            client.get(MEMBERS)
        for number in range(12):
            member(clinic, "front_desk", full_name=f"Person {number}")
        with CaptureQueriesContext(connection) as many:
            page = client.get(MEMBERS)
        assert len(many) == len(few) <= 12, [query["sql"][:90] for query in many]
        assert page.text.count("Two-step sign-in off") == 13
        assert page.text.count("Has not signed in yet") == 12

    def test_a_role_is_changed_access_ended_at_once_and_given_back(self, clinic: Clinic, owner: User) -> None:
        desk = member(clinic, "front_desk")
        theirs, mine = browser_of(desk), browser_of(owner)
        assert change(mine, desk, action="role", role="billing").status_code == 303
        assert theirs.get("/clinic/credits/topup").status_code == 200
        name = desk.get_full_name()
        assert f"{name} is now Billing." in mine.get(MEMBERS).text

        assert change(mine, desk, action="end").status_code == 303
        assert theirs.get("/clinic/dashboard").status_code == 403
        assert f"{name} has no access any more." in mine.get(MEMBERS).text
        assert (
            theirs.get("/clinic/credits/balance", headers={"accept": "application/json"}).status_code == 403
        )

        assert change(mine, desk, action="return").status_code == 303
        assert theirs.get("/clinic/dashboard").status_code == 200
        reasons = AuditEvent.objects.filter(table_name="clinic_memberships", operation="update")
        assert set(reasons.values_list("actor", "reason")) == {(owner.pk, "Changed by an owner")}

    @pytest.mark.parametrize(
        "data", [{}, {"action": "role"}, {"action": "role", "role": "king"}, {"action": "\x00"}]
    )
    def test_nonsense_changes_nothing(self, owner: User, clinic: Clinic, data: dict[str, str]) -> None:
        desk = member(clinic, "front_desk")
        assert change(browser_of(owner), desk, **data).status_code == 409
        assert membership_of(desk).role == "front_desk"

    @pytest.mark.parametrize("data", [{"action": "end"}, {"action": "role", "role": "billing"}])
    def test_the_last_owner_stays_one_even_where_another_can_not_sign_in(
        self, clinic: Clinic, owner: User, data: dict[str, str]
    ) -> None:
        member(clinic, "owner", is_active=False)
        response = change(browser_of(owner), owner, **data)
        assert response.status_code == 409
        assert "at least one owner" in response.text
        assert (membership_of(owner).role, membership_of(owner).is_active) == ("owner", True)

    def test_with_a_second_owner_one_may_leave(self, clinic: Clinic, owner: User) -> None:
        member(clinic, "owner")
        client = browser_of(owner)
        assert change(client, owner, action="end")["Location"] == SETTINGS
        assert client.get(SETTINGS).status_code == 403

    def test_somebody_switched_off_or_of_staff_is_not_brought_back(self, clinic: Clinic, owner: User) -> None:
        for user in (member(clinic, "billing", is_active=False), member(clinic, "billing", is_staff=True)):
            Membership.objects.filter(user=user).update(is_active=False)
            response = change(browser_of(owner), user, action="return")
            assert response.status_code == 409
            assert not membership_of(user).is_active

    def test_a_sign_in_of_long_ago_is_confirmed_before_anything_changes(
        self, clinic: Clinic, owner: User
    ) -> None:
        desk, client = member(clinic, "front_desk"), browser_of(owner, minutes_ago=6)
        asked = change(client, desk, action="end")
        assert (asked.status_code, membership_of(desk).is_active) == (403, True)
        assert "Is it still you?" in asked.text
        done = change(client, desk, action="end", step_up_password="correct horse battery")
        assert (done.status_code, membership_of(desk).is_active) == (303, False)

    def test_staff_too_are_refused_the_last_owner_in_words(self, clinic: Clinic, owner: User) -> None:
        client = Client()
        sign_in(client, person("user admin"))
        page = f"/admin/clinics/membership/{membership_of(owner).pk}/change/"
        response = client.post(page, {"role": "owner", "audit_reason": "They asked"})
        assert "left without an owner" in response.text
        assert membership_of(owner).is_active


def refused_by_the_database(statement: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError as problem:
        return getattr(problem.__cause__, "sqlstate", None) == "CC031"
    return False


class TestTheDatabaseKeepsAnOwner:
    def test_whichever_column_is_touched(self, clinic: Clinic, owner: User, other_clinic: Clinic) -> None:
        billing = member(clinic, "billing")
        for change_to in ("role = 'billing'", "is_active = false", f"clinic_id = {other_clinic.pk}"):
            assert refused_by_the_database(
                f"UPDATE clinic_memberships SET {change_to} WHERE user_id = {owner.pk}"
            ), change_to
        assert not refused_by_the_database(
            f"UPDATE clinic_memberships SET is_active = false WHERE user_id = {billing.pk}"
        )

    def test_a_closed_clinic_may_lose_all_and_a_hand_over_in_one_statement_is_fine(
        self, clinic: Clinic, owner: User
    ) -> None:
        heir = member(clinic, "billing")
        swap = (
            "UPDATE clinic_memberships SET role = CASE role WHEN 'owner' THEN 'billing' ELSE 'owner' END"
            f" WHERE clinic_id = {clinic.pk}"
        )
        assert not refused_by_the_database(swap)
        assert membership_of(heir).role == "owner"
        Clinic.objects.filter(pk=clinic.pk).update(is_active=False)
        assert not refused_by_the_database("UPDATE clinic_memberships SET is_active = false")

    def test_who_stops_being_an_owner_leaves_no_token_and_no_open_invitation(
        self, clinic: Clinic, owner: User
    ) -> None:
        leaving = member(clinic, "owner")
        for user in (owner, leaving):
            ApiToken.objects.create(user=user, name="CRM", clinic=clinic, scopes=["leads:read"])
            Invitation.objects.create(
                clinic=clinic, email=f"of{user.pk}@b.example", role="owner", invited_by=user,
                expires_at=timezone.now() + timedelta(days=1),
            )  # fmt: skip
        change(browser_of(owner), leaving, action="role", role="front_desk")
        assert list(ApiToken.objects.filter(revoked_at=None).values_list("user", flat=True)) == [owner.pk]
        assert list(Invitation.objects.filter(revoked_at=None).values_list("invited_by", flat=True)) == [
            owner.pk
        ]


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_end_each_other_at_once_leave_one() -> None:
    """By the service, and by bare SQL, which knows of no lock but the trigger's own."""
    for by_sql in (False, True, False, True):
        clinic = factories.ClinicFactory.create()
        pair = [membership_of(member(clinic, "owner", password=None)) for _ in range(2)]
        start, refused = threading.Barrier(2), list[Exception]()

        def end(
            membership: Membership,
            by_sql: bool = by_sql,
            start: threading.Barrier = start,
            refused: Any = refused,
        ) -> None:
            start.wait()
            try:
                if by_sql:
                    with transaction.atomic():
                        Membership.objects.filter(pk=membership.pk).update(is_active=False)
                else:
                    people.end_membership(membership=membership)
            except (people.LastOwner, DatabaseError) as problem:
                refused.append(problem)
            finally:
                connection.close()

        threads = [threading.Thread(target=end, args=(membership,)) for membership in pair]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Membership.objects.filter(clinic=clinic, is_active=True).count() == 1
        assert len(refused) == 1
        if not by_sql:
            assert isinstance(refused[0], people.LastOwner)
