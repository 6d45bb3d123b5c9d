"""The billing dashboard in Chromium: read by eye, by keyboard and by axe; alive while it is looked at."""

import pytest
from playwright.sync_api import expect

from tests import factories
from tests.browser.conftest import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_page_is_read_the_window_for_buying_opened_and_a_new_lead_seen(visitor: Visitor) -> None:
    clinic = factories.ClinicFactory.create(name="Sunrise")
    owner = factories.member_of(clinic, "owner")
    factories.paid_top_up(clinic, 5000, 500)
    factories.refund(factories.deliver(clinic, 1, 7000, source="google"), "100")
    factories.deliver(clinic, 2)
    page = visitor.page
    visitor.sign_in(owner)

    visitor.open("/clinic/billing-dashboard")
    expect(page.get_by_role("img", name="Spent on leads and refunds received")).to_be_visible()
    expect(page.get_by_role("table", name="Credits by month")).to_be_hidden()
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("table", name="Credits by month")).to_be_visible()
    visitor.check_page()

    opener = page.locator("[data-opens-top-up]")
    opener.focus()
    page.keyboard.press("Enter")
    window_ = page.get_by_role("dialog", name="Buy credits")
    expect(window_).to_be_visible()
    expect(window_.get_by_role("button", name="Pay ₹1,000")).to_be_visible()
    window_.get_by_label("₹10,000").check()
    expect(window_.get_by_role("button", name="Pay ₹10,000")).to_be_visible()
    visitor.check_page()
    page.keyboard.press("Escape")
    expect(window_).to_be_hidden()
    expect(opener).to_be_focused()

    third = factories.deliver(clinic, 3, 35_000)
    page.evaluate("updateCreditBalance()")
    expect(page.locator(".credit-amount")).to_have_text("₹5,000")
    expect(page.locator("[data-balance]")).to_have_text("5,000")
    newest = page.locator(".transactions tbody tr").first
    expect(newest).to_contain_text(f"Lead {third.pk}")
    expect(newest).to_contain_text("5,000")
    expect(page.get_by_role("table", name="Credits by month")).to_be_visible()  # stays as it was opened
    months = page.evaluate("[...billing.charts.values()].map((chart) => chart.data.datasets[0].data.at(-1))")
    assert months == [600]
