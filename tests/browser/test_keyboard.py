"""The whole portal without a mouse: Tab reaches every control, one sees where it is, and nothing holds one back."""

from typing import Final

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.test_every_page import cookie_of, pages, stage, window
from tests.site.portal_stage import Stage

__all__ = ["stage", "window"]  # fixtures

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("evidence_folder"),
]

# Everything that Tab must reach: of a group of radio buttons one, of a closed <details> its summary alone.
MARK: Final = """
() => {
  const controls = "a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex='-1'])";
  const groups = new Set();
  const wanted = [...document.querySelectorAll(controls)].filter((one) => {
    if (one.disabled || one.type === "hidden" || one.tabIndex < 0 || one.closest("[inert]")) return false;
    if (!one.checkVisibility({visibilityProperty: true})) return false;
    if (one.type !== "radio") return true;
    const group = one.form?.id + one.name;
    const isFirst = !groups.has(group);
    groups.add(group);
    return isFirst;
  });
  window.met = [];
  window.unseen = [];
  const nameOf = (one) => one.type === "radio" ? "radio " + one.name : one.outerHTML.slice(0, 120);
  // A shadow may be there always: of what holds the focus it is the mark, around it only an outline is.
  const isMarked = (one, isItself) => [null, "::after", "::before"].some((part) => {
    const style = getComputedStyle(one, part);
    const isOutlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    return isOutlined || (isItself && !part && style.boxShadow !== "none");
  });
  document.addEventListener("focusin", ({target}) => {
    window.met.push(nameOf(target));
    // A box that is drawn by its label shows the mark there, a link that is a whole row around the row.
    const drawn = [target, target.closest("label"), target.nextElementSibling, target.parentElement,
                   target.closest("li, article")];
    if (!drawn.some((one) => one && isMarked(one, one === target))) window.unseen.push(nameOf(target));
  });
  window.wanted = wanted.map(nameOf);
  // A date has a stop for each of its parts.
  const stops = wanted.reduce((sum, one) => sum + (/date|time|month/.test(one.type) ? 7 : 1), 2);
  return {stops, jumping: [...document.querySelectorAll("[tabindex]")].filter((one) => one.tabIndex > 0).length};
}
"""
TOLD: Final = """
() => ({
  first: window.met[0] || "",
  missed: window.wanted.filter((one) => !window.met.includes(one)),
  unseen: [...new Set(window.unseen)],
})
"""


def walk(page: Page, path: str) -> list[str]:
    """Tabs through the page from its top to its end; what is wrong with the way."""
    marked = page.evaluate(MARK)
    for _ in range(marked["stops"]):
        page.keyboard.press("Tab")
    told = page.evaluate(TOLD)
    wrong = [f"{path}: Tab never reaches {one}" for one in told["missed"]]
    wrong += [f"{path}: no focus is seen on {one}" for one in told["unseen"]]
    if "skip-link" not in told["first"]:
        wrong.append(f"{path}: the first stop is {told['first']}")
    if marked["jumping"]:
        wrong.append(f"{path}: {marked['jumping']} elements with a tabindex above 0")
    return wrong


def test_tab_reaches_every_control_of_every_page_and_shows_where_it_is(
    window: BrowserContext, live_server: LiveServer, stage: Stage
) -> None:
    window.add_cookies([cookie_of(stage.house.people["owner"], live_server.url)])
    page, wrong = window.new_page(), list[str]()
    page.emulate_media(reduced_motion="reduce")
    for path in pages(stage, "owner", unless="signed out"):
        page.goto(live_server.url + path)
        wrong += walk(page, path)

    assert not wrong, "\n".join(wrong)


def test_the_first_stop_skips_to_the_content_and_escape_closes_the_menu(
    window: BrowserContext, live_server: LiveServer, stage: Stage
) -> None:
    window.add_cookies([cookie_of(stage.house.people["owner"], live_server.url)])
    page = window.new_page()
    page.goto(f"{live_server.url}/clinic/dashboard")

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()

    summary = page.locator("details.menu > summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".menu-panel")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.locator(".menu-panel")).to_be_hidden()
    expect(summary).to_be_focused()
