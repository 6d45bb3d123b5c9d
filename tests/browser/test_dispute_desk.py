"""The desk in a real browser: a resolver's morning with the keyboard, the same without scripts, and how it looks."""

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from clinics.models import Clinic, Partner, User
from disputes.models import LeadDispute
from disputes.services import cases
from leads.models import ContactAttempt
from tests import factories
from tests.browser.conftest import PASSWORD, Visitor, wait_until_nobody_is_connected
from tests.browser.test_admin_browser import OfficeVisitor
from tests.disputes.many import file_many

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "owner"])]
SHOTS: Final = os.environ.get("SHOTS_DIR", "")


def resolver(name: str) -> User:
    user = factories.UserFactory.create(is_staff=True, full_name=name)
    user.groups.add(Group.objects.get(name="resolver"))
    return user


@pytest.fixture
def desk(
    request: pytest.FixtureRequest, chromium: Browser, live_server: LiveServer
) -> Iterator[OfficeVisitor]:
    width: int = getattr(request, "param", 1280)
    context = chromium.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    visitor = OfficeVisitor(context.new_page(), live_server.url)
    visitor.enter(resolver("Meera Shah"))
    yield visitor
    context.close()
    wait_until_nobody_is_connected()


def check(desk: Visitor, name: str) -> None:
    """Fit to be seen, and accessible."""
    assert isinstance(desk, OfficeVisitor)
    desk.check()
    shoot(desk.page, name)
    desk.check_page()
    desk.problems.clear()  # axe's own styles, which the policy stops


def shoot(page: Page, name: str, *, full: bool = False) -> None:
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        assert page.viewport_size
        page.screenshot(path=f"{SHOTS}/{name}-{page.viewport_size['width']}.png", full_page=full)


def a_busy_desk() -> dict[str, LeadDispute]:
    """Two clinics, a few hundred cases, and one of each kind that matters."""
    sunrise: Clinic = factories.ClinicFactory.create(name="Sunrise Dental Care", slug="sunrise")
    lotus: Clinic = factories.ClinicFactory.create(name="Lotus Skin & Hair", slug="lotus")
    file_many(sunrise, 180, leads=600, apart=timedelta(minutes=23))
    file_many(lotus, 120, leads=1_200, apart=timedelta(minutes=31))
    factories.paid_top_up(sunrise, 10_000, 1_500)
    owner = factories.member_of(sunrise, "owner", full_name="Asha Rao", password=None)
    partner = Partner.objects.create(
        name="Smile Finder", slug="smile-finder", service_user=factories.UserFactory.create(password=None)
    )
    repeated = factories.deliver(sunrise, 501, price=60_000, partner_id=partner.pk, city="Ahmedabad")
    ContactAttempt.objects.create(lead=repeated, kind="call", outcome="no_answer", made_by=owner)
    ContactAttempt.objects.create(lead=repeated, kind="whatsapp", outcome="wrong_number", made_by=owner)
    factories.deliver(lotus, 501, price=60_000)
    first = cases.file_dispute(
        clinic=sunrise, lead=repeated, dispute_type="wrong_treatment", by=owner,
        description="They want a hair transplant. We are dentists.\nPlease see the screenshot.",
    )  # fmt: skip
    cases.ask_clinic(dispute=first, text="Which treatment did they name?", by=resolver("Ravi Iyer"))
    cases.answer(dispute=first, text="Hair transplant, twice.", by=owner)
    cases.note(dispute=first, text="The partner's form shows our dental page.", by=resolver("Lata Nair"))
    appealed = factories.deliver(sunrise, 502, price=12_000)
    decided = factories.dispute(appealed, "spam", by=owner)
    cases.approve(
        dispute=decided, amount=Decimal(100), reason_code="partly_confirmed", by=resolver("Ravi Iyer"),
        notes="Half of it was advertising, so a part of the credits is back.",
    )  # fmt: skip
    appeal = cases.appeal(dispute=decided, description="All of it was advertising.", by=owner)
    return {"case": first, "appeal": appeal, "decided": decided}


@pytest.mark.parametrize("desk", [1280, 390], indirect=True, ids=["desk", "phone"])
def test_the_queue_and_a_case_fit_the_screen_and_are_accessible(desk: OfficeVisitor) -> None:
    rows = a_busy_desk()
    for name, address in {
        "queue": "/admin/disputes",
        "queue-overdue": "/admin/disputes?due=overdue&reason=wrong_treatment",
        "queue-nothing": "/admin/disputes?q=clinic+nobody",
        "case": f"/admin/disputes/{rows['case'].pk}",
        "case-appeal": f"/admin/disputes/{rows['appeal'].pk}?appeal=only",
        "case-decided": f"/admin/disputes/{rows['decided'].pk}",
    }.items():
        desk.open(address)
        check(desk, name)
        shoot(desk.page, f"{name}-whole", full=True)
    desk.open(f"/admin/disputes/{rows['case'].pk}")
    desk.page.get_by_label("Why do you need it?").fill("To ring the patient myself")
    desk.page.get_by_role("button", name="Show the contact").click()
    expect(desk.page.locator("#contact")).to_contain_text("Asha Patel")
    assert "Asha" not in desk.page.url
    check(desk, "case-contact")


def small_desk() -> list[LeadDispute]:
    """Four cases: two for the keyboard, one to reject, one to ask about."""
    clinic = factories.ClinicFactory.create(name="Sunrise", slug="sunrise")
    factories.give_credits(clinic, 5000)
    kinds = ("spam", "wrong_treatment", "outside_area", "other")
    return [
        factories.dispute(factories.deliver(clinic, phone, price=15_000), kind)
        for phone, kind in enumerate(kinds, start=1)
    ]


def states(rows: list[LeadDispute]) -> list[tuple[str, Decimal | None]]:
    found = {one.pk: one for one in LeadDispute.objects.all()}
    return [(found[row.pk].status, found[row.pk].refund_amount) for row in rows]


def test_the_queue_is_walked_through_with_keys(desk: OfficeVisitor) -> None:
    rows, tab = small_desk(), desk.page
    keys = tab.keyboard
    desk.open("/admin/disputes")
    for key in "jjk":
        keys.press(key)
    expect(tab.locator(".desk-open").first).to_be_focused()
    keys.press("x")
    expect(tab.locator("#ticked")).to_have_text("1")
    keys.press("x")
    keys.press("/")
    expect(tab.get_by_label("Search")).to_be_focused()
    keys.type("jx?")
    expect(tab.get_by_label("Search")).to_have_value("jx?")
    tab.locator("h1").click()
    keys.press("?")
    expect(tab.locator("#desk-help")).to_be_visible()
    check(desk, "keys")
    tab.get_by_label("Use these keys").uncheck()
    keys.press("Escape")
    keys.press("/")
    expect(tab.get_by_label("Search")).not_to_be_focused()

    tab.reload()
    tab.locator("[data-help]").click()
    tab.get_by_label("Use these keys").check()
    keys.press("Escape")
    tab.locator("h1").click()
    keys.press("j")
    keys.press("o")
    expect(tab.locator("h1")).to_contain_text(f"Dispute {rows[0].pk}")
    keys.press("u")
    expect(tab.locator("#queue")).to_be_visible()
    keys.press("n")
    expect(tab.locator("h1")).to_contain_text(f"Dispute {rows[0].pk}")


def test_a_resolver_clears_the_queue_with_the_keyboard_alone(desk: OfficeVisitor) -> None:
    rows, tab = small_desk(), desk.page
    keys, text = tab.keyboard, tab.get_by_label("What the clinic will read")
    desk.open(f"/admin/disputes/{rows[0].pk}")
    keys.press("a")
    expect(text).to_have_value("This was not a patient's enquiry. Your credits are back.")
    shoot(tab, "case-ready")
    keys.press("Enter")
    expect(tab.locator(".messagelist")).to_contain_text(f"Dispute {rows[0].pk} was approved: ₹250.00")

    expect(tab.locator("h1")).to_contain_text(f"Dispute {rows[1].pk}")
    keys.press("n")
    expect(tab.locator("h1")).to_contain_text(f"Dispute {rows[2].pk}")
    keys.press("r")
    expect(tab.get_by_label("Credits that come back")).to_be_hidden()
    tab.get_by_label("Reason", exact=True).select_option("no_evidence")
    expect(text).to_have_value(re.compile("nothing came"))
    text.fill("The patient lives next door.")
    tab.get_by_label("Reason", exact=True).select_option("lead_was_good")
    expect(text).to_have_value("The patient lives next door.")
    text.press("Control+Enter")

    expect(tab.locator("h1")).to_contain_text(f"Dispute {rows[3].pk}")
    keys.press("s")
    expect(tab.get_by_label("Reason", exact=True)).to_be_hidden()
    keys.press("Enter")
    expect(tab.locator("h1")).to_contain_text(f"Dispute {rows[1].pk}")
    keys.press("a")
    expect(tab.get_by_label("Credits that come back")).to_have_value("125.00")
    tab.get_by_role("button", name="In full").click()
    tab.get_by_role("button", name="Decide, then the next one").click()
    expect(tab.locator(".messagelist")).to_contain_text("₹250.00 came back")
    desk.check()
    assert states(rows) == [
        ("approved", Decimal("250.00")), ("approved", Decimal("250.00")), ("rejected", None), ("pending", None),
    ]  # fmt: skip


@pytest.mark.parametrize("desk", [390], indirect=True)
def test_several_are_decided_at_once_and_what_was_left_is_linked(desk: OfficeVisitor) -> None:
    rows, tab = small_desk(), desk.page
    desk.open("/admin/disputes")
    tab.get_by_text("Tick all", exact=True).click()
    for row in rows:
        expect(tab.get_by_label(f"Dispute {row.pk}")).to_be_checked()
    expect(tab.locator("#ticked")).to_have_text("4")
    tab.get_by_label("Reason", exact=True).last.select_option("confirmed")
    tab.get_by_label("What the clinics will read").fill("We confirm it.")
    shoot(tab, "bulk")
    tab.get_by_role("button", name="Go").click()

    expect(tab.locator(".messagelist")).to_contain_text("3 disputes were approved, ₹625.00 came back in all.")
    check(desk, "bulk-told")
    tab.locator(".messagelist a").click()
    expect(tab.locator("h1")).to_contain_text(f"Dispute {rows[3].pk}: Something else")


def test_everything_works_without_scripts(chromium: Browser, live_server: LiveServer) -> None:
    rows = small_desk()
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, java_script_enabled=False)
    tab = context.new_page()
    tab.set_default_timeout(30_000)
    visitor = Visitor(tab, live_server.url)
    who = resolver("Meera Shah")
    visitor.open("/admin/disputes")
    tab.fill("input[name=login]", who.email)
    tab.fill("input[name=password]", PASSWORD)
    tab.click("main button[type=submit]")
    tab.locator(".desk-open").first.click()
    expect(tab.get_by_label("Credits that come back")).to_have_value("250.00")
    expect(tab.get_by_role("button", name="In full")).to_be_hidden()
    tab.get_by_text("Ready-made sentences").click()
    expect(tab.get_by_text("This was not a patient's enquiry.")).to_be_visible()
    shoot(tab, "case-without-scripts")
    tab.get_by_role("button", name="Decide, then the next one").click()
    expect(tab.get_by_text("Write what the clinic will read.")).to_be_visible()
    tab.get_by_label("What the clinic will read").fill("It was advertising.")
    tab.get_by_role("button", name="Decide, then the next one").click()
    expect(tab.locator("h1")).to_contain_text(f"Dispute {rows[1].pk}")
    visitor.open("/admin/disputes")
    tab.get_by_label(f"Dispute {rows[2].pk}").check()
    tab.get_by_label("Action").select_option("reject")
    tab.get_by_label("Reason", exact=True).last.select_option("not_covered")
    tab.get_by_label("What the clinics will read").fill("Not covered.")
    tab.get_by_role("button", name="Go").click()
    expect(tab.locator(".messagelist")).to_contain_text("1 dispute was rejected.")
    context.close()
    wait_until_nobody_is_connected()
    assert states(rows)[:3] == [("approved", Decimal("250.00")), ("pending", None), ("rejected", None)]
