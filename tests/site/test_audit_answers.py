"""What staff are asked: why a balance is what it is, and who saw a patient's number."""

import io
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clinics.models import Clinic, User
from leads.models import ContactView
from tests import factories
from tests.site.back_office import (
    PATIENT,
    PATIENT_PHONE,
    page,
    person,
    signed_in,
)

pytestmark = pytest.mark.django_db


def queries_of(client: Client, address: str) -> list[str]:
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return [row["sql"] for row in captured.captured_queries]


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
