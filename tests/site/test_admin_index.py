"""The back office's first page: what it shows to whom, how fresh it is, and prices tried out on it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing_site.figures import board as boards
from billing_site.jobs.schedules import BY_NAME
from clinics.models import Clinic, ScheduledRun, StaffRequest
from credits.services.reviews import raise_review
from disputes.services import cases
from leads.models import Lead, PricingTier
from tests import factories
from tests.clock import Clock
from tests.site.back_office import GROUPS, person, sign_in, signed_in
from tests.site.requesting import of_group

pytestmark = pytest.mark.django_db
IST = ZoneInfo("Asia/Kolkata")
# What the page may say to whom, by ids of its sections and the titles of its tiles.
MONEY = {"days-title", "liability-title", "top-title"}
SEEN = {
    "nobody": set(),
    "support": {"Disputes waiting", "Leads held", "quality-title"},
    "resolver": {"Disputes waiting", "Requests waiting", "Leads held", *MONEY, "quality-title"},
    "finance": {
        "Disputes waiting",
        "Requests waiting",
        "Review items",
        *MONEY,
        "quality-title",
        "prices-title",
    },
    "user admin": {"Requests waiting"},
}
EVERYTHING = {*SEEN["finance"], "Leads held"}
SEEN["auditor"] = SEEN["superuser"] = EVERYTHING


@pytest.fixture(autouse=True)
def forgotten_figures(db: None) -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def tile(response: Any, title: str) -> Any:
    [found] = [one for one in response.context["tiles"] if one.title.startswith(title)]
    return found


def parts(of: Any) -> dict[str, int]:
    return {part.label: part.number for part in of.parts}


class TestQueues:
    def test_each_number_leads_to_a_list_of_as_many(self, clinic: Clinic, clock: Clock) -> None:
        """Three disputes: one overdue and mine, one with the clinic since before it was due, one new."""
        factories.give_credits(clinic, 1000)
        leads = factories.deliver_many(clinic, range(3))
        user = person("resolver")
        client = Client()
        sign_in(client, user)
        clock.advance(hours=-50)
        first, asked = factories.dispute(leads[0]), factories.dispute(leads[1])
        clock.advance(hours=1)
        cases.assign(dispute=first, to=user)
        cases.ask_clinic(dispute=asked, text="Which number?", by=user)
        clock.reset()
        factories.dispute(leads[2])
        shown = tile(client.get("/admin/"), "Disputes")
        assert (shown.number, shown.oldest) == (3, min(first.created_at, asked.created_at))
        assert parts(shown) == {"overdue": 1, "assigned to me": 1, "with the clinic": 1}
        for link, number in ((shown.address, 3), *((part.address, part.number) for part in shown.parts)):
            assert client.get(link).content.decode().count('class="desk-open"') == number, link

    def test_held_leads_are_told_by_reason(self, clinic: Clinic, other_clinic: Clinic) -> None:
        factories.deliver(clinic, 1)
        factories.deliver(clinic, 2)
        oldest = Lead.objects.order_by("created_at")[0].created_at
        factories.deliver(other_clinic, 3, hold_for_review=True)
        client = signed_in("support")
        shown = tile(client.get("/admin/"), "Leads held")
        assert (shown.number, shown.oldest) == (3, oldest)
        assert parts(shown) == {"waits for a check": 1, "not enough credits": 2}
        for link, number in ((shown.address, 3), *((part.address, part.number) for part in shown.parts)):
            assert client.get(link).context["cl"].result_count == number, link

    def test_open_review_items_are_told_by_kind(self, funded_clinic: Clinic) -> None:
        raise_review(kind="amount", key="one")
        raise_review(kind="refund", key="two")
        client = signed_in("finance")
        shown = tile(client.get("/admin/"), "Review items")
        assert (shown.number, parts(shown)) == (
            2,
            {"amount or currency differs": 1, "refund needs a look": 1},
        )
        for link, number in ((shown.address, 2), *((part.address, part.number) for part in shown.parts)):
            assert client.get(link).context["cl"].result_count == number, link

    def test_requests_are_those_of_the_kinds_a_viewer_has_to_do_with(self, clinic: Clinic) -> None:
        factories.give_credits(clinic, 1000)
        viewer = of_group("finance")
        for by, kind in (
            (viewer, "adjustment"),
            (of_group("finance"), "promo_code"),
            (viewer, "staff_rights"),
        ):
            StaffRequest.objects.create(
                kind=kind, object_key=f"{kind}:1", details={}, shown=[], reason_code="goodwill", reason="x",
                requested_by=by,
            )  # fmt: skip
        client = Client()
        sign_in(client, viewer)
        shown = tile(client.get("/admin/"), "Requests")
        assert (shown.number, parts(shown)) == (2, {"others asked": 1, "I asked": 1})
        assert shown.oldest == StaffRequest.objects.order_by("pk")[0].requested_at
        for link, number in ((shown.address, 2), *((part.address, part.number) for part in shown.parts)):
            assert client.get(link).context["cl"].result_count == number, link
        assert tile(signed_in("user admin").get("/admin/"), "Requests").number == 1

    def test_nothing_waits_in_an_empty_house(self) -> None:
        just_now = timezone.now()
        ScheduledRun.objects.bulk_create(ScheduledRun(name=name, succeeded_at=just_now) for name in BY_NAME)
        response = signed_in("superuser").get("/admin/")
        assert [(one.number, one.oldest) for one in response.context["tiles"]] == [(0, None)] * 6
        assert response.content.decode().count("Nothing waits") == 6
        assert "No lead was charged." in response.content.decode()


class TestRights:
    # A word of each statement, and whose right it takes: for the others it is not even asked.
    STATEMENTS = {  # noqa: RUF012
        "FROM credit_transactions": {"resolver", "finance", "auditor", "superuser"},
        "FROM credit_grants": {"resolver", "finance", "auditor", "superuser"},
        "FROM reversals": {"resolver", "finance", "auditor", "superuser"},
        "sum(cost - refunded_total)": {"resolver", "finance", "auditor", "superuser"},
        "FROM lead_pricing_tiers": {"finance", "auditor", "superuser"},
        "lead_disputes": {"support", "resolver", "finance", "auditor", "superuser"},
        '"held_reason"': {"support", "resolver", "auditor", "superuser"},
        '"review_items"': {"finance", "auditor", "superuser"},
        '"staff_requests"': {"resolver", "finance", "auditor", "user admin", "superuser"},
    }

    @pytest.mark.parametrize("who", ["nobody", *GROUPS, "superuser"])
    def test_each_viewer_sees_and_asks_for_what_their_rights_allow(
        self, who: str, funded_clinic: Clinic
    ) -> None:
        lead = factories.deliver(funded_clinic)
        factories.dispute(lead)
        client = signed_in(who)
        client.get("/admin/")  # what Django remembers for the life of a process is asked for now
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            body = client.get("/admin/").content.decode()
        assert {one for one in EVERYTHING if one in body} == SEEN[who]
        asked = "\n".join(row["sql"] for row in captured.captured_queries)
        for word, groups in self.STATEMENTS.items():
            assert (word in asked) is (who in groups), word
        assert ("900.00" in body) is ("days-title" in SEEN[who])

    def test_what_one_viewer_left_in_the_cache_is_not_shown_to_another(self, funded_clinic: Clinic) -> None:
        signed_in("superuser").get("/admin/")
        assert "1,000.00" not in signed_in("support").get("/admin/").content.decode()
        assert "1,000.00" in signed_in("resolver").get("/admin/").content.decode()

    def test_prices_in_the_address_are_nothing_to_those_who_may_not_see_money(self, clinic: Clinic) -> None:
        for who in ("support", "resolver", "user admin"):
            response = signed_in(who).get("/admin/?from-0=0&credits-0=100")
            assert response.status_code == 200
            assert "price_form" not in response.context
            assert "price_change" not in response.context

    @pytest.mark.parametrize("who", ["nobody", "support", "user admin", "superuser"])
    def test_djangos_own_list_of_lists_is_there_for_everybody(self, who: str) -> None:
        body = signed_in(who).get("/admin/").content.decode()
        assert "All lists" in body
        assert ("/admin/clinics/clinic/" in body) is (who != "nobody")


class TestFreshness:
    def test_figures_are_kept_until_somebody_asks_for_new_ones(self, funded_clinic: Clinic) -> None:
        client = signed_in("resolver")
        first = client.get("/admin/").context["board"]
        factories.deliver(funded_clinic)
        with CaptureQueriesContext(connection) as captured:
            kept = client.get("/admin/").context["board"]
        assert kept == first
        assert not any("credit_transactions" in row["sql"] for row in captured.captured_queries)
        answer = client.post("/admin/")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/admin/")
        new = client.get("/admin/").context["board"]
        assert new.as_of > first.as_of
        assert new.days[-1].spent == 100

    def test_the_page_says_of_when_its_figures_are(self, clock: Clock) -> None:
        clock.set(datetime(2031, 3, 14, 18, 35, tzinfo=timezone.get_fixed_timezone(0)))
        body = signed_in("auditor").get("/admin/").content.decode()
        assert ">00:05</time>" in body
        assert "no-store" in signed_in("auditor").get("/admin/").headers["Cache-Control"]

    def test_they_are_kept_for_five_minutes(self) -> None:
        signed_in("superuser").get("/admin/")
        with connection.cursor() as cursor:
            cursor.execute("SELECT expires - now() FROM cache_entries WHERE cache_key LIKE '%figures%'")
            [[left]] = cursor.fetchall()
        assert timedelta(seconds=295) < left <= timedelta(seconds=301)

    def test_reading_anew_takes_the_pages_own_form(self) -> None:
        client = Client(enforce_csrf_checks=True)
        sign_in(client, person("superuser"))
        assert client.post("/admin/").status_code == 403
        assert client.put("/admin/").status_code == 403
        assert Client().post("/admin/").status_code == 302
        assert signed_in("superuser").put("/admin/").status_code == 405

    def test_a_page_asks_as_often_for_many_rows_as_for_few(
        self, clinic: Clinic, other_clinic: Clinic
    ) -> None:
        client = signed_in("superuser")
        client.get("/admin/")
        counts = []
        for number in (1, 6):
            for at in (clinic, other_clinic):
                factories.give_credits(at, 1000)
                for lead in factories.deliver_many(at, range(10 * number, 11 * number)):
                    factories.dispute(lead)
            raise_review("amount", str(number))
            cache.clear()
            with CaptureQueriesContext(connection) as captured:
                client.get("/admin/")
            counts.append(len(captured))
        assert counts[0] == counts[1]
        assert counts[1] <= 35

    @pytest.mark.django_db(transaction=True)
    def test_where_figures_take_too_long_the_lists_are_there_without_them(
        self, superuser: "psycopg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(boards, "STATEMENT_SECONDS", 0.2)
        client = signed_in("superuser")
        with superuser.transaction():
            superuser.execute("LOCK TABLE credit_grants")
            response = client.get("/admin/")
            assert client.post("/admin/", follow=True).status_code == 200
        assert response.status_code == 200
        body = response.content.decode()
        assert "could not be read in time" in body
        assert "/admin/leads/lead/" in body
        assert "board" not in response.context
        assert "board" in client.get("/admin/").context


def prices(*rows: tuple[Any, Any]) -> dict[str, Any]:
    query: dict[str, Any] = {}
    for number, (start, credits_each) in enumerate(rows):
        query |= {f"from-{number}": start, f"credits-{number}": credits_each}
    return query


class TestOtherPrices:
    @pytest.fixture
    def month(self, clinic: Clinic, clock: Clock) -> None:
        """February 2031: 2 × 100, 250, a refunded 100 and a free one; just before and after it another each."""
        factories.paid_top_up(clinic, 5000)
        for moment, phone, price in (
            ("2031-01-31T23:59:30", 1, 3000),
            ("2031-02-01T00:00:05", 2, 3000),
            ("2031-02-10T12:00", 3, None),
            ("2031-02-11T12:00", 4, 15_000),
            ("2031-02-12T12:00", 5, 4999),
            ("2031-02-28T23:59:30", 4, 15_000),  # a repeat, free
            ("2031-03-01T00:00:05", 6, 3000),
        ):
            clock.set(datetime.fromisoformat(moment).replace(tzinfo=IST))
            lead = factories.deliver(clinic, phone, price)
            if phone == 5:
                factories.refund(lead, 100)
        clock.set(datetime(2031, 3, 31, 23, 59, tzinfo=IST))

    @pytest.mark.usefixtures("month")
    def test_it_is_the_difference_for_what_last_month_delivered(self) -> None:
        before = list(PricingTier.objects.values_list("pk", "credits").order_by("pk"))
        query = prices((0, 50), (4999, "120.50"), ("", ""), (15_000, 300))
        response = signed_in("finance").get("/admin/", query)
        change = response.context["price_change"]
        assert change.month.isoformat() == "2031-02-01"
        assert [
            (one.tier.price_from, one.tier.price_below, one.leads, one.before, one.after)
            for one in change.tiers
        ] == [
            (0, 4999, 2, 200, 100),
            (4999, 15_000, 1, 100, Decimal("120.50")),
            (15_000, None, 1, 250, 300),
        ]
        assert (change.leads, change.before, change.after, change.difference) == (
            4,
            550,
            Decimal("520.50"),
            Decimal("-29.50"),
        )
        assert "-29.50" in response.content.decode()
        assert list(PricingTier.objects.values_list("pk", "credits").order_by("pk")) == before

    def test_the_form_begins_with_the_list_in_force_which_changes_nothing(
        self, funded_clinic: Clinic, clock: Clock
    ) -> None:
        lead = factories.deliver(funded_clinic, price=60_000)
        clock.set(lead.created_at.replace(day=1) + timedelta(days=40))
        client = signed_in("auditor")
        form = client.get("/admin/").context["price_form"]
        assert len(form.rows) == 8
        filled = dict(form.initial)
        assert filled["from-5"] == 100_000
        change = client.get("/admin/", filled).context["price_change"]
        assert (change.leads, change.before, change.difference) == (1, 400, 0)

    @pytest.mark.parametrize(("rows", "message"), [
        ([(5, 100)], "begins at ₹0"),
        ([("", "")], "begins at ₹0"),
        ([(0, 100), (9000, 150), (5000, 120)], "would overlap"),
        ([(0, 100), (0, 150)], "would overlap"),
        ([(0, 100), (5000, "")], "This is missing."),
        ([(0, 100), ("", 150)], "This is missing."),
        ([(0, "NaN")], "Enter a number."),
        ([("NaN", 100)], "Enter a number."),
        ([(0, "Infinity")], "Enter a number."),
        ([(0, -1)], "greater than or equal to 0.01"),
        ([(-1, 100)], "greater than or equal to 0"),
        ([(0, 0)], "greater than or equal to 0.01"),
        ([(0, 10**18)], "no more than 12 digits"),
        ([(0, 100), (10**18, 100)], "no more than 12 digits"),
        ([(0, "1e400")], "Ensure that there are no more than"),
        ([(0, "1.001")], "no more than 2 decimal places"),
        ([(0, "\x00")], "Enter a number."),
        ([(0, "५" * 5000)], "Ensure that there are no more than"),
        ([(number, 100) for number in range(500)], "At most 40 tiers"),
    ])  # fmt: skip
    def test_prices_that_no_list_could_have_are_refused_in_words(
        self, rows: list[tuple[Any, Any]], message: str
    ) -> None:
        response = signed_in("finance").get("/admin/", prices(*rows))
        assert response.status_code == 400
        assert message in response.content.decode()
        assert "price_change" not in response.context
        assert len(response.context["price_form"].rows) <= 40

    @pytest.mark.parametrize(
        "query",
        [
            "from-999999999=1",
            "from-99999999999=1",
            "credits-=1",
            "from--1=1",
            "from-0=0&from-0=1&credits-0=1",
            "%00=%00",
            "from-0[]=1",
        ],
    )
    def test_other_query_strings_are_never_an_error_of_ours(self, query: str) -> None:
        assert signed_in("finance").get(f"/admin/?{query}").status_code < 500
