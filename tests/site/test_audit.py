"""Every staff change has an audit row (rule 12): who, from where, why, before and after; whichever way it came."""

import getpass
import json
import sys
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

import manage
from clinics import audit, requests
from clinics.models import ApiToken, Clinic, StaffRequest, User
from clinics.services import revoke_tokens
from clinics.trail import AuditEvent
from credits.models import BillingRules, CreditAccount
from disputes.services import cases
from disputes.services.decide import Action, decide
from leads.models import TreatmentPackage
from tests import factories
from tests.site.back_office import PATIENT, TRACES, make_rows, person

pytestmark = pytest.mark.django_db


def events(table: str = "", **facts: Any) -> list[Any]:
    found = AuditEvent.objects.filter(**facts).order_by("pk")
    return list(found.filter(table_name=table) if table else found)


def last(table: str) -> Any:
    return events(table)[-1]


def run(*arguments: str) -> None:
    """`manage.py …` as a shell runs it, in this process and on this test's connection."""
    argv = patch.object(sys, "argv", ["manage.py", *arguments])
    with argv, patch("django.core.management.base.connections.close_all"):
        manage.main()


class TestEachWay:
    def test_an_update_of_many_rows_leaves_one_row_each_with_before_and_after(self, staff: User) -> None:
        packages = factories.PackageFactory.create_batch(3, price=Decimal(5000))
        with audit.because("Prices of the season"):
            TreatmentPackage.objects.filter(pk__in=[package.pk for package in packages]).update(price=5500)

        found = [event for event in events("packages") if event.operation == "update"]
        assert [event.row_key for event in found] == [str(package.pk) for package in packages]
        for event, package in zip(found, packages, strict=True):
            assert (event.before, event.after) == ({"price": 5000.0}, {"price": 5500.0})
            assert event.about[0] == f"package:{package.pk}"
            assert f"clinic:{package.clinic_id}" in event.about
            assert event.reason == "Prices of the season"

    def test_raw_sql_without_a_context_is_seen_with_the_role_it_came_under(self, clinic: Clinic) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE clinics SET city = 'Pune' WHERE id = %s", [clinic.pk])
        event = last("clinics")
        assert (event.before, event.after) == ({"city": "Ahmedabad"}, {"city": "Pune"})
        assert (event.actor, event.channel, event.reason) == (None, "database", "")
        assert event.db_role == connections["default"].settings_dict["USER"]

    def test_a_command_leaves_its_name_and_who_ran_it(self, clinic: Clinic) -> None:
        code = "from clinics.models import Clinic; Clinic.objects.update(city='Surat')"
        run("shell", "--no-imports", "-c", code)
        event = last("clinics")
        assert (event.channel, event.source) == ("command", "command: shell")
        assert event.os_user == getpass.getuser()
        assert (event.before, event.after) == ({"city": "Ahmedabad"}, {"city": "Surat"})

    def test_what_an_approved_request_does_has_the_second_person_and_the_reason(self, clinic: Clinic) -> None:
        with audit.because("Goodwill after a call", user=person("finance").pk, source="test"):
            request = factories.adjust(clinic, "120")
        made, decided = events("staff_requests")
        assert made.operation == "insert"
        assert made.about[:2] == [f"request:{request.pk}", f"clinic:{clinic.pk}"]
        assert decided.before == {
            "state": "pending",
            "decided_at": None,
            "decided_by_id": None,
            "outcome": {},
        }
        assert decided.after["state"] == "approved"
        assert decided.reason == "Goodwill after a call"
        assert decided.actor is not None
        assert f"user:{request.decided_by_id}" in decided.about

    def test_a_decided_dispute_shows_its_code_its_refund_and_by_whom(
        self, funded_clinic: Clinic, staff: User
    ) -> None:
        dispute = factories.dispute(factories.deliver(funded_clinic))
        with audit.because("dispute decided", user=staff.pk):
            cases.approve(
                dispute=dispute, amount=Decimal(100), reason_code="confirmed", notes="We called", by=staff
            )
        event = last("lead_disputes")
        assert event.after["status"] == "approved"
        assert (event.after["refund_amount"], event.after["reason_code"]) == (100.0, "confirmed")
        assert event.before["status"] == "pending"
        assert event.concealed == ["admin_notes"]
        assert (event.actor, event.reason) == (staff, "dispute decided")
        assert {f"dispute:{dispute.pk}", f"lead:{dispute.lead_id}", f"clinic:{funded_clinic.pk}"} <= set(
            event.about
        )

    def test_a_freeze_is_seen_and_a_charge_is_not(self, funded_clinic: Clinic) -> None:
        before = len(events())
        factories.deliver(funded_clinic)
        assert len(events()) == before
        CreditAccount.objects.filter(pk=funded_clinic.pk).update(
            frozen_at="2026-01-01T00:00Z", frozen_reason="Complaint"
        )
        event = last("credit_accounts")
        assert event.before == {"frozen_at": None, "frozen_reason": ""}
        assert event.after["frozen_reason"] == "Complaint"
        assert event.about == [f"account:{funded_clinic.pk}", f"clinic:{funded_clinic.pk}"]

    def test_rights_given_and_taken_away_are_seen(self, staff: User) -> None:
        group = Group.objects.get(name="support")
        staff.groups.add(group)
        staff.groups.clear()
        given, taken = events("users_groups")
        assert (given.operation, given.after) == ("insert", {"user_id": staff.pk, "group_id": group.pk})
        assert (taken.operation, taken.before) == ("delete", {"user_id": staff.pk, "group_id": group.pk})
        assert taken.after is None
        assert {f"user:{staff.pk}", f"group:{group.pk}"} < set(taken.about)

    def test_a_token_is_known_by_neither_its_hash_nor_its_beginning(
        self, owner: User, clinic: Clinic
    ) -> None:
        token, secret = ApiToken.objects.create(user=owner, name="CRM", clinic=clinic, scopes=["leads:read"])
        revoke_tokens(tokens=ApiToken.objects.all(), by=owner)
        made, revoked = events("api_tokens")
        assert made.row_key == revoked.row_key
        assert revoked.after["revoked_at"]
        for event in (made, revoked):
            text = json.dumps([event.row_key, event.about, event.before, event.after])
            assert token.digest not in text
            assert secret[:8] not in text

    def test_saving_what_is_there_already_leaves_nothing(self, clinic: Clinic) -> None:
        before = len(events())
        clinic.save()
        Clinic.objects.update(city="Ahmedabad")
        assert len(events()) == before

    def test_a_change_that_is_rolled_back_leaves_nothing(self, clinic: Clinic) -> None:
        before = len(events())
        with transaction.atomic():
            Clinic.objects.update(city="Pune")
            assert len(events()) == before + 1
            transaction.set_rollback(True)
        assert len(events()) == before


class TestPeople:
    def test_a_new_address_name_or_password_is_an_event_without_its_value(self, staff: User) -> None:
        staff.email, staff.full_name = "new@staff.example", "Zubeida Qureshi"
        staff.set_password("correct horse battery staple")
        staff.save(update_fields=["email", "full_name", "password"])
        event = last("users")
        assert (event.before, event.after) == ({}, {})
        assert event.concealed == ["email", "full_name", "password"]

    def test_signing_in_is_no_change(self, staff: User) -> None:
        before = len(events())
        User.objects.filter(pk=staff.pk).update(last_login="2026-01-01T00:00Z")
        assert len(events()) == before

    def test_no_row_holds_personal_data_of_patients_or_users(self) -> None:
        make_rows(2)
        User.objects.update(full_name="Zubeida Qureshi")
        staff = person("finance")
        for lead_id, clinic_id in TreatmentPackage.objects.values_list("pk", "clinic_id"):
            Clinic.objects.filter(pk=clinic_id).update(
                phone="+919876500000", email=f"{lead_id}@patient.example"
            )
        for clinic in Clinic.objects.all():
            factories.give_credits(clinic, 1000)
            lead = factories.deliver(clinic, "+919876500000", None, **PATIENT)
            if lead.delivery_state == "delivered":
                dispute = factories.dispute(lead)
                cases.reject(
                    dispute=dispute, reason_code="not_confirmed", notes=f"{PATIENT['name']} says so", by=staff
                )
        with connection.cursor() as cursor:
            cursor.execute("SELECT audit_events::text FROM audit_events")
            rows = [row for (row,) in cursor.fetchall()]
        addresses = User.objects.values_list("email", flat=True)
        assert len(rows) > 40
        for row in rows:
            assert not [trace for trace in (*TRACES, *addresses) if trace in row], row


@pytest.mark.parametrize(
    "deed", ["INSERT INTO audit_events DEFAULT VALUES", "UPDATE audit_events SET reason = ''",
             "DELETE FROM audit_events", "TRUNCATE audit_events"],
)  # fmt: skip
def test_the_web_writes_nothing_into_the_trail_but_by_changing_something(deed: str, clinic: Clinic) -> None:
    with (
        pytest.raises(DatabaseError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(deed)


def test_no_session_can_tell_the_trail_to_look_away(clinic: Clinic) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'clinics'::regclass AND tgname LIKE '%audited%'"
        )
        names = ",".join(name for (name,) in cursor.fetchall())
        cursor.execute("SELECT set_config('pgtrigger.ignore', %s, true)", [f"{{{names}}}"])
        cursor.execute("UPDATE clinics SET city = 'Pune'")
    assert last("clinics").after == {"city": "Pune"}


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_owner_and_superuser_leave_traces_and_can_take_none_away(
    superuser: "psycopg.Connection[Any]", owner: User
) -> None:
    group = Group.objects.get(name="finance")
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE clinics SET is_active = false")  # it may lose its last owner then
        cursor.execute("UPDATE clinic_memberships SET role = 'billing'")
        cursor.execute("INSERT INTO users_groups (user_id, group_id) VALUES (%s, %s)", [owner.pk, group.pk])
    superuser.execute("DELETE FROM clinic_memberships")
    assert [event.db_role for event in events("clinic_memberships")[-2:]] == [
        connections["owner"].settings_dict["USER"],
        superuser.info.user,
    ]
    assert last("clinic_memberships").before["role"] == "billing"
    assert f"user:{owner.pk}" in last("users_groups").about

    count = AuditEvent.objects.count()
    for session in (superuser, connections["owner"]):
        for deed in (
            "UPDATE audit_events SET reason = 'other'",
            "DELETE FROM audit_events",
            "TRUNCATE audit_events",
            "TRUNCATE users_groups",
            "TRUNCATE clinic_memberships, alert_preferences, outgoing_mails",
        ):
            with pytest.raises((psycopg.errors.RestrictViolation, DatabaseError), match="is refused"):
                session.cursor().execute(deed)
    assert AuditEvent.objects.count() == count


def test_the_trail_costs_a_charge_no_trigger(funded_clinic: Clinic) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(attname::text) FROM pg_trigger JOIN pg_attribute ON attrelid = tgrelid"
            " WHERE attnum = ANY (tgattr) AND tgrelid = 'credit_accounts'::regclass"
            " AND tgname LIKE 'pgtrigger_audited%'"
        )
        [columns] = cursor.fetchone()
    assert set(columns) == {
        "clinic_id", "daily_cap", "monthly_cap", "highest_cost", "paused_at", "paused_until", "auto_release",
        "frozen_at", "frozen_reason", "low_balance_thresholds",
    }  # fmt: skip


def test_reading_a_page_opens_no_context(client: Any, owner: User) -> None:
    client.force_login(owner)
    with CaptureQueriesContext(connection) as captured:
        assert client.get("/clinic/dashboard", headers={"accept": "text/html"}).status_code == 200
    assert not [row["sql"] for row in captured.captured_queries if "pghistory" in row["sql"]]


def test_what_members_do_on_the_site_has_their_name_and_the_route(client: Any, owner: User) -> None:
    owner.set_password("correct horse battery")
    owner.save(update_fields=["password"])
    client.force_login(owner)
    new = {"password1": "a fairly long pass phrase 7", "password2": "a fairly long pass phrase 7"}
    response = client.post("/accounts/password/change/", {"oldpassword": "correct horse battery", **new})
    assert response.status_code == 302
    event = last("users")
    assert (event.actor, event.channel, event.source) == (owner, "site", "account_change_password")
    assert event.concealed == ["password"]
    assert event.request_id


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_a_migration_leaves_the_commands_name_on_the_owners_connection() -> None:
    with audit.command(["manage.py", "migrate"]):
        audit.tell_session(connections["owner"])
    try:
        with connections["owner"].cursor() as cursor:
            cursor.execute("UPDATE auth_group SET name = 'helpers' WHERE name = 'support'")
    finally:
        connections["owner"].close()
    event = last("auth_group")
    assert (event.source, event.before, event.after) == (
        "command: migrate",
        {"name": "support"},
        {"name": "helpers"},
    )


@pytest.mark.django_db(transaction=True)
def test_approving_and_deciding_outside_any_transaction_tells_the_trail_too() -> None:
    """As the site does it: each call of the door is a transaction of its own, and the next one knows nothing of it."""
    clinic = factories.ClinicFactory.create()
    factories.give_credits(clinic, 1000)
    one, two = person("finance"), person("finance")
    request = requests.ask(
        kind=StaffRequest.Kind.ADJUSTMENT,
        object_key=f"clinic:{clinic.pk}",
        details={"amount": "50", "description": "x"},
        shown=[],
        reason_code=StaffRequest.Reason.GOODWILL,
        reason="x",
        by=one,
        clinic=clinic,
    )
    dispute = factories.dispute(factories.deliver(clinic))

    with audit.because("request approved", user=two.pk, source="admin:approve"):
        requests.approve(request=request, by=two)
    with audit.because("confirmed", user=one.pk, source="disputes_resolve"):
        cases.reject(dispute=dispute, reason_code="not_confirmed", notes="It rang", by=one)
    requests.expire()
    cases.note(dispute=dispute, text="x", by=two)
    Clinic.objects.update(city="Pune")

    approved, decided, bare = last("staff_requests"), last("lead_disputes"), last("clinics")
    assert (approved.actor, approved.reason, approved.source) == (two, "request approved", "admin:approve")
    assert approved.after["state"] == "approved"
    assert (decided.actor, decided.reason, decided.source) == (one, "confirmed", "disputes_resolve")
    assert (decided.before["status"], decided.after["status"]) == ("pending", "rejected")
    assert (bare.actor, bare.reason, bare.source, bare.channel) == (None, "", "", "database")


def test_asking_for_a_second_person_at_the_desk_leaves_its_reason(funded_clinic: Clinic) -> None:
    dispute = factories.dispute(factories.deliver(funded_clinic))
    BillingRules.objects.update(staff_refund_limit=1)

    decide(
        dispute=dispute,
        action=Action.APPROVE,
        amount=Decimal(100),
        reason_code="confirmed",
        notes="We rang it too.",
        by=factories.staff_of("resolver"),
    )

    assert AuditEvent.objects.get(table_name="staff_requests").reason == "The reason is confirmed"
