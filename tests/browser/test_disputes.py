"""A clinic disputes a lead with a photo, follows it, answers, cancels and appeals, in Chromium."""

import os
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from clinics.models import Clinic, User
from disputes.models import DisputePolicy, Evidence, LeadDispute
from disputes.services import cases
from tests import factories
from tests.browser.conftest import Visitor
from tests.disputes.hostile_files import HTML, MB, noise, with_exif
from tests.factories import deliver

SHOTS = os.environ.get("SHOTS_DIR", "")
SAID = "We called on three mornings; the number does not exist."

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("evidence_folder"),
]


def look(visitor: Visitor, name: str) -> None:
    """Nothing axe objects to and nothing to scroll sideways for; a picture of it where somebody asked for one."""
    visitor.check_page()
    if SHOTS:
        size = visitor.page.viewport_size
        scheme = visitor.page.evaluate("document.documentElement.dataset.bsTheme")
        visitor.page.screenshot(path=f"{SHOTS}/{name}-{size and size['width']}-{scheme}.png", full_page=True)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "call log.jpg"
    path.write_bytes(with_exif(size=(400, 300)))
    return path


def test_a_lead_is_disputed_with_a_photo_seen_in_the_list_and_cancelled(
    visitor: Visitor, funded_clinic: Clinic, owner: User, photo: Path, tmp_path: Path
) -> None:
    package = factories.PackageFactory.create(clinic=funded_clinic, title="Teeth whitening", price=7000)
    lead = deliver(funded_clinic, phone=1, package_id=package.pk)
    DisputePolicy.objects.filter(dispute_type="outside_area").update(least_contact_attempts=2)
    page = visitor.page
    visitor.sign_in(owner)

    look(visitor, "dashboard-before")
    visitor.lead(lead.pk).get_by_role("link", name="Dispute").click()
    expect(page.get_by_role("heading", name=f"Dispute lead {lead.pk}")).to_be_visible()
    expect(page.get_by_label("Patient not interested")).to_be_disabled()
    expect(page.get_by_label("Outside our service area")).to_be_disabled()
    look(visitor, "create")

    # A page is not sent with what the server would refuse.
    large = tmp_path / "large.jpg"
    large.write_bytes(bytes(5 * MB + 1))
    page.get_by_label("Files").set_input_files(large)
    expect(page.get_by_text("«large.jpg» is larger than 5 MB.")).to_be_visible()

    page.get_by_text("Invalid contact", exact=True).click()
    page.get_by_label("What happened?").fill("Asha said the number 98765 00001 is not hers")
    page.get_by_label("Files").set_input_files(photo)
    page.get_by_role("button", name="Send the dispute").click()
    expect(page.get_by_text("Please leave phone numbers out")).to_be_visible()
    expect(page.get_by_label("Invalid contact")).to_be_checked()
    look(visitor, "create-refused")
    page.get_by_label("What happened?").fill(SAID)
    page.get_by_label("Files").set_input_files(photo)
    page.get_by_role("button", name="Send the dispute").click()

    case = LeadDispute.objects.get()
    card = page.locator(f"#dispute-{case.pk}")
    expect(card).to_contain_text("We answer by")
    expect(card).to_contain_text(SAID)
    expect(page.locator(".portal-nav .count")).to_contain_text("1")
    look(visitor, "list-pending")
    with page.expect_download() as download:
        card.get_by_role("link", name="evidence-1.jpg").click()
    assert download.value.suggested_filename == "evidence-1.jpg"
    assert Path(download.value.path()).stat().st_size == Evidence.objects.get().byte_size

    visitor.open("/clinic/dashboard")
    visitor.lead(lead.pk).get_by_role("link", name="Dispute pending").click()
    expect(page.locator(".dispute-card")).to_have_count(1)
    expect(page.get_by_role("button", name="Cancel and get no credits back")).not_to_be_visible()
    page.get_by_text("Cancel…").click()
    page.get_by_role("button", name="Cancel and get no credits back").click()
    expect(page.get_by_role("status").filter(has_text="is cancelled")).to_be_visible()
    expect(card).to_contain_text("Cancelled by your clinic.")
    expect(page.locator(".portal-nav .count")).to_have_count(0)
    case.refresh_from_db()
    assert case.status == "cancelled"


def test_questions_are_answered_and_decisions_read_and_appealed(
    visitor: Visitor, clinic: Clinic, owner: User
) -> None:
    factories.give_credits(clinic, 1000)
    asked, rejected, approved = (factories.dispute(deliver(clinic, phone), by=owner) for phone in (1, 2, 3))
    staff = factories.UserFactory.create(is_staff=True)
    cases.ask_clinic(dispute=asked, text="At what time of the day did you call?", by=staff)
    cases.reject(
        dispute=rejected, reason_code="not_confirmed", by=staff,
        notes="We reached the patient at the first try; they are still looking for an appointment.",
    )  # fmt: skip
    cases.approve(
        dispute=approved, amount=Decimal(50), reason_code="partly_confirmed", by=staff, notes="Half of it."
    )
    page = visitor.page
    visitor.sign_in(owner)

    page.get_by_role("link", name="Disputes").click()
    look(visitor, "list")
    card = page.locator(f"#dispute-{asked.pk}")
    card.get_by_label("Your answer").fill("On three mornings, about ten.")
    card.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status").filter(has_text="your answer is with us")).to_be_visible()
    expect(card).to_contain_text("On three mornings, about ten.")

    page.locator(f"#dispute-{rejected.pk}").get_by_role("link", name="Appeal").click()
    expect(page.get_by_role("heading", name="Appeal a decision")).to_be_visible()
    look(visitor, "appeal")
    page.get_by_label("Why should another person look at it?").fill("It was somebody else who answered.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Invalid contact: appeal")).to_be_visible()
    page.get_by_role("link", name="Rejected").click()
    expect(page.locator(".dispute-card")).to_have_count(1)
    visitor.check_page()
    assert LeadDispute.objects.filter(appeal_of=rejected).count() == 1


def test_without_scripts_a_lead_is_disputed_answered_and_cancelled(
    visitor_without_scripts: Visitor, funded_clinic: Clinic, owner: User, photo: Path, tmp_path: Path
) -> None:
    visitor, page = visitor_without_scripts, visitor_without_scripts.page
    lead = deliver(funded_clinic)
    visitor.sign_in(owner)

    visitor.lead(lead.pk).get_by_role("link", name="Dispute").click()
    page.get_by_label("Spam").check()
    page.get_by_label("What happened?").fill(SAID)
    page.get_by_label("Files").set_input_files([photo, photo])
    page.get_by_role("button", name="Send the dispute").click()
    case = LeadDispute.objects.get()
    expect(page.locator(f"#dispute-{case.pk}")).to_contain_text("We answer by")
    assert case.evidence.count() == 2

    page.get_by_text("Tell us more").click()
    page.get_by_label("What else should we know?").fill("Here is a page.")
    bad = tmp_path / "page.html"
    bad.write_bytes(HTML)
    page.get_by_label("Files").set_input_files(bad)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("This is not a JPEG, PNG, WebP or PDF file")).to_be_visible()
    expect(page.get_by_label("Your answer")).to_have_value("Here is a page.")

    large = tmp_path / "large.jpg"
    large.write_bytes(noise("JPEG", (600, 600)) + bytes(5 * MB))
    page.get_by_label("Files").set_input_files(large)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("This file is larger than 5 MB.")).to_be_visible()

    page.get_by_role("link", name="Back to your disputes").click()
    expect(page.get_by_role("button", name="Cancel and get no credits back")).not_to_be_visible()
    page.get_by_text("Cancel…").click()
    page.get_by_role("button", name="Cancel and get no credits back").click()
    expect(page.get_by_text("Cancelled by your clinic.")).to_be_visible()
