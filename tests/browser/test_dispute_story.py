"""One dispute from end to end: a clinic owner files it on a phone with a photo, a resolver asks back and decides at a
desk, the owner sees the answer and the credits, and the patient's contact is hidden again."""

import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest
from django.contrib.auth.models import Group
from PIL import Image
from playwright.sync_api import Browser, Locator, expect
from pytest_django.live_server_helper import LiveServer

from credits.models import CreditAccount
from disputes.models import Evidence, LeadDispute
from leads.models import Lead
from tests import factories
from tests.browser.conftest import Visitor, wait_until_nobody_is_connected
from tests.browser.test_admin_browser import OfficeVisitor

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]
SHOTS: Final = os.environ.get("SHOTS_DIR", "")


@pytest.fixture
def window(chromium: Browser, live_server: LiveServer) -> Iterator[Callable[[type[Visitor], int], Visitor]]:
    """Opens a browser of one's own: each person has a machine, a session and a size of screen."""
    contexts = []

    def open_window(kind: type[Visitor], width: int) -> Visitor:
        contexts.append(
            chromium.new_context(viewport={"width": width, "height": 844}, reduced_motion="reduce")
        )
        return kind(contexts[-1].new_page(), live_server.url)

    yield open_window
    for context in contexts:
        context.close()
    wait_until_nobody_is_connected()


def photo() -> bytes:
    data = BytesIO()
    Image.new("RGB", (640, 480), "#0f766e").save(
        data, "JPEG", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00"
    )
    return data.getvalue()


def shoot(visitor: Visitor, name: str) -> None:
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        visitor.page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def file_it(phone: Visitor, lead: Lead) -> LeadDispute:
    expect(phone.lead(lead.pk)).to_contain_text("Asha Patel")
    phone.open(f"/clinic/disputes/create/{lead.pk}")
    phone.page.get_by_role("radio", name="Invalid contact").check()
    phone.page.locator("#id_description").fill("We called three times. The number is out of service.")
    phone.page.locator("#id_camera").set_input_files(
        {"name": "call log.jpg", "mimeType": "image/jpeg", "buffer": photo()}
    )
    shoot(phone, "1-file-it")
    phone.page.get_by_role("button", name="Send the dispute").click()
    phone.page.wait_for_url("**/clinic/disputes/*")
    dispute = LeadDispute.objects.get()
    expect(phone.page.locator(".case-head")).to_contain_text("Pending")
    expect(conversation(phone)).to_contain_text("evidence-1.jpg")
    shoot(phone, "2-filed")
    phone.check_page()
    return dispute


def conversation(phone: Visitor) -> Locator:
    return phone.page.locator(".conversation")


def ask_back(desk: OfficeVisitor) -> None:
    """Opens the queue's first case."""
    desk.open("/admin/disputes")
    shoot(desk, "3-queue")
    desk.page.get_by_role("link", name="Start with the next one").click()
    expect(desk.page.get_by_text("The number is out of service.")).to_be_visible()
    desk.page.locator("#decision [value=ask]").check()
    desk.page.locator("#decision textarea").fill("On which days did you call?")
    desk.page.locator("#decision input[type=submit]").click()
    desk.page.wait_for_url("**/admin/disputes*")


def answer(phone: Visitor, dispute: LeadDispute) -> None:
    phone.open("/clinic/disputes")
    card = phone.page.locator(f"#dispute-{dispute.pk}")
    expect(card).to_contain_text("New answer")
    card.get_by_role("link").click()
    expect(conversation(phone)).to_contain_text("On which days did you call?")
    phone.page.get_by_role("textbox").fill("On Monday, Tuesday and today.")
    shoot(phone, "4-asked")
    phone.page.get_by_role("button", name="Send", exact=True).click()
    expect(conversation(phone)).to_contain_text("On Monday, Tuesday and today.")


def decide(desk: OfficeVisitor, dispute: LeadDispute) -> None:
    """Looks at the photo and approves."""
    desk.open(f"/admin/disputes/{dispute.pk}")
    expect(desk.page.get_by_text("On Monday, Tuesday and today.")).to_be_visible()
    address = desk.page.get_by_role("link", name="evidence-1.jpg").get_attribute("href")
    file = desk.page.request.get(f"{desk.url}{address}")
    assert file.headers["content-disposition"].startswith("attachment")
    assert file.body() != photo()  # as it was encoded anew, not as it was sent
    assert Image.open(BytesIO(file.body())).size == (640, 480)
    desk.page.locator("#decision [value=approve]").check()
    desk.page.locator("[name=refund_amount]").fill("250")
    desk.page.locator("#decision [name=reason_code]").select_option("confirmed")
    desk.page.locator("#decision textarea").fill("We called it too: out of service. All credits are back.")
    shoot(desk, "5-decide")
    desk.page.locator("#decision input[type=submit]").click()
    desk.page.wait_for_url("**/admin/disputes*")
    desk.check()


def see_what_came_of_it(phone: Visitor, lead: Lead, dispute: LeadDispute) -> None:
    phone.open(f"/clinic/disputes/{dispute.pk}")
    expect(conversation(phone)).to_contain_text("Approved: 250 credits are back")
    expect(conversation(phone)).to_contain_text("We called it too: out of service.")
    expect(phone.page.locator(".credit-amount")).to_contain_text("1,100")
    shoot(phone, "6-decided")
    phone.open("/clinic/credits/history")
    expect(phone.page.locator("main")).to_contain_text("+250")
    phone.open("/clinic/dashboard")
    expect(phone.lead(lead.pk)).to_contain_text("Contact hidden")
    expect(phone.page.locator("main")).not_to_contain_text("Asha Patel")


def test_a_dispute_is_filed_asked_about_answered_decided_and_refunded(
    window: Callable[[type[Visitor], int], Visitor],
) -> None:
    clinic = factories.ClinicFactory.create(name="Sunrise Dental Care", slug="sunrise")
    factories.paid_top_up(clinic, 1000, bonus=100)
    lead = factories.deliver(clinic, 1, price=15_000)
    resolver = factories.UserFactory.create(is_staff=True, full_name="Meera Shah")
    resolver.groups.add(Group.objects.get(name="resolver"))
    phone, desk = window(Visitor, 390), window(OfficeVisitor, 1280)
    assert isinstance(desk, OfficeVisitor)
    phone.sign_in(factories.member_of(clinic, "owner", full_name="Asha Rao"))
    desk.enter(resolver)

    dispute = file_it(phone, lead)
    ask_back(desk)
    answer(phone, dispute)
    decide(desk, dispute)
    see_what_came_of_it(phone, lead, dispute)

    assert phone.problems == []
    assert CreditAccount.objects.get(clinic=clinic).balance == 1100
    dispute.refresh_from_db()
    assert (dispute.status, dispute.resolved_by, dispute.refund_amount) == (
        "approved",
        resolver,
        Decimal(250),
    )
    assert Evidence.objects.get().media_type == "image/jpeg"
