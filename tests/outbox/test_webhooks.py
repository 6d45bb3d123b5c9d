"""Webhooks as a clinic's own system gets them: real requests to a real server on loopback."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from billing_site.outbox import webhooks
from billing_site.outbox.handing_on import hand_on
from billing_site.outbox.webhook_calls import Call, Outcome
from billing_site.outbox.webhook_events import TYPES, USER_AGENT, type_name
from billing_site.outbox.webhooks import WAITS, send_due_webhooks, send_test
from clinics.models import AuditEvent, Clinic, Notice, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from clinics.models.webhooks import KINDS_FOR_PROGRAMS
from clinics.services import webhooks as services
from tests import factories
from tests.outbox.receiver import Got, Receiver, delivery_of, endpoint_of, make_due, sent_round, tell

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("developers_machine")]


def test_an_event_arrives_once_signed_and_without_a_word_about_the_patient(
    funded_clinic: Clinic, receiver: Receiver
) -> None:
    endpoint, secret = endpoint_of(funded_clinic, receiver.url("/hook?from=us"))
    lead = factories.deliver(funded_clinic, "+919876500000", 7000, name="Zubeida Qureshi", message="Please")
    assert sent_round() == 1
    assert sent_round() == 0

    (got,) = receiver.got
    notice = Notice.objects.get(kind="lead_delivered")
    assert got.path == "/hook?from=us"
    assert got.headers["user-agent"] == USER_AGENT
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["content-type"] == "application/json"
    assert not {"cookie", "authorization", "referer"} & set(got.headers)
    event = Webhook(secret).verify(got.body, got.headers)
    assert event == {
        "id": str(notice.event_id),
        "type": "lead.delivered",
        "created_at": event["created_at"],
        "clinic_id": funded_clinic.pk,
        "data": {"lead_id": lead.pk, "state": "delivered"},
    }
    assert event["created_at"].endswith("Z")
    assert got.headers["webhook-id"] == event["id"]
    assert got.body == json.dumps(event, separators=(",", ":")).encode()
    delivery, attempt = WebhookDelivery.objects.get(), WebhookAttempt.objects.get()
    assert (delivery.done_at is not None, delivery.tries, delivery.problem) == (True, 1, "")
    assert (attempt.status_code, attempt.problem) == (200, "")
    endpoint.refresh_from_db()
    assert (endpoint.last_success_at is not None, endpoint.is_failing) == (True, False)
    with pytest.raises(WebhookVerificationError):
        Webhook(services.new_secret()).verify(got.body, got.headers)


def test_every_kind_has_a_name_and_what_is_not_listed_stays_in_the_house(
    clinic: Clinic, receiver: Receiver
) -> None:
    assert set(TYPES) == set(dict(KINDS_FOR_PROGRAMS)) == set(Notice.Kind.values) - {"webhook_failing"}
    endpoint_of(clinic, receiver.url())
    tell(clinic, None, "low_balance", threshold="500.00", balance="499.50", name="Zubeida")
    tell(clinic, None, "payment_credited", top_up_id=7, amount="5000.00", bonus="500.00")
    sent_round()
    assert [got.event["data"] for got in receiver.got] == [
        {"threshold": 500, "balance": 499.5},
        {"top_up_id": 7, "amount": 5000, "bonus": 500},
    ]
    assert [got.event["type"] for got in receiver.got] == ["balance.low", "payment.credited"]
    assert type_name("clinic_moved") == "clinic.moved"


def test_while_the_first_of_a_lead_fails_its_others_wait_and_other_leads_go_on(
    clinic: Clinic, receiver: Receiver
) -> None:
    endpoint_of(clinic, receiver.url())
    first, second = tell(clinic, 1), tell(clinic, 1, "dispute_decided", dispute_id=3, status="approved")
    tell(clinic, 2)
    tell(clinic, None, "low_balance", threshold="500.00", balance="1.00")
    receiver.answer = lambda got: 500 if got.event["data"].get("lead_id") == 1 else 200

    sent_round()
    assert receiver.leads == [1]  # it failed: left alone for the rest of the round
    sent_round()
    assert [got.event["type"] for got in receiver.got[1:]] == ["lead.delivered", "balance.low"]
    for _ in range(3):
        make_due()
        sent_round()
    assert {got.event["id"] for got in receiver.got[3:]} == {str(first.event_id)}
    receiver.answer = lambda got: 204
    make_due()
    assert sent_round() == 2
    assert [got.event["id"] for got in receiver.got[-2:]] == [str(first.event_id), str(second.event_id)]


def test_one_that_was_given_up_does_not_block_those_behind_it(clinic: Clinic, receiver: Receiver) -> None:
    endpoint_of(clinic, receiver.url())
    first, second = tell(clinic, 1), tell(clinic, 1)
    receiver.answer = lambda got: 500
    hand_on()
    for _ in range(len(WAITS) + 1):
        WebhookDelivery.objects.filter(notice=first, given_up_at=None).update(due_at=timezone.now())
        send_due_webhooks()
    assert delivery_of(first).given_up_at is not None
    assert delivery_of(first).tries == len(WAITS) + 1 == WebhookAttempt.objects.count()
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
    receiver.answer = lambda got: 200
    assert sent_round() == 1
    assert delivery_of(second).done_at is not None


def test_retries_grow_to_a_day_and_keep_to_what_a_busy_endpoint_asks_for(
    clinic: Clinic, receiver: Receiver
) -> None:
    endpoint_of(clinic, receiver.url())
    notice = tell(clinic, 1)
    assert timedelta(hours=20) < sum(WAITS, timedelta()) < timedelta(hours=28)
    receiver.answer = lambda got: (503, {"Retry-After": "600"})
    sent_round()
    wait = delivery_of(notice).due_at - timezone.now()
    assert timedelta(seconds=595) < wait < timedelta(seconds=740)
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.is_failing, endpoint.last_failure, endpoint.last_failure_status) == (
        True, "answered", 503,
    )  # fmt: skip
    receiver.answer = lambda got: 500
    make_due()
    sent_round()
    assert timedelta(seconds=50) < delivery_of(notice).due_at - timezone.now() < timedelta(seconds=70)


def test_one_that_says_it_is_gone_is_stopped_and_the_trail_says_why(
    clinic: Clinic, receiver: Receiver
) -> None:
    endpoint, _ = endpoint_of(clinic, receiver.url())
    tell(clinic, 1)
    tell(clinic, 2)
    receiver.answer = lambda got: 410
    sent_round()
    endpoint.refresh_from_db()
    assert (endpoint.stopped_at is not None, endpoint.stopped_because) == (True, "gone")
    assert len(receiver.got) == 1
    assert {row.problem for row in WebhookDelivery.objects.all()} == {"stopped"}
    assert not WebhookDelivery.objects.open().exists()
    event = AuditEvent.objects.filter(operation="update").latest("pk")
    assert event.reason == "It answered 410: gone"
    assert {change.column for change in event.changes} == {"stopped_at", "stopped_because"}


def test_a_redirect_is_not_followed(clinic: Clinic, receiver: Receiver) -> None:
    endpoint_of(clinic, receiver.url())
    notice = tell(clinic, 1)
    receiver.answer = lambda got: (307, {"Location": receiver.url("/elsewhere")})
    sent_round()
    assert [got.path for got in receiver.got] == ["/hook"]
    assert delivery_of(notice).problem == "redirected"


def test_a_stopped_or_removed_endpoint_hears_no_more_and_its_open_ones_are_closed(
    clinic: Clinic, receiver: Receiver
) -> None:
    stopped, _ = endpoint_of(clinic, receiver.url("/stopped"))
    removed, _ = endpoint_of(clinic, receiver.url("/removed"))
    tell(clinic, 1)
    hand_on()
    services.stop(endpoint=stopped, because=WebhookEndpoint.StoppedBecause.BY_HAND)
    services.remove(endpoint=removed)
    # Handed on in the moment before; the sender finds it.
    WebhookDelivery.objects.filter(endpoint=stopped).update(done_at=None, problem="")
    assert send_due_webhooks() == 0
    assert receiver.got == []
    notes = dict(WebhookDelivery.objects.values_list("endpoint_id", "problem"))
    assert notes == {stopped.pk: "stopped", removed.pk: "removed"}
    assert not WebhookDelivery.objects.open().exists()
    tell(clinic, 2)
    assert hand_on() == 1
    assert WebhookDelivery.objects.count() == 2
    services.resume(endpoint=stopped)
    tell(clinic, 3)
    assert sent_round() == 1


def test_gone_while_it_is_being_removed_changes_nothing_more(clinic: Clinic, receiver: Receiver) -> None:
    endpoint, _ = endpoint_of(clinic, receiver.url())

    def gone(got: Got) -> int:
        return 410

    receiver.answer = gone
    tell(clinic, 1)
    hand_on()
    (mine,) = webhooks.claim([WebhookDelivery.objects.get().pk])
    services.remove(endpoint=endpoint)
    webhooks.keep(mine, Outcome(5, "gone", 410), started_at=timezone.now())
    endpoint.refresh_from_db()
    assert (endpoint.stopped_at, WebhookDelivery.objects.get().problem) == (None, "removed")


def test_a_replay_is_the_same_event_under_the_same_id(clinic: Clinic, receiver: Receiver) -> None:
    endpoint, secret = endpoint_of(clinic, receiver.url())
    notice = tell(clinic, 1)
    sent_round()
    services.send_again(endpoint=endpoint, delivery=delivery_of(notice))
    assert send_due_webhooks() == 1
    first, second = receiver.got
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == str(notice.event_id)
    Webhook(secret).verify(second.body, second.headers)
    assert WebhookAttempt.objects.count() == 2

    WebhookDelivery.objects.update(done_at=None, given_up_at=timezone.now(), problem="timed_out")
    assert services.send_given_up_again(endpoint=endpoint) == 1
    assert services.send_given_up_again(endpoint=endpoint) == 0
    assert send_due_webhooks() == 1
    services.stop(endpoint=endpoint, because=WebhookEndpoint.StoppedBecause.BY_HAND)
    with pytest.raises(services.WebhookRefused):
        services.send_again(endpoint=endpoint, delivery=delivery_of(notice))


def test_a_test_is_signed_like_an_event_and_stored_nowhere(clinic: Clinic, receiver: Receiver) -> None:
    endpoint, secret = endpoint_of(clinic, receiver.url())
    outcome = send_test(endpoint)
    assert (outcome.succeeded, outcome.status) == (True, 200)
    (got,) = receiver.got
    assert Webhook(secret).verify(got.body, got.headers)["type"] == "test.ping"
    assert not Notice.objects.exists()
    assert not WebhookDelivery.objects.exists()
    endpoint.refresh_from_db()
    assert endpoint.last_success_at is None


def test_no_clinic_takes_the_threads_of_the_others_and_the_dead_only_half(
    clinic: Clinic, receiver: Receiver
) -> None:
    loud = [endpoint_of(clinic, receiver.url(f"/loud/{n}"))[0] for n in range(5)]
    quiet = [endpoint_of(factories.ClinicFactory.create(), receiver.url(f"/quiet/{n}"))[0] for n in range(5)]
    for number in range(3):
        tell(clinic, number + 1)
    for endpoint in quiet:
        tell(endpoint.clinic, 1)
    hand_on()
    round_ = webhooks.Round(until=0)
    chosen = round_.choose(round_.due(), 8)
    assert len(chosen) == 8
    assert {endpoint.pk for endpoint in quiet} <= set(chosen)

    WebhookEndpoint.objects.filter(pk__in=[one.pk for one in (*loud, *quiet[1:])]).update(
        failing_since=timezone.now()
    )
    chosen = round_.choose(round_.due(), 8)
    assert len(chosen) == 5
    assert quiet[0].pk in chosen


def test_a_round_ends_even_if_there_is_always_more(
    clinic: Clinic, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_of(clinic, receiver.url())
    for number in range(5):
        tell(clinic, number + 1)
    hand_on()
    monkeypatch.setattr(webhooks, "LONGEST_ROUND", 0.0)
    assert send_due_webhooks() == 0
    monkeypatch.undo()


def test_what_somebody_else_claimed_is_left_to_them(
    clinic: Clinic, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_of(clinic, receiver.url())
    tell(clinic, 1)
    hand_on()
    monkeypatch.setattr(webhooks, "claim", lambda ids: [])
    assert send_due_webhooks() == 0
    assert receiver.got == []


def test_a_slow_server_does_not_make_the_others_slow(
    clinic: Clinic, other_clinic: Clinic, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds are shared out, not requests: nine seconds of one clinic are worth many quick calls of another."""
    endpoint_of(clinic, receiver.url("/slow/1"))
    endpoint_of(clinic, receiver.url("/slow/2"))
    endpoint_of(other_clinic, receiver.url("/quick"))
    for number in range(3):
        tell(clinic, number + 1)
    for number in range(6):
        tell(other_clinic, number + 1)
    called: list[str] = []

    def make(call: Call) -> Outcome:
        called.append(call.url.rpartition(str(receiver.port))[2])
        return Outcome(9_000 if "slow" in call.url else 5, status=200)

    monkeypatch.setattr(webhooks, "make", make)
    monkeypatch.setattr(webhooks, "AT_ONCE", 1)
    assert sent_round() == 12
    assert called[1:7] == ["/quick"] * 6


def test_a_busy_server_that_asks_for_time_gets_no_other_event_meanwhile_but_by_hand(
    clinic: Clinic, receiver: Receiver
) -> None:
    endpoint, _ = endpoint_of(clinic, receiver.url())
    first = tell(clinic, 1)
    tell(clinic, 2)
    receiver.answer = lambda got: (429, {"Retry-After": "600"})
    sent_round()
    sent_round()
    assert receiver.leads == [1]
    WebhookDelivery.objects.filter(notice=first).update(given_up_at=timezone.now())
    receiver.answer = lambda got: 200
    services.send_again(endpoint=endpoint, delivery=delivery_of(first))
    assert sent_round() == 2
