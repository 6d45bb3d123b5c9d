"""What can happen to a payment, by each trigger."""

from typing import Any

import pytest

from billing_site.razorpay_sandbox import KEY_SECRET, RunningSandbox
from credits.gateway import payment_signature_is_valid

from .shop import Shop
from .wire import call, error_of, new_order, paid, payment

DAY = 86_400


def order_of(sandbox: RunningSandbox, payment_id: str) -> dict[str, Any]:
    order_id = payment(sandbox, payment_id)["order_id"]
    return dict(call(sandbox, "GET", f"/v1/orders/{order_id}")[1])


def test_success_captures_and_pays_the_order(sandbox: RunningSandbox, shop: Shop) -> None:
    order = new_order(sandbox, notes={"topup": "42"})

    outcome = sandbox.control("pay", order_id=order["id"])

    sandbox.control("drain")
    response = outcome["response"]
    assert payment_signature_is_valid(
        order["id"], response["razorpay_payment_id"], response["razorpay_signature"], KEY_SECRET
    )
    assert shop.events() == ["payment.authorized", "payment.captured", "order.paid"]
    assert payment(sandbox, outcome["payment_id"])["notes"] == {"topup": "42"}
    paid_order = order_of(sandbox, outcome["payment_id"])
    assert (paid_order["status"], paid_order["amount_paid"], paid_order["amount_due"]) == ("paid", 50_000, 0)


def test_failure_can_be_tried_again_on_the_same_order(sandbox: RunningSandbox, shop: Shop) -> None:
    order = new_order(sandbox)

    first = sandbox.control("pay", order_id=order["id"], vpa="failure@razorpay")
    second = sandbox.control("pay", order_id=order["id"])

    sandbox.control("drain")
    assert (first["state"], second["state"]) == ("failed", "success")
    assert first["error"]["metadata"] == {"order_id": order["id"], "payment_id": first["payment_id"]}
    assert (
        shop.only("payment.failed").json["payload"]["payment"]["entity"]["error_reason"] == "payment_failed"
    )
    assert order_of(sandbox, second["payment_id"])["attempts"] == 2


def test_a_paid_or_authorised_order_takes_no_further_payment(sandbox: RunningSandbox) -> None:
    for vpa in ("success@razorpay", "authonly@razorpay"):
        order = new_order(sandbox)
        sandbox.control("pay", order_id=order["id"], vpa=vpa)

        status, answer, _headers = call(sandbox, "POST", "/_sandbox/pay", {"order_id": order["id"]})

        assert status == 400
        assert "order is already paid" in answer["error"]["error"]["description"]


def test_late_fails_first_and_is_authorised_on_demand_under_the_same_id(
    sandbox: RunningSandbox, shop: Shop
) -> None:
    payment_id = paid(sandbox, vpa="late@razorpay")
    assert payment(sandbox, payment_id)["status"] == "failed"

    sandbox.control("advance", s=2 * DAY)
    sandbox.control("late", payment_id=payment_id)

    sandbox.control("drain")
    entity = payment(sandbox, payment_id)
    assert (entity["status"], entity["late_authorized"], entity["error_code"]) == ("captured", True, None)
    assert shop.events() == ["payment.failed", "payment.authorized", "payment.captured", "order.paid"]
    assert {d.json["payload"]["payment"]["entity"]["id"] for d in shop.deliveries} == {payment_id}


def test_pending_waits_and_fails_after_ten_minutes(sandbox: RunningSandbox, shop: Shop) -> None:
    payment_id = paid(sandbox, vpa="pending@razorpay")
    sandbox.control("advance", s=599 - 5)
    assert payment(sandbox, payment_id)["status"] == "created"

    sandbox.control("advance", s=10)

    assert payment(sandbox, payment_id)["error_reason"] == "payment_timed_out"
    assert shop.events() == ["payment.failed"]


def test_pending_is_approved_on_demand(sandbox: RunningSandbox, shop: Shop) -> None:
    order = new_order(sandbox)
    sandbox.control("pay", order_id=order["id"], vpa="pending@razorpay")

    entity = sandbox.control("late", order_id=order["id"])

    assert (entity["status"], entity["late_authorized"]) == ("captured", False)
    sandbox.control("advance", s=700)
    assert "payment.failed" not in shop.events()


def test_paidbutclosed_is_captured_and_the_page_never_hears_of_it(sandbox: RunningSandbox) -> None:
    outcome = sandbox.control("pay", order_id=new_order(sandbox)["id"], vpa="paidbutclosed@razorpay")

    assert outcome == {"state": "pending", "payment_id": outcome["payment_id"]}
    assert payment(sandbox, outcome["payment_id"])["status"] == "captured"


def test_authonly_is_returned_after_its_expiry_and_was_never_captured(
    sandbox: RunningSandbox, shop: Shop
) -> None:
    payment_id = paid(sandbox, vpa="authonly@razorpay")
    balance = sandbox.control("state")["balance"]

    sandbox.control("advance", s=5 * DAY + 60)

    entity = payment(sandbox, payment_id)
    assert (entity["status"], entity["captured"], entity["refund_status"]) == ("refunded", False, "full")
    assert shop.events() == ["payment.authorized", "refund.created", "refund.processed"]
    assert shop.only("refund.processed").json["payload"]["payment"]["entity"]["captured"] is False
    assert sandbox.control("state")["balance"] == balance
    assert order_of(sandbox, payment_id)["status"] == "attempted"


def test_double_pays_twice_and_the_second_goes_back_at_once(sandbox: RunningSandbox, shop: Shop) -> None:
    first = payment(sandbox, paid(sandbox, vpa="double@razorpay"))

    sandbox.control("drain")
    items = call(sandbox, "GET", f"/v1/orders/{first['order_id']}/payments")[1]["items"]
    second = next(item for item in items if item["id"] != first["id"])
    assert (first["status"], first["captured"]) == ("captured", True)
    assert (second["status"], second["captured"], second["amount_refunded"]) == ("refunded", False, 50_000)
    assert shop.events().count("order.paid") == 1
    of_second = [
        d.event for d in shop.deliveries if d.json["payload"]["payment"]["entity"]["id"] == second["id"]
    ]
    assert of_second == ["payment.authorized", "refund.created", "refund.processed"]


def test_a_late_authorisation_on_a_paid_order_goes_back_at_once(sandbox: RunningSandbox) -> None:
    order = new_order(sandbox)
    failed = sandbox.control("pay", order_id=order["id"], vpa="late@razorpay")["payment_id"]
    sandbox.control("pay", order_id=order["id"])

    entity = sandbox.control("late", payment_id=failed)

    assert (entity["status"], entity["captured"], entity["refund_status"]) == ("refunded", False, "full")


def test_a_second_payment_can_be_forced_through_and_captured(sandbox: RunningSandbox) -> None:
    order = new_order(sandbox)
    sandbox.control("pay", order_id=order["id"])

    second = sandbox.control("pay", order_id=order["id"], force=True)["payment_id"]

    assert payment(sandbox, second)["captured"] is True


def test_a_payment_of_another_amount_or_currency_can_be_made(sandbox: RunningSandbox) -> None:
    more = sandbox.control("pay", order_id=new_order(sandbox)["id"], amount=51_000)["payment_id"]
    dollars = sandbox.control("pay", order_id=new_order(sandbox)["id"], currency="USD")["payment_id"]

    assert payment(sandbox, more)["amount"] == 51_000
    assert payment(sandbox, dollars)["currency"] == "USD"


def test_after_the_automatic_expiry_a_late_authorisation_waits_for_a_manual_capture(
    sandbox: RunningSandbox,
) -> None:
    options = {"automatic_expiry_period": 12, "manual_expiry_period": 60}
    order = new_order(sandbox, payment={"capture": "automatic", "capture_options": options})
    payment_id = sandbox.control("pay", order_id=order["id"], vpa="late@razorpay")["payment_id"]

    sandbox.control("advance", s=20 * 60)
    assert sandbox.control("late", payment_id=payment_id)["status"] == "authorized"
    sandbox.control("advance", s=41 * 60)

    assert payment(sandbox, payment_id)["refund_status"] == "full"


def test_an_authorisation_after_the_last_expiry_goes_back_at_once(sandbox: RunningSandbox) -> None:
    payment_id = paid(sandbox, vpa="late@razorpay")

    sandbox.control("advance", s=6 * DAY)

    assert sandbox.control("late", payment_id=payment_id)["refund_status"] == "full"


def test_a_manual_order_is_not_captured_by_itself(sandbox: RunningSandbox) -> None:
    order = new_order(sandbox, payment={"capture": "manual"})

    payment_id = sandbox.control("pay", order_id=order["id"])["payment_id"]

    assert payment(sandbox, payment_id)["status"] == "authorized"


@pytest.mark.parametrize("number", ["4100 2800 0000 1007", "5500 6700 0000 1002", "6527 6589 0000 1005"])
def test_a_test_card_pays_with_an_otp_of_four_digits(sandbox: RunningSandbox, number: str) -> None:
    entity = payment(sandbox, paid(sandbox, method="card", number=number, otp="1234"))

    assert (entity["status"], entity["method"]) == ("captured", "card")
    assert entity["card"]["last4"] == number[-4:]


def test_an_otp_of_three_digits_fails(sandbox: RunningSandbox) -> None:
    assert payment(sandbox, paid(sandbox, method="card", otp="123"))["error_reason"] == "incorrect_otp"


@pytest.mark.parametrize(
    ("number", "reason", "code"),
    [
        ("4100 2800 0008 0001", "insufficient_fund", "BAD_REQUEST_ERROR"),
        ("4100 2800 0009 0000", "payment_timed_out", "BAD_REQUEST_ERROR"),
        ("4100 2800 0007 0002", "payment_cancelled", "BAD_REQUEST_ERROR"),
        ("4100 2800 0006 0003", "card_declined", "BAD_REQUEST_ERROR"),
        ("4100 2800 0003 0006", "card_disabled", "BAD_REQUEST_ERROR"),
        ("4100 2800 0002 0007", "gateway_technical_error", "GATEWAY_ERROR"),
    ],
)
def test_a_failing_test_card_fails_with_its_reason(
    sandbox: RunningSandbox, number: str, reason: str, code: str
) -> None:
    entity = payment(sandbox, paid(sandbox, method="card", number=number))

    assert (entity["status"], entity["error_reason"], entity["error_code"]) == ("failed", reason, code)


@pytest.mark.parametrize(
    "choice",
    [
        {"method": "upi", "vpa": "somebody@bank"},
        {"method": "card", "number": "4111 1111 1111 1111"},
        {"method": "card", "expiry": "01/20"},
        {"method": "card", "expiry": "13/40"},
        {"method": "card", "cvv": "12"},
        {"method": "netbanking", "bank": "XXXX"},
        {"method": "wallet"},
    ],
)
def test_a_choice_that_is_no_trigger_is_refused(sandbox: RunningSandbox, choice: dict[str, Any]) -> None:
    body = {"order_id": new_order(sandbox)["id"], **choice}

    assert call(sandbox, "POST", "/_sandbox/pay", body)[0] == 400
    assert sandbox.control("state")["payments"] == {}


def test_netbanking_ends_as_the_bank_decides(sandbox: RunningSandbox) -> None:
    success = paid(sandbox, method="netbanking", bank="HDFC")
    failure = paid(sandbox, method="netbanking", bank="HDFC", bank_success=False)

    assert payment(sandbox, success)["bank"] == "HDFC"
    assert payment(sandbox, failure)["status"] == "failed"


def test_card_events_carry_the_oddities_of_the_published_samples(sandbox: RunningSandbox, shop: Shop) -> None:
    paid(sandbox, method="card")

    sandbox.control("drain")
    authorised = shop.only("payment.authorized").json["payload"]["payment"]["entity"]
    captured = shop.only("payment.captured").json["payload"]["payment"]["entity"]
    assert (authorised["status"], authorised["captured"], authorised["error_code"]) == (
        "authorized",
        True,
        "",
    )
    assert (captured["status"], captured["fee"], captured["error_code"]) == ("captured", None, "")


def test_the_browser_may_not_choose_the_amount(sandbox: RunningSandbox) -> None:
    order = new_order(sandbox)
    key_id = "rzp_test_SANDBOX0000001"
    body = {
        "key_id": key_id,
        "order_id": order["id"],
        "method": "upi",
        "vpa": "success@razorpay",
        "amount": 100,
    }

    status, outcome, _headers = call(sandbox, "POST", "/v1/checkout/pay", body)

    assert status == 200
    assert payment(sandbox, outcome["payment_id"])["amount"] == 50_000


def test_the_checkout_knows_no_order_under_another_key(sandbox: RunningSandbox) -> None:
    order_id = new_order(sandbox)["id"]

    for query in (
        f"key_id=rzp_test_OTHER&order_id={order_id}",
        "key_id=rzp_test_SANDBOX0000001&order_id=order_x",
    ):
        assert error_of(sandbox, "GET", f"/v1/preferences?{query}") == "The id provided does not exist"


def test_a_web_page_cannot_pay_with_a_form(sandbox: RunningSandbox) -> None:
    sentence = error_of(sandbox, "POST", "/v1/checkout/pay", b"{}", **{"Content-Type": "text/plain"})

    assert sentence == "The request must be JSON"
