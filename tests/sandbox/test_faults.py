"""The fault grammar: each fault does what it says, as often as it says, and nothing else."""

import http.client
import time
from typing import Any

import pytest

from billing_site.razorpay_sandbox import RunningSandbox
from billing_site.razorpay_sandbox.faults import GRAMMAR

from .shop import Shop
from .wire import call, new_order, paid, payment

ORDER = {"amount": 50_000, "currency": "INR", "receipt": "tu-1"}
CREATE = "POST /v1/orders"


def put(sandbox: RunningSandbox, match: str, do: object, times: int = 1) -> None:
    sandbox.control("faults", match=match, times=times, do=do)


def create(sandbox: RunningSandbox) -> tuple[int, Any, dict[str, str]]:
    return call(sandbox, "POST", "/v1/orders", ORDER)


def orders(sandbox: RunningSandbox) -> int:
    return len(sandbox.control("state")["orders"])


# --- the API ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("do", "made"), [("drop_before", 0), ("drop_after", 1)])
def test_a_dropped_call_gets_no_answer_and_was_executed_or_not(
    sandbox: RunningSandbox, do: str, made: int
) -> None:
    put(sandbox, CREATE, do)

    with pytest.raises(http.client.RemoteDisconnected):
        create(sandbox)

    assert orders(sandbox) == made
    assert create(sandbox)[0] == 200


def test_slow_executes_late_and_slow_after_answers_late(sandbox: RunningSandbox) -> None:
    for do in ("slow", "slow_after"):
        put(sandbox, CREATE, {do: {"s": 0.3}})
        started = time.monotonic()

        assert create(sandbox)[0] == 200
        assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize("status", [429, 500, 502, 503, 302, 404])
def test_status_answers_what_it_is_told_and_executes_nothing(sandbox: RunningSandbox, status: int) -> None:
    answer = {"status": status, "body": "<html>", "ctype": "text/html", "headers": {"Retry-After": "7"}}
    put(sandbox, CREATE, {"status": answer})

    seen, body, headers = create(sandbox)

    assert (seen, body, headers["content-type"], headers["retry-after"]) == (
        status,
        b"<html>",
        "text/html",
        "7",
    )
    assert orders(sandbox) == 0


def test_status_may_come_after_the_execution(sandbox: RunningSandbox) -> None:
    put(sandbox, CREATE, {"status": {"status": 502, "after": True, "body": {"error": None}}})

    assert create(sandbox)[:2] == (502, {"error": None})
    assert orders(sandbox) == 1


def test_patch_changes_fields_of_an_entity_and_of_each_in_a_list(sandbox: RunningSandbox) -> None:
    payment_id = paid(sandbox)
    put(sandbox, "GET /v1/payments/pay_.*", {"patch": {"fields": {"amount": 1, "currency": "USD"}}})
    put(sandbox, "GET /v1/payments", {"patch": {"fields": {"order_id": "order_OTHER000000001"}}})

    patched = payment(sandbox, payment_id)
    listed = call(sandbox, "GET", "/v1/payments")[1]["items"][0]

    assert (patched["amount"], patched["currency"], patched["id"]) == (1, "USD", payment_id)
    assert listed["order_id"] == "order_OTHER000000001"
    assert payment(sandbox, payment_id)["amount"] == 50_000


def test_bad_json_and_empty_are_answers_to_an_executed_call(sandbox: RunningSandbox) -> None:
    put(sandbox, CREATE, "bad_json")
    put(sandbox, CREATE, "empty")

    status, half, _headers = create(sandbox)
    assert status == 200
    assert half.startswith(b'{"id":"order_')
    assert create(sandbox)[:2] == (200, b"")
    assert orders(sandbox) == 2


def test_a_fault_matches_its_whole_path_and_its_method_alone(sandbox: RunningSandbox) -> None:
    order_id = new_order(sandbox)["id"]
    put(sandbox, "GET /v1/orders", {"status": {"status": 503}}, times=-1)

    assert call(sandbox, "GET", f"/v1/orders/{order_id}")[0] == 200
    assert create(sandbox)[0] == 200
    assert call(sandbox, "GET", "/v1/orders")[0] == 503


def test_times_counts_down_and_minus_one_is_for_ever(sandbox: RunningSandbox) -> None:
    put(sandbox, CREATE, {"status": {"status": 500}}, times=2)
    assert [create(sandbox)[0] for _ in range(3)] == [500, 500, 200]

    put(sandbox, "* /v1/.*", {"status": {"status": 503}}, times=-1)
    assert {create(sandbox)[0] for _ in range(5)} == {503}
    assert call(sandbox, "DELETE", "/_sandbox/faults")[1] == {"faults": []}
    assert create(sandbox)[0] == 200


def test_the_checkout_script_can_fail_too(sandbox: RunningSandbox) -> None:
    put(sandbox, r"GET /v1/checkout\.js", {"status": {"status": 503}})

    assert call(sandbox, "GET", "/v1/checkout.js")[0] == 503
    assert call(sandbox, "GET", "/v1/checkout.js")[0] == 200


# --- webhooks -----------------------------------------------------------------------------------------
def failed_payment(sandbox: RunningSandbox, do: object) -> None:
    """One event, payment.failed, under a fault."""
    put(sandbox, r"webhook payment\.failed", do)
    paid(sandbox, vpa="failure@razorpay")
    sandbox.control("drain")


def test_lose_sends_nothing_ever(sandbox: RunningSandbox, shop: Shop) -> None:
    failed_payment(sandbox, "lose")

    sandbox.control("advance", s=30 * 3600)

    assert shop.deliveries == []
    assert [event["fate"] for event in sandbox.control("state")["events"].values()] == ["lost"]
    assert sandbox.control("state")["disabled"] is False


def test_repeat_sends_the_same_event_n_times(sandbox: RunningSandbox, shop: Shop) -> None:
    failed_payment(sandbox, {"repeat": {"n": 5}})

    assert len({(d.body, d.event_id, d.headers["x-razorpay-signature"]) for d in shop.deliveries}) == 1
    assert len(shop.deliveries) == 5
    assert shop.at_once == 1


def test_repeat_concurrent_sends_them_at_the_same_moment(sandbox: RunningSandbox, shop: Shop) -> None:
    shop.sleeps = 0.2

    failed_payment(sandbox, {"repeat": {"n": 20, "concurrent": True}})

    assert len(shop.deliveries) == 20
    assert shop.at_once >= 15


def test_delay_waits_on_the_virtual_clock(sandbox: RunningSandbox, shop: Shop) -> None:
    failed_payment(sandbox, {"delay": {"s": 3600}})
    assert shop.deliveries == []

    sandbox.control("advance", s=3601)

    assert shop.events() == ["payment.failed"]


def test_tamper_changes_the_body_after_signing(sandbox: RunningSandbox, shop: Shop) -> None:
    failed_payment(sandbox, "tamper")

    delivery = shop.deliveries[0]
    assert not delivery.is_signed()
    assert delivery.json["payload"]["payment"]["entity"]["amount"] == 950_000


def test_wrong_secret_no_signature_and_no_event_id(sandbox: RunningSandbox, shop: Shop) -> None:
    for do in ("wrong_secret", "no_signature", "no_event_id"):
        failed_payment(sandbox, do)

    wrong, unsigned, nameless = shop.deliveries
    assert len(wrong.headers["x-razorpay-signature"]) == 64
    assert not wrong.is_signed()
    assert "x-razorpay-signature" not in unsigned.headers
    assert (nameless.event_id, nameless.is_signed()) == (None, True)


def test_new_event_id_sends_the_same_content_under_two_ids(sandbox: RunningSandbox, shop: Shop) -> None:
    failed_payment(sandbox, "new_event_id")

    first, second = shop.deliveries
    assert first.body == second.body
    assert first.event_id != second.event_id
    assert first.is_signed()
    assert second.is_signed()


def test_stale_snapshot_shows_the_moment_before(sandbox: RunningSandbox, shop: Shop) -> None:
    put(sandbox, r"webhook payment\.captured", "stale_snapshot")
    put(sandbox, r"webhook order\.paid", "stale_snapshot")
    paid(sandbox)

    sandbox.control("drain")
    captured, paid_event = shop.only("payment.captured"), shop.only("order.paid")
    assert captured.is_signed()
    assert captured.json["payload"]["payment"]["entity"]["status"] == "authorized"
    assert captured.json["payload"]["payment"]["entity"]["captured"] is False
    assert paid_event.json["payload"]["order"]["entity"]["amount_paid"] == 0


def test_unknown_event_has_a_name_nobody_knows(sandbox: RunningSandbox, shop: Shop) -> None:
    failed_payment(sandbox, "unknown_event")

    assert shop.events() == ["payment.invented_by_the_sandbox"]
    assert shop.deliveries[0].is_signed()


def test_fail_repeats_an_event_that_did_or_did_not_arrive(sandbox: RunningSandbox, shop: Shop) -> None:
    failed_payment(sandbox, {"fail": {"attempts": 2}})
    assert shop.deliveries == []
    sandbox.control("advance", s=300)
    assert len(shop.deliveries) == 1
    shop.deliveries.clear()

    failed_payment(sandbox, {"fail": {"attempts": 2, "delivered": True}})
    assert len(shop.deliveries) == 1
    sandbox.control("advance", s=300)

    assert len({delivery.event_id for delivery in shop.deliveries}) == 1
    assert len(shop.deliveries) == 3


@pytest.mark.parametrize(
    ("do", "expected"),
    [
        ("reverse", ["order.paid", "payment.captured", "payment.authorized"]),
        ("shuffle", None),
        ("together", None),
    ],
)
def test_webhook_order_changes_the_order_of_one_change(
    sandbox: RunningSandbox, shop: Shop, do: str, expected: list[str] | None
) -> None:
    shop.sleeps = 0.1
    put(sandbox, "webhook_order", do)

    paid(sandbox)

    sandbox.control("drain")
    assert sorted(shop.events()) == ["order.paid", "payment.authorized", "payment.captured"]
    assert expected is None or shop.events() == expected
    assert (shop.at_once > 1) == (do == "together")


def test_shuffle_gives_every_order_in_time(sandbox: RunningSandbox, shop: Shop) -> None:
    put(sandbox, "webhook_order", "shuffle", times=-1)
    orders = set()
    for _ in range(40):
        paid(sandbox)
        sandbox.control("drain")
        orders.add(tuple(shop.events()))
        shop.deliveries.clear()

    assert len(orders) == 6


# --- the rest -----------------------------------------------------------------------------------------
def test_autocapture_may_never_come_or_come_late(sandbox: RunningSandbox) -> None:
    put(sandbox, "autocapture", "never")
    put(sandbox, "autocapture", {"delay": {"s": 600}})

    never, late, normal = paid(sandbox), paid(sandbox), paid(sandbox)

    assert [payment(sandbox, one)["status"] for one in (never, late, normal)] == [
        "authorized",
        "authorized",
        "captured",
    ]
    sandbox.control("advance", s=601)
    assert [payment(sandbox, one)["status"] for one in (never, late)] == ["authorized", "captured"]


def test_order_lag_shows_a_paid_order_as_attempted_for_a_while(sandbox: RunningSandbox, shop: Shop) -> None:
    put(sandbox, "order_lag", {"delay": {"s": 600}})
    order_id = payment(sandbox, paid(sandbox))["order_id"]

    early = call(sandbox, "GET", f"/v1/orders/{order_id}")[1]
    sandbox.control("advance", s=601)
    later = call(sandbox, "GET", f"/v1/orders/{order_id}")[1]

    assert (early["status"], early["amount_paid"]) == ("attempted", 0)
    assert (later["status"], later["amount_paid"]) == ("paid", 50_000)
    assert shop.only("order.paid").json["payload"]["order"]["entity"]["status"] == "paid"


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"match": CREATE},
        {"match": CREATE, "do": "explode"},
        {"match": CREATE, "do": "slow"},
        {"match": CREATE, "do": {"slow": {"s": "long"}}},
        {"match": CREATE, "do": {"slow": {"s": 1, "x": 1}}},
        {"match": CREATE, "do": {"status": {"status": True}}},
        {"match": CREATE, "do": "lose"},
        {"match": CREATE, "do": "empty", "times": 0},
        {"match": CREATE, "do": "empty", "when": "now"},
        {"match": "POST orders", "do": "empty"},
        {"match": "POST /v1/(", "do": "empty"},
        {"match": "webhook", "do": "lose"},
        {"match": "webhook .*", "do": "drop_after"},
    ],
)
def test_a_fault_outside_the_grammar_is_refused_whole(sandbox: RunningSandbox, fault: dict[str, Any]) -> None:
    good = {"match": CREATE, "do": "empty"}

    status, answer, _headers = call(sandbox, "POST", "/_sandbox/faults", {"faults": [good, fault]})

    assert status == 400
    assert answer["error"]
    assert sandbox.control("faults") == {"faults": []}


def test_every_action_of_the_grammar_has_a_test_here() -> None:
    source = open(__file__, encoding="utf-8").read()  # noqa: PTH123, SIM115

    for actions in GRAMMAR.values():
        for action in actions:
            assert f'"{action}"' in source, action
