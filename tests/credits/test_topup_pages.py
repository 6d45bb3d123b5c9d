"""The pages of buying credits: who may see them, what each state says, which headers they carry."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from billing_site.razorpay_sandbox import KEY_ID, KEY_SECRET, WEBHOOK_SECRET, RunningSandbox, start
from clinics.models import Clinic
from credits.models import BillingRules, CreditPackage, GatewayPayment, PromoCode, ReviewItem, TopUp
from credits.services.payments import apply_payment
from tests import factories, steps
from tests.pages import text_of

pytestmark = pytest.mark.django_db
TOPUP = "/clinic/credits/topup"
HTML: Any = {"HTTP_ACCEPT": "text/html"}
JSON: Any = {"HTTP_ACCEPT": "application/json"}


@pytest.fixture
def sandbox(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    monkeypatch.setenv("DEBUG", "1")
    monkeypatch.delenv("RAZORPAY_KEY_ID", raising=False)
    with start() as sandbox:
        settings.RAZORPAY_KEY_ID, settings.RAZORPAY_KEY_SECRET = KEY_ID, KEY_SECRET
        settings.RAZORPAY_WEBHOOK_SECRETS = [WEBHOOK_SECRET]
        settings.RAZORPAY_API_URL = sandbox.url
        settings.RAZORPAY_CHECKOUT_JS_URL = f"{sandbox.url}/v1/checkout.js"
        yield sandbox


def ordered(clinic: Clinic, price: int = 5000, bonus: int = 500, promo_bonus: int = 0) -> TopUp:
    top_up = factories.top_up(clinic, price, bonus, promo_bonus)
    top_up.razorpay_order_id, top_up.state = f"order_{top_up.pk:014d}", TopUp.State.OPEN
    top_up.save(update_fields=["razorpay_order_id", "state"])
    return top_up


def pay(top_up: TopUp, status: str = "captured", payment: str = "A", **fields: Any) -> None:
    """What the gateway says of a payment, through the one function."""
    apply_payment(
        {
            "id": f"pay_{payment * 14}", "order_id": top_up.razorpay_order_id, "status": status,
            "captured": status == "captured", "amount": top_up.gross_paise, "currency": "INR", "method": "upi",
            **fields,
        },
        source="test",
    )  # fmt: skip


def success(client: Client, top_up: TopUp, accept: Any = HTML) -> Any:
    return client.get(f"/payment-success?top_up={top_up.pk}", **accept)


class TestChoosing:
    def test_packages_are_shown_with_their_credits_and_the_least_is_priced_at_once(
        self, member: Client
    ) -> None:
        body = text_of(member.get(TOPUP, **HTML))
        for price, brings in (
            ("1,000", "1,000"),
            ("5,000", "5,500"),
            ("10,000", "11,500"),
            ("25,000", "30,000"),
            ("50,000", "62,500"),
        ):
            assert f"₹{price} {brings} credits" in body
        assert "Pay ₹1,000" in body
        assert "one payment carries at most ₹5,00,000" in body

    def test_without_any_package_on_sale_a_free_amount_remains(self, member: Client) -> None:
        CreditPackage.objects.update(is_active=False)
        response = member.get(TOPUP, **HTML)
        assert response.status_code == 200
        assert response.context["chosen"] is None

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"amount": "1000"}, (1000, 0, 0, 1000)),
            ({"amount": "4999"}, (4999, 0, 0, 4999)),
            ({"amount": "7777"}, (7777, 777, 0, 8554)),
            ({"amount": "7777", "promo_code": "diwali10"}, (7777, 777, 777, 9331)),
            ({"amount": "500000"}, (500_000, 125_000, 0, 625_000)),
        ],
    )
    def test_a_choice_is_priced_exactly_and_nothing_is_kept(
        self, member: Client, query: dict[str, str], expected: tuple[int, ...]
    ) -> None:
        PromoCode.objects.create(code="DIWALI10", percent=10)
        response = member.get(TOPUP, query, **JSON)
        assert response.status_code == 200
        priced = response.json()
        assert tuple(priced[name] for name in ("price", "bonus", "promo_bonus", "credits")) == expected
        assert (priced["tax"], priced["gross"]) == (0, expected[0])
        assert not TopUp.objects.exists()

    @pytest.mark.parametrize(
        ("query", "field", "message"),
        [
            ({"amount": "999"}, "amount", "The least top-up is ₹1,000."),
            ({"amount": "500001"}, "amount", "That is more than one payment can carry. Please split it."),
            ({"amount": "10.5"}, "amount", "Enter a whole number."),
            ({"package_id": "999999"}, "package_id", "This package is not on sale."),
            ({"amount": "5000", "promo_code": "none"}, "promo_code", "We do not know this code."),
            ({}, "amount", "Choose a package or an amount, not both."),
            ({"amount": "5000", "package_id": "1"}, "amount", "Choose a package or an amount, not both."),
        ],
    )
    def test_a_choice_that_cannot_be_bought_says_why(
        self, member: Client, query: dict[str, str], field: str, message: str
    ) -> None:
        response = member.get(TOPUP, query, **JSON)
        assert response.status_code == 400
        assert response.json()["fields"] == {field: [message]}

    def test_a_form_sent_makes_the_order_and_shows_it(self, member: Client, sandbox: RunningSandbox) -> None:
        response = member.post(TOPUP, {"amount": "7777", "idempotency_key": "k1"}, **HTML)
        assert response.status_code == 303
        top_up = TopUp.objects.get()
        assert response.headers["Location"] == f"{TOPUP}?top_up={top_up.pk}"
        page = member.get(response.headers["Location"], **HTML)
        assert "8,554 credits for Sunrise" in text_of(page)
        order = re.search(
            r'<script id="razorpay-order" type="application/json">(.*?)</script>', page.content.decode()
        )
        assert order
        assert json.loads(order[1]) == {
            "status": "success",
            "top_up": top_up.pk,
            "order_id": top_up.razorpay_order_id,
            "amount": 777_700,
            "currency": "INR",
            "key_id": KEY_ID,
        }

    def test_paying_from_the_billing_dashboard_opens_the_payment_at_once_and_a_double_tap_is_one_purchase(
        self, member: Client, sandbox: RunningSandbox
    ) -> None:
        package = CreditPackage.objects.get(price=5000)
        choice = {"package_id": package.pk, "pay_now": "1", "idempotency_key": "k1"}

        first, again = (member.post(TOPUP, choice, **HTML) for _ in range(2))

        top_up = TopUp.objects.get()
        for response in (first, again):
            assert (response.status_code, response.headers["Location"]) == (
                303,
                f"{TOPUP}?top_up={top_up.pk}#pay",
            )

    def test_bad_fields_come_back_in_the_form_with_what_was_typed(
        self, member: Client, sandbox: RunningSandbox
    ) -> None:
        response = member.post(
            TOPUP, {"amount": "999", "promo_code": "<b>x", "idempotency_key": "k1"}, **HTML
        )
        assert response.status_code == 400
        body = response.content.decode()
        assert "The least top-up is ₹1,000." in body
        assert 'value="999"' in body
        assert "<b>x" not in body
        assert 'name="idempotency_key" value="k1"' in body

    def test_stopped_top_ups_are_said_with_the_form(self, member: Client) -> None:
        BillingRules.objects.update(top_ups_stopped_at="2026-01-01T00:00:00Z")
        response = member.post(TOPUP, {"amount": "1000"}, **HTML)
        assert response.status_code == 409
        assert "switched off for now" in text_of(response)

    def test_only_the_members_own_details_are_handed_to_the_payment_window(
        self, client: Client, clinic: Clinic
    ) -> None:
        Clinic.objects.filter(pk=clinic.pk).update(phone="+919876500000")
        client.force_login(factories.member_of(clinic, "billing", email="b@x.example", full_name="Asha"))
        options = client.get(TOPUP, **HTML).context["checkout"]
        assert options["prefill"] == {"name": "Asha", "email": "b@x.example", "contact": "+919876500000"}


class TestAnOrderThatWaits:
    def test_a_failed_attempt_is_explained_and_may_be_repeated(self, member: Client, clinic: Clinic) -> None:
        top_up = ordered(clinic)
        pay(top_up, "failed", error_reason="insufficient_fund")
        body = text_of(member.get(f"{TOPUP}?top_up={top_up.pk}", **HTML))
        assert "there was not enough money in the account" in body
        assert "Pay ₹5,000" in body

    def test_a_draft_without_an_order_has_no_pay_button(self, member: Client, clinic: Clinic) -> None:
        draft = factories.top_up(clinic, 5000)
        response = member.get(f"{TOPUP}?top_up={draft.pk}", **HTML)
        assert 'id="pay"' not in response.content.decode()
        assert "Please choose again" in text_of(response)

    def test_a_paid_one_leads_on_to_its_success_page(self, member: Client, clinic: Clinic) -> None:
        top_up = factories.paid_top_up(clinic, 1000)
        response = member.get(f"{TOPUP}?top_up={top_up.pk}", **HTML)
        assert (response.status_code, response.headers["Location"]) == (
            303,
            f"/payment-success?top_up={top_up.pk}",
        )


class TestWhatCameOfIt:
    def test_paid_shows_credits_and_the_new_balance(self, member: Client, clinic: Clinic) -> None:
        top_up = ordered(clinic)
        pay(top_up)
        body = text_of(success(member, top_up))
        assert "5,500 credits are yours" in body
        assert "New balance ₹5,500" in body
        assert success(member, top_up, JSON).json() == {"state": "paid", "credits": 5500, "balance": 5500}

    def test_a_lost_promo_bonus_is_said(self, member: Client, clinic: Clinic) -> None:
        top_up = ordered(clinic, promo_bonus=50)
        pay(top_up)
        body = text_of(success(member, top_up))
        assert "5,500 credits are yours" in body
        assert "bonus of 50 credits could not be given" in body

    def test_authorised_is_processing(self, member: Client, clinic: Clinic) -> None:
        top_up = ordered(clinic)
        pay(top_up, "authorized")
        assert "Your payment is being confirmed" in text_of(success(member, top_up))
        assert success(member, top_up, JSON).json()["state"] == "processing"

    def test_failed_says_why_and_offers_to_pay(self, member: Client, clinic: Clinic) -> None:
        top_up = ordered(clinic)
        pay(top_up, "failed", error_reason="incorrect_otp")
        response = success(member, top_up)
        assert "the one-time password was wrong" in text_of(response)
        assert f'href="{TOPUP}?top_up={top_up.pk}"' in response.content.decode()

    def test_open_waits(self, member: Client, clinic: Clinic) -> None:
        top_up = ordered(clinic)
        assert "Waiting for your payment" in text_of(success(member, top_up))
        assert success(member, top_up, JSON).json() == {"state": "open", "credits": 5500, "balance": 0}

    def test_another_amount_is_in_review_and_nobody_is_asked_to_pay_again(
        self, member: Client, clinic: Clinic
    ) -> None:
        top_up = ordered(clinic)
        pay(top_up, amount=100)
        response = success(member, top_up)
        assert ReviewItem.objects.count() == 1
        assert "Our staff are looking at this payment" in text_of(response)
        assert "Pay now" not in text_of(response)

    def test_abandoned_is_said_and_a_late_payment_still_shows_as_paid(
        self, member: Client, clinic: Clinic
    ) -> None:
        top_up = ordered(clinic)
        TopUp.objects.update(state=TopUp.State.ABANDONED)
        assert "Nobody paid for this purchase" in text_of(success(member, top_up))
        pay(top_up)
        assert "5,500 credits are yours" in text_of(success(member, top_up))

    def test_owed_credits_are_said_on_the_success_page(self, member: Client, clinic: Clinic) -> None:
        from credits.services.ledger import BillingService

        first = factories.paid_top_up(clinic, 5000)
        steps.adjust_credits(clinic.pk, Decimal("-4800"), "Spent", idempotency_key="spent")
        BillingService.take_back_top_up(first.pk, "rfnd_AAAAAAAAAAAAAA", 500_000)
        top_up = ordered(clinic, price=1000, bonus=0)
        pay(top_up)
        assert "₹3,800 is still owed" in text_of(success(member, top_up))

    @pytest.mark.parametrize(
        ("status", "fields", "words"),
        [
            ("failed", {"error_reason": "payment_cancelled"}, "The last attempt was cancelled."),
            ("authorized", {}, "Your money is on its way"),
            ("captured", {"amount": 1}, "Your money is on its way"),
            ("captured", {}, "5,500 credits are yours"),
        ],
    )
    def test_the_failure_page_tells_the_truth_in_every_state(
        self, member: Client, clinic: Clinic, status: str, fields: dict[str, Any], words: str
    ) -> None:
        top_up = ordered(clinic)
        pay(top_up, status, **fields)
        assert words in text_of(member.get(f"/payment-failure?top_up={top_up.pk}", **HTML))

    def test_the_failure_page_stands_without_a_top_up_too(self, member: Client) -> None:
        body = text_of(member.get("/payment-failure", **HTML))
        assert "The payment was not made" in body
        assert "No credits were bought" in body


def test_leads_that_a_payment_released_are_told_with_the_new_balance(member: Client, clinic: Clinic) -> None:
    factories.deliver_many(clinic, range(3))
    factories.deliver(clinic, 7, hold_for_review=True)
    top_up = ordered(clinic, 1000, 0)
    pay(top_up)
    factories.deliver(clinic, 8)

    body = text_of(success(member, top_up))

    assert "3 leads that waited for credits have been delivered with them." in body
    assert "1 lead is still held." in body
    assert "New balance ₹600" in body
    assert f"/clinic/credits/topups/{top_up.pk}/receipt" in success(member, top_up).content.decode()


class TestWhoMaySeeIt:
    PATHS = (TOPUP + "?top_up={}", "/payment-success?top_up={}", "/payment-failure?top_up={}")

    @pytest.mark.parametrize("path", PATHS)
    def test_another_clinics_purchase_looks_as_if_it_were_not_there(
        self, client: Client, member: Client, other_clinic: Clinic, path: str
    ) -> None:
        theirs = ordered(other_clinic)
        found = member.get(path.format(theirs.pk), **HTML)
        missing = member.get(path.format(10**9), **HTML)
        assert (found.status_code, missing.status_code) == (404, 404)
        assert found.content == missing.content
        assert str(theirs.razorpay_order_id) not in found.content.decode()

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("bad", ["", "abc", "-1", "1" * 40, "%00", "١", "1.0"])
    def test_a_senseless_id_is_a_404(self, member: Client, path: str, bad: str) -> None:
        assert member.get(path.format(bad), **HTML).status_code == 404

    @pytest.mark.parametrize(("role", "status"), [("owner", 200), ("billing", 200), ("front_desk", 403)])
    def test_owner_and_billing_buy_the_front_desk_does_not(
        self, client: Client, clinic: Clinic, sandbox: RunningSandbox, role: str, status: int
    ) -> None:
        client.force_login(factories.member_of(clinic, role))
        assert client.get(TOPUP, **HTML).status_code == status
        assert client.get(TOPUP, {"amount": "1000"}, **JSON).status_code == status
        assert client.post(TOPUP, {"amount": "1"}, **HTML).status_code == (400 if status == 200 else 403)

    def test_the_front_desk_sees_what_came_of_it_and_is_not_asked_to_pay(
        self, client: Client, clinic: Clinic
    ) -> None:
        client.force_login(factories.member_of(clinic, "front_desk"))
        top_up = ordered(clinic)
        for path in ("/payment-success", "/payment-failure"):
            response = client.get(f"{path}?top_up={top_up.pk}", **HTML)
            assert response.status_code == 200
            assert TOPUP not in response.content.decode()

    @pytest.mark.parametrize("path", [TOPUP, "/payment-success?top_up=1", "/payment-failure"])
    def test_the_anonymous_are_sent_to_sign_in(self, client: Client, path: str) -> None:
        response = client.get(path, **HTML)
        assert (response.status_code, response.headers["Location"].split("?")[0]) == (302, "/accounts/login/")


class TestHeaders:
    def test_the_top_up_page_alone_lets_razorpay_in_and_its_popups_talk(
        self, member: Client, clinic: Clinic, settings: Settings
    ) -> None:
        settings.RAZORPAY_CHECKOUT_JS_URL = "https://checkout.razorpay.com/v1/checkout.js"
        top_up = ordered(clinic)
        buying = member.get(TOPUP, **HTML)
        policy = buying.headers["Content-Security-Policy"]
        for directive in (
            "script-src 'self'",
            "frame-src",
            "connect-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
        ):
            assert f"{directive} https://*.razorpay.com" in policy
        assert "unsafe" not in policy
        assert buying.headers["Cross-Origin-Opener-Policy"] == "same-origin-allow-popups"
        for path in (f"/payment-success?top_up={top_up.pk}", "/payment-failure", "/clinic/dashboard"):
            response = member.get(path, **HTML)
            assert "razorpay" not in response.headers["Content-Security-Policy"]
            assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert "checkout.js" not in response.content.decode()

    def test_the_sandbox_is_let_in_by_its_own_address_alone(
        self, member: Client, sandbox: RunningSandbox
    ) -> None:
        policy = member.get(TOPUP, **HTML).headers["Content-Security-Policy"]
        assert f"script-src 'self' {sandbox.url};" in policy
        assert "razorpay.com" not in policy

    @pytest.mark.parametrize("path", [TOPUP, "/payment-success?top_up={}", "/payment-failure?top_up={}"])
    def test_no_script_or_style_stands_in_the_page(self, member: Client, clinic: Clinic, path: str) -> None:
        body = member.get(path.format(ordered(clinic).pk), **HTML).content.decode()
        assert not re.search(r"<script(?![^>]*(\ssrc=|application/json))", body)
        assert "<style" not in body
        assert not re.search(r"\s(style|on[a-z]+)=", body)

    @pytest.mark.parametrize(
        ("key", "shown"), [("rzp_test_ABCDEFGHIJ", True), ("rzp_live_ABCDEFGHIJ", False), ("", False)]
    )
    def test_test_mode_is_shown_on_every_page_of_a_purchase_and_only_then(
        self, member: Client, clinic: Clinic, settings: Settings, key: str, shown: bool
    ) -> None:
        settings.RAZORPAY_KEY_ID = key
        top_up = ordered(clinic)
        for path in (
            TOPUP,
            f"{TOPUP}?top_up={top_up.pk}",
            f"/payment-success?top_up={top_up.pk}",
            "/payment-failure",
        ):
            assert ("TEST MODE" in text_of(member.get(path, **HTML))) is shown, path


def test_the_seeds_functions_are_global_and_take_what_the_seed_says() -> None:
    from django.contrib.staticfiles import finders

    script = open(str(finders.find("site/topup.js"))).read()  # noqa: PTH123, SIM115
    for signature in (
        "initiateRazorpayPayment()",
        "handlePaymentSuccess(response)",
        "handlePaymentFailure(error)",
    ):
        assert re.search(rf"^(async )?function {re.escape(signature)}", script, re.MULTILINE), signature


def test_a_payment_never_counts_before_it_is_captured(member: Client, clinic: Clinic) -> None:
    top_up = ordered(clinic)
    for status in ("created", "failed", "authorized"):
        pay(top_up, status)
        assert success(member, top_up, JSON).json()["balance"] == 0
    assert GatewayPayment.objects.get().status == "authorized"


def test_a_package_below_the_least_top_up_does_not_break_the_page(
    member: Client, clinic: Clinic, sandbox: RunningSandbox, settings: Settings
) -> None:
    settings.TOP_UP_LEAST_PRICE = 2000

    assert member.get(TOPUP, headers={"accept": "text/html"}).status_code == 200
