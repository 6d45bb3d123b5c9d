"""Limits, held leads, notices and alerts, as an owner on a phone meets them."""

import re

import pytest
from playwright.sync_api import expect

from clinics.models import Clinic
from credits.models import CreditAccount
from leads.models import Lead
from tests import factories
from tests.browser.conftest import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_an_owner_limits_what_is_spent_releases_by_hand_and_reads_the_notices(
    visitor: Visitor, clinic: Clinic
) -> None:
    factories.give_credits(clinic, 1000)
    owner, page = factories.member_of(clinic, "owner"), visitor.page
    review = factories.deliver(clinic, 1, hold_for_review=True)
    visitor.sign_in(owner)

    visitor.open("/clinic/settings/limits")
    page.get_by_label("At most for one lead").fill("90")
    page.get_by_role("button", name="Save the limits").click()
    expect(page.get_by_text("The limits are saved.")).to_be_visible()
    expect(page.get_by_text("Your limit for one lead is below the dearest one.")).to_be_visible()
    factories.deliver_many(clinic, [2, 3], price=7000)
    page.get_by_label("Until (Indian time)").fill("2020-01-01T10:00")
    page.get_by_role("button", name="Pause deliveries").click()
    expect(page.get_by_text("This time is over already.")).to_be_visible()
    visitor.check_page()
    page.get_by_label("Until (Indian time)").fill("")
    page.get_by_role("button", name="Pause deliveries").click()
    expect(page.get_by_text("paused until you end the pause")).to_be_visible()
    page.get_by_role("button", name="Pause until Monday, 9 AM").click()
    visitor.open("/clinic/dashboard")
    visitor.check_page()
    page.get_by_role("button", name="End the pause").click()
    expect(page).to_have_url(re.compile("/clinic/dashboard$"))
    expect(page.get_by_text("The pause is over.")).to_be_visible()

    page.get_by_role("link", name="See the held leads").click()
    visitor.check_page()
    page.get_by_text("1 lead waits for a check").click()
    visitor.check_page()
    page.get_by_role("button", name=f"Deliver it (lead {review.pk})").click()
    expect(page.get_by_text(f"Above your limits: lead {review.pk} stays held.")).to_be_visible()
    expect(page.get_by_role("button", name="Deliver all that can be paid")).to_have_count(0)
    CreditAccount.objects.update(highest_cost=None, auto_release=False)
    page.reload()
    page.get_by_role("button", name="Deliver all that can be paid").click()
    expect(page.get_by_text("3 leads were delivered.")).to_be_visible()
    expect(page.get_by_role("heading", name="No lead is held")).to_be_visible()
    assert Lead.objects.held().count() == 0

    page.get_by_role("link", name="Notices, 6 new").click()
    expect(page.locator(".notices .is-new")).to_have_count(6)
    visitor.check_page()
    page.get_by_role("link", name="Choose what you hear of").click()
    expect(page.get_by_role("link", name="Notices", exact=True)).to_be_visible()
    page.get_by_role("group", name="Lead held", exact=True).get_by_label("In the portal").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your choice is saved.")).to_be_visible()
    visitor.check_page()
