"""When a page has come to rest."""

import time
from typing import Final

from playwright.sync_api import Page, Request

PATIENCE_SECONDS: Final = 5.0
# Twice, since what a first frame's scripts change is drawn by the second. An endless animation is not waited for.
DRAWN: Final = """
async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  await document.fonts.ready;
  await frame();
  await frame();
  const moving = document.getAnimations().filter((one) => Number.isFinite(one.effect.getComputedTiming().endTime));
  await Promise.allSettled(moving.map((one) => one.finished));
}
"""


class Traffic:
    """Knows a page's requests under way. Playwright's own «networkidle» looks on for half a second each time."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.under_way: set[Request] = set()
        page.on("request", self.asked)
        page.on("requestfinished", self.answered)
        page.on("requestfailed", self.answered)

    def asked(self, request: Request) -> None:
        self.under_way.add(request)

    def answered(self, request: Request) -> None:
        self.under_way.discard(request)

    def wait_for_calm(self) -> None:
        """Loaded, drawn, its animations over and nothing asked for that has not come."""
        until = time.monotonic() + PATIENCE_SECONDS
        self.page.wait_for_load_state("load")
        self.page.evaluate(DRAWN)
        while self.under_way:
            if time.monotonic() > until:  # a request whose end nobody told
                self.page.wait_for_load_state("networkidle")
                return
            self.page.wait_for_timeout(20)
            self.page.evaluate(DRAWN)
