"""The browser half in Chromium: a shop's page under a strict CSP, paid with mouse and keyboard."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, ConsoleMessage, FrameLocator, Page, expect

from billing_site.razorpay_sandbox import KEY_ID, KEY_SECRET, RunningSandbox
from credits.gateway import payment_signature_is_valid

from .wire import new_order, payment

pytestmark = pytest.mark.browser
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<script src="{origin}/v1/checkout.js"></script></head>
<body><button id="pay">Pay</button><pre id="log"></pre><script src="/shop.js"></script></body></html>"""
SCRIPT = """
const log = (name, value) => { const line = document.createElement("p"); line.className = name;
  line.textContent = JSON.stringify(value === undefined ? null : value); document.body.append(line); };
document.getElementById("pay").addEventListener("click", async () => {
  const options = await (await fetch("/options.json")).json();
  options.handler = (response) => log("handler", response);
  options.modal = Object.assign({ ondismiss: () => log("dismissed") }, options.modal);
  window.rzp = new Razorpay(options);
  window.rzp.on("payment.failed", (event) => log("failed", event.error));
  window.rzp.open();
});
"""


class ShopPage:
    """A page like the product's own: the same CSP, and a Cross-Origin-Opener-Policy to choose."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.options: dict[str, Any] = {}
        self.opener_policy = "same-origin-allow-popups"
        self.posted: list[tuple[dict[str, list[str]], str | None]] = []
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                origin = shop.sandbox.url
                pages = {
                    "/": ("text/html", PAGE.format(origin=origin)),
                    "/shop.js": ("text/javascript", SCRIPT),
                    "/options.json": ("application/json", json.dumps(shop.options)),
                }
                kind, body = pages.get(self.path, ("text/plain", ""))
                self.send_response(200 if self.path in pages else 404)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Cross-Origin-Opener-Policy", shop.opener_policy)
                self.send_header("Set-Cookie", "session=abc; SameSite=Lax")
                self.send_header(
                    "Content-Security-Policy",
                    f"default-src 'none'; script-src 'self' {origin}; style-src 'self'; img-src 'self' {origin}; "
                    f"connect-src 'self' {origin}; frame-src {origin}; form-action 'self'; base-uri 'none'; "
                    "frame-ancestors 'none'",
                )
                self.end_headers()
                self.wfile.write(body.encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                shop.posted.append((parse_qs(body), self.headers.get("Cookie")))
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(b"<h1>Callback</h1>")

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        # Another site than the sandbox's 127.0.0.1, as the real shop is another one than Razorpay's.
        self.url = f"http://localhost:{self._server.server_address[1]}/"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def shop_page(sandbox: RunningSandbox) -> Iterator[ShopPage]:
    shop = ShopPage(sandbox)
    order = new_order(sandbox, 118_000)
    shop.options = {
        "key": KEY_ID, "order_id": order["id"], "amount": 118_000, "currency": "INR", "name": "Clinic Credits",
        "description": "1,000 credits", "prefill": {"email": "owner@sunrise.example", "contact": "+919876543210"},
        "notes": {"topup": "42"}, "theme": {"color": "#3399cc"},
    }  # fmt: skip
    yield shop
    shop.stop()


@pytest.fixture(params=[390, 1280], ids=["phone", "desktop"])
def page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that fails the test when anything is written to its console as an error."""
    width = getattr(request, "param", 1280)
    context = chromium.new_context(viewport={"width": width, "height": 844})
    page = context.new_page()
    page.set_default_timeout(30_000)
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and "favicon" not in message.location.get("url", ""):
            errors.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert [error for error in errors if "400 (Bad Request)" not in error] == []


desktop = pytest.mark.parametrize("page", [1280], indirect=True)


def open_checkout(page: Page, shop: ShopPage) -> FrameLocator:
    page.goto(shop.url)
    page.get_by_role("button", name="Pay").click()
    frame = page.frame_locator("iframe.razorpay-checkout-frame")
    expect(frame.get_by_role("dialog")).to_be_visible()
    return frame


def logged(page: Page, name: str) -> Any:
    expect(page.locator(f"p.{name}").first).to_be_attached()
    return json.loads(page.locator(f"p.{name}").last.inner_text())


def test_upi_success_calls_the_handler_with_a_signature(
    page: Page, shop_page: ShopPage, sandbox: RunningSandbox
) -> None:
    frame = open_checkout(page, shop_page)
    expect(frame.get_by_text("SANDBOX", exact=True)).to_be_visible()
    expect(frame.get_by_text("₹1,180.00")).to_be_visible()
    expect(frame.get_by_text(shop_page.options["order_id"])).to_be_visible()
    box = frame.get_by_role("dialog").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= page.viewport_size["width"]  # type: ignore[index]

    frame.get_by_role("button", name="Pay").click()

    response = logged(page, "handler")
    entity = payment(sandbox, response["razorpay_payment_id"])
    assert (entity["status"], entity["amount"], entity["notes"]) == ("captured", 118_000, {"topup": "42"})
    assert entity["email"] == "owner@sunrise.example"
    assert payment_signature_is_valid(
        shop_page.options["order_id"],
        response["razorpay_payment_id"],
        response["razorpay_signature"],
        KEY_SECRET,
    )
    expect(page.locator("iframe")).to_have_count(0)


def test_the_keyboard_alone_fails_tries_again_and_pays(
    page: Page, shop_page: ShopPage, sandbox: RunningSandbox
) -> None:
    frame = open_checkout(page, shop_page)
    expect(frame.get_by_label("UPI id (VPA)")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("failure@razorpay")
    page.keyboard.press("Enter")
    failure = logged(page, "failed")
    expect(frame.get_by_role("button", name="Try again")).to_be_focused()

    page.keyboard.press("Enter")
    page.keyboard.press("Control+A")
    page.keyboard.type("success@razorpay")
    page.keyboard.press("Enter")

    response = logged(page, "handler")
    assert failure["reason"] == "payment_failed"
    assert failure["metadata"]["order_id"] == response["razorpay_order_id"]
    assert len(sandbox.control("state")["payments"]) == 2


def test_a_card_asks_for_its_one_time_password(
    page: Page, shop_page: ShopPage, sandbox: RunningSandbox
) -> None:
    frame = open_checkout(page, shop_page)
    frame.get_by_role("tab", name="Card").click()
    frame.get_by_label("Card number").fill("5500 6700 0000 1002")
    frame.locator("#panel-card").get_by_role("button", name="Pay").click()
    frame.get_by_label("One-time password").fill("1234")
    frame.get_by_role("button", name="Submit").click()

    entity = payment(sandbox, logged(page, "handler")["razorpay_payment_id"])
    assert (entity["method"], entity["card"]["network"]) == ("card", "MasterCard")


def test_a_short_one_time_password_fails_and_arrow_keys_move_the_tabs(
    page: Page, shop_page: ShopPage
) -> None:
    frame = open_checkout(page, shop_page)
    frame.get_by_role("tab", name="UPI").focus()
    page.keyboard.press("ArrowRight")
    expect(frame.get_by_role("tab", name="Card")).to_be_focused()
    frame.locator("#panel-card").get_by_role("button", name="Pay").click()
    frame.get_by_label("One-time password").fill("12")
    page.keyboard.press("Enter")

    assert logged(page, "failed")["reason"] == "incorrect_otp"


def test_netbanking_is_decided_in_a_window_of_its_own(
    page: Page, shop_page: ShopPage, sandbox: RunningSandbox
) -> None:
    frame = open_checkout(page, shop_page)
    frame.get_by_role("tab", name="Netbanking").click()
    frame.get_by_label("Bank", exact=True).select_option("HDFC")
    with page.context.expect_page() as opened:
        frame.locator("#panel-netbanking").get_by_role("button", name="Pay").click()
    opened.value.get_by_role("button", name="Success").click()

    entity = payment(sandbox, logged(page, "handler")["razorpay_payment_id"])
    assert (entity["status"], entity["bank"]) == ("captured", "HDFC")


@desktop
def test_a_strict_opener_policy_says_cancelled_though_the_bank_was_paid(
    page: Page, shop_page: ShopPage, sandbox: RunningSandbox
) -> None:
    """Django's default Cross-Origin-Opener-Policy does this to Razorpay's bank windows."""
    shop_page.opener_policy = "same-origin"
    frame = open_checkout(page, shop_page)
    frame.get_by_role("tab", name="Netbanking").click()
    with page.context.expect_page() as opened:
        frame.locator("#panel-netbanking").get_by_role("button", name="Pay").click()

    failure = logged(page, "failed")
    opened.value.get_by_role("button", name="Success").click()
    expect(opened.value.get_by_text("Paid.")).to_be_visible()

    assert failure["reason"] == "payment_cancelled"
    assert payment(sandbox, failure["metadata"]["payment_id"])["status"] == "captured"
    expect(page.locator("p.handler")).to_have_count(0)


@desktop
def test_closing_the_banks_window_is_a_cancellation(page: Page, shop_page: ShopPage) -> None:
    frame = open_checkout(page, shop_page)
    frame.get_by_role("tab", name="Netbanking").click()
    with page.context.expect_page() as opened:
        frame.locator("#panel-netbanking").get_by_role("button", name="Pay").click()
    opened.value.get_by_role("button", name="Success").wait_for()

    opened.value.close()

    assert logged(page, "failed")["reason"] == "payment_cancelled"


@desktop
def test_a_pending_payment_is_approved_while_the_frame_waits(
    page: Page, shop_page: ShopPage, sandbox: RunningSandbox
) -> None:
    frame = open_checkout(page, shop_page)
    frame.get_by_label("UPI id (VPA)").fill("pending@razorpay")
    page.keyboard.press("Enter")
    expect(frame.get_by_text("Waiting for your approval")).to_be_visible()

    sandbox.control("late", order_id=shop_page.options["order_id"])

    assert logged(page, "handler")["razorpay_order_id"] == shop_page.options["order_id"]


@desktop
def test_paid_but_closed_never_tells_the_page(
    page: Page, shop_page: ShopPage, sandbox: RunningSandbox
) -> None:
    frame = open_checkout(page, shop_page)
    frame.get_by_label("UPI id (VPA)").fill("paidbutclosed@razorpay")
    page.keyboard.press("Enter")
    expect(frame.get_by_text("Waiting for your approval")).to_be_visible()
    page.wait_for_timeout(1500)
    frame.get_by_role("button", name="Close checkout").click()

    assert logged(page, "dismissed") is None
    expect(page.locator("p.handler")).to_have_count(0)
    assert [entry["status"] for entry in sandbox.control("state")["payments"].values()] == ["captured"]


def test_closing_asks_first_when_the_shop_wants_it(page: Page, shop_page: ShopPage) -> None:
    shop_page.options["modal"] = {"confirm_close": True}
    frame = open_checkout(page, shop_page)
    frame.get_by_role("button", name="Close checkout").click()
    frame.get_by_role("button", name="Stay").click()
    expect(frame.get_by_role("tab", name="UPI")).to_be_visible()
    expect(page.locator("p.dismissed")).to_have_count(0)

    page.keyboard.press("Escape")
    frame.get_by_role("button", name="Leave").click()

    assert logged(page, "dismissed") is None
    expect(page.locator("iframe")).to_have_count(0)
    expect(page.get_by_role("button", name="Pay")).to_be_focused()


@desktop
def test_the_checkout_closes_after_its_timeout(page: Page, shop_page: ShopPage) -> None:
    shop_page.options["timeout"] = 1
    open_checkout(page, shop_page)

    assert logged(page, "dismissed") is None
    expect(page.locator("iframe")).to_have_count(0)


@desktop
def test_without_retry_a_failure_closes_the_checkout(page: Page, shop_page: ShopPage) -> None:
    shop_page.options["retry"] = {"enabled": False}
    frame = open_checkout(page, shop_page)
    frame.get_by_label("UPI id (VPA)").fill("failure@razorpay")
    page.keyboard.press("Enter")

    assert logged(page, "failed")["reason"] == "payment_failed"
    assert logged(page, "dismissed") is None


@desktop
def test_an_unknown_order_or_another_key_is_said_in_the_frame(page: Page, shop_page: ShopPage) -> None:
    for change in ({"order_id": "order_Unknown0000001"}, {"key": "rzp_test_SOMEBODYELSE01"}):
        shop_page.options.update(change)
        frame = open_checkout(page, shop_page)

        expect(frame.get_by_role("alert")).to_have_text("The id provided does not exist")


@desktop
def test_a_callback_url_gets_a_cross_site_post_without_the_session(page: Page, shop_page: ShopPage) -> None:
    """The real checkout does the same: SameSite=Lax keeps the cookie at home."""
    shop_page.options |= {"callback_url": f"{shop_page.url}callback", "redirect": True}
    frame = open_checkout(page, shop_page)
    frame.get_by_role("button", name="Pay").click()
    expect(page.get_by_role("heading", name="Callback")).to_be_visible()

    fields, cookie = shop_page.posted[0]

    assert set(fields) == {"razorpay_payment_id", "razorpay_order_id", "razorpay_signature"}
    assert cookie is None


@desktop
def test_a_failed_redirect_posts_the_error(page: Page, shop_page: ShopPage) -> None:
    shop_page.options |= {"callback_url": f"{shop_page.url}callback", "redirect": True}
    frame = open_checkout(page, shop_page)
    frame.get_by_label("UPI id (VPA)").fill("failure@razorpay")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Callback")).to_be_visible()

    fields, _cookie = shop_page.posted[0]

    assert fields["error[reason]"] == ["payment_failed"]
    assert json.loads(fields["error[metadata]"][0])["order_id"] == shop_page.options["order_id"]


FORGED = """() => window.parent.postMessage(
  { type: "success", response: { razorpay_payment_id: "pay_forged" } }, "*")"""


@desktop
def test_messages_of_strangers_are_not_believed(
    page: Page, shop_page: ShopPage, sandbox: RunningSandbox
) -> None:
    """Neither from the page itself, nor from another frame of the sandbox, nor from ours once it went elsewhere."""
    open_checkout(page, shop_page)
    page.evaluate(FORGED)
    with page.expect_event("framenavigated"):
        page.evaluate(
            "(url) => { const it = document.createElement('iframe'); it.src = url; document.body.append(it) }",
            f"{sandbox.url}/?stranger",
        )
    next(frame for frame in page.frames if "stranger" in frame.url).evaluate(FORGED)
    page.wait_for_timeout(200)
    expect(page.locator("p.handler")).to_have_count(0)

    ours = next(frame for frame in page.frames if "/v1/checkout/public" in frame.url)
    page.evaluate(
        """() => { document.querySelector("iframe.razorpay-checkout-frame").src = "about:blank" }"""
    )
    ours.wait_for_url("about:blank")
    ours.evaluate(FORGED)
    page.wait_for_timeout(200)

    expect(page.locator("p.handler")).to_have_count(0)
    expect(page.locator("iframe.razorpay-checkout-frame")).to_have_count(1)
