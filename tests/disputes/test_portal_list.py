"""What a clinic sees of its disputes: the list, the dashboard's leads, the number in the navigation."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clinics.models import Clinic, User
from credits.models import BillingRules
from disputes.models import LeadDispute
from disputes.services import cases
from leads.models import Lead
from tests import factories
from tests.disputes.portal import (
    HTML,
    LIST,
    SAID,
    case_url,
    create_url,
    dispute_ids,
    file_by_form,
    page,
    photo,
    url,
)
from tests.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("evidence_folder")]
DASHBOARD = "/clinic/dashboard"


@pytest.fixture
def staff(db: None) -> User:
    return factories.UserFactory.create(is_staff=True, password=None, full_name="Resolver Rao")


def disputed(clinic: Clinic, phones: range, owner: User) -> list[LeadDispute]:
    factories.give_credits(clinic, 100 * len(phones))
    return [factories.dispute(factories.deliver(clinic, phone), by=owner) for phone in phones]


def one_of_each(clinic: Clinic, owner: User, staff: User) -> dict[str, LeadDispute]:
    pending, approved, rejected, cancelled = disputed(clinic, range(1, 5), owner)
    cases.approve(
        dispute=approved, amount=Decimal(40), reason_code="partly_confirmed", notes="Partly so.", by=staff
    )
    cases.reject(dispute=rejected, reason_code="not_confirmed", notes="We reached the patient.", by=staff)
    cases.cancel(dispute=cancelled, by=owner)
    return {"pending": pending, "approved": approved, "rejected": rejected, "cancelled": cancelled}


class TestTheList:
    def test_it_is_empty_kindly(self, member: Client, clinic: Clinic) -> None:
        assert "No disputes yet" in text_of(page(member))
        for hours, words in ((48, "2 days"), (24, "1 day"), (36, "36 hours")):
            BillingRules.objects.update(dispute_hours=hours)
            assert f"we answer within {words}." in text_of(page(member))
        assert member.get(LIST).json() == {"status": "success", "disputes": [], "next_before": None}

    def test_newest_first_with_decision_amount_and_reason(
        self, member: Client, clinic: Clinic, owner: User, staff: User
    ) -> None:
        made = one_of_each(clinic, owner, staff)

        html = page(member)

        text = text_of(html)
        assert dispute_ids(html) == [case.pk for case in reversed(made.values())]
        assert "40 credits came back." in text
        assert "No credits come back." in text
        assert "We answer by" in text
        assert "Cancelled by your clinic." in text
        assert [row["status"] for row in member.get(LIST).json()["disputes"]] == list(reversed(made))

    @pytest.mark.parametrize("state", ["pending", "approved", "rejected", "cancelled"])
    def test_it_is_filtered_by_state(
        self, member: Client, clinic: Clinic, owner: User, staff: User, state: str
    ) -> None:
        made = one_of_each(clinic, owner, staff)

        assert dispute_ids(page(member, f"{LIST}?status={state}")) == [made[state].pk]
        assert [row["id"] for row in member.get(f"{LIST}?status={state}").json()["disputes"]] == [
            made[state].pk
        ]

    def test_older_ones_follow_without_a_gap_or_a_repeat(
        self, member: Client, clinic: Clinic, owner: User
    ) -> None:
        made = [case.pk for case in disputed(clinic, range(1, 46), owner)]

        shown, path = [], LIST
        for _ in range(3):
            html = page(member, path)
            shown += dispute_ids(html)
            older = re.search(r'href="(\?before=\d+)"', html)
            path = f"{LIST}{older[1]}" if older else ""
        told: list[int] = []
        before: int | None = None
        for _ in range(3):
            body = member.get(LIST, {"before": before} if before else {}).json()
            told += [row["id"] for row in body["disputes"]]
            before = body["next_before"]

        assert shown == told == made[::-1]
        assert (path, before) == ("", None)

    @pytest.mark.parametrize(
        "query",
        [
            "status=nonsense",
            "before=0",
            "before=x",
            "lead=1%00",
            "dispute=99999999999999999999",
            "before=1e3",
        ],
    )
    def test_nonsense_is_a_400_that_shows_nothing(
        self, member: Client, clinic: Clinic, owner: User, query: str
    ) -> None:
        disputed(clinic, range(1, 2), owner)

        response = member.get(f"{LIST}?{query}", headers=HTML)

        assert response.status_code == 400
        assert dispute_ids(response.content.decode()) == []
        assert member.get(f"{LIST}?{query}").json()["code"] == "invalid"

    def test_what_staff_ask_is_shown_with_a_form_and_what_they_note_is_not(
        self, member: Client, clinic: Clinic, owner: User, staff: User
    ) -> None:
        (case,) = disputed(clinic, range(1, 2), owner)
        cases.note(dispute=case, text="INTERNAL-NOTE: looks fishy", by=staff)
        cases.request_approval(
            dispute=case, amount=Decimal("61.37"), reason_code="confirmed", notes="INTERNAL-REQUEST", by=staff
        )
        cases.ask_clinic(dispute=case, text="At what time did you call?", by=staff)

        listed = page(member)
        html = page(member, case_url(case))

        assert "We asked you something" in text_of(listed)
        assert "At what time did you call?" in text_of(html)
        assert f'action="{url(case, "answer")}"' in html
        for answer in (html, listed, member.get(LIST).content.decode(), page(member, url(case, "appeal"))):
            assert "INTERNAL" not in answer
            assert "fishy" not in answer
            assert "61.37" not in answer
            assert "Resolver Rao" not in answer
        assert [entry["kind"] for entry in member.get(LIST).json()["disputes"][0]["timeline"]] == [
            "filed",
            "asked",
        ]

    def test_an_appeal_is_offered_until_its_day_and_only_while_it_is_possible(
        self, member: Client, clinic: Clinic, owner: User, staff: User
    ) -> None:
        made = one_of_each(clinic, owner, staff)

        offered = {
            state
            for state, case in made.items()
            if f'action="{url(case, "appeal")}"' in page(member, case_url(case))
        }
        assert offered == {"approved", "rejected"}
        appeal = cases.appeal(dispute=made["rejected"], description=SAID, by=owner)
        html = page(member, case_url(made["rejected"]))
        assert url(made["rejected"], "appeal") not in html
        assert f'href="{case_url(appeal)}"' in html
        assert "This decision has been appealed already." in text_of(
            page(member, url(made["rejected"], "appeal"))
        )

    def test_markup_stays_text(self, member: Client, funded_clinic: Clinic) -> None:
        lead = factories.deliver(funded_clinic)
        evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"

        file_by_form(member, lead, description=evil, evidence=photo("<b>bold</b>.jpg"))
        staff = factories.UserFactory.create(is_staff=True, full_name="<i>x</i>")
        cases.reject(dispute=LeadDispute.objects.get(), reason_code="no_evidence", notes=evil, by=staff)

        case = LeadDispute.objects.get()
        for path in (case_url(case), url(case, "appeal")):
            html = page(member, path)
            assert "<script>alert" not in html
            assert "<img src=x" not in html
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        bad = file_by_form(member, lead, description='"><script>alert(3)</script>', dispute_type="x")
        assert "<script>alert(3)" not in bad.content.decode()

    @pytest.mark.django_db(databases=["default", "owner"])
    def test_ids_are_not_grouped_like_amounts(
        self, member: Client, funded_clinic: Clinic, owner: User
    ) -> None:
        lead = factories.deliver(funded_clinic)
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT setval('lead_disputes_id_seq', 1234566)")
        factories.dispute(lead, by=owner)

        html = page(member)

        assert 'id="dispute-1234567"' in html
        assert "12,34,567" not in html

    def test_as_many_queries_for_two_as_for_twenty(self, member: Client, clinic: Clinic, owner: User) -> None:
        def queries(accept: Any) -> int:
            with CaptureQueriesContext(connection) as captured:
                assert member.get(LIST, headers=accept).status_code == 200
            return len(captured)

        disputed(clinic, range(1, 3), owner)
        cache.clear()
        page(member)
        few = [queries(HTML), queries({"accept": "application/json"})]
        disputed(clinic, range(3, 40), owner)
        connection.run_on_commit = []
        many = [queries(HTML), queries({"accept": "application/json"})]

        assert few == many
        assert max(many) <= 8


class TestTheDashboard:
    def test_a_lead_leads_to_its_dispute_or_to_the_form(
        self, member: Client, clinic: Clinic, owner: User, staff: User
    ) -> None:
        made = one_of_each(clinic, owner, staff)
        factories.give_credits(clinic, 1000)
        plain = factories.deliver(clinic, 50)
        held = factories.deliver(clinic, 51, hold_for_review=True)
        converted = factories.deliver(clinic, 52)
        Lead.objects.filter(pk=converted.pk).update(status="converted")

        html = page(member, DASHBOARD)

        links = re.findall(r'<p class="lead-dispute"><a href="([^"]+)">([^<]+)', html)
        assert dict(links) == {
            f"{LIST}?lead={made['pending'].lead_id}": "Dispute pending",
            f"{LIST}?lead={made['approved'].lead_id}": "Dispute approved",
            f"{LIST}?lead={made['rejected'].lead_id}": "Dispute rejected",
            create_url(made["cancelled"].lead_id): "Dispute",
            create_url(plain): "Dispute",
        }
        assert held.pk

    def test_an_appeal_s_state_counts_unless_it_was_cancelled(
        self, member: Client, clinic: Clinic, owner: User, staff: User
    ) -> None:
        case = one_of_each(clinic, owner, staff)["rejected"]
        appeal = cases.appeal(dispute=case, description=SAID, by=owner)
        link = f"{LIST}?lead={case.lead_id}"

        assert f'"{link}">Dispute pending<' in page(member, DASHBOARD)
        cases.cancel(dispute=appeal, by=owner)
        assert f'"{link}">Dispute rejected<' in page(member, DASHBOARD)
        assert dispute_ids(page(member, link)) == [appeal.pk, case.pk]

    def test_the_front_desk_sees_states_and_no_way_to_act(
        self, client: Client, clinic: Clinic, owner: User, staff: User
    ) -> None:
        made = one_of_each(clinic, owner, staff)
        cases.ask_clinic(dispute=made["pending"], text="When?", by=staff)
        client.force_login(factories.member_of(clinic, "front_desk"))

        assert "Dispute pending" in page(client, DASHBOARD)
        assert "/create/" not in page(client, DASHBOARD)
        assert len(dispute_ids(page(client))) == 4
        for case in made.values():
            html = page(client, case_url(case))
            for way in ("/cancel", "/answer", "/appeal", "<textarea"):
                assert way not in html

    def test_a_search_says_the_same(self, member: Client, funded_clinic: Clinic) -> None:
        lead = factories.deliver(funded_clinic)

        html = member.post(DASHBOARD, {"q": "Asha"}, headers=HTML).content.decode()

        assert create_url(lead) in html

    def test_as_many_queries_whatever_is_disputed(self, member: Client, clinic: Clinic, owner: User) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                page(member, DASHBOARD)
            return len(captured)

        factories.give_credits(clinic, 5000)
        factories.deliver_many(clinic, [90, 91])
        page(member, DASHBOARD)
        few = queries()
        disputed(clinic, range(1, 30), owner)
        page(member, DASHBOARD)
        many = queries()

        assert few == many <= 8


class TestTheNumberInTheNavigation:
    def number(self, client: Client, path: str = "/clinic/credits/history") -> str:
        html = page(client, path)
        found = re.search(r'<span class="count">(\d+)', html)
        return found[1] if found else ""

    def test_it_counts_what_waits_and_follows_one_s_own_doing(
        self, member: Client, clinic: Clinic, owner: User, django_capture_on_commit_callbacks: Any
    ) -> None:
        assert self.number(member) == ""
        with django_capture_on_commit_callbacks(execute=True):
            first, _ = disputed(clinic, range(1, 3), owner)
        assert self.number(member) == "2"
        with django_capture_on_commit_callbacks(execute=True):
            member.post(url(first, "cancel"))
        assert self.number(member) == "1"
        assert self.number(member, LIST) == "1"

    def test_it_is_cached(self, member: Client, clinic: Clinic, owner: User) -> None:
        self.number(member)
        with CaptureQueriesContext(connection) as captured:
            self.number(member)

        counts = [one["sql"] for one in captured if "COUNT" in one["sql"] and "lead_disputes" in one["sql"]]
        assert counts == []

    def test_it_is_the_clinic_s_own(
        self, member: Client, clinic: Clinic, other_clinic: Clinic, django_capture_on_commit_callbacks: Any
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            disputed(other_clinic, range(1, 4), factories.member_of(other_clinic, "owner"))

        assert self.number(member) == ""
