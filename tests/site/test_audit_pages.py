"""The audit trail as staff meet it: read and taken away, a row's history, and what is under it at all."""

import csv
import io

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clinics import audit
from clinics.admin.base import ReadOnlyAdmin
from clinics.admin.trail import safe_cell
from clinics.models import ApiToken, Clinic, Membership, User
from clinics.trail import TRACKED, AuditEvent, tracked_tables
from credits.models import CreditAccount
from tests import factories
from tests.site.back_office import (
    GROUPS,
    page,
    person,
    sign_in,
    signed_in,
)

pytestmark = pytest.mark.django_db

TRAIL = page("clinics.auditevent", "")
# What staff set off there changes no row by hand: an event applied once more stands in the ledger, a decision about an
# enquiry in review in `held_lead_decisions`, with who, when, before, after and why; nobody can change those either.
NOT_TRACKED = {"credits.gatewayevent", "leads.lead"}


def queries_of(client: Client, address: str) -> list[str]:
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return [row["sql"] for row in captured.captured_queries]


def changed_by_somebody(number: int) -> None:
    with audit.because("x", user=factories.UserFactory.create(password=None).pk):
        factories.ClinicFactory.create(city=f"City {number}")


class TestTheTrail:
    def test_it_is_the_auditors_and_the_superusers(self) -> None:
        for who in ("nobody", *GROUPS, "superuser"):
            status = 200 if who in ("auditor", "superuser") else 403
            client = signed_in(who)
            assert client.get(TRAIL).status_code == status, who
            assert client.get(f"{TRAIL}export/").status_code == status, who

    def test_it_shows_who_what_why_and_before_and_after(self, clinic: Clinic, staff: User) -> None:
        with audit.because("Moved house", user=staff.pk, source="admin:clinics_clinic_change"):
            Clinic.objects.update(city="Pune")
        body = signed_in("auditor").get(TRAIL).content.decode()
        assert all(
            text in body
            for text in (staff.email, "Ahmedabad → Pune", "Moved house", "admin:clinics_clinic_change")
        )

    def test_it_is_searched_by_what_it_is_about_by_who_did_it_and_by_number(
        self, owner: User, clinic: Clinic
    ) -> None:
        other = factories.ClinicFactory.create()
        with audit.because("x", user=owner.pk):
            Clinic.objects.filter(pk=clinic.pk).update(city="Pune")
        Clinic.objects.filter(pk=clinic.pk).update(is_active=False)  # an active one keeps an owner
        Membership.objects.update(role="billing")
        client = signed_in("auditor")

        def found(search: str) -> set[str]:
            rows = client.get(TRAIL, {"q": search}).context["cl"].result_list
            return {row.row for row in rows}

        membership = Membership.objects.get()
        assert found(f"user {owner.pk}") == {f"user {owner.pk}", f"membership {membership.pk}"}
        assert found(f"by {owner.pk}") == {f"clinic {clinic.pk}"}
        assert found("clinic sunrise") == found(f"clinic {clinic.pk}")
        assert f"clinic {other.pk}" not in found(f"clinic {clinic.pk}")
        event = AuditEvent.objects.order_by("pk")[0]
        assert found(str(event.pk)) == {event.row}
        for nothing in (
            "clinic nowhere",
            "nonsense 7",
            "by abc",
            "user",
            "%00",
            "dispute 99999999999999999999999",
        ):
            assert found(nothing) == set(), nothing

    def test_it_is_filtered_by_table_and_by_way(self, clinic: Clinic) -> None:
        Clinic.objects.update(city="Pune")
        with audit.because("x", channel="command", source="command: tidy"):
            Clinic.objects.update(city="Surat")
        client = signed_in("auditor")
        rows = client.get(TRAIL, {"table": "clinics", "channel__exact": "command"}).context["cl"].result_list
        assert [row.source for row in rows] == ["command: tidy"]

    def test_it_asks_the_database_as_often_for_many_rows_as_for_few_and_counts_nothing(self) -> None:
        client = signed_in("auditor")
        for number in range(2):
            changed_by_somebody(number)
        few = queries_of(client, TRAIL)
        for number in range(20):
            changed_by_somebody(number)
        many = queries_of(client, TRAIL)
        assert len(many) == len(few)
        assert not any("COUNT(" in query for query in many)

    def test_nobody_changes_it_through_the_back_office(self, clinic: Clinic) -> None:
        event = AuditEvent.objects.newest_first()[0]
        client = signed_in("superuser")
        for name in ("change", "delete"):
            assert client.post(page("clinics.auditevent", name, event.pk), {"reason": "x"}).status_code == 403
        assert client.post(page("clinics.auditevent", "add"), {"reason": "x"}).status_code == 403
        assert client.get(page("clinics.auditevent", "change", event.pk)).status_code == 200

    def test_the_export_holds_the_filtered_rows_and_no_formula(self, clinic: Clinic) -> None:
        with audit.because("=HYPERLINK(1)"):
            Clinic.objects.update(name="@SUM(A1)", city="Pune")
        factories.PackageFactory.create(clinic=clinic)
        client = signed_in("auditor")
        response = client.get(f"{TRAIL}export/", {"table": "clinics"})
        text = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
        rows = list(csv.DictReader(io.StringIO(text)))
        assert response.headers["Content-Type"].startswith("text/csv")
        assert {row["table"] for row in rows} == {"clinics"}
        assert rows[-1]["why"] == "'=HYPERLINK(1)"
        assert rows[-1]["after"] == "city: Pune; name: @SUM(A1)"
        assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "@", "+", "-"))]

    def test_the_export_is_for_somebody_who_signed_in_just_now(self) -> None:
        client, auditor = Client(), person("auditor")
        sign_in(client, auditor, minutes_ago=6)
        assert client.get(TRAIL).status_code == 200
        assert client.get(f"{TRAIL}export/").headers["Location"].startswith("/accounts/")

    @pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
    def test_a_cell_that_a_spreadsheet_would_run_is_only_shown(self, cell: str) -> None:
        assert safe_cell(cell) == f"'{cell}"
        assert safe_cell(f"a{cell}") == f"a{cell}"


class TestHistory:
    def test_a_rows_history_is_its_own_and_shows_before_and_after(
        self, clinic: Clinic, other_clinic: Clinic
    ) -> None:
        Clinic.objects.filter(pk=clinic.pk).update(city="Pune")
        Clinic.objects.filter(pk=other_clinic.pk).update(city="Surat")
        body = signed_in("support").get(page("clinics.clinic", "history", clinic.pk)).content.decode()
        assert "Ahmedabad → Pune" in body
        assert "Surat" not in body

    def test_a_clinics_history_tells_of_its_account_to_those_who_may_see_accounts(
        self, clinic: Clinic
    ) -> None:
        CreditAccount.objects.filter(pk=clinic.pk).update(daily_cap=777)
        address = page("clinics.clinic", "history", clinic.pk)
        assert "777" in signed_in("finance").get(address).content.decode()
        assert "777" not in signed_in("support").get(address).content.decode()

    def test_a_token_has_its_history_under_its_key(self, owner: User, clinic: Clinic) -> None:
        token, _ = ApiToken.objects.create(user=owner, name="CRM", clinic=clinic, scopes=["leads:read"])
        ApiToken.objects.update(name="Diary")
        body = signed_in("auditor").get(page("clinics.apitoken", "history", token.pk)).content.decode()
        assert "CRM → Diary" in body

    def test_it_asks_as_often_for_many_events_as_for_few_and_stops_somewhere(self, clinic: Clinic) -> None:
        client = signed_in("auditor")
        address = page("clinics.clinic", "history", clinic.pk)
        few = queries_of(client, address)
        for number in range(201):
            Clinic.objects.update(city=f"City {number}")
        many = queries_of(client, address)
        assert len(many) == len(few)
        body = client.get(address).content.decode()
        assert "The newest 200." in body
        assert f"{TRAIL}?q=clinic%20{clinic.pk}" in body


class TestWhatIsTracked:
    def test_whatever_staff_can_change_in_the_back_office_is_tracked(self) -> None:
        """Forms and actions alike; an admin that is not read-only, or has an action, changes rows."""
        changeable = {
            model._meta.label_lower
            for model, pages in admin.site._registry.items()
            if not isinstance(pages, ReadOnlyAdmin) or pages.actions
        }
        assert changeable >= {"clinics.user", "clinics.clinic", "clinics.apitoken", "leads.treatmentpackage"}
        assert changeable - NOT_TRACKED <= set(TRACKED)

    def test_every_permission_to_change_is_about_something_tracked(self) -> None:
        """Also where a page has buttons of its own: they ask for these."""
        given = (
            Permission.objects.filter(group__isnull=False).exclude(codename__startswith="view_").distinct()
        )
        models = {f"{right.content_type.app_label}.{right.content_type.model}" for right in given}
        assert models - NOT_TRACKED <= set(TRACKED)

    def test_each_tracked_table_has_its_two_triggers(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT tgrelid::regclass::text, count(*) FROM pg_trigger WHERE tgname ~ '^(pgtrigger_)?audited'"
                " AND tgenabled = 'O' GROUP BY 1"
            )
            triggers = dict(cursor.fetchall())
        assert triggers == dict.fromkeys(tracked_tables(), 2)
