"""A visitor who notices what a person or a security officer would."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db import connections
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request
from pytest_django.live_server_helper import LiveServer

from clinics.models import User
from tests.browser.calm import Traffic

PASSWORD: Final = "correct horse battery"  # of tests.factories.UserFactory


@dataclass
class Visitor:
    """A browser window on the live server, and every complaint it had: script errors, CSP, strange hosts."""

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(30_000)
        self.traffic = Traffic(self.page)
        self.page.on("console", self.hear)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self.watch)

    def hear(self, message: ConsoleMessage) -> None:
        is_answer = "the server responded with a status of 4" in message.text  # asked for by the test itself
        if message.type in ("error", "warning") and not is_answer:
            self.problems.append(message.text)

    def watch(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.problems.append(f"request to {request.url}")

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def sign_in(self, user: User) -> None:
        self.open("/accounts/login/")
        self.page.get_by_label("Email").fill(user.email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/clinic/dashboard")

    def lead(self, lead_id: int) -> Locator:
        return self.page.locator(f"#lead-{lead_id}")

    def check_page(self) -> None:
        """Nothing axe objects to, and nothing to scroll sideways for."""
        self.traffic.wait_for_calm()
        violations = Axe().run(self.page).response["violations"]
        assert not violations, [(one["id"], one["nodes"][0]["html"]) for one in violations]
        excess = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert excess <= 0, f"{self.page.url} is {excess} px too wide"


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["desk", "phone"])
def visitor(request: pytest.FixtureRequest, chromium: Browser, live_server: LiveServer) -> Iterator[Visitor]:
    width, scheme = request.param
    context = chromium.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme, reduced_motion="reduce"
    )
    visitor = Visitor(context.new_page(), live_server.url)
    yield visitor
    context.close()
    wait_until_nobody_is_connected()
    assert visitor.problems == []


@pytest.fixture
def visitor_without_scripts(chromium: Browser, live_server: LiveServer) -> Iterator[Visitor]:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False)
    yield Visitor(context.new_page(), live_server.url)
    context.close()
    wait_until_nobody_is_connected()


def wait_until_nobody_is_connected() -> None:
    """The server's threads end after the answer; while one is connected the database can't be put back."""
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND usename = current_user"  # an autovacuum or the owner does not stop us
    )
    with connections["default"].cursor() as cursor:
        for _ in range(200):
            cursor.execute(others)
            if cursor.fetchone()[0] == 0:
                return
            time.sleep(0.05)
