"""The webhook: whose word it is, what is stored, what is answered."""

import hashlib
import hmac
import json
import random
from pathlib import Path
from typing import Any

import pytest

from credits.gateway import payment_signature_is_valid, webhook_signature_is_valid
from credits.models import GatewayEvent, GatewayPayment
from credits.services import events
from tests.credits.payments.shop import WEBHOOK, Shop, event_of, payment_entity, reviews, signed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]
SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "data" / "razorpay"
SECRET = "whsec_test_0123456789abcdef"
KEY = "test_key_secret_0123456789abcdef"
BODY = (
    b'{"entity":"event","account_id":"acc_TestVector0001","event":"payment.captured","contains":["payment"],'
    b'"payload":{"payment":{"entity":{"id":"pay_TestVector00001","entity":"payment","amount":50000,"currency":"INR",'
    b'"status":"captured","order_id":"order_TestVector0001","method":"upi","amount_refunded":0,"refund_status":null,'
    b'"captured":true,"notes":{"topup":"42"},"fee":1180,"tax":180,"created_at":1764000000}}},"created_at":1764000005}'
)
HINDI = BODY.decode().replace('{"topup":"42"}', '{"clinic":"दंत क्लिनिक","topup":"42"}')


def samples() -> list[Path]:
    return sorted(path for path in SAMPLES.glob("*.json") if path.name != "signature_vectors.json")


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the published samples are not here")
def test_every_published_sample_is_taken(shop: Shop) -> None:
    assert len(samples()) > 20
    for path in samples():
        assert shop.post(path.read_bytes(), event_id=path.name).status_code == 200, path.name
    shop.later(minutes=2)
    shop.reconcile()

    outcomes = {event.event_id: (event.outcome, event.note) for event in GatewayEvent.objects.all()}
    assert len(outcomes) == len(samples())
    assert {outcome for outcome, _ in outcomes.values()} <= {"applied", "ignored"}, outcomes
    assert (shop.credits(), shop.balance()) == (0, 0)
    assert set(reviews()) <= {"unknown_order", "dispute"}  # money of orders that are not ours


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the published vectors are not here")
def test_the_published_vectors_are_those_below() -> None:
    vectors = json.loads((SAMPLES / "signature_vectors.json").read_text())
    assert vectors["body"].encode() == BODY
    assert webhook_signature_is_valid(BODY, vectors["webhook_sig"], [vectors["webhook_secret"]])
    assert payment_signature_is_valid(
        vectors["order"], vectors["payment"], vectors["sig"], vectors["key_secret"]
    )


@pytest.mark.parametrize(
    ("raw", "digest", "verifies"),
    [
        (BODY, "21630b834605cd9418a05890cc390a66341c8247238c417d8fa8e90aa3c97454", True),
        (
            json.dumps(json.loads(BODY)).encode(),
            "21630b834605cd9418a05890cc390a66341c8247238c417d8fa8e90aa3c97454",
            False,
        ),
        (BODY + b"\n", "21630b834605cd9418a05890cc390a66341c8247238c417d8fa8e90aa3c97454", False),
        (BODY + b"\n", "ce01535687396cfa9a0579f599b115dfc2add7b6876eb380d1c873770e35191c", True),
        (HINDI.encode(), "35016582fbad424330e244688ea4f272c0ae6b372d9d030deb9414d5a9de984d", True),
        (HINDI.encode(), "019f408544c1dc8f3c7e8a75fd6df2de137e32ef8872160f322e0c2181dbcff6", False),
    ],
    ids=range(6),
)
def test_webhook_vectors_verify_and_altered_ones_do_not(
    shop: Shop, settings: Any, raw: bytes, digest: str, verifies: bool
) -> None:
    settings.RAZORPAY_WEBHOOK_SECRETS = ["another-secret-of-today", SECRET]

    answer = shop.client.post(
        WEBHOOK, data=raw, content_type="application/json", headers={"X-Razorpay-Signature": digest}
    )

    assert answer.status_code == (200 if verifies else 400)


ORDER_ID, PAYMENT_ID = "order_TestVector0001", "pay_TestVector00001"
SIGNATURE = "d42721809f681022282d330f42781577f821f00b2a95476455ddcfc29800e6da"
BY_WEBHOOK_SECRET = "6a6353248a4d0b35dfe2c5d9f7ead68e6b29d0a4397d429197a97952abb7436d"
OFFICIAL = "0d4e745a1838664ad6c9c9902212a32d627d68e917290b0ad5f08ff4561bc50f"
OFFICIAL_KEY = "EnLs21M47BllR3X8PSFtjtbd"


@pytest.mark.parametrize(
    ("order", "payment", "digest", "key", "verifies"),
    [
        (ORDER_ID, PAYMENT_ID, SIGNATURE, KEY, True),
        (PAYMENT_ID, ORDER_ID, SIGNATURE, KEY, False),
        (ORDER_ID, PAYMENT_ID, BY_WEBHOOK_SECRET, KEY, False),
        ("order_IEIaMR65cu6nz3", "pay_IH4NVgf4Dreq1l", OFFICIAL, OFFICIAL_KEY, True),
    ],
    ids=["ours", "swapped", "webhook secret", "official"],
)
def test_callback_vectors(order: str, payment: str, digest: str, key: str, verifies: bool) -> None:
    assert payment_signature_is_valid(order, payment, digest, key) is verifies


def test_a_thousand_forged_or_altered_webhooks_and_callbacks_credit_nothing(shop: Shop) -> None:
    rng = random.Random(7)  # noqa: S311
    top_up = shop.order()
    outcome = shop.pay(top_up)
    raw = shop.event("payment.captured").body.encode()
    genuine, callback = signed(raw), outcome["response"]
    statuses = []
    for number in range(500):
        body, signature = bytearray(raw), genuine
        match number % 4:
            case 0:
                body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
            case 1:
                signature = flipped(genuine, rng)
            case 2:
                signature = hmac.new(rng.randbytes(16), raw, hashlib.sha256).hexdigest()
            case 3:
                body = bytearray(
                    json.dumps(event_of("payment.captured", payment=payment_entity(top_up))).encode()
                )
        statuses.append(
            shop.client.post(
                WEBHOOK,
                data=bytes(body),
                content_type="application/json",
                headers={"X-Razorpay-Signature": signature, "X-Razorpay-Event-Id": f"evt{number}"},
            ).status_code
        )
        altered = dict(callback)
        field = rng.choice(list(altered))
        altered[field] = flipped(altered[field], rng)
        statuses.append(shop.ask("/verify-payment", altered).status_code)

    assert len(statuses) == 1000
    assert set(statuses) == {400, 404}
    assert (shop.credits(), GatewayEvent.objects.count(), GatewayPayment.objects.count()) == (0, 0, 0)
    assert shop.callback(outcome).status_code == 200  # the genuine one still counts
    assert shop.balance() == 1000


def flipped(text: str, rng: random.Random) -> str:
    position = rng.randrange(len(text))
    other = rng.choice([char for char in "0123456789abcdef" if char != text[position]])
    return text[:position] + other + text[position + 1 :]


def test_events_of_other_things_are_stored_and_left_alone(shop: Shop) -> None:
    for name in (
        "subscription.charged",
        "invoice.paid",
        "payment.downtime.started",
        "settlement.processed",
        "x",
    ):
        answer = shop.post({**event_of(name, thing={"id": 1}), "event": name})
        assert (answer.status_code, json.loads(answer.content)["outcome"]) == (200, "ignored")
    assert reviews() == []


def test_an_unknown_event_with_known_entities_is_understood(shop: Shop) -> None:
    top_up = shop.order()

    shop.post(event_of("payment.of_a_new_name", payment=payment_entity(top_up)))

    assert shop.balance() == 1000


def test_a_processed_event_is_not_applied_again_under_its_id(shop: Shop) -> None:
    top_up = shop.order()
    event = event_of("payment.captured", payment=payment_entity(top_up))
    for event_id in ("one", "one", "two", None, None, "x" * 101, "ünicode", "a\tb"):
        assert shop.post(event, event_id=event_id).status_code == 200

    digest = f"sha256:{hashlib.sha256(json.dumps(event).encode()).hexdigest()}"
    assert dict(GatewayEvent.objects.values_list("event_id", "deliveries")) == {"one": 2, "two": 1, digest: 5}
    assert shop.credits() == 1


def test_a_failed_event_is_applied_by_the_next_delivery_and_by_a_replay(shop: Shop) -> None:
    top_up = shop.order()
    outcome = shop.pay(top_up)
    top_up.razorpay_payment_id = outcome["payment_id"]
    shop.refund(top_up, 40_000)
    body = json.loads(shop.event("refund.processed").body)
    del body["payload"]["payment"]
    shop.post(body, event_id="refund")
    stored = GatewayEvent.objects.get(event_id="refund")
    assert (stored.outcome, stored.processed_at) == ("failed", None)
    shop.callback(outcome)
    assert shop.balance() == 1000

    shop.post(body, event_id="refund")

    assert shop.balance() == 600
    for _ in range(3):
        replayed = events.process(GatewayEvent.objects.get(event_id="refund"))
    assert (replayed.outcome, shop.balance()) == ("applied", 600)


def test_a_fault_of_our_own_is_kept_for_a_replay_and_is_no_500(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = event_of("payment.captured", payment=payment_entity(shop.order()))

    def broken(*_args: object, **_kwargs: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(events, "apply_payment", broken)
        assert shop.post(event, event_id="e").status_code == 200
    assert GatewayEvent.objects.get().outcome == "failed"

    shop.later(minutes=2)
    assert shop.reconcile()[0] == 0
    assert shop.balance() == 1000


def test_bodies_are_forgotten_after_ninety_days_and_the_event_stays(shop: Shop) -> None:
    shop.post(event_of("payment.captured", payment=payment_entity(shop.order())), event_id="old")
    shop.later(days=89)
    assert events.drop_old_bodies() == 0
    shop.later(days=2)

    assert events.drop_old_bodies() == 1

    assert GatewayEvent.objects.get().raw is None
    assert shop.post(event_of("x"), event_id="old").status_code == 200
    assert shop.credits() == 1
