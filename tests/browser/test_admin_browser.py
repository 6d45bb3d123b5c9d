"""The back office in a real browser: nothing the strict content policy forbids, at a desk and on a telephone."""

from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from clinics.models import Clinic, Membership, User
from tests import factories
from tests.browser.conftest import PASSWORD, Visitor, wait_until_nobody_is_connected
from tests.site.back_office import first_of, make_rows, page, registered
from tests.site.test_request_pages import what_to_ask

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Asked before any script of the page: what the content policy stops is noted, whoever tried it.
WATCH: Final = """
window.violations = [];
document.addEventListener("securitypolicyviolation",
  (event) => window.violations.push(event.violatedDirective + " " + event.blockedURI + " " + event.sourceFile));
"""


class OfficeVisitor(Visitor):
    """A member of staff at the back office."""

    def enter(self, user: User) -> None:
        """Signs in from the back office's own address, by the product's own sign-in page."""
        self.page.add_init_script(WATCH)
        self.open("/admin/")
        self.page.fill("input[name=login]", user.email)
        self.page.fill("input[name=password]", PASSWORD)
        self.page.click("main button[type=submit]")
        self.page.wait_for_url("**/admin/")

    def look_at(self, address: str) -> None:
        response = self.page.goto(self.url + address)
        assert response is not None
        assert response.status == 200, address
        self.check()

    def look_at_both_ways(self, address: str) -> None:
        """Loaded once at the desk's width and then shown at a telephone's."""
        self.page.set_viewport_size({"width": 1280, "height": 844})
        self.look_at(address)
        self.page.set_viewport_size({"width": 390, "height": 844})
        self.traffic.wait_for_calm()
        self.check()

    def check(self) -> None:
        """Nothing the policy forbids, no script error, no other host, nothing to scroll sideways for."""
        assert self.page.evaluate("window.violations") == [], self.page.url
        assert self.problems == [], self.page.url
        excess = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert excess <= 0, f"{self.page.url} is {excess} px too wide"


@pytest.fixture(params=[1280, 390], ids=["desk", "phone"])
def office(
    request: pytest.FixtureRequest, chromium: Browser, live_server: LiveServer
) -> Iterator[OfficeVisitor]:
    context = chromium.new_context(viewport={"width": request.param, "height": 844}, reduced_motion="reduce")
    visitor = OfficeVisitor(context.new_page(), live_server.url)
    visitor.enter(factories.UserFactory.create(is_staff=True, is_superuser=True))
    yield visitor
    context.close()
    wait_until_nobody_is_connected()


@pytest.mark.long
@pytest.mark.parametrize("office", [1280], ids=["desk-and-phone"], indirect=True)
def test_every_page_keeps_to_the_content_policy_and_fits_both_screens(office: OfficeVisitor) -> None:
    make_rows(3)
    office.look_at_both_ways("/admin/")
    for model in sorted(registered()):
        office.look_at_both_ways(page(model, ""))
        office.look_at_both_ways(page(model, "change", first_of(model)))
    for model in (
        "clinics.user",
        "clinics.clinic",
        "clinics.membership",
        "clinics.partner",
        "leads.treatmentpackage",
    ):
        office.look_at_both_ways(page(model, "add"))
    clinic, member = Clinic.objects.order_by("pk")[0], first_of("clinics.user")
    office.look_at_both_ways(page("clinics.clinic", "invite-owner", clinic.pk))
    for form, _ in what_to_ask(clinic).values():
        office.look_at_both_ways(form)
    office.look_at_both_ways(page("clinics.staffrequest", "change", first_of("clinics.staffrequest")))
    shown = office.page.locator("#request-shown").bounding_box()
    assert shown
    assert shown["width"] > 300, "what is decided on is seen"
    office.look_at_both_ways(page("credits.billingrules", "switch-charging", 1))
    office.look_at_both_ways(page("credits.creditaccount", "switch-freeze", clinic.pk))
    office.look_at_both_ways(page("clinics.clinic", "history", clinic.pk))
    office.look_at_both_ways(page("credits.creditaccount", "explain", clinic.pk))
    office.look_at_both_ways(page("leads.lead", "who-saw", first_of("leads.lead")))
    office.look_at_both_ways(page("clinics.user", "password", member))
    office.look_at_both_ways(page("credits.credittransaction", "") + f"?q=clinic+{clinic.pk}")


def test_a_membership_is_added_with_completion_and_a_clinics_first_owner_invited(
    office: OfficeVisitor,
) -> None:
    clinic: Clinic = factories.ClinicFactory.create(name="Lotus", slug="lotus", is_active=False)
    member: User = factories.UserFactory.create(email="asha@lotus.example")
    tab = office.page

    office.look_at(page("clinics.membership", "add"))
    choose(tab, "user", "asha@lotus", "asha@lotus.example")
    choose(tab, "clinic", "lotus", "Lotus, Ahmedabad 380006 (lotus)")
    tab.select_option("select[name=role]", "billing")
    tab.fill("input[name=audit_reason]", "Joined the clinic")
    tab.click("input[name=_save]")
    office.check()
    assert Membership.objects.get(user=member).clinic == clinic

    office.look_at(page("clinics.clinic", "change", clinic.pk))
    tab.click("text=Invite first owner")
    tab.fill("input[name=email]", "owner@lotus.example")
    tab.fill("input[name=full_name]", "Meera Shah")
    tab.click("input[value=Invite]")
    expect(tab.locator(".messagelist")).to_contain_text("owner@lotus.example is an owner now")
    office.check()
    clinic.refresh_from_db()
    assert clinic.is_active


def choose(tab: Page, name: str, text: str, option: str) -> None:
    tab.click(f".field-{name} .select2-selection")
    tab.fill(".select2-search__field", text)
    tab.click(f".select2-results__option:has-text('{option}')")


def test_the_controls_of_a_list_work_without_inline_scripts(office: OfficeVisitor) -> None:
    make_rows(3)
    tab = office.page
    office.look_at(page("clinics.apitoken", ""))
    tab.check("input.action-select >> nth=0")
    tab.select_option("select[name=action]", "revoke")
    tab.fill("input[name=audit_reason]", "Laptop lost")
    tab.click("button[title='Run the selected action']")
    expect(tab.locator(".messagelist")).to_contain_text("Revoked: 1.")
    office.check()
    tab.click("button.theme-toggle >> visible=true")
    office.check()
    office.look_at(page("leads.lead", ""))
    tab.click("#changelist-filter a:has-text('Any reason')")
    expect(tab.locator(".paginator")).to_contain_text("0 leads")
    office.check()


def test_the_pages_staff_open_most_are_accessible(office: OfficeVisitor) -> None:
    make_rows(1)
    clinic, lead = Clinic.objects.order_by("pk")[0], first_of("leads.lead")
    for address in (
        "/admin/",
        page("clinics.clinic", ""),
        page("clinics.clinic", "change", clinic.pk),
        page("clinics.clinic", "invite-owner", clinic.pk),
        page("leads.lead", ""),
        page("leads.lead", "change", lead),
        page("credits.credittransaction", "") + f"?q=clinic+{clinic.pk}",
        page("clinics.apitoken", ""),
    ):
        office.look_at(address)
        office.check_page()
        office.problems.clear()  # axe's own styles, which the policy stops
