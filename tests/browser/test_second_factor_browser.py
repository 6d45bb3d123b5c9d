"""Two-step sign-in in a real browser: from the first password to the back office, and what is asked on the way."""

import re

import pytest
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django import Settings

from clinics.models import User
from tests import factories
from tests.browser.conftest import PASSWORD, Visitor
from tests.site.back_office import TOTP_SECRET, grow_old, page, sign_in
from tests.site.codes import Phone, phone

__all__ = ["phone"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def give_password(tab: Page, user: User) -> None:
    tab.get_by_label("Email").fill(user.email)
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()


def give_code(tab: Page, code: str, button: str) -> None:
    tab.get_by_label("code").fill(code)
    tab.get_by_role("button", name=button).click()


def look(visitor: Visitor) -> None:
    """Nothing the content policy stops, nothing axe objects to, nothing to scroll sideways for."""
    assert visitor.problems == []
    visitor.check_page()
    visitor.problems.clear()  # axe's own styles, which the policy stops


def test_staff_are_led_to_set_the_app_up_and_sign_in_with_its_codes(
    visitor: Visitor, phone: Phone, settings: Settings
) -> None:
    settings.STAFF_MFA_REQUIRED = True
    user: User = factories.UserFactory.create(is_staff=True, is_superuser=True)
    tab = visitor.page

    visitor.open("/admin/")
    give_password(tab, user)
    tab.wait_for_url("**/accounts/2fa/totp/activate/")
    picture = tab.get_by_role("img", name="QR code for the app")
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
    look(visitor)
    secret = tab.locator("#totp-secret").inner_text()
    give_code(tab, phone.wrong_code(secret), "Switch on")
    expect(tab.locator("main")).to_contain_text("Incorrect code")
    look(visitor)
    give_code(tab, phone.code(secret), "Switch on")
    codes = tab.locator("#recovery-codes code")
    expect(codes).to_have_count(10)
    recovery_code = codes.first.inner_text()
    look(visitor)
    tab.get_by_role("link", name="I have them").click()
    tab.wait_for_url("**/admin/")
    tab.get_by_role("link", name="Two-step sign-in").click()
    expect(tab.locator("main")).to_contain_text("Codes come from your authenticator app")
    look(visitor)
    for link in ("Make new recovery codes", "Switch off"):
        tab.get_by_role("link", name=link).click()
        look(visitor)
        tab.go_back()

    sign_out(visitor)
    phone.wait()
    visitor.open("/admin/")
    give_password(tab, user)
    tab.wait_for_url("**/accounts/2fa/authenticate/")
    look(visitor)
    give_code(tab, phone.wrong_code(secret), "Sign in")
    expect(tab.locator("main")).to_contain_text("Incorrect code")
    give_code(tab, phone.code(secret), "Sign in")
    tab.wait_for_url("**/admin/")

    sign_out(visitor)
    visitor.open("/admin/")
    give_password(tab, user)
    give_code(tab, recovery_code, "Sign in")
    tab.wait_for_url("**/admin/")
    sign_out(visitor)
    visitor.open("/admin/")
    give_password(tab, user)
    give_code(tab, recovery_code, "Sign in")
    expect(tab.locator("main")).to_contain_text("Incorrect code")


def test_after_five_minutes_a_page_and_a_late_form_ask_and_nothing_typed_is_lost(
    visitor: Visitor, phone: Phone, client: Client
) -> None:
    user: User = factories.UserFactory.create(is_staff=True, is_superuser=True)
    member: User = factories.UserFactory.create(full_name="Asha")
    sign_in(client, user, minutes_ago=6, with_code=True)
    cookie = client.cookies["sessionid"]
    visitor.page.context.add_cookies([{"name": "sessionid", "value": cookie.value, "url": visitor.url}])
    tab, address = visitor.page, page("clinics.user", "change", member.pk)

    visitor.open(address)
    tab.wait_for_url("**/accounts/reauthenticate/**")
    look(visitor)
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Go on").click()
    tab.wait_for_url(f"**{address}")

    tab.fill("input[name=full_name]", "Asha Patel")
    tab.fill("input[name=audit_reason]", "She married")
    grow_old(client.session, 6)
    tab.click("input[name=_save]")
    expect(tab.locator("main")).to_contain_text("Nothing was changed yet")
    look(visitor)
    tab.get_by_label("Code of your").fill(phone.wrong_code(TOTP_SECRET))
    tab.get_by_role("button", name="Confirm").click()
    expect(tab.locator("main")).to_contain_text("Incorrect code")
    look(visitor)
    tab.get_by_label("Code of your").fill(phone.code(TOTP_SECRET))
    tab.get_by_role("button", name="Confirm").click()
    expect(tab.locator(".messagelist")).to_contain_text(re.compile("changed successfully"))
    member.refresh_from_db()
    assert member.full_name == "Asha Patel"

    grow_old(client.session, 6)
    visitor.open(address)
    tab.get_by_role("link", name="Use a code of your app").click()
    tab.wait_for_url("**/accounts/2fa/reauthenticate/**")
    look(visitor)
    phone.wait()
    give_code(tab, phone.code(TOTP_SECRET), "Go on")
    tab.wait_for_url(f"**{address}")


def sign_out(visitor: Visitor) -> None:
    visitor.open("/accounts/logout/")
    visitor.page.get_by_role("button", name="Sign out").click()
    visitor.page.wait_for_url(lambda url: "logout" not in url)
