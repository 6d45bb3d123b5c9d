"""What people do on the pages, in Chromium, at a desk's and a phone's width."""

import re

import pytest
from playwright.sync_api import expect

from clinics.models import Clinic, Membership, User
from credits.services.ledger import BillingService
from leads.models import ContactView, Lead, LeadContact
from tests import factories
from tests.browser.conftest import Visitor
from tests.factories import deliver

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_an_owner_reads_leads_sets_a_status_and_follows_the_money(
    visitor: Visitor, funded_clinic: Clinic, owner: User
) -> None:
    package = factories.PackageFactory.create(clinic=funded_clinic, title="Teeth whitening", price=7000)
    seen = deliver(funded_clinic, phone=1, package_id=package.pk, message="After six please")
    held = deliver(funded_clinic, phone=2, name="Hidden Patient", hold_for_review=True)
    page = visitor.page

    visitor.sign_in(owner)
    expect(page.locator(".credit-balance .credit-amount")).to_have_text("₹820")
    expect(page.locator(".credit-balance .credit-label")).to_have_text("Available Credits")
    expect(visitor.lead(seen.pk)).to_contain_text("Asha Patel")
    expect(visitor.lead(seen.pk)).to_contain_text("Teeth whitening, ₹7,000")
    expect(visitor.lead(held.pk)).to_contain_text("Contact hidden")
    assert "Hidden Patient" not in page.content()
    visitor.check_page()

    visitor.lead(seen.pk).get_by_role("button", name="Contacted").click()
    expect(page.get_by_role("status").filter(has_text="Contacted")).to_be_attached()
    expect(visitor.lead(seen.pk).get_by_role("button", name="Contacted")).to_have_attribute(
        "aria-pressed", "true"
    )
    visitor.check_page()

    page.get_by_role("tab", name="Billing").click()
    expect(page.locator("#billing")).to_be_visible()
    expect(page.locator("#leads")).to_be_hidden()
    expect(page.locator("#billing .figures")).to_contain_text("₹180")
    visitor.check_page()

    visitor.open("/clinic/dashboard#billing")
    page.reload()
    expect(page.locator("#billing")).to_be_visible()

    expect(page.locator("#billing").get_by_role("link", name="Whole history")).to_be_visible()
    page.locator("#billing").get_by_role("link", name=f"Lead {seen.pk}").click()
    expect(page.locator(".lead-row")).to_have_count(1)

    assert Lead.objects.get(pk=seen.pk).status == "contacted"
    assert ContactView.objects.filter(viewer=owner).count() == 1


def test_an_owner_finds_leads_by_filter_and_by_name(
    visitor: Visitor, funded_clinic: Clinic, owner: User
) -> None:
    deliver(funded_clinic, phone=1)
    wanted = deliver(funded_clinic, phone=2, name="Rohan Mehta", source="instagram")
    page = visitor.page
    visitor.sign_in(owner)

    page.get_by_label("Search by lead number").fill("rohan")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".lead-row")).to_have_count(1)
    assert "rohan" not in page.url.lower()
    visitor.check_page()
    visitor.lead(wanted.pk).get_by_role("button", name="Lost").click()
    expect(page.locator(".lead-row")).to_have_count(1)
    expect(visitor.lead(wanted.pk).get_by_role("button", name="Lost")).to_have_attribute(
        "aria-pressed", "true"
    )

    visitor.open("/clinic/dashboard")
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Source").select_option("instagram")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".lead-row")).to_have_count(1)
    visitor.check_page()
    page.get_by_label("From").fill("2040-01-01")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="No lead matches")).to_be_visible()
    visitor.check_page()


def test_a_member_of_two_clinics_switches_by_the_menu_and_signs_out(
    visitor: Visitor, funded_clinic: Clinic, other_clinic: Clinic, owner: User
) -> None:
    Membership.objects.create(user=owner, clinic=other_clinic, role="owner")
    page = visitor.page
    visitor.sign_in(owner)
    expect(page.locator(".brand-name")).to_have_text("Lotus")

    page.get_by_label("Clinics and account").click()
    visitor.check_page()
    page.keyboard.press("Escape")
    expect(page.locator(".menu-panel")).to_be_hidden()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Sunrise").click()
    expect(page.locator(".brand-name")).to_have_text("Sunrise")
    expect(page.locator(".credit-amount")).to_have_text("₹1,000")

    page.get_by_label("Clinics and account").click()
    page.get_by_role("button", name="Sign out").click()
    visitor.open("/clinic/dashboard")
    expect(page).to_have_url(re.compile("/accounts/login/"))


def test_a_patient_asks_a_clinic_and_withdraws(visitor: Visitor, funded_clinic: Clinic) -> None:
    factories.PackageFactory.create(clinic=funded_clinic, title="Chemical peel", price=2500)
    package = factories.PackageFactory.create(clinic=funded_clinic, title="Acne scar laser", price=14_000)
    page = visitor.page

    visitor.open("/clinics/sunrise")
    expect(page.get_by_label("Parent's or guardian's name")).to_be_hidden()
    expect(page.get_by_label("Leave this empty")).not_to_be_in_viewport()
    visitor.check_page()
    page.get_by_text("Acne scar laser").click()
    page.get_by_label("Your name").fill("Meera Iyer")
    page.get_by_label("Mobile number").fill("98765 43210")
    page.get_by_label("Message").fill("Saturdays are best")
    page.get_by_label("The patient is younger than 18").check()
    page.get_by_label("Parent's or guardian's name").fill("Lakshmi Iyer")
    page.get_by_label("I agree").check()
    page.get_by_role("button", name="Send to the clinic").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    visitor.check_page()

    contact = LeadContact.objects.select_related("lead").get()
    assert [contact.lead.package, contact.lead.cost] == [package, 250]
    assert (contact.name, contact.phone.as_e164, contact.guardian_name) == (
        "Meera Iyer",
        "+919876543210",
        "Lakshmi Iyer",
    )
    assert BillingService.get_clinic_credit_balance(funded_clinic.pk) == 750

    page.get_by_role("button", name="Withdraw my enquiry").click()
    expect(page.get_by_role("heading", name="Your enquiry is withdrawn")).to_be_visible()
    visitor.check_page()
    contact.refresh_from_db()
    assert (contact.name, str(contact.phone)) == ("", "")


def test_a_form_with_mistakes_comes_back_filled_and_marked(visitor: Visitor, funded_clinic: Clinic) -> None:
    package = factories.PackageFactory.create(clinic=funded_clinic, title="Chemical peel")
    page = visitor.page

    visitor.open("/clinics/sunrise")
    page.get_by_text("Chemical peel").click()
    page.get_by_label("Your name").fill("Meera Iyer")
    page.get_by_label("Mobile number").fill("12345")
    page.get_by_label("I agree").check()
    page.get_by_role("button", name="Send to the clinic").click()

    expect(page.get_by_role("alert")).to_contain_text("Not sent yet")
    expect(page.get_by_text("Please check the number")).to_be_visible()
    expect(page.get_by_label("Your name")).to_have_value("Meera Iyer")
    expect(page.locator(f"#package-{package.pk}")).to_be_checked()
    visitor.check_page()
    assert not Lead.objects.exists()


def test_a_clinic_that_takes_no_enquiries_has_a_page_without_a_form(visitor: Visitor, clinic: Clinic) -> None:
    factories.PackageFactory.create(clinic=clinic)
    Clinic.objects.update(is_active=False)

    visitor.open("/clinics/sunrise")

    expect(visitor.page.get_by_text("does not take enquiries")).to_be_visible()
    expect(visitor.page.locator("main form")).to_have_count(0)
    visitor.check_page()


def test_pages_for_strangers_and_for_errors_look_right(visitor: Visitor, clinic: Clinic) -> None:
    page = visitor.page
    for path, heading in [
        ("/accounts/login/", "Sign in"),
        ("/accounts/password/reset/", "Forgotten your password?"),
        ("/accounts/password/reset/done/", "Look into your mail"),
        ("/accounts/password/reset/key/1-set-password/", "This link does not work any more"),
        ("/accounts/signup/", "Accounts are made by invitation"),
        ("/accounts/inactive/", "This account is not active"),
        ("/nothing/here", "There is nothing here"),
    ]:
        visitor.open(path)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        visitor.check_page()
    dead = [link.get_attribute("href") for link in page.get_by_role("link").all()]
    assert "/accounts/signup/" not in dead

    nobody = factories.UserFactory.create()
    visitor.open("/accounts/login/")
    page.get_by_label("Email").fill(str(nobody.email))
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("not correct")).to_be_visible()
    visitor.check_page()
    visitor.open("/accounts/login/")
    page.get_by_label("Email").fill(str(nobody.email))
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="You have no access")).to_be_visible()
    visitor.check_page()
    for path in (
        "/accounts/password/change/",
        "/accounts/logout/",
        "/accounts/email/",
        "/accounts/reauthenticate/",
    ):
        visitor.open(path)
        visitor.check_page()


def test_without_scripts_leads_are_read_and_a_status_is_set(
    visitor_without_scripts: Visitor, funded_clinic: Clinic, owner: User
) -> None:
    visitor, page = visitor_without_scripts, visitor_without_scripts.page
    lead = deliver(funded_clinic)

    visitor.sign_in(owner)
    expect(visitor.lead(lead.pk)).to_contain_text("Asha Patel")
    expect(page.locator("#billing .figures")).to_be_visible()
    visitor.lead(lead.pk).get_by_role("button", name="Converted").click()
    expect(visitor.lead(lead.pk).get_by_role("button", name="Converted")).to_have_attribute(
        "aria-pressed", "true"
    )

    assert Lead.objects.get(pk=lead.pk).status == "converted"
