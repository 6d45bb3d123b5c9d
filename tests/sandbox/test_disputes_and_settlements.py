"""Disputes with all their turns, and recon rows that add up to the paisa."""

import datetime

import pytest
import razorpay

from billing_site.razorpay_sandbox import RunningSandbox
from billing_site.razorpay_sandbox.settlements import IST

from .shop import Shop
from .wire import call, paid, payment


def today(sandbox: RunningSandbox) -> datetime.date:
    return datetime.datetime.fromtimestamp(sandbox.control("state")["now"], IST).date()


def recon_of(client: razorpay.Client, day: datetime.date) -> list[dict[str, object]]:
    query = {"year": day.year, "month": day.month, "day": day.day, "count": 1000, "skip": 0}
    return list(client.settlement.report(query)["items"])


def test_a_dispute_is_opened_answered_lost_and_deducted(
    client: razorpay.Client, sandbox: RunningSandbox, shop: Shop
) -> None:
    payment_id = paid(sandbox)
    balance = sandbox.control("state")["balance"]

    opened = sandbox.control(
        "dispute", payment_id=payment_id, event="created", amount=39_000, phase="chargeback"
    )
    sandbox.control("dispute", payment_id=payment_id, event="under_review")
    lost = sandbox.control("dispute", payment_id=payment_id, event="lost")

    sandbox.control("drain")
    assert (opened["status"], opened["phase"], opened["amount"], opened["amount_deducted"]) == (
        "open", "chargeback", 39_000, 0,
    )  # fmt: skip
    assert client.dispute.fetch(opened["id"]) == lost
    assert client.dispute.all()["items"] == [lost]
    assert (lost["status"], lost["amount_deducted"]) == ("lost", 39_000)
    events = {event for event in shop.events() if "dispute" in event}
    assert events == {"payment.dispute.created", "payment.dispute.under_review", "payment.dispute.lost"}
    payload = shop.only("payment.dispute.lost").json["payload"]
    assert payload["payment"]["entity"]["id"] == payment_id
    assert "acquirer_data" not in payload["payment"]["entity"]
    assert sandbox.control("state")["balance"] == balance - 39_000


def test_evidence_of_action_required_lies_beside_the_entity(sandbox: RunningSandbox, shop: Shop) -> None:
    payment_id = paid(sandbox)
    sandbox.control("dispute", payment_id=payment_id, event="created")

    answer = sandbox.control("dispute", payment_id=payment_id, event="action_required")

    sandbox.control("drain")
    dispute = shop.only("payment.dispute.action_required").json["payload"]["dispute"]
    assert answer["status"] == "open"
    assert "evidence" in dispute
    assert "evidence" not in dispute["entity"]


def test_a_won_dispute_can_be_opened_again_in_a_later_phase_and_lost(sandbox: RunningSandbox) -> None:
    payment_id = paid(sandbox)
    dispute_id = sandbox.control("dispute", payment_id=payment_id, event="created")["id"]
    sandbox.control("dispute", dispute_id=dispute_id, event="won")

    again = sandbox.control("dispute", dispute_id=dispute_id, event="created", phase="pre_arbitration")
    lost = sandbox.control("dispute", dispute_id=dispute_id, event="lost")

    assert (again["id"], again["status"], again["phase"]) == (dispute_id, "open", "pre_arbitration")
    assert (lost["amount_deducted"], lost["phase"]) == (50_000, "pre_arbitration")


def test_a_payment_may_have_several_disputes(sandbox: RunningSandbox, client: razorpay.Client) -> None:
    payment_id = paid(sandbox)

    ids = {
        sandbox.control("dispute", payment_id=payment_id, event="created", amount=amount)["id"]
        for amount in (10_000, 20_000)
    }

    assert {item["id"] for item in client.dispute.all()["items"]} == ids
    assert len(ids) == 2


def test_accepting_a_dispute_loses_it_once(client: razorpay.Client, sandbox: RunningSandbox) -> None:
    dispute_id = sandbox.control("dispute", payment_id=paid(sandbox), event="created")["id"]

    assert client.dispute.accept(dispute_id)["status"] == "lost"

    status, answer, _headers = call(sandbox, "POST", f"/v1/disputes/{dispute_id}/accept", {})
    assert (status, answer["errors"]) == (400, ["The dispute is already closed"])


def test_a_lost_dispute_may_be_recorded_as_a_refund_and_costs_once(
    sandbox: RunningSandbox, shop: Shop
) -> None:
    payment_id = paid(sandbox)
    balance = sandbox.control("state")["balance"]
    sandbox.control("dispute", payment_id=payment_id, event="created", amount=20_000)

    sandbox.control("dispute", payment_id=payment_id, event="lost", as_refund=True)

    sandbox.control("drain")
    assert shop.only("refund.processed").json["payload"]["refund"]["entity"]["amount"] == 20_000
    assert payment(sandbox, payment_id)["amount_refunded"] == 20_000
    assert sandbox.control("state")["balance"] == balance - 20_000


def test_an_uncaptured_payment_has_no_dispute(sandbox: RunningSandbox) -> None:
    body = {"payment_id": paid(sandbox, vpa="failure@razorpay"), "event": "created"}

    assert call(sandbox, "POST", "/_sandbox/dispute", body)[0] == 400


def test_recon_explains_a_settlement_to_the_paisa(
    client: razorpay.Client, sandbox: RunningSandbox, shop: Shop
) -> None:
    first, second = paid(sandbox, 100_000), paid(sandbox, 33_333, method="card")
    refund = client.payment.refund(first, {"amount": 25_001})
    sandbox.control("dispute", payment_id=second, event="created", amount=3333)
    sandbox.control("dispute", payment_id=second, event="lost")
    paid(sandbox, vpa="failure@razorpay")
    returned = paid(sandbox, vpa="double@razorpay")

    settlement = sandbox.control("settle")

    sandbox.control("drain")
    rows = {str(row["entity_id"]): row for row in recon_of(client, today(sandbox))}
    assert {row["type"] for row in rows.values()} == {"payment", "refund", "adjustment"}
    assert len([row for row in rows.values() if row["type"] == "payment"]) == 3
    assert rows[first]["credit"] == 100_000 - 2360
    assert rows[second]["fee"] == 787  # 667 and 18 % of it
    assert returned in rows
    assert (rows[refund["id"]]["debit"], rows[refund["id"]]["payment_id"]) == (25_001, first)
    adjustment = next(row for row in rows.values() if row["type"] == "adjustment")
    assert "credit_type" not in adjustment
    assert (adjustment["debit"], adjustment["settlement_utr"]) == (3333, None)
    total = 100_000 + 33_333 + 50_000 - 25_001 - 3333 - 2360 - 787 - 1180
    assert settlement["amount"] == total
    assert client.settlement.fetch(settlement["id"])["amount"] == total
    assert client.settlement.all()["items"][0]["id"] == settlement["id"]
    assert shop.only("settlement.processed").json["payload"]["settlement"]["entity"]["id"] == settlement["id"]
    assert sandbox.control("settle")["rows"] == 0


def test_a_refund_of_a_never_captured_payment_is_no_recon_row(
    client: razorpay.Client, sandbox: RunningSandbox
) -> None:
    paid(sandbox, vpa="authonly@razorpay")
    sandbox.control("advance", s=6 * 86_400)

    assert sandbox.control("settle")["rows"] == 0


def test_a_refund_that_fails_after_its_settlement_comes_back_as_an_adjustment(
    client: razorpay.Client, sandbox: RunningSandbox
) -> None:
    refund = client.payment.refund(paid(sandbox), {"amount": 5000})
    sandbox.control("settle")

    sandbox.control("refund_status", refund_id=refund["id"], status="failed")

    assert sandbox.control("settle")["amount"] == 5000


def test_days_of_recon_are_indian_days(client: razorpay.Client, sandbox: RunningSandbox) -> None:
    """Just after midnight IST is still yesterday in UTC."""
    now = sandbox.control("state")["now"]
    midnight = datetime.datetime.combine(today(sandbox) + datetime.timedelta(days=1), datetime.time(), IST)
    sandbox.control("advance", s=midnight.timestamp() - now - 60)
    before = paid(sandbox)
    sandbox.control("settle")
    sandbox.control("advance", s=120)
    after = paid(sandbox)
    sandbox.control("settle")

    day = today(sandbox)
    assert day == midnight.date()
    assert [row["entity_id"] for row in recon_of(client, day)] == [after]
    assert [row["entity_id"] for row in recon_of(client, day - datetime.timedelta(days=1))] == [before]


def test_a_past_day_settles_what_happened_up_to_its_end(
    client: razorpay.Client, sandbox: RunningSandbox
) -> None:
    day, old = today(sandbox), paid(sandbox)
    sandbox.control("advance", s=3 * 86_400)
    paid(sandbox)

    sandbox.control("settle", date=day.isoformat())

    assert [row["entity_id"] for row in recon_of(client, day)] == [old]
    with pytest.raises(razorpay.errors.BadRequestError, match="must be a valid date"):
        client.settlement.report({"year": 2026, "month": 13, "day": 1})
    assert call(sandbox, "POST", "/_sandbox/settle", {"date": "2999-01-01"})[0] == 400


def test_recon_is_paged_by_up_to_a_thousand(client: razorpay.Client, sandbox: RunningSandbox) -> None:
    for _ in range(12):
        paid(sandbox)
    sandbox.control("settle")
    day = today(sandbox)
    query = {"year": day.year, "month": day.month, "day": day.day}

    pages = [
        client.settlement.report({**query, "count": 5, "skip": skip})["count"] for skip in (0, 5, 10, 15)
    ]

    assert pages == [5, 5, 2, 0]
    with pytest.raises(razorpay.errors.BadRequestError, match="may not be greater than 1000"):
        client.settlement.report({**query, "count": 1001})
