"""Finance at work: the review queue, replayed events, and what nobody is shown."""

import json
import threading
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client

from clinics.models import Clinic, User
from credits.models import CreditTransaction, GatewayEvent, GatewayPayment, ReviewItem, TopUp
from credits.services.events import receive
from credits.services.ledger import BillingService
from credits.services.payments import apply_payment
from tests import factories
from tests.site.back_office import GROUPS, page, payment_facts, person, signed_in

pytestmark = pytest.mark.django_db
PAYER = {"email": "payer@private.example", "contact": "+919812345678"}
CLOSING = {"resolution": "refunded_at_gateway", "note": "rfnd_AAAAAAAAAAAAAA made today"}


@pytest.fixture
def item(clinic: Clinic) -> ReviewItem:
    return payment_facts(factories.paid_top_up(clinic, 5000, 500), 0)


def address(item: ReviewItem) -> str:
    return page("credits.reviewitem", "change", item.pk)


def close(client: Client, item: ReviewItem, data: dict[str, str] | None = None, **options: Any) -> Any:
    return client.post(
        page("credits.reviewitem", "close", item.pk), CLOSING if data is None else data, **options
    )


def ordered(clinic: Clinic) -> TopUp:
    top_up = factories.top_up(clinic, 1000)
    top_up.razorpay_order_id, top_up.state = "order_AAAAAAAAAAAAAA", TopUp.State.OPEN
    top_up.save(update_fields=["razorpay_order_id", "state"])
    return top_up


def captured(**changes: Any) -> dict[str, Any]:
    return {
        "id": "pay_AAAAAAAAAAAAAA", "order_id": "order_AAAAAAAAAAAAAA", "status": "captured", "captured": True,
        "amount": 100_000, "currency": "INR", "method": "upi", **PAYER, **changes,
    }  # fmt: skip


def stored_event(**changes: Any) -> GatewayEvent:
    body = {"event": "payment.captured", "payload": {"payment": {"entity": captured(**changes)}}}
    return GatewayEvent.objects.create(
        event_id="event-1", event="payment.captured", raw=json.dumps(body).encode()
    )


class TestTheQueue:
    def test_open_items_stand_first_the_oldest_on_top(self, clinic: Clinic, item: ReviewItem) -> None:
        older, newer = item, payment_facts(factories.paid_top_up(clinic, 1000), 1)
        closed = payment_facts(factories.paid_top_up(clinic, 2000), 2)
        client = signed_in("finance")
        close(client, closed)
        listed = client.get(page("credits.reviewitem", ""))
        assert [one.pk for one in listed.context["cl"].result_list] == [older.pk, newer.pk, closed.pk]
        body = listed.content.decode()
        assert "Amount or currency differs" in body
        assert "₹1.00" in body  # what came; ₹5,000 was expected
        assert "Sunrise" in body

    def test_an_items_page_shows_all_the_books_say(self, clinic: Clinic, item: ReviewItem) -> None:
        assert item.top_up
        assert item.payment
        BillingService.take_back_top_up(item.top_up.pk, "rfnd_TAKEN", 10_000)
        body = signed_in("finance").get(address(item)).content.decode()
        refund, dispute = item.payment.refunds.get(), item.payment.disputes.get()
        for fact in (
            item.payment.payment_id, item.payment.order_id, str(refund.refund_id), dispute.dispute_id, "rfnd_TAKEN",
            "₹5,000.00", "₹100.00", "₹90.00", "Expected: ₹5,000.00", "5,500.00", "-110.00", "open, chargeback",
        ):  # fmt: skip
            assert fact in body, fact
        for row in CreditTransaction.objects.all():
            assert page("credits.credittransaction", "change", row.pk) in body

    def test_a_payment_without_a_purchase_has_a_page_too(self) -> None:
        apply_payment(captured(order_id="order_ZZZZZZZZZZZZZZ"), source="webhook")
        item = ReviewItem.objects.get()
        body = signed_in("finance").get(address(item)).content.decode()
        assert "Payment for an unknown order" in body
        assert "pay_AAAAAAAAAAAAAA" in body
        assert "Not ours" in body

    def test_each_kind_offers_its_own_ends(self) -> None:
        item = ReviewItem.objects.create(key="promo:1", kind="promo", facts={"promo_code": "X"})
        client = signed_in("finance")
        body = client.get(address(item)).content.decode()
        assert "Credited by an approved request" in body
        assert "Refunded at the gateway" not in body
        assert close(client, item).status_code == 400
        item.refresh_from_db()
        assert item.state == "open"

    @pytest.mark.parametrize("kind", ReviewItem.Kind.values)
    def test_an_item_of_every_kind_has_a_page_and_can_be_closed(self, kind: str) -> None:
        item = ReviewItem.objects.create(
            key=f"{kind}:1", kind=kind, facts={"nested": {"a": [1]}, "none": None}
        )
        client = signed_in("finance")
        form = client.get(address(item)).context["close_form"]
        first = form.fields["resolution"].choices[0][0]
        assert close(client, item, {"resolution": first, "note": "Looked at"}).status_code == 302
        item.refresh_from_db()
        assert (item.state, item.resolution) == ("closed", first)


class TestClosing:
    def test_it_is_kept_who_closed_it_when_how_and_why(self, item: ReviewItem) -> None:
        user = person("finance")
        client = Client()
        client.force_login(user)
        response = close(client, item, follow=True)
        item.refresh_from_db()
        assert (item.state, item.resolution, item.note, item.closed_by) == (
            "closed", CLOSING["resolution"], CLOSING["note"], user,
        )  # fmt: skip
        body = response.content.decode()
        assert user.email in body
        assert CLOSING["note"] in body
        assert 'id="close-review"' not in body
        assert LogEntry.objects.filter(object_id=item.pk, user=user).count() == 1

    @pytest.mark.parametrize(
        "data",
        [
            {},
            {"resolution": "refunded_at_gateway"},
            {"resolution": "refunded_at_gateway", "note": "   "},
            {"note": "Why"},
            {"resolution": "free_money", "note": "Why"},
            {"resolution": "refunded_at_gateway", "note": "a\x00b"},
            {"resolution": "refunded_at_gateway", "note": "x" * 2001},
        ],
    )
    def test_without_an_end_and_a_note_nothing_is_closed_and_what_was_typed_stays(
        self, item: ReviewItem, data: dict[str, str]
    ) -> None:
        response = close(signed_in("finance"), item, data)
        assert response.status_code == 400
        assert "Nothing was closed" in response.content.decode()
        if data.get("note") == "Why":
            assert "Why</textarea>" in response.content.decode()
        item.refresh_from_db()
        assert item.state == "open"

    def test_the_second_of_two_is_told_kindly_who_closed_it(self, item: ReviewItem) -> None:
        first = person("finance")
        client = Client()
        client.force_login(first)
        close(client, item)
        response = close(signed_in("finance"), item, {"resolution": "explained", "note": "Mine"}, follow=True)
        assert f"This item was closed before, by {first.email}" in response.content.decode()
        item.refresh_from_db()
        assert (item.note, item.closed_by) == (CLOSING["note"], first)

    @pytest.mark.parametrize("who", ["nobody", *GROUPS, "superuser"])
    def test_finance_closes_and_replays_the_auditor_looks_the_others_see_nothing(
        self, item: ReviewItem, who: str
    ) -> None:
        client, event = signed_in(who), GatewayEvent.objects.get()
        may, sees = who in {"finance", "superuser"}, who in {"finance", "auditor", "superuser"}
        shown = client.get(address(item))
        assert shown.status_code == (200 if sees else 403)
        assert ('id="close-review"' in shown.content.decode()) is may
        assert close(client, item).status_code == (302 if may else 403)
        assert client.post(page("credits.gatewayevent", "replay", event.pk)).status_code == (
            302 if may else 403
        )
        client.post(page("credits.gatewayevent", ""), {"action": "replay", "_selected_action": event.pk})
        item.refresh_from_db()
        event.refresh_from_db()
        assert (item.state == "closed") is may
        assert (event.outcome != "") is may

    def test_neither_is_done_by_following_a_link(self, item: ReviewItem) -> None:
        client = signed_in("finance")
        assert client.get(page("credits.reviewitem", "close", item.pk)).status_code == 405
        assert (
            client.get(page("credits.gatewayevent", "replay", GatewayEvent.objects.get().pk)).status_code
            == 405
        )
        item.refresh_from_db()
        assert item.state == "open"

    @pytest.mark.parametrize("key", ["abc", "0", "99999999", "1000000000000000000000", "%00", "..%2F.."])
    def test_items_and_events_that_are_not_there_are_no_error_of_ours(self, key: str) -> None:
        client = signed_in("finance")
        for model, name in (("credits.reviewitem", "close"), ("credits.gatewayevent", "replay")):
            assert client.post(page(model, name, key), CLOSING).status_code < 500


@pytest.mark.django_db(transaction=True)
def test_of_two_who_close_at_the_same_moment_one_wins_and_the_other_is_told(clinic: Clinic) -> None:
    item = payment_facts(factories.paid_top_up(clinic, 5000), 0)
    people: list[User] = [person("finance"), person("finance")]
    clients = [Client(), Client()]
    for client, user in zip(clients, people, strict=True):
        client.force_login(user)
    together, bodies = threading.Barrier(2), ["", ""]

    def run(number: int) -> None:
        together.wait()
        data = {"resolution": "explained", "note": f"By {number}"}
        bodies[number] = close(clients[number], item, data, follow=True).content.decode()
        connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    item.refresh_from_db()
    winner = people.index(item.closed_by)  # type: ignore[arg-type]
    assert item.note == f"By {winner}"
    assert f"Item {item.pk} is closed." in bodies[winner]
    assert f"This item was closed before, by {people[winner].email}" in bodies[1 - winner]


class TestEvents:
    def test_an_event_that_was_stored_but_not_applied_is_credited_once_by_replays(
        self, clinic: Clinic
    ) -> None:
        ordered(clinic)
        event = stored_event()
        client = signed_in("finance")
        for _ in range(2):
            response = client.post(page("credits.gatewayevent", "replay", event.pk), follow=True)
            assert "was applied once more: Applied." in response.content.decode()
        client.post(page("credits.gatewayevent", ""), {"action": "replay", "_selected_action": event.pk})
        assert BillingService.get_clinic_credit_balance(clinic.pk) == 1000
        assert LogEntry.objects.filter(object_id=event.pk).count() == 3

    def test_no_page_shows_the_payers_details(self, clinic: Clinic) -> None:
        ordered(clinic)
        raw = {"event": "payment.captured", "payload": {"payment": {"entity": captured()}}}
        receive(json.dumps(raw).encode(), "event-1")
        receive(
            json.dumps({**raw, "payload": {"payment": {"entity": captured(status="?")}}}).encode(), "event-2"
        )
        client = signed_in("superuser")
        paths = [page("credits.gatewaypayment", "change", GatewayPayment.objects.get().pk)]
        paths += [page("credits.gatewayevent", "change", event.pk) for event in GatewayEvent.objects.all()]
        paths += [address(item) for item in ReviewItem.objects.all()]
        paths += [page(f"credits.{model}", "") for model in ("gatewayevent", "gatewaypayment", "reviewitem")]
        assert len(paths) == 7
        for path in paths:
            body = client.get(path).content.decode()
            assert "private.example" not in body, path
            assert "98123" not in body, path

    def test_one_whose_body_was_dropped_is_left_alone(self) -> None:
        event = stored_event()
        GatewayEvent.objects.update(raw=None, outcome="applied", processed_at="2026-01-01T00:00:00Z")
        response = signed_in("finance").post(page("credits.gatewayevent", "replay", event.pk), follow=True)
        assert "its body was dropped after 90 days" in response.content.decode()
        assert not ReviewItem.objects.exists()

    @pytest.mark.parametrize(
        ("state", "found"), [("waiting", 1), ("applied", 1), ("review", 0), ("failed", 0), ("zzz", 2)]
    )
    def test_the_list_is_narrowed_by_state(self, state: str, found: int) -> None:
        stored_event()
        GatewayEvent.objects.create(
            event_id="event-2", event="x", outcome="applied", processed_at="2026-01-01T00:00:00Z"
        )
        response = signed_in("finance").get(page("credits.gatewayevent", ""), {"state": state})
        assert len(response.context["cl"].result_list) == found


@pytest.mark.parametrize(
    ("model", "query", "found"),
    [
        ("gatewaypayment", "top-up {top_up}", 1), ("gatewaypayment", "{payment}", 1), ("gatewaypayment", "nothing", 0),
        ("gatewayrefund", "{payment}", 1), ("gatewaydispute", "{payment}", 1), ("promouse", "top-up {top_up}", 1),
        ("promouse", "{code}", 1), ("reviewitem", "{payment}", 1), ("reviewitem", "top-up {top_up}", 1),
    ],
)  # fmt: skip
def test_rows_are_found_by_the_gateways_own_ids(item: ReviewItem, model: str, query: str, found: int) -> None:
    assert item.top_up
    term = query.format(
        top_up=item.top_up.pk,
        payment=item.top_up.razorpay_payment_id,
        code=item.top_up.promo_use.promo_code.code,
    )
    response = signed_in("finance").get(page(f"credits.{model}", ""), {"q": term})
    assert len(response.context["cl"].result_list) == found
