"""Refunds through the real SDK: partial, full, idempotent, failing, and those that nobody asked for."""

import threading
from typing import Any

import pytest
import razorpay

from billing_site.razorpay_sandbox import RunningSandbox

from .conftest import sdk
from .shop import Shop
from .wire import call, paid, payment

KEY = "refund-of-topup-42"
REFUND = {"amount": 10_000, "speed": "normal", "receipt": "rf-1", "notes": {"topup": "42"}}


def refund_events(shop: Shop) -> list[str]:
    """Sorted: between two changes of state no order is promised."""
    return sorted(event for event in shop.events() if event.startswith("refund."))


def with_key(key: str = KEY) -> dict[str, str]:
    return {"X-Refund-Idempotency": key}


def test_a_partial_refund_leaves_the_payment_captured(
    client: razorpay.Client, sandbox: RunningSandbox, shop: Shop
) -> None:
    payment_id = paid(sandbox)

    refund = client.payment.refund(payment_id, dict(REFUND), headers=with_key())

    sandbox.control("drain")
    assert refund == {
        "id": refund["id"], "entity": "refund", "amount": 10_000, "currency": "INR", "payment_id": payment_id,
        "notes": {"topup": "42"}, "receipt": "rf-1", "acquirer_data": {"arn": None},
        "created_at": refund["created_at"], "batch_id": None, "status": "processed",
        "speed_processed": "normal", "speed_requested": "normal",
    }  # fmt: skip
    entity = payment(sandbox, payment_id)
    assert (entity["status"], entity["refund_status"], entity["amount_refunded"]) == (
        "captured",
        "partial",
        10_000,
    )
    assert refund_events(shop) == ["refund.created", "refund.processed"]
    assert shop.only("refund.created").json["payload"]["refund"]["entity"]["status"] == "processed"
    assert client.refund.fetch(refund["id"]) == refund
    assert client.payment.fetch_multiple_refund(payment_id, {"count": 100})["items"] == [refund]
    assert client.payment.fetch_refund_id(payment_id, refund["id"]) == refund
    assert client.refund.all({})["items"] == [refund]


def test_a_refund_without_an_amount_refunds_everything_that_is_left(
    client: razorpay.Client, sandbox: RunningSandbox
) -> None:
    payment_id = paid(sandbox)
    client.payment.refund(payment_id, dict(REFUND))

    rest = client.payment.refund(payment_id, {})

    assert rest["amount"] == 40_000
    assert (payment(sandbox, payment_id)["status"], payment(sandbox, payment_id)["refund_status"]) == (
        "refunded",
        "full",
    )
    with pytest.raises(razorpay.errors.BadRequestError, match="has been fully refunded already"):
        client.payment.refund(payment_id, dict(REFUND))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"amount": 50_001}, "The refund amount provided is greater than amount captured"),
        ({"amount": 99}, "The amount must be at least INR 1.00"),
        ({"amount": 10.5}, "The amount must be an integer"),
        ({"speed": "fast"}, "The speed is invalid"),
        ({"receipt": "r" * 41}, "may not be greater than 40"),
        ({"reverse_all": 1}, "reverse_all is/are not required"),
    ],
)
def test_a_bad_refund_is_refused_and_leaves_no_trace(
    client: razorpay.Client, sandbox: RunningSandbox, fields: dict[str, Any], sentence: str
) -> None:
    payment_id = paid(sandbox)

    with pytest.raises(razorpay.errors.BadRequestError, match=sentence):
        client.payment.refund(payment_id, {**REFUND, **fields})

    assert payment(sandbox, payment_id)["amount_refunded"] == 0


def test_only_a_captured_payment_is_refunded(client: razorpay.Client, sandbox: RunningSandbox) -> None:
    for vpa in ("authonly@razorpay", "failure@razorpay"):
        with pytest.raises(razorpay.errors.BadRequestError, match="status should be captured"):
            client.payment.refund(paid(sandbox, vpa=vpa), dict(REFUND))


def test_a_bare_number_as_body_is_refused(client: razorpay.Client, sandbox: RunningSandbox) -> None:
    with pytest.raises(razorpay.errors.BadRequestError, match="must be a JSON object"):
        client.payment.refund(paid(sandbox), 100)


def test_the_same_key_and_body_return_the_same_refund(
    client: razorpay.Client, sandbox: RunningSandbox
) -> None:
    payment_id = paid(sandbox)

    refunds = [client.payment.refund(payment_id, dict(REFUND), headers=with_key()) for _ in range(5)]

    assert len({refund["id"] for refund in refunds}) == 1
    assert payment(sandbox, payment_id)["amount_refunded"] == 10_000


def test_the_same_key_from_sixteen_threads_makes_one_refund(sandbox: RunningSandbox) -> None:
    payment_id = paid(sandbox)
    barrier = threading.Barrier(16)
    seen: list[str] = []

    def ask() -> None:
        barrier.wait()
        seen.append(sdk(sandbox).payment.refund(payment_id, dict(REFUND), headers=with_key())["id"])

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 16
    assert len(set(seen)) == 1
    assert payment(sandbox, payment_id)["amount_refunded"] == 10_000


def test_the_same_key_with_another_body_or_payment_is_a_409(sandbox: RunningSandbox) -> None:
    one, other = paid(sandbox), paid(sandbox)
    call(sandbox, "POST", f"/v1/payments/{one}/refund", REFUND, with_key())

    for payment_id, body in ((one, {**REFUND, "amount": 10_001}), (other, REFUND)):
        status, answer, _headers = call(
            sandbox, "POST", f"/v1/payments/{payment_id}/refund", body, with_key()
        )
        assert status == 409
        assert answer["error"]["description"].startswith("Different request with the same idempotency key")


def test_a_refused_refund_does_not_use_up_its_key(sandbox: RunningSandbox, client: razorpay.Client) -> None:
    payment_id = paid(sandbox)
    sandbox.control("config", balance=0)
    with pytest.raises(razorpay.errors.BadRequestError, match="does not have enough balance"):
        client.payment.refund(payment_id, dict(REFUND), headers=with_key())
    sandbox.control("config", balance=1_000_000)

    assert client.payment.refund(payment_id, dict(REFUND), headers=with_key())["status"] == "processed"


@pytest.mark.parametrize("key", ["short", "has a space in it", "ünicode-key-1234"])
def test_a_key_that_is_too_short_or_odd_is_refused(sandbox: RunningSandbox, key: str) -> None:
    path = f"/v1/payments/{paid(sandbox)}/refund"

    assert call(sandbox, "POST", path, REFUND, with_key(key))[0] == 400


def test_a_payment_older_than_six_months_is_not_refunded(
    client: razorpay.Client, sandbox: RunningSandbox
) -> None:
    payment_id = paid(sandbox)
    sandbox.control("advance", s=184 * 86_400)

    with pytest.raises(razorpay.errors.BadRequestError, match="more than 6 months old"):
        client.payment.refund(payment_id, dict(REFUND))


def test_a_refund_of_24_68_rupees_fails_and_the_money_comes_back(
    client: razorpay.Client, sandbox: RunningSandbox, shop: Shop
) -> None:
    payment_id = paid(sandbox)
    balance = sandbox.control("state")["balance"]

    refund = client.payment.refund(payment_id, {**REFUND, "amount": 2468})

    sandbox.control("drain")
    assert refund["status"] == "pending"
    assert client.refund.fetch(refund["id"])["status"] == "failed"
    assert refund_events(shop) == ["refund.created", "refund.failed"]
    assert payment(sandbox, payment_id)["amount_refunded"] == 0
    assert sandbox.control("state")["balance"] == balance


def test_optimum_is_instant_for_upi_and_falls_back_for_netbanking(
    client: razorpay.Client, sandbox: RunningSandbox, shop: Shop
) -> None:
    upi = client.payment.refund(paid(sandbox), {"amount": 1000, "speed": "optimum"})
    bank = client.payment.refund(
        paid(sandbox, method="netbanking", bank="HDFC"), {"amount": 1000, "speed": "optimum"}
    )

    sandbox.control("drain")
    assert (upi["speed_requested"], upi["speed_processed"]) == ("optimum", "instant")
    assert (bank["speed_requested"], bank["speed_processed"]) == ("optimum", "normal")
    changed = shop.only("refund.speed_changed").json
    assert changed["payload"]["refund"]["entity"]["id"] == bank["id"]
    assert "created_at" not in changed
    assert isinstance(changed["payload"]["created_at"], int)


def test_a_refund_may_be_pending_for_days_and_fail_even_after_it_was_processed(
    client: razorpay.Client, sandbox: RunningSandbox, shop: Shop
) -> None:
    sandbox.control("config", refund_processing_s=432_000)
    payment_id = paid(sandbox)
    refund = client.payment.refund(payment_id, dict(REFUND))
    sandbox.control("advance", s=431_000)
    assert client.refund.fetch(refund["id"])["status"] == "pending"

    sandbox.control("advance", s=2000)
    assert client.refund.fetch(refund["id"])["status"] == "processed"
    sandbox.control("refund_status", refund_id=refund["id"], status="failed")

    sandbox.control("drain")
    assert payment(sandbox, payment_id)["refund_status"] is None
    assert refund_events(shop) == ["refund.created", "refund.failed", "refund.processed"]


def test_a_dashboard_refund_reaches_the_shop_like_any_other(sandbox: RunningSandbox, shop: Shop) -> None:
    payment_id = paid(sandbox)

    refund = sandbox.control("dashboard_refund", payment_id=payment_id, amount=12_345)

    sandbox.control("drain")
    assert shop.only("refund.processed").json["payload"]["refund"]["entity"] == refund
    assert refund["receipt"] is None
    assert refund["notes"] == []
