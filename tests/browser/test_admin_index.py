"""The back office's first page in a real browser: a desk and a telephone, light and dark, with and without scripts."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from credits.services.reviews import raise_review
from tests import factories
from tests.browser.conftest import wait_until_nobody_is_connected
from tests.browser.test_admin_browser import OfficeVisitor

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LIGHT, DARK = [15, 95, 89], [95, 211, 198]  # of what was sold
SCREENS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
# How many of the picture's points have just this colour.
INKED = """
([red, green, blue]) => {
  const canvas = document.getElementById("days-chart");
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) {
    found += data[at] === red && data[at + 1] === green && data[at + 2] === blue && data[at + 3] === 255;
  }
  return found;
}
"""
# How the lines are told apart, as the legend and the lines themselves have it.
LINES = """
() => {
  const chart = Chart.getChart("days-chart");
  return chart.legend.legendItems.map((item, number) => {
    const {options} = chart.getDatasetMeta(number).dataset;
    return [item.text, item.pointStyle, options.borderDash.join(" ")];
  });
}
"""
SAID_OF_TODAY = """() => Chart.getChart("days-chart").tooltip.body.map((one) => one.lines[0])"""
ANIMATED = """() => Boolean(Chart.getChart("days-chart").options.animation)"""


@pytest.fixture(params=SCREENS, ids=["desk", "desk-dark", "phone", "phone-dark"])
def office(
    request: pytest.FixtureRequest, chromium: Browser, live_server: LiveServer
) -> Iterator[OfficeVisitor]:
    width, scheme = request.param
    context = chromium.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme, reduced_motion="reduce"
    )
    visitor = OfficeVisitor(context.new_page(), live_server.url)
    visitor.enter(factories.UserFactory.create(is_staff=True, is_superuser=True))
    yield visitor
    context.close()
    wait_until_nobody_is_connected()


def busy_morning() -> None:
    clinic = factories.ClinicFactory.create(name="Sunrise Dental")
    factories.paid_top_up(clinic, 5000, bonus=500)
    leads = factories.deliver_many(clinic, range(6), price=15_000)
    for lead in leads[:3]:
        factories.dispute(lead)
    factories.refund(leads[4], 100)
    factories.deliver(factories.ClinicFactory.create(), 30)  # held
    raise_review("amount", "pay_1")


def test_the_page_is_whole_at_every_width_in_both_schemes(office: OfficeVisitor) -> None:
    busy_morning()
    tab = office.page
    tab.click("text=Read anew")
    expect(tab.locator(".tile").first).to_contain_text("3 Disputes waiting")
    the_chart_tells_its_lines_apart(tab)
    office.check()
    office.check_page()
    office.problems.clear()  # axe's own styles, which the policy stops

    the_theme_is_changed(tab)
    tab.click("summary:has-text('All lists')")
    expect(tab.locator(".front-apps a:text-is('Clinics')").last).to_be_visible()
    prices_are_tried_out(tab)
    office.check_page()


def the_chart_tells_its_lines_apart(tab: Page) -> None:
    """By dash and marker as well as by colour; a day pointed at says its numbers; nothing moves for who wants calm."""
    picture = tab.get_by_role("img", name="Credits sold, spent, refunded and expired")
    expect(picture).to_be_visible()
    assert tab.evaluate(LINES) == [
        ["Sold", "circle", ""],
        ["Spent", "rect", "8 4"],
        ["Refunded", "triangle", "2 4"],
        ["Expired", "rectRot", "12 4 2 4"],
    ]
    box = picture.bounding_box()
    assert box
    picture.hover(position={"x": box["width"] - 12, "y": box["height"] / 2})
    assert tab.evaluate(SAID_OF_TODAY) == ["Sold: 5,000", "Spent: 1,500", "Refunded: 100", "Expired: 0"]
    assert not tab.evaluate(ANIMATED)
    tab.emulate_media(reduced_motion="no-preference")
    tab.wait_for_function(ANIMATED)
    tab.emulate_media(reduced_motion="reduce")
    tab.wait_for_function(f"() => !({ANIMATED})()")


def the_theme_is_changed(tab: Page) -> None:
    """The chart takes the colours of the page it stands on, of the system's choosing or the reader's."""
    is_dark = tab.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    shown, other = (DARK, LIGHT) if is_dark else (LIGHT, DARK)
    it_is_drawn_in(tab, shown, not_in=other)
    tab.click("button.theme-toggle >> visible=true")
    it_is_drawn_in(tab, other, not_in=shown)
    tab.click("button.theme-toggle >> visible=true")
    tab.click("button.theme-toggle >> visible=true")
    it_is_drawn_in(tab, shown, not_in=other)
    tab.emulate_media(color_scheme="light" if is_dark else "dark")
    it_is_drawn_in(tab, other, not_in=shown)


def it_is_drawn_in(tab: Page, color: list[int], not_in: list[int]) -> None:
    tab.wait_for_function(
        f"colors => ({INKED})(colors[0]) > 100 && ({INKED})(colors[1]) === 0", arg=[color, not_in]
    )


def prices_are_tried_out(tab: Page) -> None:
    tab.fill("input[name=credits-0]", "-5")
    tab.evaluate("document.querySelector('#prices form').noValidate = true")
    tab.click("text=Try it out")
    expect(tab.locator("#prices .errorlist")).to_contain_text("greater than or equal to 0.01")
    tab.fill("input[name=credits-0]", "120")
    tab.click("text=Try it out")
    expect(tab.locator("#prices .front-wide")).to_contain_text("credits for 0 leads")


def test_without_scripts_the_numbers_are_all_there(chromium: Browser, live_server: LiveServer) -> None:
    busy_morning()
    context = chromium.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False)
    visitor = OfficeVisitor(context.new_page(), live_server.url)
    visitor.enter(factories.UserFactory.create(is_staff=True, is_superuser=True))
    expect(visitor.page.locator("#days-chart")).to_be_hidden()
    table = visitor.page.get_by_role("region", name="Credits by day, as a table")
    expect(table.locator("tbody tr").first).to_contain_text("5,000.00")
    expect(table.locator("tbody tr")).to_have_count(31)
    context.close()
    wait_until_nobody_is_connected()
