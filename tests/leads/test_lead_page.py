"""GET /clinic/leads/1: everything about one lead, its timeline, and that looking at it makes it read."""

from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from clinics.models import Clinic, User
from credits.services.ledger import BillingService
from disputes.services import cases
from leads.inbox import greeting, leads_of
from leads.models import ContactView, Lead
from leads.services.attempts import record_attempt, set_outcome
from leads.services.status import change_status
from tests import factories, steps
from tests.factories import deliver, deliver_many
from tests.leads.dashboard import SECRETS, assert_hidden, get, lead_ids, lead_page, page
from tests.pages import text_of
from tests.plans import plan_with_only

pytestmark = pytest.mark.django_db
HTML = {"accept": "text/html"}


class TestWhoMayCome:
    def test_somebody_signed_out_is_sent_to_sign_in_and_back(self, client: Client, clinic: Clinic) -> None:
        response = client.get("/clinic/leads/1", headers=HTML)

        assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=/clinic/leads/1")

    @pytest.mark.parametrize("role", ["owner", "billing", "front_desk"])
    def test_every_role_sees_it(self, client: Client, funded_clinic: Clinic, role: str) -> None:
        client.force_login(factories.member_of(funded_clinic, role))

        assert "Asha Patel" in lead_page(client, deliver(funded_clinic))

    def test_another_clinic_s_lead_answers_like_a_missing_one_and_stays_unread(
        self, member: Client, other_clinic: Clinic
    ) -> None:
        factories.give_credits(other_clinic, 1000)
        foreign = deliver(other_clinic, phone=3)

        answers = [
            member.get(f"/clinic/leads/{pk}", headers=HTML) for pk in (foreign.pk, 987_654_321, 10**30)
        ]

        assert [answer.status_code for answer in answers] == [404, 404, 404]
        assert answers[0].content == answers[1].content
        assert Lead.objects.get(pk=foreign.pk).opened_at is None
        assert not ContactView.objects.exists()

    @pytest.mark.parametrize(
        "path", ["/clinic/leads/x", "/clinic/leads/-1", "/clinic/leads/1%00", "/clinic/leads/"]
    )
    def test_what_is_no_number_is_not_there(self, member: Client, path: str) -> None:
        assert member.get(path, headers=HTML).status_code == 404

    def test_it_is_only_read(self, member: Client, funded_clinic: Clinic) -> None:
        address = f"/clinic/leads/{deliver(funded_clinic).pk}"

        for method in (member.post, member.put, member.patch, member.delete):
            assert method(address, headers=HTML).status_code == 405


class TestWhatItShows:
    def test_all_that_the_patient_wrote(self, member: Client, funded_clinic: Clinic) -> None:
        lead = deliver(
            funded_clinic,
            name="Zubeida Khan",
            email="z@example.com",
            message="After six",
            procedure_name="Crown on a molar",
            preferred_date=date(2026, 12, 24),
            city="Surat",
            is_minor=True,
            guardian_name="Salma Khan",
        )

        text = text_of(lead_page(member, lead))

        for said in (
            "Zubeida Khan",
            "z@example.com",
            "After six",
            "Crown on a molar",
            "24 Dec 2026",
            "Surat",
            "Salma Khan",
        ):
            assert said in text

    def test_a_look_is_logged_once_and_a_hidden_contact_is_none(
        self, member: Client, owner: User, funded_clinic: Clinic
    ) -> None:
        seen, held = (
            deliver(funded_clinic, phone=1),
            deliver(funded_clinic, phone=2, hold_for_review=True, **SECRETS),
        )

        for lead in (seen, seen, held):
            html = lead_page(member, lead)

        assert_hidden(html)
        assert "record" not in html.lower()
        assert list(ContactView.objects.values_list("lead", "viewer")) == [(seen.pk, owner.pk)]

    def test_one_goes_to_the_leads_before_and_after(
        self, member: Client, clinic: Clinic, other_clinic: Clinic
    ) -> None:
        first, second = deliver_many(clinic, [1, 2])
        deliver(other_clinic)
        third = deliver(clinic, phone=3)

        html = lead_page(member, second)

        assert f'rel="prev" href="/clinic/leads/{third.pk}"' in html
        assert f'rel="next" href="/clinic/leads/{first.pk}"' in html
        assert 'rel="prev"' not in lead_page(member, third)
        assert 'rel="next"' not in lead_page(member, first)

    def test_a_script_gets_the_part_beside_the_list(self, member: Client, funded_clinic: Clinic) -> None:
        lead = deliver(funded_clinic)
        deliver(funded_clinic, phone=2)

        response = member.get(f"/clinic/leads/{lead.pk}", headers={**HTML, "hx-request": "true"})

        assert "<html" not in response.content.decode()
        assert "Asha Patel" in response.content.decode()
        assert response["HX-Trigger"] == f'{{"inbox:changed": {{"lead": {lead.pk}, "unread": 1}}}}'

    def test_as_many_queries_for_a_long_story_as_for_a_short_one(
        self, member: Client, owner: User, funded_clinic: Clinic
    ) -> None:
        lead = deliver(funded_clinic)
        lead_page(member, lead)

        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                lead_page(member, lead)
            return len(captured)

        short = queries()
        for status in ("contacted", "lost", "new") * 4:
            change_status(
                lead=lead, status=Lead.Status(status), by=factories.member_of(funded_clinic, "billing")
            )
        factories.refund(lead, "40")

        assert queries() == short <= 13


class TestTimeline:
    def test_it_tells_everything_newest_first(
        self, member: Client, owner: User, funded_clinic: Clinic
    ) -> None:
        desk = factories.member_of(funded_clinic, "front_desk", full_name="Ravi Desk")
        lead = deliver(funded_clinic, price=7000)
        attempt = record_attempt(lead=lead, kind="call", by=desk)  # type: ignore[arg-type]
        set_outcome(attempt=attempt, outcome="wrong_number")  # type: ignore[arg-type]
        change_status(lead=lead, status=Lead.Status.LOST, by=owner)
        dispute = factories.dispute(lead, by=owner)
        cases.approve(
            dispute=dispute,
            amount=Decimal(90),
            reason_code="confirmed",
            notes="We called it too.",
            by=factories.UserFactory.create(is_staff=True, full_name="Sita Staff"),
        )

        text = text_of(lead_page(member, lead))

        told = [
            "The dispute was approved: 90 credits",
            "Disputed: ",
            "Set to «Lost»",
            "Called, wrong number",
            "First opened",
            "Delivered for 180 credits",
            "The enquiry arrived",
        ]
        places = [text.index(one, text.index("What happened")) for one in told]
        assert places == sorted(places)
        assert "90 credits came back" in text
        assert "Ravi Desk" in text
        assert "Sita Staff" not in text
        assert "We called it too." not in text

    @pytest.mark.parametrize(
        ("enquiry", "told"),
        [({"hold_for_review": True}, "The enquiry arrived"), ({}, "Delivered for 100 credits")],
    )
    def test_it_says_how_the_lead_came_through(
        self, member: Client, funded_clinic: Clinic, enquiry: Any, told: str
    ) -> None:
        lead = deliver(funded_clinic, **enquiry)

        assert told in text_of(lead_page(member, lead))

    def test_a_free_and_an_expired_one(self, member: Client, funded_clinic: Clinic) -> None:
        deliver(funded_clinic)
        free, refused = deliver(funded_clinic), deliver(funded_clinic, phone=2, hold_for_review=True)
        BillingService.refuse_lead(refused.pk)

        assert "Delivered, free of charge" in text_of(lead_page(member, free))
        assert "Refused in review" in text_of(lead_page(member, refused))


class TestUnread:
    def test_a_lead_is_unread_until_somebody_opens_its_page(
        self, member: Client, owner: User, funded_clinic: Clinic
    ) -> None:
        lead, other, held = (
            deliver(funded_clinic, phone=1),
            deliver(funded_clinic, phone=2),
            deliver(funded_clinic, phone=3, hold_for_review=True),
        )
        assert lead_ids(page(member, "?unread=1")) == [other.pk, lead.pk]
        assert "<title>(2) Leads – Sunrise</title>" in page(member)

        lead_page(member, lead)
        lead_page(member, held)

        assert lead_ids(page(member, "?unread=1")) == [other.pk]
        assert text_of(page(member)).count("Unread:") == 1
        lead.refresh_from_db()
        assert (lead.opened_by, Lead.objects.get(pk=held.pk).opened_at) == (owner, None)

    def test_a_colleague_s_look_counts_and_the_first_one_is_kept(
        self, member: Client, owner: User, client: Client, funded_clinic: Clinic
    ) -> None:
        lead = deliver(funded_clinic)
        change_status(lead=lead, status=Lead.Status.NEW, by=owner)  # the same status again, but looked at
        opened = Lead.objects.get(pk=lead.pk)

        client.force_login(factories.member_of(funded_clinic, "front_desk"))
        lead_page(client, lead)

        lead.refresh_from_db()
        assert (lead.opened_at, lead.opened_by) == (opened.opened_at, owner)
        assert lead_ids(page(client, "?unread=1")) == []

    def test_a_status_set_and_taken_back_leaves_it_read(self, owner: User, funded_clinic: Clinic) -> None:
        lead = deliver(funded_clinic)
        for status in (Lead.Status.LOST, Lead.Status.NEW):
            change_status(lead=lead, status=status, by=owner)

        assert not Lead.objects.unread().exists()

    def test_one_that_is_released_later_becomes_unread(self, member: Client, clinic: Clinic) -> None:
        lead = deliver(clinic)
        lead_page(member, lead)
        assert not Lead.objects.unread().exists()

        factories.give_credits(clinic, 1000)

        assert lead_ids(page(member, "?unread=1")) == [lead.pk]

    def test_who_opened_it_first_is_a_fact_for_the_database(self, owner: User, funded_clinic: Clinic) -> None:
        lead = deliver(funded_clinic)
        change_status(lead=lead, status=Lead.Status.LOST, by=owner)

        for changes in ({"opened_at": None}, {"opened_by": None}):
            with pytest.raises(DatabaseError, match="was opened already"), transaction.atomic():
                Lead.objects.filter(pk=lead.pk).update(**changes)

    def test_the_search_for_unread_ones_has_an_index(self) -> None:
        unread = Lead.objects.unread().filter(clinic=1).order_by("-delivered_at", "-pk")

        plan = plan_with_only("leads_unread", unread)

        assert "Index Scan using leads_unread" in plan, plan
        assert "Filter" not in plan, plan


class TestGreeting:
    def test_it_names_the_clinic_and_the_treatment_and_nothing_else(
        self, member: Client, funded_clinic: Clinic
    ) -> None:
        package = factories.PackageFactory.create(
            clinic=funded_clinic, title="Root canal & crown", price=7000
        )
        lead = deliver(funded_clinic, package_id=package.pk, **SECRETS)

        row = get(member).context["rows"][0]

        address = urlsplit(row.whatsapp_url)
        assert (address.netloc, address.path) == ("wa.me", "/919876500000")
        text = parse_qs(address.query)["text"][0]
        assert text == (
            "Hello, this is Sunrise. Thank you for asking us about Root canal & crown. How may we help you?"
        )
        assert "Zubeida" not in row.whatsapp_url
        assert lead_page(member, lead).count("https://wa.me/919876500000?text=Hello") == 1

    def test_without_a_treatment_it_speaks_of_the_enquiry(self, funded_clinic: Clinic) -> None:
        lead = leads_of(funded_clinic).get(pk=deliver(funded_clinic).pk)

        with translation.override("en"):
            assert "Thank you for your enquiry." in greeting(lead, funded_clinic)


class TestDisputeOnThePage:
    def test_it_leads_to_the_dispute_and_back_office_words_stay_inside(
        self, member: Client, funded_clinic: Clinic
    ) -> None:
        lead = deliver(funded_clinic)
        assert f'href="/clinic/disputes/create/{lead.pk}"' in lead_page(member, lead)
        factories.dispute(lead)

        html = lead_page(member, lead)

        assert "Dispute pending" in html
        assert f'href="/clinic/disputes/create/{lead.pk}"' not in html

    def test_the_front_desk_is_not_offered_one(self, client: Client, funded_clinic: Clinic) -> None:
        client.force_login(factories.member_of(funded_clinic, "front_desk"))

        assert "/clinic/disputes/create/" not in lead_page(client, deliver(funded_clinic))

    def test_after_a_full_refund_nothing_can_be_called(self, member: Client, funded_clinic: Clinic) -> None:
        lead = deliver(funded_clinic, **SECRETS)
        steps.refund_lead(lead.pk, lead.cost, "All of it")

        html = lead_page(member, lead)

        assert_hidden(html)
        for link in ("tel:", "wa.me", "/attempts"):
            assert link not in html
