"""A month's papers and receipts: what is in them, and what must not be."""

import re
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from clinics.models import Clinic
from credits.models import CreditTransaction, TopUp
from credits.services.ledger import BillingService
from leads.models import LeadContact
from tests import factories
from tests.credits.statements import content, get, pdf_text, read_csv

pytestmark = pytest.mark.django_db
IST = ZoneInfo("Asia/Kolkata")


class TestMonth:
    def test_it_holds_statement_leads_and_receipts_and_no_patient(self, member: Client, june: Clinic) -> None:
        response = get(member, "/clinic/credits/months/2040-06")

        name = "clinic-credits-sunrise-2040-06.zip"
        assert response["Content-Disposition"] == f'attachment; filename="{name}"'
        assert response["Content-Type"] == "application/zip"
        archive = ZipFile(BytesIO(content(response)))
        paid = TopUp.objects.get(price=2000)
        assert archive.testzip() is None
        assert archive.namelist() == [
            "statement-2040-06.pdf",
            "statement-2040-06.csv",
            "leads-2040-06.csv",
            f"receipts/receipt-{paid.pk}-2040-06-30.pdf",
        ]
        lead = CreditTransaction.objects.get(transaction_type="deduction").lead_id
        leads = archive.read("leads-2040-06.csv").decode("utf-8-sig").splitlines()
        assert leads[1:] == [f"3,{lead},2040-06-01 00:00:01,2040-06-01 00:00:01,,7000.00,180.00,80.50,New"]
        assert read_csv(archive.read("statement-2040-06.csv")).closing == Decimal("3000.50")
        everything = b"".join(archive.read(each) for each in archive.namelist() if each.endswith("csv"))
        everything += pdf_text(archive.read("statement-2040-06.pdf")).encode()
        contact = LeadContact.objects.get(lead__clinic=june)
        for secret in (contact.name, str(contact.phone), "Surat"):
            assert secret.encode() not in everything

    def test_a_month_with_more_rows_than_a_pdf_takes_still_comes(
        self, member: Client, june: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("credits.services.documents_statement.MOST_ROWS", 2)
        monkeypatch.setattr("credits.services.documents_month.MOST_RECEIPTS", 0)

        archive = ZipFile(BytesIO(content(get(member, "/clinic/credits/months/2040-06"))))

        text = pdf_text(archive.read("statement-2040-06.pdf"))
        assert "There are 3 movements" in text
        assert "₹3,000.50" in text
        assert b"1 more receipts did not fit" in archive.read("receipts/README.txt")

    @pytest.mark.parametrize(
        "month", ["2040-08", "2040-13", "2040-00", "1999-12", "20400-1", "2040-6", "%00"]
    )
    def test_a_month_that_is_none_or_has_not_come_is_a_404(
        self, member: Client, june: Clinic, month: str
    ) -> None:
        assert get(member, f"/clinic/credits/months/{month}").status_code == 404

    def test_the_history_offers_the_last_twelve_months(self, member: Client, clinic: Clinic) -> None:
        Clinic.objects.filter(pk=clinic.pk).update(created_at=datetime(2020, 1, 1, tzinfo=IST))

        page = get(member, "/clinic/credits/history").content.decode()

        assert len(set(re.findall(r"/clinic/credits/months/(\d{4}-\d\d)", page))) == 12


class TestReceipt:
    def test_it_says_what_was_paid_and_that_it_is_no_tax_invoice(self, member: Client, june: Clinic) -> None:
        Clinic.objects.filter(pk=june.pk).update(gstin="24AAACC1206D1ZM")
        top_up = TopUp.objects.get(price=1000)
        BillingService.take_back_top_up(top_up.pk, "rfnd_1", 25_000)

        response = get(member, f"/clinic/credits/topups/{top_up.pk}/receipt")

        assert response["Content-Disposition"] == (
            f'attachment; filename="receipt-{top_up.pk}-2040-05-31.pdf"'
        )
        text = pdf_text(content(response))
        for said in (
            "Payment receipt", "not a tax invoice", top_up.receipt, str(top_up.razorpay_payment_id), "Sunrise",
            "31 May 2040, 11:59 PM IST", "₹1,000.00", "100.00", "1,100.00", "₹250.00 went back",
        ):  # fmt: skip
            assert said in text
        assert "GST" not in text
        assert "24AAACC1206D1ZM" not in text

    def test_tax_that_was_paid_is_a_line_without_a_rate(self, member: Client, clinic: Clinic) -> None:
        top_up = TopUp.objects.create(clinic=clinic, price=1000, tax=180, gross=1180)
        BillingService.credit_top_up(top_up.pk, "pay_withtax")

        text = pdf_text(content(get(member, f"/clinic/credits/topups/{top_up.pk}/receipt")))

        assert "₹180.00" in text
        assert "₹1,180.00" in text
        assert "18%" not in text

    def test_an_unpaid_top_up_has_none(self, member: Client, clinic: Clinic) -> None:
        top_up = factories.top_up(clinic, 1000)

        assert get(member, f"/clinic/credits/topups/{top_up.pk}/receipt").status_code == 404
