"""GET /clinic/credits/history: every movement, page by page, as JSON and as a page for people."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clinics.models import ApiToken, Clinic
from credits.models import CreditAccount, CreditTransaction
from credits.models.ledger import TransactionQuerySet
from credits.services.statement import HistoryPage, HistoryWindow, history_window, whole_history
from tests import factories, steps
from tests.clock import Clock
from tests.factories import deliver, give_credits, paid_top_up, refund
from tests.pages import text_of

pytestmark = pytest.mark.django_db
URL = "/clinic/credits/history"
IST = ZoneInfo("Asia/Kolkata")


@pytest.fixture
def busy_clinic(clinic: Clinic) -> Clinic:
    """45 rows: credits of 1, 2, … 45."""
    for amount in range(1, 46):
        give_credits(clinic, amount)
    return clinic


def get_json(client: Client, query: str = "") -> Any:
    response = client.get(URL + query)
    assert response.status_code == 200
    return response.json()


def get_html(client: Client, query: str = "") -> Any:
    return client.get(URL + query, headers={"accept": "text/html"})


class TestJson:
    def test_a_row_has_the_fields_it_was_promised_with(self, member: Client, funded_clinic: Clinic) -> None:
        lead = deliver(funded_clinic, price=7000)
        row = CreditTransaction.objects.latest("sequence")

        answer = get_json(member)

        assert (set(answer), answer["total"], answer["page"]) == ({"transactions", "total", "page"}, 2, 1)
        assert answer["transactions"][0] == {
            "id": row.pk,
            "created_at": row.created_at.astimezone(IST).isoformat(),
            "transaction_type": "deduction",
            "amount": -180.0,
            "balance_after": 820.0,
            "description": f"Lead {lead.pk}",
            "lead_id": lead.pk,
            "payment_id": None,
            "status": "completed",
        }

    def test_a_payment_is_named(self, member: Client, clinic: Clinic) -> None:
        give_credits(clinic, 5, payment_id="pay_P1q2R3s4T5u6V7")

        assert get_json(member)["transactions"][0]["payment_id"] == "pay_P1q2R3s4T5u6V7"

    @pytest.mark.parametrize(
        ("query", "amounts"),
        [
            ("", range(45, 25, -1)),
            ("?page=2", range(25, 5, -1)),
            ("?page=3&limit=20", range(5, 0, -1)),
            ("?page=4", []),
            ("?page=99999999999999999999999", []),
            ("?limit=1", [45]),
            ("?limit=100", range(45, 0, -1)),
            ("?page=9&limit=5", [5, 4, 3, 2, 1]),
            ("?page=10&limit=5", []),
            ("?page=&limit=", range(45, 25, -1)),
        ],
    )
    def test_each_page_has_its_rows_newest_first(
        self, member: Client, busy_clinic: Clinic, query: str, amounts: Any
    ) -> None:
        answer = get_json(member, query)

        assert [row["amount"] for row in answer["transactions"]] == list(amounts)
        assert answer["total"] == 45

    def test_a_clinic_without_rows_has_an_empty_list(self, member: Client, clinic: Clinic) -> None:
        assert get_json(member) == {"transactions": [], "total": 0, "page": 1}

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("?page=0", "page"),
            ("?page=-1", "page"),
            ("?page=1.5", "page"),
            ("?page=one", "page"),
            ("?page=NaN", "page"),
            ("?page=1%00", "page"),
            ("?limit=0", "limit"),
            ("?limit=101", "limit"),
            ("?limit=1e2", "limit"),
            ("?type=lead", "type"),
            ("?direction=up", "direction"),
            ("?lead=0", "lead"),
            ("?lead=-1", "lead"),
            ("?lead=1%00", "lead"),
            ("?lead=9223372036854775808", "lead"),
            ("?date_from=today", "date_from"),
            ("?date_from=2026-02-30", "date_from"),
            ("?date_to=9999-12-31", "date_to"),
            ("?date_to=0001-01-01", "date_to"),
        ],
    )
    def test_nonsense_is_a_400_that_names_the_field(
        self, member: Client, clinic: Clinic, query: str, field: str
    ) -> None:
        response = member.get(URL + query)

        assert response.status_code == 400
        assert (response.json()["code"], set(response.json()["fields"])) == ("invalid", {field})
        assert get_html(member, query).status_code == 400

    def test_a_deep_page_is_read_like_the_first_without_counting_or_skipping(
        self, member: Client, busy_clinic: Clinic
    ) -> None:
        def statements(query: str) -> list[str]:
            with CaptureQueriesContext(connection) as captured:
                get_json(member, query)
            return [statement["sql"] for statement in captured]

        first, deep = statements(""), statements("?page=9&limit=5")

        assert len(first) == len(deep) == 5
        assert not [statement for statement in first + deep if "OFFSET" in statement or "COUNT" in statement]

    def test_a_charge_made_while_it_is_read_does_not_show(
        self, member: Client, funded_clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def charged_meanwhile(account: CreditAccount, **page: int) -> HistoryPage:
            deliver(funded_clinic, phone=77)
            return whole_history(account, **page)

        def charged_meanwhile_too(rows: TransactionQuerySet, **window: Any) -> HistoryWindow:
            deliver(funded_clinic, phone=78)
            return history_window(rows, **window)

        monkeypatch.setattr("credits.forms.whole_history", charged_meanwhile)
        monkeypatch.setattr("credits.forms.history_window", charged_meanwhile_too)

        answer = get_json(member)
        page = get_html(member)

        assert (answer["total"], [row["balance_after"] for row in answer["transactions"]]) == (1, [1000])
        assert page.context["credit_balance"] == page.context["history"].transactions[0].balance_after == 900

    def test_nothing_of_another_clinic_is_shown(
        self, member: Client, funded_clinic: Clinic, other_clinic: Clinic
    ) -> None:
        give_credits(other_clinic, 4321)

        for query in ("", "?type=credit", "?date_from=2020-01-01"):
            assert [row["amount"] for row in get_json(member, query)["transactions"]] == [1000]
            assert "4,321" not in text_of(get_html(member, query))

    def test_a_token_with_the_scope_reads_it(self, client: Client, funded_clinic: Clinic) -> None:
        _, token = ApiToken.objects.create(
            user=factories.UserFactory.create(),
            clinic=funded_clinic,
            name="accounting",
            scopes=["credits:read"],
        )
        headers = {"authorization": f"Bearer {token}"}

        assert client.get(URL, headers=headers).json()["total"] == 1
        ApiToken.objects.update(scopes=["leads:read", "credits:topup"])
        assert client.get(URL, headers=headers).status_code == 403

    def test_somebody_signed_out_gets_a_401_or_is_sent_to_sign_in(
        self, client: Client, clinic: Clinic
    ) -> None:
        assert client.get(URL).status_code == 401
        assert get_html(client)["Location"] == f"/accounts/login/?next={URL}"

    def test_somebody_without_a_clinic_gets_a_403(self, client: Client, clinic: Clinic) -> None:
        client.force_login(factories.UserFactory.create())

        assert client.get(URL).status_code == 403
        assert get_html(client).status_code == 403

    def test_only_get_is_served(self, member: Client) -> None:
        assert member.post(URL).status_code == 405
        assert member.post(URL, headers={"accept": "text/html"}).status_code == 405


class TestFilters:
    @pytest.fixture
    def rows(self, clinic: Clinic, clock: Clock) -> Clinic:
        """A credit on 31 May 2040, a lead a minute after midnight, its refund on 2 June."""
        clock.set(datetime(2040, 5, 31, 23, 59, tzinfo=IST))
        give_credits(clinic, 1000)
        clock.set(datetime(2040, 6, 1, 0, 1, tzinfo=IST))
        lead = deliver(clinic)
        clock.set(datetime(2040, 6, 2, 12, 0, tzinfo=IST))
        steps.refund_lead(lead.pk, Decimal(40), "Partly refunded")
        return clinic

    @pytest.mark.parametrize(
        ("query", "amounts"),
        [
            ("?type=credit", [1000]),
            ("?type=bonus", []),
            ("?date_to=2040-05-31", [1000]),
            ("?date_from=2040-06-01", [40, -100]),
            ("?date_from=2040-06-01&date_to=2040-06-01", [-100]),
            ("?date_from=2040-06-01&type=refund", [40]),
            ("?date_from=2040-06-02&date_to=2040-06-01", []),
            ("?date_from=2040-05-31&limit=2", [40, -100]),
            ("?date_from=2040-05-31&limit=2&page=2", [1000]),
            ("?date_from=2040-05-31&limit=2&page=3", []),
            ("?direction=in", [40, 1000]),
            ("?direction=out", [-100]),
            ("?direction=out&date_to=2040-05-31", []),
        ],
    )
    def test_each_keeps_what_it_names_by_days_in_india(
        self, member: Client, rows: Clinic, query: str, amounts: list[int]
    ) -> None:
        assert [row["amount"] for row in get_json(member, query)["transactions"]] == amounts
        shown = get_html(member, query).context["history"].transactions
        assert [row.amount for row in shown] == amounts

    def test_a_leads_number_keeps_its_charge_and_its_refunds(self, member: Client, rows: Clinic) -> None:
        lead = deliver(rows, phone=2)
        charged = CreditTransaction.objects.filter(transaction_type="deduction").earliest("sequence")

        for number, amounts in ((charged.lead_id, [40, -100]), (lead.pk, [-100]), (2**62, [])):
            assert [row["amount"] for row in get_json(member, f"?lead={number}")["transactions"]] == amounts

    def test_the_total_counts_what_matches(self, member: Client, rows: Clinic) -> None:
        assert get_json(member, "?date_from=2040-06-01&limit=1")["total"] == 2


class TestPage:
    def test_it_is_a_table_with_indian_grouping_and_times(
        self, member: Client, clinic: Clinic, clock: Clock
    ) -> None:
        clock.set(datetime(2040, 6, 1, 16, 5, tzinfo=IST))
        give_credits(clinic, Decimal("1234567.50"))
        lead = deliver(clinic, price=7000)

        response = get_html(member)

        text = text_of(response)
        assert "1 Jun 2040, 4:05 PM" in text
        assert "+12,34,567.50" in text
        assert "−180.00" in text
        assert f'href="/clinic/dashboard?lead={lead.pk}"' in response.content.decode()

    def test_its_pages_lead_to_one_another_and_keep_the_filter(
        self, member: Client, busy_clinic: Clinic
    ) -> None:
        first = get_html(member, "?type=credit").content.decode()
        second = get_html(member, "?type=credit&before=26").content.decode()
        last = get_html(member, "?type=credit&before=6").content.decode()

        assert 'href="?type=credit&amp;before=26"' in first
        assert 'href="?type=credit&amp;after' not in first
        assert 'href="?type=credit&amp;after=25"' in second
        assert 'href="?type=credit&amp;before=6"' in second
        assert 'href="?type=credit&amp;after=5"' in last
        assert 'href="?type=credit&amp;before' not in last

    @pytest.mark.parametrize(
        ("query", "amounts"),
        [
            ("?before=26", range(25, 5, -1)),
            ("?before=3", [2, 1]),
            ("?before=1", []),
            ("?after=5", range(25, 5, -1)),
            ("?after=25", range(45, 25, -1)),
            ("?after=40", range(45, 25, -1)),
            ("?after=0&limit=3", [3, 2, 1]),
            ("?type=bonus&after=1", []),
            ("?page=2", range(25, 5, -1)),
            ("?page=3&type=credit", range(5, 0, -1)),
            ("?page=99", []),
        ],
    )
    def test_a_page_is_asked_for_by_the_row_beside_it(
        self, member: Client, busy_clinic: Clinic, query: str, amounts: Any
    ) -> None:
        shown = get_html(member, query).context["history"].transactions

        assert [row.amount for row in shown] == list(amounts)

    def test_new_rows_move_nothing_on_an_older_page(self, member: Client, busy_clinic: Clinic) -> None:
        before = [row.pk for row in get_html(member, "?before=26").context["history"].transactions]
        for _ in range(3):
            give_credits(busy_clinic, 1)

        after = [row.pk for row in get_html(member, "?before=26").context["history"].transactions]

        assert before == after

    @pytest.mark.parametrize(
        "query", ["?before=0", "?before=x", "?after=-1", "?before=1%00", f"?after={2**63}"]
    )
    def test_a_place_that_is_none_is_a_400(self, member: Client, busy_clinic: Clinic, query: str) -> None:
        assert get_html(member, query).status_code == 400

    def test_a_page_beyond_the_end_leads_back(self, member: Client, busy_clinic: Clinic) -> None:
        page = get_html(member, "?page=99")

        assert "There are no older ones." in text_of(page)
        assert "Nothing has been bought" not in text_of(page)

    def test_as_many_queries_for_five_rows_as_for_fifty(self, member: Client, clinic: Clinic) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert get_html(member, "?limit=100&date_from=2020-01-01").status_code == 200
            return len(captured)

        def some(first: int, count: int) -> None:
            for number in range(first, first + count):
                paid_top_up(clinic, 100 + number, bonus=10)
                refund(deliver(clinic, phone=number), 10)

        queries()  # caches the number of disputes in the navigation
        some(0, 2)
        few = queries()
        some(2, 10)

        assert few == queries() <= 12  # two make a savepoint, which there is in a test alone
