"""The portal where JavaScript is switched off or did not come through: everything but paying still works."""

from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from clinics.models import Clinic, User
from credits.models import CreditAccount
from disputes.models import LeadDispute
from leads.models import Lead
from tests import factories
from tests.browser.conftest import Visitor
from tests.disputes.hostile_files import with_exif

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("evidence_folder"),
]


def test_leads_disputes_statements_limits_and_language_need_no_scripts(
    visitor_without_scripts: Visitor, funded_clinic: Clinic, owner: User, tmp_path: Path
) -> None:
    visitor, page = visitor_without_scripts, visitor_without_scripts.page
    lead = factories.deliver(funded_clinic, 1, message="After six, please")
    visitor.sign_in(owner)

    # Read, then given a status.
    visitor.lead(lead.pk).get_by_role("link", name="Asha Patel", exact=True).click()
    expect(page.get_by_text("After six, please")).to_be_visible()
    page.get_by_role("button", name="Contacted").click()
    expect(page.get_by_role("button", name="Contacted")).to_have_attribute("aria-pressed", "true")
    assert Lead.objects.get(pk=lead.pk).status == "contacted"

    # Disputed, with a photo.
    photo = tmp_path / "call log.jpg"
    photo.write_bytes(with_exif(size=(400, 300)))
    page.locator("main").get_by_role("link", name="Dispute").click()
    page.get_by_label("Invalid contact").check()
    page.get_by_label("What happened?").fill("We called on three mornings; the number does not exist.")
    page.locator("input[type=file]").first.set_input_files(photo)
    page.get_by_role("button", name="Send the dispute").click()
    expect(page.get_by_text("evidence-1.jpg").first).to_be_visible()
    assert LeadDispute.objects.get().evidence.count() == 1

    # A statement for the accountant.
    visitor.open("/clinic/credits/statement")
    for kind in ("CSV", "PDF"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download {kind}").click()
        assert download.value.suggested_filename.endswith(kind.lower())
        assert Path(download.value.path()).stat().st_size > 100

    # A limit.
    visitor.open("/clinic/settings/limits")
    page.get_by_label("At most a day").fill("2000")
    page.get_by_role("button", name="Save the limits").click()
    expect(page.get_by_text("The limits are saved.")).to_be_visible()
    assert CreditAccount.objects.get(clinic=funded_clinic).daily_cap == Decimal(2000)

    # Another language, here and from now on.
    page.get_by_role("button", name="हिन्दी").click()
    expect(page.locator("html")).to_have_attribute("lang", "hi")
    visitor.open("/clinic/dashboard")
    expect(page.locator("html")).to_have_attribute("lang", "hi")
