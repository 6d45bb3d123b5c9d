"""An accountant's morning in Chromium: why a row is there, a statement, a month's papers."""

import csv
from io import StringIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from clinics.models import Clinic
from tests import factories
from tests.browser.conftest import Visitor
from tests.factories import deliver, paid_top_up, refund

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_member_sees_why_a_lead_was_charged_and_takes_the_statement_home(
    visitor: Visitor, clinic: Clinic
) -> None:
    package = factories.PackageFactory.create(clinic=clinic, title="Teeth whitening", price=7000)
    purchase = paid_top_up(clinic, 1000, bonus=50)
    lead = deliver(clinic, package_id=package.pk)
    refund(lead, 90)
    page = visitor.page
    visitor.sign_in(factories.member_of(clinic, "billing"))

    visitor.open("/clinic/credits/history")
    row = page.locator("tbody tr").filter(has_text=f"Lead {lead.pk}").filter(has_text="−180.00")
    row.locator("summary").click()
    expect(row).to_contain_text("The patient asked for Teeth whitening at ₹7,000.00.")
    expect(row).to_contain_text(f"50.00 bonus credits of top-up {purchase.pk}")
    expect(row).to_contain_text("130.00 paid credits")
    visitor.check_page()
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("In or out").select_option("in")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    visitor.check_page()

    page.get_by_role("link", name=f"Refund for lead {lead.pk}").click()
    expect(page.get_by_role("heading", name=f"Refund for lead {lead.pk}")).to_be_visible()
    visitor.check_page()

    visitor.open("/clinic/credits/history")
    page.get_by_role("link", name="Statement").click()
    expect(page.locator(".figures")).to_contain_text("₹960.00")
    visitor.check_page()
    with page.expect_download() as started:
        page.get_by_role("button", name="Download CSV").click()
    lines = list(csv.reader(StringIO(Path(started.value.path()).read_bytes().decode("utf-8-sig"))))
    assert lines[-1][-1] == "960.00"

    today = timezone.localdate()
    with page.expect_download() as started:
        page.get_by_role("link", name=f"{today:%B %Y}").click()
    assert started.value.suggested_filename == f"clinic-credits-sunrise-{today:%Y-%m}.zip"
    names = ZipFile(Path(started.value.path())).namelist()
    assert f"receipts/receipt-{purchase.pk}-{today}.pdf" in names
