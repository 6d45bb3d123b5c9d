"""Buying credits in Chromium, against a live server and the Razorpay sandbox with real webhooks."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as django_settings
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, ConsoleMessage, FrameLocator, Page, Request, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from billing_site.razorpay_sandbox import KEY_ID, KEY_SECRET, WEBHOOK_SECRET, RunningSandbox, start
from clinics.models import Clinic, User
from credits.models import CreditTransaction, GatewayEvent, TopUp
from credits.services.ledger import BillingService
from tests import factories
from tests.browser.calm import Traffic

SHOTS = os.environ.get("SHOTS_DIR", "")
WIDTHS = (390, 1280)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@dataclass
class Shop:
    """A signed-in owner's browser, its server, the sandbox, and what the browser said and asked for."""

    page: Page
    url: str
    sandbox: RunningSandbox
    clinic: Clinic
    owner: User
    problems: list[str] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)  # paths of our pages that asked other hosts

    def __post_init__(self) -> None:
        self.traffic = Traffic(self.page)

    def open(self, path: str = "/clinic/credits/topup") -> None:
        self.page.goto(self.url + path)

    @property
    def balance(self) -> Decimal:
        return BillingService.get_clinic_credit_balance(self.clinic.pk)

    def credits(self) -> list[Decimal]:
        rows = CreditTransaction.objects.filter(clinic=self.clinic, transaction_type__in=["credit", "bonus"])
        return list(rows.order_by("pk").values_list("amount", flat=True))

    def top_up(self) -> TopUp:
        return TopUp.objects.get(clinic=self.clinic)

    def choose(self, price: str) -> None:
        self.page.locator("label.offer", has_text=price).first.click()

    def pay(self) -> FrameLocator:
        self.page.locator("#pay").click()
        return self.checkout()

    def checkout(self) -> FrameLocator:
        frame = self.page.frame_locator("iframe.razorpay-checkout-frame")
        expect(frame.get_by_role("dialog")).to_be_visible()
        return frame

    def pay_by_upi(self, vpa: str) -> FrameLocator:
        frame = self.pay()
        enter_vpa(frame, vpa)
        return frame

    def shot(self, name: str) -> None:
        if SHOTS:
            assert self.page.viewport_size
            width = self.page.viewport_size["width"]
            self.page.screenshot(path=f"{SHOTS}/{name}-{width}.png", full_page=width > 800)

    def is_fit_to_be_seen(self, name: str) -> None:
        """No scrolling to the side, nothing serious for axe."""
        self.traffic.wait_for_calm()
        self.shot(name)
        wide = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, f"{name} scrolls by {wide} px"
        found = Axe().run(self.page).response["violations"]
        assert not [one for one in found if one["impact"] in ("serious", "critical")], (name, found)


def enter_vpa(frame: FrameLocator, vpa: str) -> None:
    frame.get_by_label("UPI id (VPA)").fill(vpa)
    frame.locator("#panel-upi").get_by_role("button", name="Pay").click()


def leave_checkout(frame: FrameLocator) -> None:
    frame.get_by_role("button", name="Close checkout").click()
    frame.get_by_role("button", name="Leave").click()


@pytest.fixture
def sandbox(
    live_server: LiveServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningSandbox]:
    monkeypatch.setenv("DEBUG", "1")
    monkeypatch.delenv("RAZORPAY_KEY_ID", raising=False)
    with start(webhook_url=f"{live_server.url}/razorpay/webhook") as sandbox:
        settings.RAZORPAY_KEY_ID, settings.RAZORPAY_KEY_SECRET = KEY_ID, KEY_SECRET
        settings.RAZORPAY_WEBHOOK_SECRETS = [WEBHOOK_SECRET]
        settings.RAZORPAY_API_URL = sandbox.url
        settings.RAZORPAY_CHECKOUT_JS_URL = f"{sandbox.url}/v1/checkout.js"
        yield sandbox


@pytest.fixture(params=[1280])
def shop(
    request: pytest.FixtureRequest,
    chromium: Browser,
    live_server: LiveServer,
    sandbox: RunningSandbox,
) -> Iterator[Shop]:
    clinic = factories.ClinicFactory.create(name="Sunrise", slug="sunrise", phone="+919876500000")
    owner = factories.member_of(clinic, "owner", full_name="Asha Rao")
    context = chromium.new_context(viewport={"width": request.param, "height": 844})
    context.add_cookies([cookie_of(owner, live_server.url)])
    page = context.new_page()
    page.set_default_timeout(30_000)
    shop = Shop(page, live_server.url, sandbox, clinic, owner)
    page.on("console", lambda message: note(shop, message))
    page.on("pageerror", lambda error: shop.problems.append(str(error)))
    page.on("request", lambda asked: note_host(shop, asked))
    yield shop
    context.close()
    assert shop.problems == []
    assert shop.foreign <= {"/clinic/credits/topup"}


def cookie_of(user: User, url: str) -> Any:
    client = Client()
    client.force_login(user)
    name = django_settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "url": url}


def note(shop: Shop, message: ConsoleMessage) -> None:
    """Errors and violations of the Content-Security-Policy; an answer of 400 is part of a story."""
    if message.type == "error" and "400 (Bad Request)" not in message.text:
        shop.problems.append(message.text)


def note_host(shop: Shop, asked: Request) -> None:
    if asked.frame == shop.page.main_frame and not asked.url.startswith((shop.url, "data:")):
        shop.foreign.add(urlsplit(shop.page.url).path)


on_both_widths = pytest.mark.parametrize("shop", WIDTHS, indirect=True)


def success_page(shop: Shop) -> Page:
    shop.page.wait_for_url("**/payment-success?top_up=*")
    return shop.page


def wait_until(condition: Callable[[], bool], page: Page, seconds: float = 10) -> None:
    for _ in range(int(seconds * 20)):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not happen in time")


@on_both_widths
def test_three_taps_buy_a_package_and_the_new_balance_is_shown(shop: Shop) -> None:
    shop.open()
    shop.is_fit_to_be_seen("topup")

    shop.choose("₹5,000")
    expect(shop.page.locator(".bill [data-bill=credits]")).to_have_text("5,500")
    expect(shop.page.locator("#pay")).to_have_text("Pay ₹5,000")
    frame = shop.pay()
    shop.shot("checkout")
    frame.locator("#panel-upi").get_by_role("button", name="Pay").click()

    page = success_page(shop)
    expect(page.get_by_role("heading", name="5,500 credits are yours")).to_be_visible()
    expect(page.locator(".new-balance")).to_contain_text("₹5,500")
    expect(page.locator(".credit-amount")).to_have_text("₹5,500")
    expect(page.get_by_text("TEST MODE")).to_be_visible()
    shop.is_fit_to_be_seen("paid")
    assert shop.credits() == [Decimal("5000.00"), Decimal("500.00")]
    assert shop.foreign == {"/clinic/credits/topup"}


@pytest.mark.parametrize("shop", [390], indirect=True)
def test_three_taps_on_the_billing_dashboard_open_the_payment(shop: Shop) -> None:
    shop.open("/clinic/billing-dashboard")
    shop.page.locator("[data-opens-top-up]").click()
    shop.page.locator("#topup-modal label.offer", has_text="₹5,000").click()
    expect(shop.page.locator("#topup-modal-pay")).to_have_text("Pay ₹5,000")
    shop.page.locator("#topup-modal-pay").dblclick()

    frame = shop.checkout()
    assert "#" not in shop.page.url  # a reload does not open it again
    frame.locator("#panel-upi").get_by_role("button", name="Pay").click()

    expect(success_page(shop).get_by_role("heading", name="5,500 credits are yours")).to_be_visible()
    assert shop.top_up().state == TopUp.State.PAID


@on_both_widths
def test_a_failed_attempt_is_tried_again_on_the_same_order_and_credited_once(shop: Shop) -> None:
    shop.open()
    frame = shop.pay_by_upi("failure@razorpay")
    expect(frame.get_by_role("button", name="Try again")).to_be_visible()
    leave_checkout(frame)

    message = shop.page.locator("#payment-message")
    expect(message).to_contain_text("You can try again")
    shop.is_fit_to_be_seen("failed")
    message.get_by_role("link", name="What can I do?").click()
    expect(shop.page.get_by_role("heading", name="The payment was not made")).to_be_visible()
    shop.is_fit_to_be_seen("failure-page")
    shop.page.get_by_role("link", name="Pay now").click()
    expect(shop.page.get_by_text("it stays one purchase")).to_be_visible()
    shop.is_fit_to_be_seen("order")
    shop.pay_by_upi("success@razorpay")

    expect(success_page(shop).get_by_role("heading", name="1,000 credits are yours")).to_be_visible()
    assert len(shop.sandbox.control("state")["orders"]) == 1
    assert shop.credits() == [Decimal("1000.00")]


def test_retried_inside_the_window_it_is_credited_once(shop: Shop) -> None:
    shop.open()
    frame = shop.pay_by_upi("failure@razorpay")
    frame.get_by_role("button", name="Try again").click()
    enter_vpa(frame, "success@razorpay")

    expect(success_page(shop).get_by_role("heading", name="1,000 credits are yours")).to_be_visible()
    assert shop.credits() == [Decimal("1000.00")]


def test_a_double_click_makes_one_order(shop: Shop) -> None:
    shop.open()
    shop.page.locator("#pay").dblclick()
    shop.checkout()

    assert TopUp.objects.count() == 1
    assert len(shop.sandbox.control("state")["orders"]) == 1


def test_two_calls_of_the_function_at_once_make_one_order(shop: Shop) -> None:
    shop.open()
    shop.page.evaluate("initiateRazorpayPayment(); initiateRazorpayPayment()")
    shop.checkout()

    assert TopUp.objects.count() == 1


def test_a_reload_comes_back_to_the_same_order(shop: Shop) -> None:
    shop.open()
    leave_checkout(shop.pay())
    shop.page.reload()
    expect(shop.page.get_by_role("heading", name="Pay for your credits")).to_be_visible()
    shop.pay_by_upi("success@razorpay")

    expect(success_page(shop).get_by_role("heading", name="1,000 credits are yours")).to_be_visible()
    assert len(shop.sandbox.control("state")["orders"]) == 1


def test_another_choice_after_a_closed_window_is_another_order_and_only_that_is_paid(shop: Shop) -> None:
    shop.open()
    leave_checkout(shop.pay())
    shop.choose("₹10,000")
    shop.pay_by_upi("success@razorpay")

    expect(success_page(shop).get_by_role("heading", name="11,500 credits are yours")).to_be_visible()
    assert list(TopUp.objects.order_by("pk").values_list("state", "price")) == [
        ("open", Decimal("1000.00")),
        ("paid", Decimal("10000.00")),
    ]


def test_a_tab_closed_before_the_callback_is_credited_by_the_webhook(shop: Shop) -> None:
    shop.open()
    shop.pay_by_upi("paidbutclosed@razorpay")
    wait_until(lambda: shop.balance == 1000, shop.page)
    shop.page.close()
    shop.sandbox.control("drain", timeout=60)

    assert shop.top_up().state == TopUp.State.PAID
    assert set(GatewayEvent.objects.values_list("event", flat=True)) >= {"payment.captured", "order.paid"}
    assert shop.credits() == [Decimal("1000.00")]


def test_with_all_webhooks_lost_and_the_tab_closed_reconciliation_credits_it(shop: Shop) -> None:
    shop.sandbox.control("faults", match="webhook .*", times=-1, do="lose")
    shop.open()
    shop.pay_by_upi("paidbutclosed@razorpay")
    payments = lambda: shop.sandbox.control("state")["payments"]  # noqa: E731
    wait_until(lambda: any(one["captured"] for one in payments().values()), shop.page)
    shop.page.close()
    assert shop.balance == 0
    TopUp.objects.update(next_check_at=timezone.now() - timedelta(seconds=1))

    call_command("reconcile_payments", verbosity=0)
    call_command("reconcile_payments", verbosity=0)

    assert shop.credits() == [Decimal("1000.00")]
    assert not GatewayEvent.objects.exists()


def test_a_late_authorisation_moves_the_waiting_page_on_by_itself(shop: Shop) -> None:
    shop.open()
    leave_checkout(shop.pay_by_upi("late@razorpay"))
    shop.page.goto(f"{shop.url}/payment-success?top_up={shop.top_up().pk}")
    expect(shop.page.get_by_role("heading", name="Not paid yet")).to_be_visible()
    shop.is_fit_to_be_seen("success-failed")

    shop.sandbox.control("late", order_id=shop.top_up().razorpay_order_id)

    expect(shop.page.get_by_role("heading", name="1,000 credits are yours")).to_be_visible()
    assert shop.credits() == [Decimal("1000.00")]


def test_f5_dismissed_and_approved_minutes_later_the_page_goes_on_by_itself(shop: Shop) -> None:
    shop.open()
    frame = shop.pay_by_upi("pending@razorpay")
    expect(frame.get_by_text("Waiting for your approval")).to_be_visible()
    leave_checkout(frame)
    expect(shop.page.locator("#payment-message")).to_contain_text("You closed the payment window")
    shop.shot("dismissed")

    shop.sandbox.control("late", order_id=shop.top_up().razorpay_order_id)

    expect(success_page(shop).get_by_role("heading", name="1,000 credits are yours")).to_be_visible()


def test_f4_netbanking_is_paid_in_the_banks_own_window(shop: Shop) -> None:
    shop.open()
    frame = shop.pay()
    frame.get_by_role("tab", name="Netbanking").click()
    frame.get_by_label("Bank", exact=True).select_option("HDFC")
    with shop.page.context.expect_page() as opened:
        frame.locator("#panel-netbanking").get_by_role("button", name="Pay").click()
    opened.value.get_by_role("button", name="Success").click()

    expect(success_page(shop).get_by_role("heading", name="1,000 credits are yours")).to_be_visible()


@on_both_widths
def test_an_authorised_payment_waits_on_the_success_page_until_it_is_captured(shop: Shop) -> None:
    shop.sandbox.control("faults", match="autocapture", times=1, do={"delay": {"s": 120}})
    shop.open()
    shop.pay_by_upi("success@razorpay")
    page = success_page(shop)
    expect(page.get_by_role("heading", name="Your payment is being confirmed")).to_be_visible()
    shop.is_fit_to_be_seen("processing")

    shop.sandbox.control("advance", s=130)

    expect(page.get_by_role("heading", name="1,000 credits are yours")).to_be_visible()


def test_f18_razorpay_down_while_verifying_the_page_waits_and_the_webhook_credits(shop: Shop) -> None:
    shop.sandbox.control("faults", match="GET /v1/payments/[^/]+", times=-1, do={"status": {"status": 502}})
    shop.sandbox.control("faults", match="webhook .*", times=-1, do={"delay": {"s": 60}})
    shop.open()
    shop.pay_by_upi("success@razorpay")
    expect(success_page(shop).get_by_role("heading", name="Waiting for your payment")).to_be_visible()
    shop.is_fit_to_be_seen("waiting")

    shop.sandbox.control("advance", s=61)

    expect(shop.page.get_by_role("heading", name="1,000 credits are yours")).to_be_visible()


def test_a_forged_callback_is_refused_in_place_and_credits_nothing(shop: Shop) -> None:
    shop.open()
    leave_checkout(shop.pay())
    order = shop.top_up().razorpay_order_id
    shop.page.evaluate(
        """(order) => handlePaymentSuccess({razorpay_order_id: order, razorpay_payment_id: "pay_AAAAAAAAAAAAAA",
           razorpay_signature: "0".repeat(64)})""",
        order,
    )

    expect(shop.page.locator("#payment-message")).to_contain_text("could not be verified")
    expect(shop.page.locator("#pay")).to_be_enabled()
    assert shop.balance == 0


def test_a_free_amount_and_a_promo_code_are_priced_by_the_server_as_one_types(shop: Shop) -> None:
    factories_promo("DIWALI10", 10)
    shop.open()
    shop.choose("Other")
    shop.page.get_by_label("Amount before tax").fill("999")
    expect(shop.page.locator("#amount-problem")).to_have_text("The least top-up is ₹1,000.")
    expect(shop.page.locator("#pay")).to_have_text("Pay")
    shop.page.get_by_label("Amount before tax").fill("7777")
    expect(shop.page.locator(".bill [data-bill=credits]")).to_have_text("8,554")
    shop.page.get_by_text("I have a promo code").click()
    shop.page.get_by_label("Promo code").fill("nothing")
    expect(shop.page.locator("#promo_code-problem")).to_have_text("We do not know this code.")
    shop.page.get_by_label("Promo code").fill("diwali10")
    expect(shop.page.locator("[data-bill=promo_bonus]")).to_have_text("777")
    expect(shop.page.locator(".bill [data-bill=credits]")).to_have_text("9,331")
    shop.is_fit_to_be_seen("promo")

    shop.pay_by_upi("success@razorpay")

    expect(success_page(shop).get_by_role("heading", name="9,331 credits are yours")).to_be_visible()
    assert shop.credits() == [Decimal("7777.00"), Decimal("777.00"), Decimal("777.00")]


def factories_promo(code: str, percent: int) -> None:
    from credits.models import PromoCode

    PromoCode.objects.create(code=code, percent=percent)


def test_razorpay_not_answering_is_said_and_the_same_purchase_is_tried_again(shop: Shop) -> None:
    shop.sandbox.control("faults", match="POST /v1/orders", times=1, do={"status": {"status": 429}})
    shop.open()
    shop.page.locator("#pay").click()
    expect(shop.page.locator("#payment-message")).to_contain_text("does not answer")
    shop.problems.clear()  # Chromium writes the 503 to its console
    shop.pay_by_upi("success@razorpay")

    expect(success_page(shop).get_by_role("heading", name="1,000 credits are yours")).to_be_visible()
    assert TopUp.objects.count() == 1


@on_both_widths
def test_without_javascript_all_is_readable_and_the_page_says_that_paying_needs_it(
    shop: Shop, chromium: Browser
) -> None:
    assert shop.page.viewport_size
    context = chromium.new_context(java_script_enabled=False, viewport=shop.page.viewport_size)
    context.add_cookies([cookie_of(shop.owner, shop.url)])
    page = context.new_page()
    page.goto(f"{shop.url}/clinic/credits/topup")
    for text in ("Paying needs JavaScript", "5,500 credits", "Amount before tax", "TEST MODE"):
        expect(page.get_by_text(text).first).to_be_visible()
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/no-js-{page.viewport_size['width']}.png", full_page=True)  # type: ignore[index]

    page.locator("label.offer", has_text="₹5,000").first.click()
    page.locator("#pay").click()

    expect(page.get_by_role("heading", name="Pay for your credits")).to_be_visible()
    assert "top_up" in parse_qs(urlsplit(page.url).query)
    expect(page.locator(".bill [data-bill=credits]")).to_have_text("5,500")
    expect(page.get_by_text("Paying needs JavaScript")).to_be_visible()
    context.close()
