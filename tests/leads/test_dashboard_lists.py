"""The dashboard's list of leads: filters, search, pages, and nobody else's leads."""

import gzip
import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clinics.models import Clinic, Membership, Partner, User
from credits.services.ledger import BillingService
from leads.models import Lead
from tests import factories
from tests.clock import Clock
from tests.factories import deliver, deliver_many
from tests.leads.dashboard import get, lead_ids, lead_page, page, search
from tests.pages import text_of

pytestmark = pytest.mark.django_db
IST = ZoneInfo("Asia/Kolkata")


def test_expired_leads_are_left_out_until_they_are_asked_for(member: Client, funded_clinic: Clinic) -> None:
    first, second = deliver_many(funded_clinic, [1, 2])
    refused = deliver(funded_clinic, phone=3, hold_for_review=True)
    last = deliver(funded_clinic, phone=4)
    BillingService.refuse_lead(refused.pk)

    shown = [
        lead_ids(page(member, query))
        for query in ("", f"?before={last.pk}", "?delivery=expired", f"?lead={refused.pk}", "?source=web")
    ]

    assert shown[:4] == [[last.pk, second.pk, first.pk], [second.pk, first.pk], [refused.pk], [refused.pk]]
    assert shown[4] == [last.pk, refused.pk, second.pk, first.pk]
    assert "?delivery=expired" in page(member)


def test_known_sources_are_called_by_their_names(member: Client, funded_clinic: Clinic) -> None:
    for phone, source in ((1, "google"), (2, "hoarding")):
        deliver(funded_clinic, phone=phone, source=source)
    lead = deliver(funded_clinic, phone=3)

    html = page(member)

    for option in ('value="web">Your page<', 'value="google">Google<', 'value="hoarding">hoarding<'):
        assert option in html
    assert "Came by Your page" in text_of(lead_page(member, lead))


class TestFilters:
    @pytest.fixture
    def four(self, funded_clinic: Clinic) -> list[Lead]:
        """Delivered by web, free by web, held by a partner, delivered with a package by instagram."""
        package = factories.PackageFactory.create(clinic=funded_clinic)
        partner = Partner.objects.create(
            name="Portal", slug="portal", service_user=factories.UserFactory.create()
        )
        return [
            deliver(funded_clinic, phone=1),
            deliver(funded_clinic, phone=1),
            deliver(funded_clinic, phone=2, hold_for_review=True, partner_id=partner.pk, source="portal"),
            deliver(funded_clinic, phone=3, package_id=package.pk, source="instagram"),
        ]

    @pytest.mark.parametrize(
        ("query", "shown"),
        [
            ("", [3, 2, 1, 0]),
            ("?delivery=held", [2]),
            ("?delivery=free", [1]),
            ("?status=new", [3, 1, 0]),
            ("?status=lost", []),
            ("?source=instagram", [3]),
            ("?source=web&delivery=delivered", [0]),
            ("?date_from={today}&date_to={today}", [3, 2, 1, 0]),
            ("?date_to={yesterday}", []),
            ("?date_from={tomorrow}", []),
            ("?treatment={treatment}", [3]),
            ("?lead={first}", [0]),
            ("?unread=1", [3, 1, 0]),
            ("?unread=1&source=instagram", [3]),
            ("?before={third}", [1, 0]),
        ],
    )
    def test_each_shows_its_leads_newest_first(
        self, member: Client, four: list[Lead], query: str, shown: list[int]
    ) -> None:
        today = four[0].created_at.astimezone(IST).date()
        query = query.format(
            today=today,
            yesterday=today - timedelta(days=1),
            tomorrow=today + timedelta(days=1),
            treatment=four[3].treatment_id,
            first=four[0].pk,
            third=four[2].pk,
        )

        assert lead_ids(page(member, query)) == [four[number].pk for number in shown]

    def test_days_are_days_in_india(self, member: Client, clinic: Clinic, clock: Clock) -> None:
        clock.set(datetime(2040, 5, 31, 23, 59, 50, tzinfo=IST))
        may = deliver(clinic, phone=1)
        clock.set(datetime(2040, 6, 1, 0, 0, 10, tzinfo=IST))
        june = deliver(clinic, phone=2)

        assert lead_ids(page(member, "?date_to=2040-05-31")) == [may.pk]
        assert lead_ids(page(member, "?date_from=2040-06-01")) == [june.pk]

    @pytest.mark.parametrize(
        "query",
        [
            "?delivery=nonsense",
            "?status=delivered",
            "?treatment=999999",
            "?source=%00",
            "?date_from=yesterday",
            "?date_from=0001-01-01",
            "?date_to=9999-12-31",
            "?lead=0",
            "?lead=99999999999999999999",
            "?lead=1%00",
            "?before=NaN",
            "?before=-1",
            "?before=1e400",
            "?unread=yes",
        ],
    )
    def test_nonsense_is_a_400_that_shows_no_lead(self, member: Client, four: list[Lead], query: str) -> None:
        response = get(member, query)

        assert response.status_code == 400
        assert lead_ids(response.content.decode()) == []


class TestSearch:
    @pytest.fixture
    def two(self, funded_clinic: Clinic) -> tuple[Lead, Lead]:
        """One that may be seen and one that may not."""
        return (
            deliver(funded_clinic, phone="+919876543210", name="Asha Patel"),
            deliver(funded_clinic, phone="+919812398123", name="Zubeida Secret", hold_for_review=True),
        )

    @pytest.mark.parametrize(
        "text", ["asha", "Patel", "+91 98765 43210", "09876543210", "98765-43210", "543210", "+919876543210"]
    )
    def test_a_visible_lead_is_found_by_name_and_phone(
        self, member: Client, two: tuple[Lead, Lead], text: str
    ) -> None:
        assert lead_ids(search(member, text)) == [two[0].pk]

    @pytest.mark.parametrize("text", ["Zubeida", "Secret", "9812398123", "98123", "+91 98123 98123"])
    def test_a_hidden_one_is_not(self, member: Client, two: tuple[Lead, Lead], text: str) -> None:
        assert lead_ids(search(member, text)) == []

    def test_a_hidden_one_is_found_by_its_number_and_stays_hidden(
        self, member: Client, two: tuple[Lead, Lead]
    ) -> None:
        for text in (f"{two[1].pk}", f"#{two[1].pk}", f"Lead {two[1].pk}"):
            html = search(member, text)
            assert lead_ids(html) == [two[1].pk]
            assert "Zubeida" not in html

    @pytest.mark.parametrize(
        "text", ["%", "_", "'; DROP TABLE leads", "9" * 100, "१२३", "²", "(", "+", "null"]
    )
    def test_odd_texts_find_nothing(self, member: Client, two: tuple[Lead, Lead], text: str) -> None:
        assert lead_ids(search(member, text)) == []

    @pytest.mark.parametrize("text", ["", "   ", "a" * 101, "a\x00b"])
    def test_no_text_and_too_much_of_it_are_refused(
        self, member: Client, two: tuple[Lead, Lead], text: str
    ) -> None:
        response = member.post("/clinic/dashboard", {"q": text}, headers={"accept": "text/html"})

        assert response.status_code == 400
        assert lead_ids(response.content.decode()) == []

    def test_it_needs_a_token_against_forgery(self, owner: User) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(owner)

        assert strict.post("/clinic/dashboard", {"q": "asha"}).status_code == 403


class TestPages:
    def test_older_leads_follow_without_a_gap_or_a_repeat(self, member: Client, clinic: Clinic) -> None:
        made = [lead.pk for lead in deliver_many(clinic, list(range(45)))]

        shown, query = [], ""
        for _ in range(3):
            html = page(member, query)
            shown += lead_ids(html)
            older = re.search(r'href="(\?before=\d+)"', html)
            query = older[1] if older else ""

        assert shown == made[::-1]
        assert query == ""

    def test_another_clinic_s_lead_as_a_mark_shows_what_a_missing_one_shows(
        self, member: Client, clinic: Clinic, other_clinic: Clinic
    ) -> None:
        deliver(clinic)
        foreign = deliver(other_clinic)

        assert lead_ids(page(member, f"?before={foreign.pk}")) == []
        assert lead_ids(page(member, "?before=987654321")) == []

    def test_as_many_queries_for_five_leads_as_for_fifty(
        self, member: Client, owner: User, clinic: Clinic, other_clinic: Clinic
    ) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                page(member)
            return len(captured)

        factories.give_credits(clinic, 100_000)
        deliver_many(clinic, list(range(5)), price=7000)
        few = queries()
        deliver_many(clinic, list(range(100, 150)), price=7000)
        many = queries()
        Membership.objects.create(user=owner, clinic=other_clinic, role="owner")
        session = member.session
        session["clinic_id"] = clinic.pk
        session.save()
        of_two_clinics = queries()

        assert few == many <= 8
        assert of_two_clinics <= 8

    def test_twenty_leads_weigh_little(self, member: Client, clinic: Clinic) -> None:
        factories.give_credits(clinic, 100_000)
        for number in range(20):
            deliver(
                clinic,
                phone=number,
                price=7000,
                name=f"Patient {number} {'Kumar' * number}",
                message="x" * 900,
            )

        html = get(member).content

        assert len(gzip.compress(html, 6)) < 20_000
        assert len(html) < 250_000


class TestTenants:
    def test_nothing_of_another_clinic_is_ever_shown(
        self, member: Client, funded_clinic: Clinic, other_clinic: Clinic
    ) -> None:
        factories.give_credits(other_clinic, 4321)
        foreign = deliver(other_clinic, name="Foreign Patient", phone="+919811111111", source="foreignsource")
        deliver(funded_clinic, phone=5)

        pages = [page(member), page(member, f"?lead={foreign.pk}"), page(member, "?date_from=2020-01-01")]
        pages += [search(member, text) for text in ("Foreign", "9811111111", str(foreign.pk))]

        for html in pages:
            assert foreign.pk not in lead_ids(html)
            for text in ("Foreign Patient", "98111 11111", "foreignsource", "4,321", "Lotus"):
                assert text not in html
