"""Papers of an account: /clinic/credits/statement, months, receipts; who may have them and what they say."""

import re
import time
from decimal import Decimal
from io import BytesIO
from threading import Thread
from urllib.parse import quote
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from clinics.models import Clinic, User
from credits import written
from credits.models import CreditTransaction, TopUp
from credits.services import documents, documents_statement, statement_csv
from credits.services.ledger import BillingService
from credits.services.statement_words import title_of
from tests import factories
from tests.credits import rich_history
from tests.credits.statements import HTML, URL, Figures, content, download, get, pdf_text, read_csv
from tests.factories import ClinicFactory, adjust, give_credits, paid_top_up
from tests.pages import text_of

pytestmark = pytest.mark.django_db
IST = ZoneInfo("Asia/Kolkata")


class TestPeriod:
    def test_days_begin_and_end_at_midnight_in_india(self, member: Client, june: Clinic) -> None:
        shown = read_csv(download(member, "csv", from_="2040-06-01", to="2040-06-30"))

        assert shown.opening == Decimal("1100.00")
        assert [amount for _, amount, _ in shown.rows] == [Decimal(-180), Decimal("80.50"), Decimal(2000)]
        assert shown.totals == {
            "Credits bought": (1, Decimal(2000)),
            "Lead": (1, Decimal(-180)),
            "Refund for a lead": (1, Decimal("80.50")),
        }
        assert shown.closing == shown.rows[-1][2] == Decimal("3000.50")

    def test_without_days_it_is_the_month_so_far(self, member: Client, june: Clinic) -> None:
        page = get(member, URL)

        assert (page.context["statement"].period.first.isoformat(), page.context["statement"].count) == (
            "2040-07-01",
            1,
        )
        assert 'value="2040-07-01"' in page.content.decode()

    def test_as_of_a_moment_leaves_out_what_came_later_inside_the_period(
        self, member: Client, june: Clinic
    ) -> None:
        page = get(member, f"{URL}?from=2040-06-01&to=2040-06-30&as_of=2040-06-01T00:00:05%2B05:30")

        assert page.context["statement"].closing == Decimal("920.00")
        assert "As of 1 Jun 2040, 00:00:05 IST" in text_of(page)

    @pytest.mark.parametrize("month", ["2001-01", "2039-12"])
    def test_before_the_clinic_existed_there_is_nothing(
        self, member: Client, june: Clinic, month: str
    ) -> None:
        shown = read_csv(download(member, "csv", from_=f"{month}-01", to=f"{month}-28"))

        assert shown == Figures(Decimal(0), [], {}, Decimal(0))

    def test_a_type_with_both_signs_shows_both_in_what_came_and_went(
        self, member: Client, clinic: Clinic
    ) -> None:
        adjust(clinic, "50")
        adjust(clinic, "-20.50")

        statement = get(member, URL).context["statement"]

        assert (statement.came_in, statement.went_out) == (Decimal(50), Decimal("-20.50"))
        assert [(total.count, total.amount) for total in statement.totals] == [(2, Decimal("29.50"))]

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("from=2040-06-02&to=2040-06-01", "to"),
            ("from=yesterday", "from"),
            ("from=2040-02-30", "from"),
            ("from=0001-01-01", "from"),
            ("to=9999-12-31", "to"),
            ("to=99999-01-01", "to"),
            ("to=2040-06-01%00", "to"),
            ("from=01/06/2040", "from"),
            ("as_of=soon", "as_of"),
            ("as_of=2040-06-01T00:00:00%00", "as_of"),
            ("as_of=9999-12-31T23:59:59Z", "as_of"),
            ("as_of=0001-01-01T00:00:00%2B23:00", "as_of"),
            ("as_of=2099-01-01", "as_of"),
            ("from=2040-06-05&as_of=2040-06-01", "as_of"),
            ("format=xlsx", "format"),
            ("format=csv%00", "format"),
        ],
    )
    def test_nonsense_is_a_400_that_says_what_is_wrong(
        self, member: Client, june: Clinic, query: str, field: str
    ) -> None:
        for wanted in ("", "&format=csv") if field != "format" else ("",):
            response = get(member, f"{URL}?{query}{wanted}")

            assert response.status_code == 400
            assert set(response.context["form"].errors) == {field}

    def test_an_instant_is_read_with_any_offset(self, member: Client, june: Clinic) -> None:
        for offset in ("%2B23:59:59.9", "-23:59"):
            for wanted in ("", "&format=csv"):
                path = f"{URL}?from=2040-06-01&to=2040-06-30&as_of=2040-06-15T12:00:00{offset}{wanted}"
                assert get(member, path).status_code == 200


class TestCsv:
    def test_it_is_a_download_that_excel_reads_as_utf8(self, member: Client, june: Clinic) -> None:
        response = get(member, f"{URL}?format=csv&from=2040-06-01&to=2040-06-30")

        assert response["Content-Type"] == "text/csv; charset=utf-8"
        name = "statement-sunrise-2040-06-01-to-2040-06-30.csv"
        assert response["Content-Disposition"] == f'attachment; filename="{name}"'
        assert (response["X-Content-Type-Options"], response["Cache-Control"]) == (
            "nosniff",
            "no-store, private",
        )
        body = content(response)
        lead = CreditTransaction.objects.get(transaction_type="deduction").lead_id
        assert body.startswith(b"\xef\xbb\xbfNumber,Time (IST),Type,What,Lead")
        assert f"\n3,2040-06-01 00:00:01,Lead,,{lead},,,-180.00,920.00\n".encode() in body

    def test_a_text_never_becomes_a_formula_and_an_amount_stays_a_number(
        self, member: Client, clinic: Clinic
    ) -> None:
        give_credits(clinic, 5, payment_id="=HYPERLINK(1)")
        BillingService.add_credits(clinic.pk, Decimal(5), "\t@SUM(1+1)")
        adjust(clinic, "-1")

        body = download(member, "csv").decode()

        assert ",'=HYPERLINK(1),5.00" in body
        assert "Credits given: '\t@SUM" in body
        assert ",-1.00," in body
        assert not re.search(r"(^|,)\"?[=@\t]", body, re.MULTILINE)

    def test_many_portions_are_one_statement(
        self, member: Client, june: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = download(member, "csv", from_="2040-05-01", to="2040-07-31", as_of="2040-07-01T00:00:02")
        monkeypatch.setattr(statement_csv, "PORTION", 2)

        in_portions = download(
            member, "csv", from_="2040-05-01", to="2040-07-31", as_of="2040-07-01T00:00:02"
        )

        assert in_portions == whole
        assert len(read_csv(whole).rows) == 6

    def test_its_words_are_in_the_members_language_though_it_streams(
        self, member: Client, june: Clinic, owner: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        User.objects.filter(pk=owner.pk).update(language="hi")
        monkeypatch.setattr(statement_csv, "_", lambda text: f"{translation.get_language()}:{text}")

        body = download(member, "csv", from_="2040-06-01", to="2040-06-30").decode()

        assert body.startswith("\ufeffhi:Number,hi:Time (IST)")
        assert "hi:Opening balance on" in body
        assert "hi:Closing balance on" in body

    def test_pages_and_files_call_each_movement_the_same(self, member: Client, clinic: Clinic) -> None:
        history = rich_history.make_history()
        kinds = set()
        for account in (history.clinic, history.indebted):
            client = Client()
            client.force_login(factories.member_of(account, "billing"))
            body = download(client, "csv", from_="2020-01-01", to="2099-12-31").decode("utf-8-sig")
            for row in CreditTransaction.objects.filter(clinic=account):
                title = title_of(row)
                said = "" if row.lead_id else title  # of a lead, type and number say it
                kinds.add(re.sub(r"[\d_]+", "", title))
                assert re.search(rf"^{row.sequence},[^,]+,[^,]+,\"?{re.escape(said)}\"?,", body, re.MULTILINE)
        assert len(kinds) >= 10


class TestPdf:
    def test_its_figures_are_those_of_the_csv(self, member: Client, june: Clinic) -> None:
        period = {"from_": "2040-05-01", "to": "2040-07-31", "as_of": "2040-07-01T00:00:02"}
        figures = read_csv(download(member, "csv", **period))

        text = pdf_text(download(member, "pdf", **period))

        assert "Sunrise" in text
        assert "1 May 2040" in text
        assert "Page 1 of 1" in text
        for number, amount, balance in figures.rows:
            signed = f"{'+' if amount > 0 else ''}{written.money(amount)}"
            assert re.search(
                rf"^\s*{number} .*{re.escape(signed)}\s+{written.money(balance)}", _rows(text), re.M
            )
        for amount in (figures.opening, figures.closing):
            assert f"₹{written.money(amount)}" in text

    def test_a_clinics_name_is_text_and_never_markup(self, member: Client, june: Clinic) -> None:
        name = '#panic("x") *सूर्योदय* $1$ [<b>] \\ "quoted" @ref //'
        Clinic.objects.filter(pk=june.pk).update(name=name, address='#include "/etc/passwd"\n= Heading')

        text = pdf_text(download(member, "pdf"))

        assert '#panic("x")' in text
        assert '#include "/etc/passwd"' in text

    def test_a_hindi_document_has_devanagari_and_rupees(
        self, member: Client, june: Clinic, owner: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        User.objects.filter(pk=owner.pk).update(language="hi")
        said = {"Statement of credits": "क्रेडिट का विवरण", "Totals": "कुल योग"}
        monkeypatch.setattr(documents_statement, "_", lambda text: said.get(text, text))

        body = download(member, "pdf")

        text = pdf_text(body)
        assert "₹" in text
        assert "क्रेडिटकाविवरण" in "".join(text.split())
        assert "2 जुलाई 2040, 12:00:00" in text
        assert b"/Lang(hi)" in body.replace(b"/Lang (hi)", b"/Lang(hi)")

    def test_too_many_rows_are_refused_with_what_to_do(
        self, member: Client, june: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in ("credits.services.documents_statement", "credits.statement_views"):
            monkeypatch.setattr(f"{module}.MOST_ROWS", 2)

        response = get(member, f"{URL}?format=pdf&from=2040-06-01&to=2040-06-30")

        assert response.status_code == 400
        assert "This period has 3 movements, and a PDF takes 2. Take the CSV" in text_of(response)
        assert "Download PDF" not in text_of(get(member, f"{URL}?from=2040-06-01&to=2040-06-30"))

    def test_a_compiler_without_room_or_time_is_a_503_and_nothing_waits_for_it(
        self, member: Client, june: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(documents, "LONGEST_SECONDS", 0.001)
        slow = get(member, f"{URL}?format=pdf")
        monkeypatch.undo()
        monkeypatch.setattr(documents, "LONGEST_WAIT_SECONDS", 0.001)
        others = ClinicFactory.create_batch(2)
        with documents.typesetting_for(others[0]), documents.typesetting_for(others[1]):
            crowded = get(member, f"{URL}?format=pdf")

        for response in (slow, crowded):
            assert (response.status_code, response["Retry-After"]) == (503, "5")
        assert "Many documents are being made right now" in text_of(crowded)
        assert get(member, f"{URL}?format=pdf").status_code == 200

    def test_a_clinic_that_asks_for_many_at_once_keeps_two_threads_at_most(
        self, member: Client, june: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(documents, "LONGEST_WAIT_SECONDS", 30)
        served: list[str] = []

        def tap_again() -> None:
            with documents.typesetting_for(june):
                served.append("the second")

        tapped_twice = Thread(target=tap_again)
        with documents.typesetting_for(june):
            tapped_twice.start()
            while june.pk not in documents._waiting:
                time.sleep(0.001)
            before = time.monotonic()
            third = get(member, "/clinic/credits/months/2040-06")
            took = time.monotonic() - before
        tapped_twice.join(5)

        assert (third.status_code, third["Retry-After"]) == (503, "5")
        assert "Another document of your clinic is being made right now" in text_of(third)
        assert 'href="/clinic/credits/months/2040-06">Try again' in third.content.decode()
        assert took < 5  # it did not wait
        assert served == ["the second"]


class TestAccess:
    @pytest.fixture
    def routes(self, june: Clinic) -> list[str]:
        top_up = TopUp.objects.filter(clinic=june).latest("pk")
        row = CreditTransaction.objects.filter(clinic=june).latest("pk")
        return [
            URL,
            f"{URL}?format=csv",
            f"{URL}?format=pdf",
            "/clinic/credits/months/2040-06",
            f"/clinic/credits/topups/{top_up.pk}/receipt",
            f"/clinic/credits/transactions/{row.pk}",
        ]

    @pytest.mark.parametrize("role", ["owner", "billing", "front_desk"])
    def test_every_member_may_have_all_of_them(
        self, client: Client, june: Clinic, routes: list[str], role: str
    ) -> None:
        client.force_login(factories.member_of(june, role))

        assert [get(client, route).status_code for route in routes] == [200] * len(routes)

    def test_nobody_else_gets_one(
        self, client: Client, june: Clinic, other_clinic: Clinic, routes: list[str]
    ) -> None:
        for route in routes:
            assert get(client, route)["Location"] == f"/accounts/login/?next={quote(route, safe='/')}"
        client.force_login(factories.UserFactory.create())
        assert {get(client, route).status_code for route in routes} == {403}

        client.force_login(factories.member_of(other_clinic, "owner"))
        *lists, receipt, row = routes
        missing = get(client, "/clinic/credits/transactions/9999999999999999999999")
        assert missing.status_code == 404
        for route in (receipt, row):
            assert get(client, route).status_code == 404
        for route in lists[1:2]:
            assert read_csv(content(get(client, route))).rows == []
        archive = ZipFile(BytesIO(content(get(client, lists[3]))))
        assert [name for name in archive.namelist() if "receipt" in name] == []

    def test_they_are_only_read(self, member: Client, routes: list[str]) -> None:
        for route in routes:
            assert member.post(route, headers=HTML).status_code == 405
            head = member.head(route, headers=HTML)
            assert (head.status_code, content(head)) == (200, b"")

    def test_the_statement_takes_as_many_queries_for_many_rows_as_for_few(
        self, member: Client, clinic: Clinic
    ) -> None:
        def queries(route: str) -> int:
            with CaptureQueriesContext(connection) as captured:
                content(get(member, route))
            return len(captured)

        counts = []
        for _ in range(2):
            for _ in range(6):
                paid_top_up(clinic, 100)
            queries(URL)
            counts.append([queries(route) for route in (URL, f"{URL}?format=csv", f"{URL}?format=pdf")])
        assert counts[0] == counts[1]


def _rows(text: str) -> str:
    """Text of a PDF with one line for each movement: pypdf may break lines between cells."""
    return re.sub(r"\n(?!\s*\d+\s+\d{1,2} [A-Z])", " ", text)
