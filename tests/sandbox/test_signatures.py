"""Razorpay's published vectors and our own, against the SDK and our check; each also altered."""

import json

import pytest
import razorpay

from billing_site.razorpay_sandbox.webhooks import sign
from credits.gateway import payment_signature_is_valid, webhook_signature_is_valid

SECRET = "test_key_secret_0123456789abcdef"
WEBHOOK = "whsec_test_0123456789abcdef"
BODY = (
    '{"entity":"event","account_id":"acc_TestVector0001","event":"payment.captured","contains":["payment"],'
    '"payload":{"payment":{"entity":{"id":"pay_TestVector00001","entity":"payment","amount":50000,'
    '"currency":"INR","status":"captured","order_id":"order_TestVector0001","method":"upi","amount_refunded":0,'
    '"refund_status":null,"captured":true,"notes":{"topup":"42"},"fee":1180,"tax":180,"created_at":1764000000}}},'
    '"created_at":1764000005}'
)
HINDI = BODY.replace('{"topup":"42"}', '{"clinic":"दंत क्लिनिक","topup":"42"}')
PAYMENTS = [
    ("EnLs21M47BllR3X8PSFtjtbd", "order_IEIaMR65cu6nz3", "pay_IH4NVgf4Dreq1l",
     "0d4e745a1838664ad6c9c9902212a32d627d68e917290b0ad5f08ff4561bc50f"),
    ("key_secret", "fake_order_id", "fake_payment_id",
     "b2335e3b0801106b84a7faff035df56ecffde06918c9ddd1f0fafbb37a51cc89"),
    (SECRET, "order_TestVector0001", "pay_TestVector00001",
     "d42721809f681022282d330f42781577f821f00b2a95476455ddcfc29800e6da"),
]  # fmt: skip
WEBHOOKS = [
    ("123456", '{"a":1,"b":2,"c":{"d":3}}', "2fe04e22977002e6c7cb553adab8b460cb9e2a4970d5953cb27a8472752e3bbc"),
    (WEBHOOK, BODY, "21630b834605cd9418a05890cc390a66341c8247238c417d8fa8e90aa3c97454"),
    (WEBHOOK, BODY + "\n", "ce01535687396cfa9a0579f599b115dfc2add7b6876eb380d1c873770e35191c"),
    (WEBHOOK, json.dumps(json.loads(BODY)), "adc671840bcbfe224c5d676e5af78b9f9cdf8b2fa0428f245e078befa2b32e6f"),
    (WEBHOOK, HINDI, "35016582fbad424330e244688ea4f272c0ae6b372d9d030deb9414d5a9de984d"),
    (WEBHOOK, json.dumps(json.loads(HINDI), separators=(",", ":")),
     "019f408544c1dc8f3c7e8a75fd6df2de137e32ef8872160f322e0c2181dbcff6"),
]  # fmt: skip


@pytest.mark.parametrize(("secret", "order_id", "payment_id", "signature"), PAYMENTS)
def test_each_payment_vector_verifies_here_and_in_the_sdk(
    secret: str, order_id: str, payment_id: str, signature: str
) -> None:
    fields = {
        "razorpay_order_id": order_id,
        "razorpay_payment_id": payment_id,
        "razorpay_signature": signature,
    }

    assert payment_signature_is_valid(order_id, payment_id, signature, secret)
    assert razorpay.Client(auth=("key", secret)).utility.verify_payment_signature(fields)


@pytest.mark.parametrize(("secret", "order_id", "payment_id", "signature"), PAYMENTS)
def test_an_altered_payment_vector_does_not_verify(
    secret: str, order_id: str, payment_id: str, signature: str
) -> None:
    last = "0" if signature[-1] != "0" else "1"

    assert not payment_signature_is_valid(payment_id, order_id, signature, secret)
    assert not payment_signature_is_valid(order_id, payment_id + "x", signature, secret)
    assert not payment_signature_is_valid(order_id, payment_id, signature[:-1] + last, secret)
    assert not payment_signature_is_valid(order_id, payment_id, signature[:-1], secret)
    assert not payment_signature_is_valid(order_id, payment_id, signature, secret + "x")


def test_swapped_ids_and_the_webhook_secret_are_refused() -> None:
    swapped = "1c8defa871a79858ed183fe0c82b9ada32d6c36eabb3c4284d024900f7367c97"
    other_key = "6a6353248a4d0b35dfe2c5d9f7ead68e6b29d0a4397d429197a97952abb7436d"

    assert payment_signature_is_valid("pay_TestVector00001", "order_TestVector0001", swapped, SECRET)
    assert not payment_signature_is_valid("order_TestVector0001", "pay_TestVector00001", swapped, SECRET)
    assert not payment_signature_is_valid("order_TestVector0001", "pay_TestVector00001", other_key, SECRET)


@pytest.mark.parametrize(("secret", "body", "signature"), WEBHOOKS)
def test_each_webhook_vector_verifies_here_in_the_sandbox_and_in_the_sdk(
    secret: str, body: str, signature: str
) -> None:
    assert webhook_signature_is_valid(body.encode(), signature, [secret])
    assert sign(body, secret) == signature
    assert razorpay.Client(auth=("key", "x")).utility.verify_webhook_signature(body, signature, secret)


def test_a_body_that_was_parsed_and_written_again_does_not_verify() -> None:
    signature = WEBHOOKS[1][2]

    for altered in (json.dumps(json.loads(BODY)), BODY + "\n", BODY.replace("50000", "50001"), HINDI, ""):
        assert not webhook_signature_is_valid(altered.encode(), signature, [WEBHOOK])


def test_any_of_several_secrets_is_enough_and_none_is_not() -> None:
    signature = WEBHOOKS[1][2]

    assert webhook_signature_is_valid(BODY.encode(), signature, ["newer_secret_0123456789", WEBHOOK])
    assert not webhook_signature_is_valid(BODY.encode(), signature, ["newer_secret_0123456789"])
    assert not webhook_signature_is_valid(BODY.encode(), signature, [])
