"""What goes wrong with a webhook on our side: the clinic's endpoint is not blamed for it, ops see it and mend it."""

import io
from datetime import datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from billing_site.outbox import webhook_calls, webhooks
from billing_site.outbox.handing_on import hand_on
from billing_site.outbox.webhook_calls import Outcome
from billing_site.outbox.webhooks import WAITS, send_due_webhooks, send_test
from clinics.models import AuditEvent, Clinic, Notice, User, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from clinics.models.webhooks import TELL_AFTER
from clinics.services import webhooks as services
from tests.outbox.receiver import Receiver, delivery_of, endpoint_of, make_due, sent_round, tell
from tests.outbox.test_webhooks_pages import LIST
from tests.pages import text_of
from tests.site.back_office import signed_in
from tests.site.portal_people import browser_of

pytestmark = pytest.mark.django_db


def test_a_secret_that_cannot_be_read_any_more_fails_alone(
    clinic: Clinic, other_clinic: Clinic, receiver: Receiver
) -> None:
    broken, _ = endpoint_of(clinic, receiver.url())
    endpoint_of(other_clinic, receiver.url())
    WebhookEndpoint.objects.filter(pk=broken.pk).update(secret="nothing of ours")
    lost = tell(clinic, 1)
    tell(other_clinic, 2)
    assert sent_round() == 1
    assert delivery_of(lost).problem == "secret_lost"
    broken.refresh_from_db()
    assert send_test(broken).problem == "secret_lost"


def test_what_nobody_thought_of_fails_alone_too(
    clinic: Clinic, other_clinic: Clinic, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_of(clinic, receiver.url("/bad"))
    endpoint_of(other_clinic, receiver.url("/good"))
    bad = tell(clinic, 1)
    tell(other_clinic, 2)

    def make(call: webhook_calls.Call) -> Outcome:
        if call.url.endswith("/bad"):
            raise RecursionError
        return webhook_calls.make(call)

    monkeypatch.setattr(webhooks, "make", make)
    assert sent_round() == 1
    assert delivery_of(bad).problem == "ours"


def test_a_row_that_cannot_be_written_is_kept_as_failed_and_stops_nobody(
    clinic: Clinic, other_clinic: Clinic, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    bad, _ = endpoint_of(clinic, receiver.url("/bad"))
    endpoint_of(other_clinic, receiver.url("/good"))
    tell(clinic, None, "payment_credited", top_up_id=7, amount="Zubeida's 500")
    tell(other_clinic, 2)
    hand_on()
    assert send_due_webhooks() == 1
    assert [got.path for got in receiver.got] == ["/good"]
    delivery = WebhookDelivery.objects.get(endpoint=bad)
    assert (delivery.problem, delivery.tries, delivery.done_at) == ("ours", 1, None)
    assert delivery.due_at < timezone.now() + timedelta(seconds=20)  # by its wait, not by its lease
    assert WebhookAttempt.objects.get(delivery=delivery).problem == "ours"
    assert f"Webhook delivery {delivery.pk} failed: InvalidOperation" in caplog.text
    assert "Zubeida" not in caplog.text


def test_an_outcome_that_cannot_be_stored_leaves_the_others_theirs(
    clinic: Clinic,
    other_clinic: Clinic,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad, _ = endpoint_of(clinic, receiver.url("/bad"))
    good, _ = endpoint_of(other_clinic, receiver.url("/good"))
    kept = webhooks.keep

    def keep(delivery: WebhookDelivery, outcome: Outcome, *, started_at: datetime) -> None:
        if delivery.endpoint_id == bad.pk:
            raise DatabaseError("of this row")
        kept(delivery, outcome, started_at=started_at)

    monkeypatch.setattr(webhooks, "keep", keep)
    for number in (1, 2):
        tell(clinic, number)
        tell(other_clinic, number)
    hand_on()
    assert send_due_webhooks() == 2
    assert not WebhookDelivery.objects.open().filter(endpoint=good).exists()
    assert [got.path for got in receiver.got].count("/bad") == 1  # left alone for the round
    assert "failed: DatabaseError" in caplog.text


def said(command: str = "outbox", *words: str) -> str:
    printed = io.StringIO()
    call_command(command, *words, stdout=printed)
    return printed.getvalue()


def test_a_mistake_of_ours_is_no_failure_of_the_endpoint_and_ops_see_it_until_it_is_mended(
    clinic: Clinic, owner: User, receiver: Receiver
) -> None:
    endpoint, _ = endpoint_of(clinic, receiver.url())
    notice = tell(clinic, None, "payment_credited", top_up_id=7, amount="not a number")
    sent_round()
    WebhookDelivery.objects.update(created_at=Now() - timedelta(minutes=16))
    make_due()
    sent_round()

    endpoint.refresh_from_db()
    assert (endpoint.last_failure_at, endpoint.is_failing) == (None, False)
    text = text_of(browser_of(owner).get(f"{LIST}/{endpoint.pk}"))
    assert "Not sent: something went wrong on our side." in text
    assert "Last failed" not in text
    with pytest.raises(CommandError, match="Look at: webhooks"):
        said()
    support = signed_in("support")
    assert "Webhooks we fail to send" in text_of(support.get("/admin/"))

    WebhookDelivery.objects.update(tries=len(WAITS))
    make_due()
    sent_round()
    assert delivery_of(notice).given_up_at is not None
    endpoint.refresh_from_db()
    assert (endpoint.failing_since, endpoint.failing_told_at) == (None, None)
    with pytest.raises(CommandError, match="Look at: webhooks"):
        said()
    rows = {
        fault: len(support.get("/admin/clinics/webhookdelivery/", {"fault": fault}).context["cl"].result_list)
        for fault in ("ours", "theirs", "stopped")
    }
    assert rows == {"ours": 1, "theirs": 0, "stopped": 0}

    notice.data |= {"amount": "500.00"}
    notice.save(update_fields=["data"])
    said("send_again", "webhooks", "--reason", "The amount is mended")
    assert send_due_webhooks() == 1
    assert "ok    webhooks" in said()
    assert "Webhooks we fail to send" not in text_of(support.get("/admin/"))


def test_ops_send_our_mistakes_again_and_the_trail_says_why_and_what_a_server_refused_is_left(
    clinic: Clinic,
) -> None:
    endpoint, _ = endpoint_of(clinic, "https://crm.example/hook")
    ours, theirs = tell(clinic, 1), tell(clinic, 2)
    hand_on()
    WebhookDelivery.objects.update(given_up_at=Now(), problem="answered", tries=11)
    WebhookDelivery.objects.filter(notice=ours).update(problem="ours")

    with pytest.raises(CommandError, match="Say why"):
        said("send_again", "webhooks")
    assert "1 webhooks" in said("send_again", "webhooks", "--reason", "The release of today")

    assert (delivery_of(ours).given_up_at, delivery_of(ours).tries) == (None, 0)
    assert delivery_of(theirs).given_up_at is not None
    [kept] = AuditEvent.objects.filter(table_name="webhook_deliveries")
    assert (kept.row, kept.reason) == (f"webhook-delivery {delivery_of(ours).pk}", "The release of today")
    assert f"webhook-endpoint:{endpoint.pk}" in kept.about


def test_a_new_secret_ends_what_an_unreadable_one_held_up(clinic: Clinic, receiver: Receiver) -> None:
    endpoint, _ = endpoint_of(clinic, receiver.url())
    WebhookEndpoint.objects.update(secret="of a key that is lost")
    endpoint.refresh_from_db()
    notice = tell(clinic, 1)
    sent_round()
    assert delivery_of(notice).problem == "secret_lost"

    services.renew_secret(endpoint=endpoint, stamp=services.stamp_of(endpoint))

    make_due()
    assert sent_round() == 1


def test_a_lost_secret_is_said_and_begins_no_day_in_vain(
    clinic: Clinic, owner: User, receiver: Receiver
) -> None:
    endpoint, _ = endpoint_of(clinic, receiver.url())
    stored = WebhookEndpoint.objects.get().secret
    WebhookEndpoint.objects.update(secret="of a key that is lost")
    tell(clinic, 1)
    sent_round()
    endpoint.refresh_from_db()
    assert (endpoint.last_failure, endpoint.failing_since) == ("secret_lost", None)
    page = text_of(browser_of(owner).get(f"{LIST}/{endpoint.pk}"))
    assert "Fails" in page
    assert "Listens again" not in page
    assert "Last failed" in page
    assert "Make a new one." in page
    fails = signed_in("support").get("/admin/clinics/webhookendpoint/", {"state": "fails"})
    assert len(fails.context["cl"].result_list) == 1

    WebhookEndpoint.objects.update(secret=stored, failing_since=F("failing_since") - TELL_AFTER)
    receiver.answer = lambda got: 500
    WebhookDelivery.objects.update(tries=len(WAITS))
    make_due()
    sent_round()

    endpoint.refresh_from_db()
    assert endpoint.failing_since is not None  # since its own failure
    assert not Notice.objects.filter(kind="webhook_failing").exists()
