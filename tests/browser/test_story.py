"""An owner's morning, from signing in to the papers for the accountant, at a desk and on a phone; and its pictures.

`SCREENSHOTS=docs/images python -m pytest tests/browser/test_story.py -k pictures` draws the pictures of the documents
anew, from the demo.
"""

import csv
import io
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
from django.core.management import call_command
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from clinics.models import Clinic, User
from credits.models import CreditAccount
from disputes.models import Evidence, LeadDispute
from disputes.services import cases
from leads.models import Lead
from tests import factories
from tests.browser.calm import Traffic
from tests.browser.conftest import wait_until_nobody_is_connected
from tests.browser.test_every_page import cookie_of
from tests.browser.test_topup import Shop, sandbox, shop
from tests.disputes.hostile_files import with_exif

__all__ = ["sandbox", "shop"]  # fixtures

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, databases=["default", "owner"]),
    pytest.mark.usefixtures("evidence_folder"),
]

PICTURES: Final = os.environ.get("SCREENSHOTS", "")
PASSWORD: Final = "correct horse battery"  # of tests.factories.UserFactory
COLOURS: Final = 96


def sign_in(shop: Shop) -> None:
    page = shop.page
    page.context.clear_cookies()
    shop.open("/accounts/login/")
    page.get_by_label("Email").fill(shop.owner.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/clinic/dashboard")


def top_up(shop: Shop) -> None:
    shop.page.get_by_role("link", name="Buy", exact=True).click()
    shop.choose("₹1,000")
    shop.pay_by_upi("success@razorpay")
    expect(shop.page.get_by_role("heading", name="1,000 credits are yours")).to_be_visible()


def read_and_set_to_contacted(shop: Shop, lead: Lead) -> None:
    page = shop.page
    shop.open("/clinic/dashboard")
    page.locator(f"#lead-{lead.pk}").get_by_role("link", name="Asha Patel", exact=True).click()
    expect(page.get_by_text("After six, please")).to_be_visible()
    buttons = page.locator(f"#opened-lead [data-status-of='{lead.pk}']")
    buttons.get_by_role("button", name="Contacted").click()
    expect(buttons.locator("[aria-pressed=true]")).to_have_text("Contacted")


def file_a_dispute(shop: Shop, folder: Path) -> LeadDispute:
    page = shop.page
    photo = folder / "call log.jpg"
    photo.write_bytes(with_exif(size=(640, 480)))
    page.locator("#opened-lead").get_by_role("link", name="Dispute").click()
    page.get_by_role("radio", name="Invalid contact").check()
    page.get_by_label("What happened?").fill("We called on three mornings; the number does not exist.")
    page.locator("input[type=file]").last.set_input_files(photo)  # the camera
    # Its small picture is waited for: once the dispute is decided and the lead refunded, it may be seen no more.
    with page.expect_response(lambda answer: answer.url.endswith("/preview")) as preview:
        page.get_by_role("button", name="Send the dispute").click()
        page.get_by_text("evidence-1.jpg").first.scroll_into_view_if_needed()
    assert preview.value.ok
    return LeadDispute.objects.get()


def hear_of_the_decision(shop: Shop, dispute: LeadDispute) -> None:
    page = shop.page
    shop.open("/clinic/notices")
    page.get_by_role("link", name=f"Your dispute of lead {dispute.lead_id} was approved").click()
    expect(page.get_by_text("We called it too: out of service.")).to_be_visible()
    expect(page.locator(".credit-amount")).to_have_text("₹1,000")


def take_the_statement(shop: Shop) -> None:
    page, files = shop.page, {}
    shop.open("/clinic/credits/statement")
    for kind in ("CSV", "PDF"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download {kind}").click()
        files[kind] = Path(download.value.path()).read_bytes()
    assert files["PDF"].startswith(b"%PDF-")
    text = files["CSV"].decode("utf-8-sig")
    assert "1000.00" in text
    assert len(list(csv.reader(io.StringIO(text)))) >= 4  # bought, charged, refunded, and a head


@pytest.mark.parametrize("shop", [1280, 390], indirect=True)
def test_a_morning_from_signing_in_to_the_statement(shop: Shop, tmp_path: Path) -> None:
    sign_in(shop)
    top_up(shop)
    lead = factories.deliver(shop.clinic, 1, price=7000, message="After six, please")
    read_and_set_to_contacted(shop, lead)
    dispute = file_a_dispute(shop, tmp_path)
    cases.approve(
        dispute=dispute, amount=lead.cost, reason_code="confirmed", notes="We called it too: out of service.",
        by=factories.UserFactory.create(is_staff=True),
    )  # fmt: skip
    hear_of_the_decision(shop, dispute)
    take_the_statement(shop)

    assert CreditAccount.objects.get(clinic=shop.clinic).balance == Decimal(1000)
    assert Evidence.objects.get().dispute == dispute
    lead.refresh_from_db()
    assert (lead.status, lead.refunded_total) == ("contacted", lead.cost)


# --- the pictures ---------------------------------------------------------------------------------
SHOTS: Final = (
    # name, address, width, scheme, language
    ("dashboard", "/clinic/dashboard", 1280, "light", "en"),
    ("dashboard-phone", "/clinic/dashboard", 390, "light", "en"),
    ("dashboard-phone-dark-hindi", "/clinic/dashboard", 390, "dark", "hi"),
    ("lead-phone", "/clinic/leads/{lead}", 390, "light", "en"),
    ("billing", "/clinic/billing-dashboard", 1280, "dark", "en"),
    ("topup-phone", "/clinic/credits/topup", 390, "light", "en"),
    ("dispute-phone", "/clinic/disputes/{dispute}", 390, "light", "en"),
    ("history", "/clinic/credits/history", 1280, "light", "en"),
    ("settings", "/clinic/settings/limits", 1280, "light", "en"),
)


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> User:
    monkeypatch.setenv("DEBUG", "on")
    call_command("seed_demo", verbosity=0)
    return User.objects.get(email="owner@sunrise.example")


@pytest.fixture
def window(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    yield context
    context.close()
    wait_until_nobody_is_connected()


def keep(picture: bytes, path: Path) -> None:
    """Few colours, so that it is small in the repository."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        path, optimize=True
    )


def draw_pictures(demo: User, window: BrowserContext, live_server: LiveServer, sandbox: object) -> None:
    """Each of SHOTS into the folder that SCREENSHOTS names."""
    window.add_cookies([cookie_of(demo, live_server.url)])
    page: Page = window.new_page()
    traffic = Traffic(page)
    clinic = Clinic.objects.get(slug="sunrise")
    ids = {
        "lead": Lead.objects.filter(clinic=clinic, delivery_state="delivered", status="contacted")
        .latest("pk")
        .pk,
        "dispute": LeadDispute.objects.filter(clinic=clinic, status="approved").latest("pk").pk,
    }
    for name, address, width, scheme, language in SHOTS:
        User.objects.filter(pk=demo.pk).update(language=language)
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(live_server.url + address.format(**ids))
        traffic.wait_for_calm()
        if name == "dashboard":  # with a lead beside the list
            page.locator(".lead-link:not(.is-hidden)").first.click()
            page.locator("#opened-lead .lead-page").wait_for()
            traffic.wait_for_calm()
        path = Path(PICTURES) / f"{name}.png"
        keep(page.screenshot(), path)
        assert path.stat().st_size < 120_000, path


if PICTURES:  # otherwise there is nothing to draw, and nothing is skipped
    test_pictures_for_the_documents = draw_pictures
