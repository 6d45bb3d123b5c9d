"""Every page a member can reach, in one browser: what axe, a narrow screen and the content policy say of it.

The pages are the rows of docs/portal.md that are called a page (tests/site/test_portal_roles.py keeps that table
equal to the URLconf). Each is loaded once and then shown four times: 1280 and 390 px wide, light and dark. axe runs
all its rules in light at 1280 px and in dark at 390 px; in the other two it runs the one that colours alone can break,
contrast, and that no touch target is too small. In Hindi each page is loaded once more and measured at both widths.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Route
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from clinics.models import User
from tests.browser.calm import Traffic
from tests.browser.conftest import wait_until_nobody_is_connected
from tests.site.back_office import sign_in
from tests.site.portal_routes import Row, table
from tests.site.portal_stage import Stage

pytestmark = [
    pytest.mark.browser,
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("evidence_folder"),
]

SIZES: Final = ((1280, "light"), (1280, "dark"), (390, "dark"), (390, "light"))
ALL_RULES: Final = {(1280, "light"), (390, "dark")}
CHECKOUT: Final = "https://checkout.razorpay.com"
MAY_ASK_RAZORPAY: Final = {"/clinic/credits/topup"}
# Noted before any script of the page runs: what the content policy stops, whoever tried it.
WATCH: Final = """
window.stopped = [];
document.addEventListener("securitypolicyviolation",
  (event) => window.stopped.push(event.violatedDirective + " " + event.blockedURI));
"""
RUN_AXE: Final = """
async (rules) => {
  const only = rules.length ? {runOnly: {type: "rule", values: rules}} : {};
  const found = await axe.run(document, {resultTypes: ["violations"], ...only});
  return found.violations.map((one) => [one.id, one.nodes[0].html.slice(0, 200), one.nodes[0].failureSummary]);
}
"""
OF_COLOURS_ALONE: Final = ["color-contrast", "target-size"]
FACTS: Final = """
() => ({
  excess: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  headings: document.querySelectorAll("h1").length,
  title: document.title.trim(),
  language: document.documentElement.lang,
  stopped: window.stopped,
})
"""


@dataclass
class Tour:
    """One window that goes from page to page, and everything that is wrong with them."""

    page: Page
    url: str
    here: str = ""
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.traffic = Traffic(self.page)
        self.page.set_default_timeout(30_000)
        self.page.add_init_script(WATCH)
        self.page.on("console", self.hear)
        self.page.on("pageerror", lambda error: self.complain(f"script error: {error}"))
        self.page.on("request", self.watch)

    def complain(self, what: str) -> None:
        self.wrong.append(f"{self.here}: {what}")

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complain(f"console: {message.text}")

    def watch(self, request: Request) -> None:
        if request.url.startswith((self.url, "data:")):
            return
        is_checkout = request.url.startswith(CHECKOUT) and self.here.partition("?")[0] in MAY_ASK_RAZORPAY
        if not is_checkout:
            self.complain(f"request to {request.url}")

    def show(self, width: int, scheme: str) -> None:
        self.page.set_viewport_size({"width": width, "height": 844})
        self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]

    def open(self, path: str) -> bool:
        self.here = path
        answer = self.page.goto(self.url + path)
        if answer is None or answer.status != 200:
            self.complain(f"status {answer and answer.status}")
            return False
        self.traffic.wait_for_calm()
        return True

    def measure(self, where: str, language: str) -> None:
        facts = self.page.evaluate(FACTS)
        if facts["excess"] > 0:
            self.complain(f"{where}: {facts['excess']} px too wide")
        if facts["headings"] != 1:
            self.complain(f"{facts['headings']} elements h1")
        if not facts["title"]:
            self.complain("no title")
        if facts["language"] != language:
            self.complain(f"lang is {facts['language']}, not {language}")
        if facts["stopped"]:
            self.complain(f"stopped by the content policy: {facts['stopped']}")

    def look_at(self, path: str) -> None:
        """As a person with each screen sees it, with axe."""
        self.show(*SIZES[0])
        if not self.open(path):
            return
        self.page.evaluate(AXE_SCRIPT)
        for size in SIZES:
            self.show(*size)
            self.traffic.wait_for_calm()
            where = f"{size[0]} {size[1]}"
            self.measure(where, "en")
            for found in self.page.evaluate(RUN_AXE, [] if size in ALL_RULES else OF_COLOURS_ALONE):
                self.complain(f"{where}: axe: {found}")

    def look_in_hindi(self, path: str) -> None:
        self.show(390, "light")
        if self.open(path):
            self.measure("hi 390", "hi")
            self.show(1280, "light")
            self.measure("hi 1280", "hi")


@pytest.fixture
def stage(settings: Settings) -> Stage:
    settings.RAZORPAY_KEY_ID, settings.RAZORPAY_KEY_SECRET = "rzp_test_pages", "secret"
    return Stage(leads=12)


@pytest.fixture
def window(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser without a network: Razorpay's script is an empty one here, any other host is a complaint."""
    context = chromium.new_context(viewport={"width": 1280, "height": 844}, service_workers="block")
    context.route(f"{CHECKOUT}/**", empty)
    yield context
    context.close()
    wait_until_nobody_is_connected()


def empty(route: Route) -> None:
    route.fulfill(status=200, content_type="text/javascript", body="")


def cookie_of(user: User, url: str) -> Any:
    client = Client()
    sign_in(client, user)
    name = django_settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "url": url}


def pages(stage: Stage, who: str, unless: str = "nobody") -> list[str]:
    """Addresses of what `who` sees; the sign-out page's session is left alone."""

    def is_seen(row: Row) -> bool:
        sees = row.rights.get(unless, frozenset())
        return row.kind == "page" and "see" in row.rights[who] and "see" not in sees

    return [stage.path(row.route) for row in table().values() if is_seen(row)]


def test_every_page_is_accessible_fits_both_screens_and_keeps_to_itself(
    window: BrowserContext, live_server: LiveServer, stage: Stage
) -> None:
    owner = stage.house.people["owner"]
    tour = Tour(window.new_page(), live_server.url)
    for path in pages(stage, "signed out"):
        tour.look_at(path)
    window.add_cookies([cookie_of(owner, live_server.url)])
    mine = pages(stage, "owner", unless="signed out")
    assert len(mine) > 15
    for path in mine:
        tour.look_at(path)

    User.objects.filter(pk=owner.pk).update(language="hi")
    for path in mine:
        tour.look_in_hindi(path)

    assert not tour.wrong, "\n".join(tour.wrong)
