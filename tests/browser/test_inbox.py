"""The inbox in Chromium: a front desk's morning by thumb and by keys, and leads that arrive by themselves."""

import re

import pytest
from playwright.sync_api import expect

from clinics.models import Clinic
from credits.services.ledger import BillingService
from leads.models import ContactAttempt, Lead
from tests import factories
from tests.browser.conftest import Visitor
from tests.factories import deliver

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# Chromium knows no telephone: what a tap would open is kept from it.
NO_PHONE = """document.addEventListener("click", (event) => {
  if (event.target.closest("[data-kind]")) event.preventDefault();
}, true)"""
LOOK = "document.dispatchEvent(new Event('visibilitychange'))"


def test_a_front_desk_works_through_the_inbox(visitor: Visitor, funded_clinic: Clinic) -> None:
    desk = factories.member_of(funded_clinic, "front_desk")
    first = deliver(funded_clinic, phone=1, message="After six please")
    second = deliver(funded_clinic, phone=2, name="Rohan Mehta")
    page, rows = visitor.page, visitor.page.locator(".lead-row")

    visitor.sign_in(desk)
    expect(page).to_have_title(re.compile(r"^\(2\) Leads"))
    assert max(row.bounding_box()["height"] for row in rows.all()) < 200  # type: ignore[index]
    visitor.check_page()

    # A lead arrives while the page is open, and one while the member types.
    third = deliver(funded_clinic, phone=3, name="Meera Iyer")
    page.evaluate(LOOK)
    expect(rows.first).to_have_attribute("id", f"lead-{third.pk}")
    expect(page.get_by_role("status").filter(has_text="1 new lead")).to_be_attached()
    expect(page.locator(".credit-amount")).to_have_text("₹700")
    expect(page).to_have_title(re.compile(r"^\(3\) Leads"))
    page.get_by_label("Search by lead number").fill("as")
    fourth = deliver(funded_clinic, phone=4, name="Diya Nair")
    page.evaluate(LOOK)
    page.get_by_role("button", name="1 new lead").click()
    expect(visitor.lead(fourth.pk).locator(".lead-link")).to_be_focused()
    expect(rows).to_have_count(4)
    visitor.check_page()

    # By keys: down to the third row, its status, a call, and how it went.
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(visitor.lead(second.pk).locator(".lead-link")).to_be_focused()
    page.keyboard.press("2")
    expect(visitor.lead(second.pk).locator('[aria-pressed="true"]')).to_have_text("Contacted")
    expect(visitor.lead(second.pk).locator(".unread-mark")).to_have_count(0)
    expect(page.locator("#unread-count")).to_have_text("3")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    visitor.check_page()
    page.keyboard.press("Escape")
    page.evaluate(NO_PHONE)
    visitor.lead(first.pk).get_by_role("link", name="Call").click()
    expect(visitor.lead(first.pk).get_by_role("link", name="How did it go?")).to_be_visible()
    visitor.check_page()
    visitor.lead(first.pk).get_by_role("link", name="How did it go?").click()
    expect(page.get_by_role("group", name="How did your call go?")).to_be_visible()
    expect(page.get_by_text("After six please")).to_be_visible()
    visitor.check_page()
    page.get_by_role("button", name="No answer").first.click()
    expect(page.get_by_text("Called, no answer")).to_be_visible()
    expect(page.locator(".lead-how")).to_have_count(0)
    visitor.check_page()
    assert list(ContactAttempt.objects.values_list("lead", "outcome")) == [(first.pk, "no_answer")]
    assert Lead.objects.get(pk=second.pk).status == "contacted"


def test_an_owner_s_first_day_and_a_lead_that_waits(visitor: Visitor, clinic: Clinic) -> None:
    page = visitor.page
    visitor.sign_in(factories.member_of(clinic, "owner"))
    expect(page.get_by_role("heading", name="Three steps")).to_be_visible()
    visitor.check_page()

    waits = deliver(clinic, phone=1, name="Priya Shah")
    page.evaluate(LOOK)
    expect(visitor.lead(waits.pk)).to_contain_text("Not enough credits")
    expect(page.locator(".inbox-list > .empty")).to_be_hidden()
    visitor.open("/clinic/dashboard")
    expect(page.get_by_role("link", name="Top up to see 1 more")).to_be_visible()
    visitor.check_page()
    factories.give_credits(clinic, 1000)
    page.evaluate(LOOK)
    expect(visitor.lead(waits.pk)).to_have_count(1)
    expect(visitor.lead(waits.pk)).to_contain_text("Priya Shah")
    expect(page.locator(".credit-amount")).to_have_text("₹900")

    visitor.lead(waits.pk).locator(".lead-link").click()
    expect(page.get_by_role("heading", name="Priya Shah", level=1)).to_be_visible()
    page.locator("#opened-lead").get_by_role("button", name="Lost").click()
    expect(page.locator('#opened-lead [aria-pressed="true"]')).to_have_text("Lost")
    expect(page.locator('#opened-lead [aria-pressed="true"]')).to_be_focused()
    visitor.check_page()
    assert Lead.objects.get(pk=waits.pk).status == "lost"
    assert BillingService.get_clinic_credit_balance(clinic.pk) == 900
