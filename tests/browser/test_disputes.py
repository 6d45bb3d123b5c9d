"""A clinic disputes a lead with a photo, follows it, answers, cancels and appeals, in Chromium."""

import os
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Route, expect

from clinics.models import Clinic, User
from disputes.evidence.storage import path_of
from disputes.models import DisputePolicy, Evidence, LeadDispute
from disputes.services import cases
from tests import factories
from tests.browser.conftest import Visitor
from tests.disputes.hostile_files import HTML, MB, noise, with_exif
from tests.disputes.portal import case_url, create_url
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


def lose_one_answer(visitor: Visitor) -> None:
    """The next thing that is sent arrives, and the connection is gone before its answer is back."""

    def handle(route: Route) -> None:
        route.fetch()
        route.abort()

    visitor.page.route("**/clinic/disputes/create/*", handle, times=1)


def choose_files(visitor: Visitor, photo: Path, folder: Path) -> None:
    """What the server would refuse is said before it is sent; the rest is shown and can be removed."""
    page = visitor.page
    files, camera, chosen = (
        page.locator("#id_evidence"),
        page.locator("#id_camera"),
        page.locator(".chosen li"),
    )
    (folder / "large.pdf").write_bytes(b"%PDF-" + bytes(5 * MB))
    files.set_input_files(folder / "large.pdf")
    expect(page.get_by_text("«large.pdf» is larger than 5 MB.")).to_be_visible()
    expect(chosen).to_have_count(0)
    (folder / "from camera.jpg").write_bytes(noise("JPEG", (2600, 1950)))
    assert (folder / "from camera.jpg").stat().st_size > 5 * MB
    camera.set_input_files(folder / "from camera.jpg")
    expect(chosen).to_have_count(1)
    files.set_input_files([photo, folder / "from camera.jpg"])
    expect(chosen).to_have_count(2)
    page.get_by_role("button", name="Remove call log.jpg").click()
    expect(chosen).to_have_count(1)
    files.set_input_files(photo)
    expect(chosen).to_have_count(2)


def send_twice(visitor: Visitor) -> None:
    """The first answer is lost: what was typed is still there, and sending it again files nothing twice."""
    page = visitor.page
    page.get_by_label("What happened?").fill(SAID)
    lose_one_answer(visitor)
    page.get_by_role("button", name="Send the dispute").click()
    expect(page.get_by_text("The connection was lost.")).to_be_visible()
    expect(page.get_by_label("What happened?")).to_have_value(SAID)
    assert [problem for problem in visitor.problems if "ERR_FAILED" not in problem] == []
    visitor.problems.clear()
    page.get_by_role("button", name="Send the dispute").click()


def test_a_lead_is_disputed_with_photos_over_a_bad_connection_and_the_dispute_cancelled(
    visitor: Visitor, funded_clinic: Clinic, owner: User, photo: Path, tmp_path: Path
) -> None:
    package = factories.PackageFactory.create(clinic=funded_clinic, title="Teeth whitening", price=7000)
    lead = deliver(funded_clinic, phone=1, package_id=package.pk)
    DisputePolicy.objects.filter(dispute_type="outside_area").update(least_contact_attempts=2)
    page = visitor.page
    visitor.sign_in(owner)
    visitor.open(create_url(lead))
    expect(page.get_by_role("heading", name=f"Dispute lead {lead.pk}")).to_be_visible()
    page.get_by_text("reasons that do not count here").click()
    expect(page.get_by_label("Patient not interested")).to_be_disabled()
    expect(page.get_by_label("Outside our service area")).to_be_disabled()
    look(visitor, "create")

    choose_files(visitor, photo, tmp_path)
    page.get_by_text("Invalid contact", exact=True).click()
    page.get_by_label("What happened?").fill("Asha said the number 98765 00001 is not hers")
    page.get_by_role("button", name="Send the dispute").click()
    expect(page.get_by_text("Please leave phone numbers out")).to_be_visible()
    expect(page.locator(".form-problem")).to_be_focused()
    look(visitor, "create-refused")
    send_twice(visitor)

    page.wait_for_url("**/clinic/disputes/*")
    case = LeadDispute.objects.get()
    expect(page.get_by_role("status").filter(has_text="Sent.")).to_be_visible()
    expect(page.locator(".message-theirs")).to_contain_text(SAID)
    expect(page.locator(".case-head")).to_contain_text("We answer by")
    expect(page.locator(".portal-nav .count")).to_contain_text("1")
    large, small = Evidence.objects.order_by("position")
    assert Image.open(path_of(large.stored_name)).size == (1600, 1200)
    look(visitor, "filed")
    with page.expect_download() as download:
        page.get_by_role("link", name="evidence-2.jpg").click()
    assert Path(download.value.path()).stat().st_size == small.byte_size

    expect(page.get_by_role("button", name="Cancel and get no credits back")).not_to_be_visible()
    page.get_by_text("Cancel the dispute…").click()
    page.get_by_role("button", name="Cancel and get no credits back").click()
    expect(page.get_by_role("status").filter(has_text="is cancelled")).to_be_visible()
    expect(page.locator(".case-head")).to_contain_text("Cancelled by your clinic.")
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

    visitor.open("/clinic/disputes")
    expect(page.get_by_text("New answer")).to_have_count(3)
    look(visitor, "list")
    page.locator(f"#dispute-{asked.pk}").get_by_role("link").click()
    expect(page.locator(".message").last).to_contain_text("At what time of the day did you call?")
    page.get_by_label("Your answer").fill("On three mornings, about ten.")
    look(visitor, "asked")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="your answer is with us")).to_be_visible()
    expect(page.locator(".message").last).to_contain_text("On three mornings, about ten.")

    visitor.open(case_url(rejected))
    expect(page.locator(".message-decision")).to_contain_text("Rejected: no credits come back")
    page.get_by_text("Not right? Appeal until").click()
    page.get_by_label("Why should another person look at it?").fill("It was somebody else who answered.")
    look(visitor, "appeal")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("heading", name="Invalid contact: appeal")).to_be_visible()
    page.get_by_role("link", name="All disputes").click()
    expect(page.get_by_text("New answer")).to_have_count(1)
    page.get_by_role("link", name="Rejected", exact=True).click()
    expect(page.locator(".dispute-card")).to_have_count(1)
    assert LeadDispute.objects.filter(appeal_of=rejected).count() == 1
    page.emulate_media(media="print")
    visitor.open(case_url(approved))
    expect(page.locator(".message-decision")).to_contain_text("Approved: 50 credits are back")
    expect(page.locator(".portal-nav")).not_to_be_visible()
    look(visitor, "print")


def test_without_scripts_a_lead_is_disputed_answered_and_cancelled(
    visitor_without_scripts: Visitor, funded_clinic: Clinic, owner: User, photo: Path, tmp_path: Path
) -> None:
    visitor, page = visitor_without_scripts, visitor_without_scripts.page
    lead = deliver(funded_clinic)
    visitor.sign_in(owner)

    visitor.open(create_url(lead))
    page.get_by_label("Spam").check()
    page.get_by_label("What happened?").fill(SAID)
    page.locator("#id_evidence").set_input_files(photo)
    page.locator("#id_camera").set_input_files(photo)
    page.get_by_role("button", name="Send the dispute").click()
    case = LeadDispute.objects.get()
    expect(page.locator(".case-head")).to_contain_text("We answer by")
    assert case.evidence.count() == 2

    page.get_by_label("What else should we know?").fill("Here is a page.")
    bad = tmp_path / "page.html"
    bad.write_bytes(HTML)
    page.locator("#id_evidence").set_input_files(bad)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("This is not a JPEG, PNG, WebP or PDF file")).to_be_visible()
    expect(page.get_by_label("What else should we know?")).to_have_value("Here is a page.")

    large = tmp_path / "large.jpg"
    large.write_bytes(noise("JPEG", (600, 600)) + bytes(5 * MB))
    page.locator("#id_evidence").set_input_files(large)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("This file is larger than 5 MB.")).to_be_visible()

    expect(page.get_by_role("button", name="Cancel and get no credits back")).not_to_be_visible()
    page.get_by_text("Cancel the dispute…").click()
    page.get_by_role("button", name="Cancel and get no credits back").click()
    expect(page.get_by_text("Cancelled by your clinic.")).to_be_visible()
