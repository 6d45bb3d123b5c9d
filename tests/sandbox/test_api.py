"""The API half through the real SDK: every endpoint, every refusal in Razorpay's words."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import razorpay

from billing_site.razorpay_sandbox import KEY_ID, RunningSandbox

from .conftest import sdk
from .wire import call, error_of, new_order, paid, payment

ORDER = {"amount": 50_000, "currency": "INR", "receipt": "tu-42", "notes": {"topup": "42", "clinic": "दंत"}}
CAPTURE = {"automatic_expiry_period": 7200, "manual_expiry_period": 7200, "refund_speed": "normal"}


def test_an_order_is_made_and_read_as_documented(client: razorpay.Client) -> None:
    order = client.order.create({**ORDER, "payment": {"capture": "automatic", "capture_options": CAPTURE}})

    assert client.order.fetch(order["id"]) == order
    assert order == {
        "id": order["id"], "entity": "order", "amount": 50_000, "amount_paid": 0, "amount_due": 50_000,
        "currency": "INR", "receipt": "tu-42", "offer_id": None, "status": "created", "attempts": 0,
        "notes": {"topup": "42", "clinic": "दंत"}, "created_at": order["created_at"],
    }  # fmt: skip


def test_empty_notes_come_back_as_a_list(client: razorpay.Client) -> None:
    assert client.order.create({"amount": 100, "currency": "INR", "notes": {}})["notes"] == []


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"amount": 99}, "The amount must be at least INR 1.00"),
        ({"amount": 50_000_001}, "Amount exceeds maximum amount allowed."),
        ({"amount": 1998.9999999999998}, "The amount must be an integer."),
        ({"amount": "50000"}, "The amount must be an integer."),
        ({"amount": True}, "The amount must be an integer."),
        ({"amount": None}, "The amount field is required."),
        ({"currency": "USD"}, "Currency is not supported"),
        ({"receipt": "r" * 41}, "The receipt may not be greater than 40 characters."),
        ({"notes": {str(n): "x" for n in range(16)}}, "Number of fields in notes should be less than or equal to 15"),
        ({"notes": {"a": "x" * 257}}, "A note may not be greater than 256 characters."),
        ({"amout": 5}, "amout is/are not required and should not be sent"),
        ({"payment": {"capture": "automatic", "capture_options": {}}}, "expiry period must be between"),
        ({"payment": {"capture": "automatic", "capture_options": {"automatic_expiry_period": 11}}}, "between 12"),
        ({"payment": {"capture": "sometimes"}}, "capture settings are invalid"),
    ],
)  # fmt: skip
def test_a_bad_order_is_refused_in_razorpays_words(
    client: razorpay.Client, fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(razorpay.errors.BadRequestError, match=sentence.replace(".", r"\.")):
        client.order.create({**ORDER, **fields})


def test_an_amount_refusal_names_its_field(sandbox: RunningSandbox) -> None:
    status, answer, _headers = call(sandbox, "POST", "/v1/orders", {"amount": 1, "currency": "INR"})

    assert status == 400
    assert answer["error"]["code"] == "BAD_REQUEST_ERROR"
    assert answer["error"]["field"] == "amount"
    assert answer["error"]["reason"] == "input_validation_failed"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"5", b'"x"', b"[" * 100_000, b"\xff\xfe"], ids=lambda body: repr(body)[:12]
)
def test_a_body_that_is_no_json_object_is_refused(sandbox: RunningSandbox, body: bytes) -> None:
    assert call(sandbox, "POST", "/v1/orders", body)[0] == 400


def test_a_body_above_one_megabyte_is_refused(sandbox: RunningSandbox) -> None:
    status, _answer, headers = call(
        sandbox, "POST", "/v1/orders", None, {"Content-Length": str(2 * 1024 * 1024)}
    )

    assert status == 413
    assert headers["connection"] == "close"


def test_a_receipt_is_unique_only_on_demand(client: razorpay.Client) -> None:
    client.order.create(ORDER)
    client.order.create(ORDER)

    with pytest.raises(razorpay.errors.BadRequestError, match="receipt has already been used"):
        client.order.create({**ORDER, "unique_receipt": True})
    assert client.order.create({**ORDER, "receipt": "other", "unique_receipt": True})["receipt"] == "other"


def test_orders_are_found_by_receipt_with_their_payments(
    client: razorpay.Client, sandbox: RunningSandbox
) -> None:
    order = client.order.create(ORDER)
    client.order.create({**ORDER, "receipt": "another"})
    payment_id = sandbox.control("pay", order_id=order["id"])["payment_id"]

    found = client.order.all({"receipt": "tu-42", "count": 5, "expand[]": "payments"})

    assert [item["id"] for item in found["items"]] == [order["id"]]
    assert [item["id"] for item in found["items"][0]["payments"]["items"]] == [payment_id]


def test_only_notes_of_an_order_can_be_edited(client: razorpay.Client) -> None:
    order = client.order.create(ORDER)

    assert client.order.edit(order["id"], {"notes": {"a": "b"}})["notes"] == {"a": "b"}
    with pytest.raises(razorpay.errors.BadRequestError, match="amount is/are not required"):
        client.order.edit(order["id"], {"amount": 100})


def test_lists_are_paged_newest_first_and_bounded_by_time(
    client: razorpay.Client, sandbox: RunningSandbox
) -> None:
    made = []
    for _ in range(5):
        made.append(new_order(sandbox))
        sandbox.control("advance", s=10)

    newest_first = [order["id"] for order in reversed(made)]
    assert [item["id"] for item in client.order.all({"count": 2, "skip": 1})["items"]] == newest_first[1:3]
    within = {"from": made[1]["created_at"], "to": made[3]["created_at"]}
    assert [item["id"] for item in client.order.all(within)["items"]] == newest_first[1:4]
    assert client.order.all({"skip": 99}) == {"entity": "collection", "count": 0, "items": []}


def test_a_list_gives_ten_unless_asked_and_never_more_than_a_hundred(
    client: razorpay.Client, sandbox: RunningSandbox
) -> None:
    for _ in range(12):
        new_order(sandbox)

    assert client.order.all()["count"] == 10
    assert client.order.all({"count": 100})["count"] == 12
    with pytest.raises(razorpay.errors.BadRequestError, match="may not be greater than 100"):
        client.order.all({"count": 101})
    with pytest.raises(razorpay.errors.BadRequestError, match="skip must be an integer"):
        client.order.all({"skip": "-1"})


def test_wrong_keys_are_refused(sandbox: RunningSandbox) -> None:
    stranger = razorpay.Client(auth=(KEY_ID, "wrong"), base_url=sandbox.url)

    with pytest.raises(razorpay.errors.BadRequestError, match="Authentication failed"):
        stranger.order.all()
    for header in ("", "Bearer x", "Basic", "Basic ###", "basic eDp5"):
        assert call(sandbox, "GET", "/v1/orders", None, {"Authorization": header})[0] == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/nothing"),
        ("GET", "/methods"),
        ("DELETE", "/v1/orders"),
        ("GET", "/v1/orders/a/b/c"),
    ],
)
def test_an_unknown_url_is_404(sandbox: RunningSandbox, method: str, path: str) -> None:
    status, answer, _headers = call(sandbox, method, path)

    assert status == 404
    assert answer["error"]["description"] == "The requested URL was not found on the server."


@pytest.mark.parametrize(
    "path",
    [
        "orders/order_x", "orders/order_x/payments", "payments/pay_x", "refunds/rfnd_x", "settlements/setl_x",
        "payments/pay_x/refunds", "payments/pay_x/refunds/rfnd_x",
    ],
)  # fmt: skip
def test_an_unknown_id_is_a_400(sandbox: RunningSandbox, path: str) -> None:
    assert error_of(sandbox, "GET", f"/v1/{path}") == "The id provided does not exist"


def test_disputes_have_an_error_shape_of_their_own(sandbox: RunningSandbox) -> None:
    status, answer, _headers = call(sandbox, "GET", "/v1/disputes/disp_x")

    assert status == 400
    assert answer == {"status_code": 400, "success": False, "errors": ["The id provided does not exist"]}


def test_a_payment_is_read_as_documented(client: razorpay.Client, sandbox: RunningSandbox) -> None:
    payment_id = paid(sandbox, 100_000, email="a@b.example", contact="+919876543210")

    entity = client.payment.fetch(payment_id)

    assert client.payment.all({"count": 1})["items"] == [entity]
    assert (entity["status"], entity["captured"], entity["amount"]) == ("captured", True, 100_000)
    assert (entity["fee"], entity["tax"]) == (2360, 360)  # 2 % and 18 % of it, the fee includes the tax
    assert (entity["email"], entity["contact"]) == ("a@b.example", "+919876543210")
    assert entity["notes"] == []
    assert entity["upi"] == {"vpa": "success@razorpay"}
    assert entity["refund_status"] is None


def test_an_authorised_payment_is_captured_once_and_in_full(
    client: razorpay.Client, sandbox: RunningSandbox
) -> None:
    payment_id = paid(sandbox, vpa="authonly@razorpay")
    assert payment(sandbox, payment_id)["status"] == "authorized"

    with pytest.raises(razorpay.errors.BadRequestError, match="must be equal to the amount authorized"):
        client.payment.capture(payment_id, 49_999, {"currency": "INR"})
    captured = client.payment.capture(payment_id, 50_000, {"currency": "INR"})

    assert (captured["status"], captured["captured"], captured["auto_captured"]) == ("captured", True, False)
    assert client.order.fetch(captured["order_id"])["status"] == "paid"
    with pytest.raises(razorpay.errors.BadRequestError, match="This payment has already been captured"):
        client.payment.capture(payment_id, 50_000, {"currency": "INR"})


def test_a_failed_payment_cannot_be_captured(client: razorpay.Client, sandbox: RunningSandbox) -> None:
    payment_id = paid(sandbox, vpa="failure@razorpay")

    with pytest.raises(razorpay.errors.BadRequestError, match="Only payments which have been authorized"):
        client.payment.capture(payment_id, 50_000, {"currency": "INR"})


def test_sixteen_clients_at_once_lose_and_double_nothing(sandbox: RunningSandbox) -> None:
    def one_client(number: int) -> list[str]:
        client = sdk(sandbox)
        made = []
        for n in range(10):
            order = client.order.create({**ORDER, "receipt": f"{number}-{n}"})
            sandbox.control("pay", order_id=order["id"])
            made.append(client.order.payments(order["id"])["items"][0]["id"])
        return made

    with ThreadPoolExecutor(16) as pool:
        payments = [payment_id for made in pool.map(one_client, range(16)) for payment_id in made]

    state = sandbox.control("state")
    assert len(set(payments)) == len(state["payments"]) == len(state["orders"]) == 160
    assert all(order["amount_paid"] == 50_000 for order in state["orders"].values())
    assert state["balance"] == 100_000_000 + 160 * (50_000 - 1180)
