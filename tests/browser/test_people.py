"""People of a clinic in a real browser: invited, signed in, changed; and signing in by a code."""

import re

import pytest
from django.core import mail
from django.core.cache import cache
from playwright.sync_api import expect

from billing_site.outbox.mails import send_due_mails
from clinics.models import ApiToken, Clinic, Membership, User
from tests import factories
from tests.browser.conftest import Visitor
from tests.site.portal_people import MEMBERS, PASSWORD, SECURITY, SETTINGS, SUPPORT, TOKENS, link_in_mail

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def look(visitor: Visitor) -> None:
    """Nothing the content policy stops, nothing axe objects to, nothing to scroll sideways for."""
    assert visitor.problems == []
    visitor.check_page()
    visitor.problems.clear()  # axe's own styles, which the policy stops


def make_and_end_a_token(visitor: Visitor) -> None:
    tab = visitor.page
    visitor.open(TOKENS)
    look(visitor)
    tab.get_by_label("Name").fill("Our software")
    tab.get_by_label("Read balance and history").check()
    tab.get_by_role("button", name="Make it").click()
    assert len(tab.locator("#new-token").inner_text()) == 64
    look(visitor)
    tab.get_by_role("link", name="I have copied it").click()
    tab.get_by_role("button", name="End Our software").click()
    expect(tab.get_by_role("status")).to_contain_text("ended")
    assert ApiToken.objects.get().revoked_at is not None


def ask_for_money_back(visitor: Visitor) -> None:
    tab = visitor.page
    visitor.open(SUPPORT)
    tab.get_by_label("Money back").check()
    tab.locator("summary").filter(has_text="money back").click()
    look(visitor)
    tab.get_by_label("Your message").fill("We close our practice in March.")
    tab.get_by_role("button", name="Send", exact=True).click()
    expect(tab.locator("main")).to_contain_text("Waiting")
    look(visitor)


def test_an_owner_sets_the_clinic_up_and_a_newcomer_comes_in(
    visitor: Visitor, clinic: Clinic, owner: User
) -> None:
    cache.clear()
    tab = visitor.page
    User.objects.filter(pk=owner.pk).update(full_name="Dr Meghna Bhatt")
    visitor.sign_in(owner)

    visitor.open(SETTINGS)
    look(visitor)
    tab.get_by_label("Monday").fill("10 AM to 7 PM")
    tab.get_by_role("button", name="Monday's hours for the whole week").click()
    tab.get_by_label("GSTIN").fill("27AAPFU0939F1ZV")
    tab.get_by_role("button", name="Save").click()
    expect(tab.locator("main")).to_contain_text("This GSTIN belongs to Maharashtra")
    look(visitor)
    tab.get_by_label("GSTIN").fill("")
    tab.get_by_role("button", name="Save").click()
    expect(tab.get_by_role("status")).to_contain_text("Saved")
    assert Clinic.objects.get().operating_hours["Sunday"] == "10 AM to 7 PM"

    visitor.open(MEMBERS)
    tab.get_by_label("E-mail address").fill("asha@care.example")
    tab.get_by_label("Role").last.select_option("billing")
    tab.get_by_role("button", name="Send the invitation").click()
    expect(tab.get_by_role("status")).to_contain_text("asha@care.example is invited")
    tab.locator("summary", has_text="Change").first.click()
    tab.locator("summary", has_text="Leave this clinic…").first.click()
    expect(tab.get_by_role("button", name="Leave this clinic")).to_be_visible()
    look(visitor)

    make_and_end_a_token(visitor)
    ask_for_money_back(visitor)

    tab.get_by_label("Clinics and account").click()
    look(visitor)
    tab.get_by_role("button", name="Sign out").click()
    visitor.open(link_in_mail())
    look(visitor)
    tab.get_by_label("Your name").fill("Asha Patel")
    tab.get_by_label("Choose a password").fill("a quite long one 77")
    tab.get_by_role("button", name="Start").click()
    tab.wait_for_url("**/clinic/dashboard")
    assert Membership.objects.get(user__email="asha@care.example").role == "billing"


def test_a_member_signs_in_by_a_code_and_looks_after_their_devices(visitor: Visitor, clinic: Clinic) -> None:
    cache.clear()
    user, tab = factories.member_of(clinic, "front_desk"), visitor.page
    visitor.open("/accounts/login/")
    look(visitor)
    tab.get_by_role("link", name="Send me a code by mail").click()
    look(visitor)
    tab.get_by_label("Email").fill(user.email)
    tab.get_by_role("button", name="Send me the code").click()
    tab.wait_for_url("**/code/confirm/")
    look(visitor)
    send_due_mails()
    found = re.search(r"[A-Z]{4}-[A-Z]{4}", str(mail.outbox[-1].body))
    assert found
    tab.get_by_label("Code").fill(found[0].lower())
    tab.get_by_role("button", name="Sign in").click()
    tab.wait_for_url("**/clinic/dashboard")

    visitor.open(SECURITY)
    expect(tab.locator("main")).to_contain_text("Chrome on Linux")
    look(visitor)
    tab.get_by_label("Your name").fill("Komal Solanki")
    tab.get_by_role("button", name="Save").click()
    expect(tab.get_by_label("Your name")).to_have_value("Komal Solanki")
    tab.get_by_role("link", name="Change the password").click()
    look(visitor)
    tab.get_by_label("Current Password").fill(PASSWORD)
    tab.get_by_label("New Password", exact=False).first.fill("another quite long one")
    tab.get_by_label("New Password (again)").fill("another quite long one")
    tab.get_by_role("button", name="Change it").click()
    tab.wait_for_url("**/accounts/login/**")
    expect(tab.get_by_role("status")).to_contain_text("Your password is changed")
