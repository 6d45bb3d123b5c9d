"""F26–F31: forged, tampered, foreign and malformed."""

import json
from typing import Any

import pytest

from billing_site.razorpay_sandbox import WEBHOOK_SECRET
from credits.models import GatewayEvent, GatewayPayment
from tests.credits.payments.shop import (
    WEBHOOK,
    Shop,
    callback_signature,
    event_of,
    payment_entity,
    reviews,
    signed,
)
from tests.factories import top_up as draft_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]


def captured(shop: Shop) -> bytes:
    shop.pay(shop.order())
    return shop.event("payment.captured").body.encode()


def post_with(shop: Shop, raw: bytes, signature: str | None) -> int:
    headers = {} if signature is None else {"X-Razorpay-Signature": signature}
    return shop.client.post(WEBHOOK, data=raw, content_type="application/json", headers=headers).status_code


def test_f26_a_webhook_without_our_signature_is_a_400(shop: Shop) -> None:
    raw = captured(shop)
    right = signed(raw)
    forged = [
        None,
        "",
        " ",
        "0" * 64,
        right.upper(),
        right[:-1],
        right + "0",
        f" {right}",
        "दंत क्लिनिक",
        "\udcff" * 8,
        signed(raw, "sandbox_key_secret_not_for_live"),
        signed(raw, "wrong"),
        signed(b""),
    ]

    assert [post_with(shop, raw, signature) for signature in forged] == [400] * len(forged)
    assert GatewayEvent.objects.count() == 0
    assert shop.credits() == 0


@pytest.mark.parametrize("secrets", [[], [""], ["  "]])
def test_f26_without_a_secret_nothing_is_believed(shop: Shop, settings: Any, secrets: list[str]) -> None:
    raw = captured(shop)
    settings.RAZORPAY_WEBHOOK_SECRETS = secrets

    answer = shop.client.post(
        WEBHOOK,
        data=raw,
        content_type="application/json",
        headers={"X-Razorpay-Signature": signed(raw, secrets[0] if secrets else "")},
    )

    assert answer.status_code == 503
    assert GatewayEvent.objects.count() == 0


def test_f26_a_callback_without_our_signature_is_a_400(shop: Shop, settings: Any) -> None:
    outcome = shop.pay(shop.order())
    right = outcome["response"]["razorpay_signature"]
    for forged in ("0" * 64, right.upper(), right[:-1] + "g", "दंत", "x", right + right):
        assert shop.callback(outcome, razorpay_signature=forged).status_code == 400
    settings.RAZORPAY_KEY_SECRET = ""
    ids = (outcome["response"]["razorpay_order_id"], outcome["payment_id"])
    assert shop.callback(outcome, razorpay_signature=callback_signature(*ids, secret="")).status_code == 400

    assert shop.credits() == 0


def test_f27_a_body_changed_on_the_way_is_a_400(live_shop: Shop) -> None:
    for do in ("tamper", "wrong_secret", "no_signature"):
        live_shop.fault("webhook .*", do, times=3)
        live_shop.pay(live_shop.order())
        live_shop.sandbox.control("drain")

    statuses = [entry["status"] for entry in live_shop.sandbox.control("state")["deliveries"]]
    assert statuses == [400] * 9
    assert (live_shop.credits(), GatewayEvent.objects.count()) == (0, 0)
    live_shop.later(minutes=20)
    assert live_shop.reconcile()[0] == 0
    assert live_shop.balance() == 3000


def test_f27_the_same_meaning_in_other_bytes_is_a_400(shop: Shop) -> None:
    raw = captured(shop)
    right = signed(raw)
    for other in (
        json.dumps(json.loads(raw)).encode(),
        raw + b"\n",
        b" " + raw,
        raw.replace(b"100000", b"1000000"),
    ):
        assert other != raw
        assert post_with(shop, other, right) == 400
    assert shop.credits() == 0


def test_f28_old_and_new_secrets_both_count_while_both_are_set(live_shop: Shop, settings: Any) -> None:
    live_shop.fault("webhook .*", {"fail": {"attempts": 1}}, times=3)  # retried later, under the old secret
    live_shop.pay(live_shop.order())
    live_shop.sandbox.control("drain")
    new = live_shop.sandbox.control("rotate_secret")["secret"]
    settings.RAZORPAY_WEBHOOK_SECRETS = [new, WEBHOOK_SECRET]

    live_shop.sandbox.control("advance", s=600)
    assert live_shop.balance() == 1000
    live_shop.pay(live_shop.order())
    live_shop.sandbox.control("drain")
    assert live_shop.balance() == 2000

    settings.RAZORPAY_WEBHOOK_SECRETS = [new]
    live_shop.sandbox.control("replay", event_id=live_shop.events()[0].id)
    assert live_shop.sandbox.control("state")["deliveries"][-1]["status"] == 400


def test_f29_another_accounts_event_credits_nothing(shop: Shop) -> None:
    """The account is shared with another shop: its events are signed with our secret, its orders are not ours."""
    foreign = payment_entity(shop.order(), order_id="order_Foreign0000001", notes={"cart": "9"})
    body = {**event_of("payment.captured", payment=foreign), "account_id": "acc_Foreign0000001"}

    assert shop.post(body).status_code == 200

    assert shop.credits() == 0
    assert reviews() == ["unknown_order"]


def test_f29_an_event_of_the_other_mode_is_signed_with_another_secret(shop: Shop) -> None:
    raw = captured(shop)

    assert post_with(shop, raw, signed(raw, "the-secret-of-live-mode")) == 400
    assert shop.credits() == 0


def test_f30_ids_that_are_paths_reach_nobody(shop: Shop) -> None:
    top_up = shop.order()
    outcome = shop.pay(top_up)
    asked: list[str] = []
    shop.sandbox._server.log = asked.append
    for hostile in (
        "../orders",
        "pay_1?x=1#",
        f"{outcome['payment_id']}/refund",
        "pay_%2e%2e%2forders1",
        "PAY_",
        "é" * 14,
    ):
        # even if it could be signed
        signature = callback_signature(str(top_up.razorpay_order_id), hostile)
        answer = shop.callback(outcome, razorpay_payment_id=hostile, razorpay_signature=signature)
        assert answer.status_code == 202
        assert shop.callback(outcome, razorpay_order_id=hostile).status_code == 404
        assert (
            shop.post(event_of("payment.captured", payment=payment_entity(top_up, id=hostile))).status_code
            == 200
        )
        assert shop.client.get("/payment-success", {"top_up": hostile}).status_code == 404

    assert asked == []
    assert (shop.credits(), GatewayPayment.objects.count()) == (0, 0)


HOSTILE: list[bytes] = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"1e999",
    b"NaN",
    b"\xff\xfe{}",
    b'{"event":"\xc3\x28"}',
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b'{"event":1,"payload":1}',
    b'{"event":"payment.captured"}',
    b'{"event":"payment.captured","payload":[]}',
    b'{"event":"payment.captured","payload":{"payment":[]}}',
    b'{"event":"payment.captured","payload":{"payment":{"entity":[]}}}',
    b'{"event":"payment.captured","payload":{"payment":{"entity":{}}}}',
    b'{"event":"refund.created","payload":{"refund":{"entity":{}}}}',
    b'{"event":"payment.dispute.created","payload":{"dispute":{"entity":{"phase":["chargeback"]}}}}',
    b'{"event":"\\u0000","payload":{}}',
    b'{"event":"\\ud800","payload":{}}',
    b'{"event":"' + b"e" * 5000 + b'","payload":{"payment":{"entity":{"id":"\\ud800"}}}}',
    b'{"event":"x","payload":{"payment":{"entity":{"status":["captured"],"amount":' + b"9" * 5000 + b"}}}}",
    b'{"event":"settlement.processed","payload":{"settlement":{"entity":{"id":"setl_1"}}}}',
    b'{"event":"payment.downtime.started","payload":{"payment.downtime":{"entity":{"id":"down_1"}}}}',
]


def test_f31_signed_nonsense_is_stored_and_answered_with_200(shop: Shop) -> None:
    for raw in HOSTILE:
        assert shop.post(raw).status_code == 200, raw[:80]
        assert shop.post(raw).status_code == 200

        event = GatewayEvent.objects.latest("pk")
        assert (bytes(event.raw or b""), event.deliveries) == (raw, 2)
        assert event.outcome in {"review", "ignored"}, raw[:80]
    assert GatewayEvent.objects.count() == len(HOSTILE)
    assert shop.credits() == 0


@pytest.mark.parametrize(
    "field",
    [
        "id",
        "amount",
        "currency",
        "status",
        "captured",
        "order_id",
        "notes",
        "amount_refunded",
        "fee",
        "created_at",
    ],
)
def test_f31_any_field_may_be_anything(shop: Shop, field: str) -> None:
    top_up = draft_of(shop.clinic, 1000)
    entity = payment_entity(top_up, captured=False, status="authorized")
    values: list[Any] = [None, [], {}, "", "\x00", "x" * 5000, -1, 2**80, 1.5, True]
    for odd in [{**entity, field: value} for value in values]:
        assert shop.post(event_of("payment.authorized", payment=odd)).status_code == 200, odd[field]
    entity.pop(field, None)
    assert shop.post(event_of("payment.authorized", payment=entity)).status_code == 200

    assert GatewayEvent.objects.filter(outcome="failed").count() == 0
    assert shop.credits() == 0


def test_f31_a_body_above_the_limit_is_refused_before_it_is_read(shop: Shop) -> None:
    for size in (1024 * 1024 + 1, 10 * 1024 * 1024):
        raw = b'{"a":"' + b"x" * size + b'"}'
        assert post_with(shop, raw, signed(raw)) == 413
    assert GatewayEvent.objects.count() == 0

    just_fits = b'{"event":"x","a":"' + b"x" * (1024 * 1024 - 20) + b'"}'
    assert len(just_fits) == 1024 * 1024
    assert post_with(shop, just_fits, signed(just_fits)) == 200
