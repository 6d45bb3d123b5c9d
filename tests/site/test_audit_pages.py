"""The audit trail as staff meet it: why is asked, the trail is read and taken away, a row's history, who saw whom."""

import csv
import io
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clinics import audit
from clinics.admin.base import ReadOnlyAdmin
from clinics.admin.trail import safe_cell
from clinics.models import ApiToken, Clinic, Membership, StaffRequest, User
from clinics.trail import TRACKED, AuditEvent, tracked_tables
from credits.models import CreditAccount
from leads.models import ContactView
from tests import factories
from tests.site.back_office import (
    GROUPS,
    PATIENT,
    PATIENT_PHONE,
    WHY,
    form_data,
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


def save(client: Client, address: str, **values: Any) -> Any:
    return client.post(address, {**form_data(client.get(address)), **values})


def queries_of(client: Client, address: str) -> list[str]:
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return [row["sql"] for row in captured.captured_queries]


def changed_by_somebody(number: int) -> None:
    with audit.because("x", user=factories.UserFactory.create(password=None).pk):
        factories.ClinicFactory.create(city=f"City {number}")


class TestWhy:
    def test_a_form_leaves_who_why_where_and_what_before_and_after(self) -> None:
        package = factories.PackageFactory.create(price=Decimal(7000))
        client, boss = Client(), person("superuser")
        sign_in(client, boss)
        response = save(client, page("leads.treatmentpackage", "change", package.pk), price="7500")
        assert response.status_code == 302
        event = AuditEvent.objects.filter(table_name="packages").newest_first()[0]
        assert (event.before, event.after) == ({"price": 7000.0}, {"price": 7500.0})
        assert (event.actor, event.reason, event.channel) == (boss, WHY, "back_office")
        assert event.source == "admin:leads_treatmentpackage_change"
        assert event.request_id

    def test_without_a_reason_a_form_is_refused_and_changes_nothing(self) -> None:
        package = factories.PackageFactory.create(price=Decimal(7000))
        client = signed_in("superuser")
        response = save(
            client, page("leads.treatmentpackage", "change", package.pk), price="7500", audit_reason=" "
        )
        assert response.status_code == 200
        assert response.context["adminform"].form.errors == {"audit_reason": ["This field is required."]}
        package.refresh_from_db()
        assert package.price == 7000

    def test_a_new_row_has_its_reason_too(self, clinic: Clinic) -> None:
        member = factories.UserFactory.create()
        facts = {"user": member.pk, "clinic": clinic.pk, "role": "billing", "is_active": "on"}
        client = signed_in("user admin")
        assert client.post(page("clinics.membership", "add"), facts).status_code == 200
        assert (
            client.post(page("clinics.membership", "add"), {**facts, "audit_reason": WHY}).status_code == 302
        )
        event = AuditEvent.objects.filter(table_name="clinic_memberships").newest_first()[0]
        assert (event.operation, event.reason) == ("insert", WHY)
        assert event.about[1:] == [f"clinic:{clinic.pk}", f"user:{member.pk}"]

    @pytest.mark.parametrize("typed", ["asha@care.example rang", "of 9876500000", "+919876500000"])
    def test_a_reason_that_tells_of_somebody_is_refused_and_changes_nothing(
        self, typed: str, owner: User, clinic: Clinic
    ) -> None:
        package = factories.PackageFactory.create(price=Decimal(7000))
        address = page("leads.treatmentpackage", "change", package.pk)
        response = save(signed_in("superuser"), address, price="7500", audit_reason=typed)
        assert "8 or more digits" in response.content.decode()
        package.refresh_from_db()
        assert package.price == 7000

        token, _ = ApiToken.objects.create(user=owner, name="CRM", clinic=clinic, scopes=["leads:read"])
        action = {"action": "revoke", "_selected_action": [token.pk], "audit_reason": typed}
        response = signed_in("user admin").post(page("clinics.apitoken", ""), action, follow=True)
        assert "8 or more digits" in response.content.decode()
        token.refresh_from_db()
        assert token.revoked_at is None

    def test_years_amounts_and_ids_are_no_trace_of_anybody(self) -> None:
        package = factories.PackageFactory.create(price=Decimal(7000))
        why = "Since 2026-04-01: ₹7,500.00 @ request 1234567"
        address = page("leads.treatmentpackage", "change", package.pk)
        assert save(signed_in("superuser"), address, price="7500", audit_reason=why).status_code == 302

    def test_of_a_request_the_trail_has_the_code_and_the_number_not_the_words(self, clinic: Clinic) -> None:
        typed = {"amount": "50", "description": "Goodwill", "reason_code": "goodwill", "reason": "Asha rang"}
        form = page("credits.creditaccount", "ask-adjustment", clinic.pk)
        assert signed_in("finance").post(form, typed).status_code == 302
        request = StaffRequest.objects.get()
        approve = page("clinics.staffrequest", "approve", request.pk)
        assert signed_in("finance").post(approve, {"note": "Looked at"}).status_code == 302
        reasons = set(AuditEvent.objects.exclude(reason="").values_list("reason", flat=True))
        assert reasons == {"goodwill", f"Request {request.pk}: goodwill"}

    def test_who_may_only_look_is_not_asked(self) -> None:
        clinic = factories.ClinicFactory.create()
        body = signed_in("support").get(page("clinics.clinic", "change", clinic.pk)).content.decode()
        assert "audit_reason" not in body

    def test_a_bulk_action_says_why_once_for_all_its_rows_or_does_nothing(
        self, owner: User, clinic: Clinic
    ) -> None:
        for name in ("CRM", "Diary"):
            ApiToken.objects.create(user=owner, name=name, clinic=clinic, scopes=["leads:read"])
        client, revoking = Client(), person("user admin")
        sign_in(client, revoking)
        keys = list(ApiToken.objects.values_list("pk", flat=True))
        action = {"action": "revoke", "_selected_action": keys}

        refused = client.post(page("clinics.apitoken", ""), action, follow=True)
        assert "Please say why" in refused.content.decode()
        assert not ApiToken.objects.filter(revoked_at__isnull=False).exists()

        client.post(page("clinics.apitoken", ""), {**action, "audit_reason": "Laptop lost"})
        revoked = AuditEvent.objects.filter(table_name="api_tokens", operation="update")
        assert [(event.actor, event.reason) for event in revoked] == [(revoking, "Laptop lost")] * 2
        assert {event.context_id for event in revoked} == {revoked[0].context_id}

    def test_an_invitation_and_a_password_set_by_staff_say_so(self) -> None:
        clinic = factories.ClinicFactory.create(is_active=False)
        client = signed_in("user admin")
        client.post(
            page("clinics.clinic", "invite-owner", clinic.pk),
            {"email": "a@care.example", "full_name": "Asha"},
        )
        member = Membership.objects.get(clinic=clinic).user
        new = {"password1": "a fairly long pass phrase 7", "password2": "a fairly long pass phrase 7"}
        client.post(page("clinics.user", "password", member.pk), {**new, "usable_password": "true"})
        reasons = AuditEvent.objects.filter(about__contains=[f"user:{member.pk}"]).order_by("pk")
        assert [event.reason for event in reasons][-1] == "Password set by staff"
        assert reasons.filter(reason="Invited as owner", table_name="clinic_memberships").exists()
        assert [event.concealed for event in reasons][-1] == ["password"]


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


class TestWhyIsThisBalance:
    def test_the_page_says_what_the_command_says(self, funded_clinic: Clinic) -> None:
        factories.deliver(funded_clinic)
        out = io.StringIO()
        call_command("explain_balance", funded_clinic.slug, stdout=out)
        lines = [" ".join(line.split()) for line in out.getvalue().splitlines() if line.strip()]
        response = signed_in("resolver").get(page("credits.creditaccount", "explain", funded_clinic.pk))
        body = " ".join(response.content.decode().replace("&#x27;", "'").split())
        assert len(lines) > 8
        for line in lines:
            assert line in body or line.capitalize() in body, line

    def test_it_is_for_those_who_may_see_accounts_and_linked_from_the_clinic(self, clinic: Clinic) -> None:
        address = page("credits.creditaccount", "explain", clinic.pk)
        for who, status in (("support", 403), ("user admin", 403), ("finance", 200), ("auditor", 200)):
            client = signed_in(who)
            assert client.get(address).status_code == status, who
            body = client.get(page("clinics.clinic", "change", clinic.pk)).content.decode()
            assert (address in body) is (status == 200), who
        for key in ("999999", "abc", "%00"):
            missing = signed_in("finance").get(page("credits.creditaccount", "explain", key))
            assert missing.status_code == 302, key


class TestWhoSaw:
    def seen(self, clinic: Clinic) -> tuple[Any, User, User]:
        lead = factories.deliver(clinic, PATIENT_PHONE, None, **PATIENT)
        desk, resolver = factories.member_of(clinic, "front_desk"), person("resolver")
        ContactView.objects.create(lead=lead, viewer=desk, seen_on="2026-11-20")
        ContactView.objects.create(lead=lead, viewer=resolver, seen_on="2026-11-21", reason="Dispute 4")
        return lead, desk, resolver

    def test_the_page_names_members_and_staff_with_their_reasons_and_no_patient(
        self, funded_clinic: Clinic
    ) -> None:
        lead, desk, resolver = self.seen(funded_clinic)
        address = page("leads.lead", "who-saw", lead.pk)
        body = signed_in("auditor").get(address).content.decode()
        assert all(text in body for text in (desk.email, "front desk", resolver.email, "Dispute 4"))
        assert "Zubeida" not in body
        for who in ("support", "resolver", "finance", "user admin", "nobody"):
            assert signed_in(who).get(address).status_code == 403, who
        assert signed_in("auditor").get(page("leads.lead", "who-saw", "abc")).status_code == 302

    def test_the_command_answers_for_a_lead_and_for_a_number_from_stdin(self, funded_clinic: Clinic) -> None:
        lead, desk, resolver = self.seen(funded_clinic)
        out = io.StringIO()
        call_command("who_saw", lead.pk, stdout=out)
        assert f"{desk.email} (user {desk.pk}, front desk)" in out.getvalue()
        assert f"{resolver.email} (user {resolver.pk}, staff): Dispute 4" in out.getvalue()

        by_number = io.StringIO()
        with patch("sys.stdin", io.StringIO("98765 00000\n")):
            call_command("who_saw", "--phone", stdout=by_number)
        assert by_number.getvalue() == out.getvalue()
        assert "98765" not in by_number.getvalue()

    def test_an_unknown_lead_a_wrong_number_and_one_nobody_saw(self, funded_clinic: Clinic) -> None:
        lead = factories.deliver(funded_clinic)
        out = io.StringIO()
        call_command("who_saw", lead.pk, stdout=out)
        assert out.getvalue().endswith("  nobody\n")
        with pytest.raises(CommandError, match="no such lead"):
            call_command("who_saw", 999_999)
        with patch("sys.stdin", io.StringIO("12\n")), pytest.raises(CommandError, match="no phone number"):
            call_command("who_saw", "--phone")

    def test_it_asks_the_database_as_often_for_many_looks_as_for_few(self, funded_clinic: Clinic) -> None:
        lead, _, _ = self.seen(funded_clinic)
        client = signed_in("auditor")
        address = page("leads.lead", "who-saw", lead.pk)
        few = queries_of(client, address)
        for number in range(20):
            viewer = factories.member_of(funded_clinic, "billing", password=None)
            ContactView.objects.create(lead=lead, viewer=viewer, seen_on=f"2026-10-{number + 1:02}")
        assert len(queries_of(client, address)) == len(few)
