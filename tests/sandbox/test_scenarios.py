"""Each named scenario, played once: what the shop will have to survive really happens."""

import http.client
import threading
import time
from typing import Any

import pytest

from billing_site.razorpay_sandbox import RunningSandbox
from billing_site.razorpay_sandbox.scenarios import SCENARIOS

from .shop import Shop
from .wire import call, error_of, paid, payment

DAY = 86_400
ORDER = {"amount": 50_000, "currency": "INR", "receipt": "tu-77"}
REFUND = {"amount": 10_000, "receipt": "rf-1"}
KEY = {"X-Refund-Idempotency": "refund-of-77"}
THREE = ["payment.authorized", "payment.captured", "order.paid"]


def play(sandbox: RunningSandbox, name: str) -> None:
    assert call(sandbox, "POST", "/_sandbox/scenario", {"name": name})[0] == 200


def create(sandbox: RunningSandbox) -> tuple[int, Any, dict[str, str]]:
    return call(sandbox, "POST", "/v1/orders", ORDER)


def by_receipt(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    return list(call(sandbox, "GET", "/v1/orders?receipt=tu-77")[1]["items"])


def refund(sandbox: RunningSandbox, payment_id: str, **headers: str) -> tuple[int, Any, dict[str, str]]:
    return call(sandbox, "POST", f"/v1/payments/{payment_id}/refund", REFUND, {**KEY, **headers})


@pytest.mark.parametrize(("name", "each"), [("F6_repeated", 5), ("F6_repeated_at_once", 10)])
def test_f6_each_event_many_times(sandbox: RunningSandbox, shop: Shop, name: str, each: int) -> None:
    play(sandbox, name)
    paid(sandbox)

    sandbox.control("drain")
    assert {event: shop.events().count(event) for event in THREE} == dict.fromkeys(THREE, each)


def test_f6_same_content_under_another_id(sandbox: RunningSandbox, shop: Shop) -> None:
    play(sandbox, "F6_same_content_other_id")
    paid(sandbox)

    sandbox.control("drain")
    copies = [delivery for delivery in shop.deliveries if delivery.event == "payment.captured"]
    assert len({copy.body for copy in copies}) == 1
    assert len({copy.event_id for copy in copies}) == 2


def test_f7_all_events_of_a_payment_at_once(sandbox: RunningSandbox, shop: Shop) -> None:
    shop.sleeps = 0.2
    play(sandbox, "F7_all_at_once")
    paid(sandbox)

    sandbox.control("drain")
    assert shop.at_once == 3


def test_f8_reversed_shuffled_and_stale(sandbox: RunningSandbox, shop: Shop) -> None:
    play(sandbox, "F8_reversed")
    paid(sandbox)
    sandbox.control("drain")
    assert shop.events() == THREE[::-1]

    for name in ("F8_shuffled", "F8_stale_snapshot"):
        shop.deliveries.clear()
        play(sandbox, name)
        paid(sandbox)
        sandbox.control("drain")
        assert sorted(shop.events()) == sorted(THREE)
    assert shop.only("payment.captured").json["payload"]["payment"]["entity"]["status"] == "authorized"


@pytest.mark.parametrize(
    ("name", "wait"), [("F9_failed_then_captured", 0), ("F10_late_by_days", 3 * DAY - 60)]
)
def test_f9_and_f10_failed_first_captured_later_under_one_id(
    sandbox: RunningSandbox, shop: Shop, name: str, wait: int
) -> None:
    play(sandbox, name)
    payment_id = paid(sandbox, vpa="late@razorpay")
    sandbox.control("advance", s=wait)

    sandbox.control("late", payment_id=payment_id)

    sandbox.control("drain")
    assert payment(sandbox, payment_id)["status"] == "captured"
    assert set(shop.events()) == {"payment.failed", *THREE}


def test_f11_the_order_lags_behind_its_payment(sandbox: RunningSandbox) -> None:
    play(sandbox, "F11_order_lags")
    entity = payment(sandbox, paid(sandbox))

    order = call(sandbox, "GET", f"/v1/orders/{entity['order_id']}")[1]

    assert (entity["status"], order["status"], order["amount_paid"]) == ("captured", "attempted", 0)


def test_f12_the_webhook_arrives_before_the_answer_of_create_order(
    sandbox: RunningSandbox, shop: Shop
) -> None:
    play(sandbox, "F12_webhook_before_the_answer")
    answered: list[float] = []

    def ask() -> None:
        assert create(sandbox)[0] == 200
        answered.append(time.monotonic())

    asking = threading.Thread(target=ask)
    asking.start()
    while not sandbox.control("state")["orders"]:
        time.sleep(0.01)
    sandbox.control("pay", order_id=next(iter(sandbox.control("state")["orders"])))
    sandbox.control("drain")
    asking.join()

    assert shop.only("order.paid").at < answered[0]


def test_f13_all_webhooks_lost(sandbox: RunningSandbox, shop: Shop) -> None:
    play(sandbox, "F13_all_lost")
    payment_id = paid(sandbox)

    sandbox.control("advance", s=3 * DAY)

    assert shop.deliveries == []
    assert payment(sandbox, payment_id)["status"] == "captured"


def test_f14_the_endpoint_is_down_until_the_webhook_is_disabled(sandbox: RunningSandbox, shop: Shop) -> None:
    play(sandbox, "F14_endpoint_down")
    paid(sandbox)

    sandbox.control("advance", s=26 * 3600)

    assert shop.deliveries == []
    assert sandbox.control("state")["disabled"] is True


def test_f14_the_acknowledgement_is_lost_and_each_event_repeated(sandbox: RunningSandbox, shop: Shop) -> None:
    play(sandbox, "F14_acknowledgement_lost")
    paid(sandbox)

    sandbox.control("advance", s=600)

    assert {event: shop.events().count(event) for event in THREE} == dict.fromkeys(THREE, 3)
    assert len({delivery.event_id for delivery in shop.deliveries}) == 3


def test_f15_an_event_is_replayed_after_days(sandbox: RunningSandbox, shop: Shop) -> None:
    play(sandbox, "F15_replayed_after_days")
    paid(sandbox)
    sandbox.control("advance", s=2 * DAY)
    known = next(
        e["id"] for e in sandbox.control("state")["events"].values() if e["name"] == "payment.captured"
    )

    sandbox.control("replay", event_id=known)

    assert shop.events().count("payment.captured") == 2


@pytest.mark.parametrize("name", ["F16_crash_after_order", "F17_order_dropped"])
def test_f16_and_f17_the_order_exists_though_the_line_was_cut(sandbox: RunningSandbox, name: str) -> None:
    play(sandbox, name)

    with pytest.raises(http.client.RemoteDisconnected):
        create(sandbox)

    assert len(by_receipt(sandbox)) == 1


def test_f17_the_order_never_arrived(sandbox: RunningSandbox) -> None:
    play(sandbox, "F17_order_never_arrived")

    with pytest.raises(http.client.RemoteDisconnected):
        create(sandbox)

    assert by_receipt(sandbox) == []


@pytest.mark.parametrize(
    ("name", "status", "made"),
    [
        ("F17_order_429", 429, 0),
        ("F17_order_500", 500, 0),
        ("F17_order_502_html", 502, 1),
        ("F17_order_empty", 200, 1),
        ("F17_order_bad_json", 200, 1),
        ("F17_order_redirect", 302, 0),
    ],
)
def test_f17_create_order_is_answered_badly(
    sandbox: RunningSandbox, name: str, status: int, made: int
) -> None:
    play(sandbox, name)

    seen, body, headers = create(sandbox)

    assert seen == status
    assert not isinstance(body, dict) or "error" in body
    assert (headers.get("retry-after") == "7") == (status == 429)
    assert ("location" in headers) == (status == 302)
    assert len(by_receipt(sandbox)) == made


def test_f18_fetching_a_payment_fails_three_times(sandbox: RunningSandbox) -> None:
    payment_id = paid(sandbox)
    play(sandbox, "F18_payment_fetch_down")

    assert [call(sandbox, "GET", f"/v1/payments/{payment_id}")[0] for _ in range(4)] == [503, 503, 503, 200]


def test_f19_our_capture_and_the_automatic_one_race(sandbox: RunningSandbox) -> None:
    play(sandbox, "F19_capture_race")
    payment_id = paid(sandbox)
    body = {"amount": 50_000, "currency": "INR"}

    first = call(sandbox, "POST", f"/v1/payments/{payment_id}/capture", body)[0]
    sandbox.control("advance", s=2)

    assert first == 200
    assert "already been captured" in error_of(sandbox, "POST", f"/v1/payments/{payment_id}/capture", body)
    assert sandbox.control("state")["balance"] == 100_000_000 + 50_000 - 1180


def test_f20_the_refund_exists_though_the_line_was_cut(sandbox: RunningSandbox) -> None:
    payment_id = paid(sandbox)
    play(sandbox, "F16_crash_after_refund")

    with pytest.raises(http.client.RemoteDisconnected):
        refund(sandbox, payment_id)

    assert refund(sandbox, payment_id)[0] == 200
    assert payment(sandbox, payment_id)["amount_refunded"] == 10_000


def test_f20_the_same_key_meanwhile_is_a_409_and_later_the_refund(sandbox: RunningSandbox) -> None:
    payment_id = paid(sandbox)
    play(sandbox, "F20_refund_in_progress")
    slow: list[Any] = []
    working = threading.Thread(target=lambda: slow.append(refund(sandbox, payment_id)))
    working.start()
    while not sandbox.sandbox.refund_keys_in_progress:
        time.sleep(0.01)

    status, answer, _headers = refund(sandbox, payment_id)
    working.join()

    assert status == 409
    assert "still in progress" in answer["error"]["description"]
    assert refund(sandbox, payment_id)[1]["id"] == slow[0][1]["id"]
    assert payment(sandbox, payment_id)["amount_refunded"] == 10_000


def test_f20_a_409_without_a_refund(sandbox: RunningSandbox) -> None:
    payment_id = paid(sandbox)
    play(sandbox, "F20_refund_409")

    assert refund(sandbox, payment_id)[0] == 409
    assert payment(sandbox, payment_id)["amount_refunded"] == 0


def test_f20_no_balance_too_old_and_failed_after_days(sandbox: RunningSandbox) -> None:
    payment_id = paid(sandbox)
    sandbox.control("config", balance=0)
    assert "enough balance" in error_of(sandbox, "POST", f"/v1/payments/{payment_id}/refund", REFUND)

    sandbox.control("config", balance=10_000_000, refund_processing_s=432_000)
    pending = refund(sandbox, payment_id)[1]
    sandbox.control("advance", s=4 * DAY)
    failed = sandbox.control("refund_status", refund_id=pending["id"], status="failed")
    assert (pending["status"], failed["status"]) == ("pending", "failed")

    sandbox.control("advance", s=200 * DAY)
    assert "6 months" in error_of(sandbox, "POST", f"/v1/payments/{payment_id}/refund", REFUND)


def test_the_slow_scenarios_are_slower_than_the_shop_waits() -> None:
    for name in ("F17_order_timeout", "F20_refund_times_out"):
        assert SCENARIOS[name].faults[0]["do"] == {"slow_after": {"s": 15}}


def test_every_scenario_is_in_the_grammar_and_says_what_to_do(sandbox: RunningSandbox) -> None:
    for name, scenario in SCENARIOS.items():
        play(sandbox, name)
        assert scenario.steps
    numbers = {name.split("_")[0] for name in SCENARIOS}
    assert numbers >= {f"F{number}" for number in range(6, 21)}
    assert set(call(sandbox, "GET", "/_sandbox/scenarios")[1]) == set(SCENARIOS)
