"""Webhooks: signed, retried with back-off for 24 hours, disabled after, replayed, rotated."""

import itertools

import pytest

from billing_site.razorpay_sandbox import WEBHOOK_SECRET, RunningSandbox, start
from billing_site.razorpay_sandbox.demo_keys import ACCOUNT_ID

from .shop import Shop
from .wire import new_order, paid

HOUR = 3600


def attempts(sandbox: RunningSandbox, event: str) -> list[dict[str, object]]:
    return [entry for entry in sandbox.control("state")["deliveries"] if entry["event"] == event]


def event_id(sandbox: RunningSandbox, name: str) -> str:
    return next(
        str(item["id"]) for item in sandbox.control("state")["events"].values() if item["name"] == name
    )


def test_an_event_is_compact_json_signed_over_its_bytes(sandbox: RunningSandbox, shop: Shop) -> None:
    order = new_order(sandbox, notes={"clinic": "दंत क्लिनिक"})
    payment_id = sandbox.control("pay", order_id=order["id"])["payment_id"]

    sandbox.control("drain")
    captured = shop.only("payment.captured")
    assert captured.is_signed()
    assert not captured.is_signed("another secret")
    assert captured.headers["content-type"] == "application/json"
    assert "दंत क्लिनिक".encode() in captured.body
    assert b'": ' not in captured.body
    assert captured.json["entity"] == "event"
    assert captured.json["account_id"] == ACCOUNT_ID
    assert captured.json["contains"] == ["payment"]
    assert captured.json["payload"]["payment"]["entity"]["id"] == payment_id
    paid_event = shop.only("order.paid").json
    assert paid_event["contains"] == ["payment", "order"]
    assert paid_event["payload"]["order"]["entity"]["amount_paid"] == 50_000
    assert len({delivery.event_id for delivery in shop.deliveries}) == 3


def test_the_snapshot_of_an_earlier_event_is_the_earlier_state(sandbox: RunningSandbox, shop: Shop) -> None:
    paid(sandbox)

    sandbox.control("drain")
    entity = shop.only("payment.authorized").json["payload"]["payment"]["entity"]
    assert (entity["status"], entity["captured"], entity["fee"]) == ("authorized", False, None)


def test_a_refused_event_comes_again_with_the_same_id_and_bytes(sandbox: RunningSandbox, shop: Shop) -> None:
    shop.status = 500
    paid(sandbox, vpa="failure@razorpay")
    sandbox.control("drain")
    shop.status = 200

    sandbox.control("advance", s=61)

    first, second = shop.deliveries
    assert (first.body, first.headers["x-razorpay-signature"]) == (
        second.body,
        second.headers["x-razorpay-signature"],
    )
    assert first.event_id == second.event_id
    assert [entry["status"] for entry in attempts(sandbox, "payment.failed")] == [500, 200]
    sandbox.control("advance", s=HOUR)
    assert len(shop.deliveries) == 2


@pytest.mark.parametrize("status", [199 + 1, 204, 299])
def test_any_2xx_is_taken_as_received(sandbox: RunningSandbox, shop: Shop, status: int) -> None:
    shop.status = status
    paid(sandbox, vpa="failure@razorpay")

    sandbox.control("advance", s=HOUR)

    assert len(shop.deliveries) == 1


def test_a_redirect_counts_as_a_failure(sandbox: RunningSandbox, shop: Shop) -> None:
    shop.status = 302
    paid(sandbox, vpa="failure@razorpay")

    sandbox.control("advance", s=61)

    assert len(shop.deliveries) == 2


def test_retries_back_off_for_24_hours_and_then_the_webhook_is_disabled(
    sandbox: RunningSandbox, shop: Shop
) -> None:
    shop.status = 500
    paid(sandbox, vpa="failure@razorpay")
    sandbox.control("advance", s=24 * HOUR - 30)
    assert sandbox.control("state")["disabled"] is False

    sandbox.control("advance", s=60)

    times = [float(str(entry["at"])) for entry in attempts(sandbox, "payment.failed")]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert sandbox.control("state")["disabled"] is True
    assert times[-1] - times[0] == pytest.approx(24 * HOUR, abs=5)
    assert [round(gap / 60) for gap in gaps[:6]] == [1, 2, 4, 8, 16, 32]
    assert len(times) == 12


def test_a_disabled_webhook_sends_nothing_until_it_is_enabled_by_hand(
    sandbox: RunningSandbox, shop: Shop
) -> None:
    sandbox.control("config", webhook_enabled=False)
    paid(sandbox, vpa="failure@razorpay")
    sandbox.control("advance", s=HOUR)
    assert shop.deliveries == []

    sandbox.control("config", webhook_enabled=True)
    paid(sandbox)
    sandbox.control("drain")

    assert "payment.captured" in shop.events()
    assert "payment.failed" not in shop.events()
    fates = {event["name"]: event["fate"] for event in sandbox.control("state")["events"].values()}
    assert fates["payment.failed"] == "webhook disabled"


def test_an_answer_after_the_time_limit_is_a_failure(sandbox: RunningSandbox, shop: Shop) -> None:
    sandbox.control("config", webhook_timeout_s=0.2)
    shop.sleeps = 0.5
    paid(sandbox, vpa="failure@razorpay")
    sandbox.control("drain")
    shop.sleeps = 0.0

    sandbox.control("advance", s=61)

    log = attempts(sandbox, "payment.failed")
    assert [entry["status"] for entry in log] == [None, 200]
    assert "timed out" in str(log[0]["error"])
    assert start_default_timeout() == 5.0


def start_default_timeout() -> float:
    with start() as sandbox:
        return float(sandbox.control("state")["config"]["webhook_timeout_s"])


def test_a_shop_that_is_down_gets_the_event_when_it_is_back() -> None:
    with Shop() as gone:
        url = gone.url
    with start(webhook_url=url) as sandbox, Shop() as shop:
        paid(sandbox, vpa="failure@razorpay")
        sandbox.control("drain")
        sandbox.control("config", webhook_url=shop.url)
        sandbox.control("advance", s=61)

        assert shop.events() == ["payment.failed"]


def test_events_of_different_payments_do_not_wait_for_each_other(sandbox: RunningSandbox, shop: Shop) -> None:
    shop.sleeps = 0.3
    for _ in range(8):
        paid(sandbox, vpa="failure@razorpay")

    sandbox.control("drain")

    assert len(shop.deliveries) == 8
    assert shop.at_once > 1


def test_a_replay_is_the_same_event_whatever_its_age(sandbox: RunningSandbox, shop: Shop) -> None:
    paid(sandbox, vpa="failure@razorpay")
    sandbox.control("advance", s=15 * 24 * HOUR)
    original = shop.deliveries[0]

    log = sandbox.control("replay", event_id=event_id(sandbox, "payment.failed"), n=3)["deliveries"]

    assert [entry["status"] for entry in log] == [200, 200, 200]
    assert len(shop.deliveries) == 4
    for delivery in shop.deliveries:
        assert delivery.body == original.body
        assert delivery.event_id == original.event_id
        assert delivery.is_signed()


def test_a_replay_works_while_disabled_and_is_not_retried(sandbox: RunningSandbox, shop: Shop) -> None:
    sandbox.control("config", webhook_enabled=False)
    paid(sandbox, vpa="failure@razorpay")
    shop.status = 500

    log = sandbox.control("replay", event_id=event_id(sandbox, "payment.failed"))["deliveries"]

    sandbox.control("advance", s=HOUR)
    assert [entry["status"] for entry in log] == [500]
    assert len(shop.deliveries) == 1


def test_seventy_copies_of_several_events_can_arrive_at_once_in_any_order(
    sandbox: RunningSandbox, shop: Shop
) -> None:
    paid(sandbox)
    sandbox.control("drain")
    ids = [event_id(sandbox, name) for name in ("order.paid", "payment.captured", "payment.authorized")]
    shop.deliveries.clear()

    sandbox.control("replay", event_ids=ids)
    in_order = shop.events()
    shop.sleeps = 0.05
    log = sandbox.control("replay", event_ids=ids, n=23, concurrent=True)["deliveries"]

    assert in_order == ["order.paid", "payment.captured", "payment.authorized"]
    assert len(log) == 69
    assert {entry["status"] for entry in log} == {200}
    assert shop.at_once > 10


def test_after_a_rotation_retries_keep_the_old_secret(sandbox: RunningSandbox, shop: Shop) -> None:
    shop.status = 500
    paid(sandbox, vpa="failure@razorpay")
    sandbox.control("drain")
    shop.status = 200

    rotated = sandbox.control("rotate_secret")
    sandbox.control("advance", s=61)
    paid(sandbox)
    sandbox.control("drain")

    sandbox.control("replay", event_id=event_id(sandbox, "payment.failed"))
    assert rotated["old"] == WEBHOOK_SECRET
    _first, retried, replayed = [
        delivery for delivery in shop.deliveries if delivery.event == "payment.failed"
    ]
    assert replayed.is_signed(WEBHOOK_SECRET)
    fresh = shop.only("payment.captured")
    assert (retried.is_signed(WEBHOOK_SECRET), retried.is_signed(rotated["secret"])) == (True, False)
    assert (fresh.is_signed(WEBHOOK_SECRET), fresh.is_signed(rotated["secret"])) == (False, True)


def test_an_account_id_of_somebody_else_can_be_sent(sandbox: RunningSandbox, shop: Shop) -> None:
    sandbox.control("config", account_id="acc_SOMEBODYELSE01")
    paid(sandbox, vpa="failure@razorpay")

    sandbox.control("drain")

    assert shop.deliveries[0].json["account_id"] == "acc_SOMEBODYELSE01"


def test_the_clock_of_a_reset_sandbox_sends_nothing_old(sandbox: RunningSandbox, shop: Shop) -> None:
    shop.status = 500
    paid(sandbox)
    sandbox.control("drain")
    before = len(shop.deliveries)

    sandbox.control("reset")
    sandbox.control("advance", s=HOUR)

    assert len(shop.deliveries) == before
