"""What one clinic's address, row or former owner must not do: hold up the site, stop the others, go on listening."""

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.utils import timezone

from billing_site.outbox import webhooks
from billing_site.outbox.handing_on import hand_on
from billing_site.outbox.webhook_calls import Outcome
from billing_site.outbox.webhooks import send_due_webhooks
from billing_site.portal import webhooks as pages
from billing_site.portal.webhook_slots import AT_ONCE, LOCKS
from clinics.models import AuditEvent, Clinic, User, WebhookDelivery, WebhookEndpoint
from clinics.services import webhooks as services
from clinics.services.webhooks import secrets_in_force
from tests.outbox.receiver import Receiver, endpoint_of, tell
from tests.outbox.test_webhooks_pages import LIST, act, add
from tests.pages import text_of
from tests.site.back_office import page, signed_in
from tests.site.portal_people import browser_of, member

pytestmark = [
    pytest.mark.django_db(databases=["default", "owner"]),
    pytest.mark.usefixtures("developers_machine"),
]


@contextmanager
def slots_taken(number: int) -> Iterator[None]:
    """By another session."""
    with connections["owner"].cursor() as cursor:
        for slot in range(number):
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [LOCKS, slot])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock_all()")


def test_while_others_wait_for_their_servers_nobody_else_does(
    owner: User, clinic: Clinic, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, (endpoint, _) = browser_of(owner), endpoint_of(clinic, receiver.url())
    with monkeypatch.context() as patched, slots_taken(AT_ONCE):
        patched.setattr(pages, "look_up", lambda *a, **k: pytest.fail("a name was looked up"))
        for response in (act(browser, endpoint, "test"), add(browser, receiver.url("/b"))):
            assert (response.status_code, "Try again in a moment" in response.text) == (429, True)
        assert not receiver.got
    with slots_taken(AT_ONCE - 1):
        assert act(browser, endpoint, "test").status_code == 303
        assert add(browser, receiver.url("/b")).status_code == 201
    assert len(receiver.got) == 1
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database here ON here.oid = database"
            " WHERE locktype = 'advisory' AND classid = %s AND datname = current_database()",
            [LOCKS],
        )
        assert cursor.fetchone()[0] == 0  # each gave its slot back


def test_a_test_waits_for_three_seconds_at_most(
    owner: User, clinic: Clinic, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited_in_vain = threading.Event()

    def say_nothing(sock: socket.socket) -> None:
        sock.settimeout(20)
        sock.recv(1)  # which comes when the caller hangs up
        waited_in_vain.set()

    assert webhooks.DEADLINE_OF_A_TEST <= 3
    monkeypatch.setattr(webhooks, "DEADLINE_OF_A_TEST", 0.2)
    receiver.answer = lambda got: say_nothing
    browser, (endpoint, _) = browser_of(owner), endpoint_of(clinic, receiver.url())
    assert act(browser, endpoint, "test").status_code == 303
    assert waited_in_vain.wait(20), "nobody hung up"
    assert "No answer in time." in text_of(browser.get(f"{LIST}/{endpoint.pk}"))


@pytest.mark.django_db(transaction=True)
def test_the_sender_locks_the_endpoint_before_its_delivery_as_the_pages_do(clinic: Clinic) -> None:
    endpoint, _ = endpoint_of(clinic, "https://crm.example/hook")
    tell(clinic, 1)
    hand_on()
    [delivery] = webhooks.claim(list(WebhookDelivery.objects.values_list("pk", flat=True)))

    def keep() -> None:
        webhooks.keep(delivery, Outcome(5, status=200), started_at=timezone.now())
        connection.close()

    sender = threading.Thread(target=keep)
    with transaction.atomic(), connection.cursor() as cursor:
        WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        sender.start()
        for _ in range(200):
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            if cursor.fetchone()[0]:
                break
            time.sleep(0.02)
        WebhookDelivery.objects.select_for_update(nowait=True).get(pk=delivery.pk)
    sender.join(10)
    assert WebhookDelivery.objects.get().done_at is not None


def test_what_a_former_owner_added_is_silent_until_another_gives_it_a_new_secret(
    owner: User, clinic: Clinic, receiver: Receiver
) -> None:
    leaving = member(clinic, "owner")
    made = [
        services.add_endpoint(clinic=clinic, by=by, url=receiver.url(path), kinds=["lead_delivered"])
        for by, path in ((leaving, "/theirs"), (leaving, "/stopped"), (leaving, "/removed"), (owner, "/ours"))
    ]
    theirs, stopped, removed, _ours = (one.endpoint for one in made)
    services.stop(endpoint=stopped, because=WebhookEndpoint.StoppedBecause.BY_HAND)
    services.remove(endpoint=removed)
    services.renew_secret(endpoint=theirs, stamp=services.stamp_of(theirs))
    stopped.refresh_from_db()
    before = stopped.stopped_at
    clinic.memberships.filter(user=leaving).update(role="front_desk")
    for endpoint in (theirs, stopped, removed):
        endpoint.refresh_from_db()
    assert [one.stopped_because for one in (theirs, stopped, removed)] == ["owner_left", "owner_left", ""]
    assert (stopped.stopped_at, theirs.stopped_at is not None) == (before, True)
    tell(clinic, 1)
    hand_on()
    send_due_webhooks()
    assert [got.path for got in receiver.got] == ["/ours"]

    assert act(browser_of(owner, minutes_ago=6), theirs, "resume").status_code == 403
    browser = browser_of(owner)
    assert "no longer an owner of this clinic" in text_of(browser.get(f"{LIST}/{theirs.pk}"))
    response = act(browser, theirs, "resume")
    theirs.refresh_from_db()
    (secret,) = secrets_in_force(theirs, at=timezone.now())  # none of before signs
    assert (response.status_code, secret in response.text, theirs.stopped_at) == (200, True, None)
    assert "no-store" in response["Cache-Control"]
    assert act(browser, theirs, "resume").status_code == 303
    theirs.refresh_from_db()
    assert secrets_in_force(theirs, at=timezone.now()) == [secret]


def test_what_is_on_its_way_is_not_started_over_and_sending_again_is_limited(
    owner: User, clinic: Clinic, receiver: Receiver
) -> None:
    endpoint, _ = endpoint_of(clinic, receiver.url())
    tell(clinic, 1)
    receiver.answer = lambda got: 500
    hand_on()
    send_due_webhooks()
    browser, delivery = browser_of(owner), WebhookDelivery.objects.get()
    assert "Send again" not in text_of(browser.get(f"{LIST}/{endpoint.pk}"))
    refused = act(browser, endpoint, "again", delivery=delivery.pk)
    assert (refused.status_code, "on its way already" in refused.text) == (409, True)
    assert WebhookDelivery.objects.get().tries == 1
    WebhookDelivery.objects.update(given_up_at=timezone.now())
    assert "Send again" in text_of(browser.get(f"{LIST}/{endpoint.pk}"))
    assert act(browser, endpoint, "again", delivery=delivery.pk).status_code == 303
    statuses = [act(browser, endpoint, "again_all").status_code for _ in range(6)]
    assert (statuses[0], statuses[-1]) == (303, 429)
    assert act(browser, endpoint, "test").status_code == 429
    assert act(browser, endpoint, "stop").status_code == 303


def test_what_an_address_may_hold_is_for_its_owner_alone(clinic: Clinic) -> None:
    endpoint, _ = endpoint_of(clinic, "https://crm.example/hook?key=opensesame")
    client = signed_in("support")
    seen = [
        client.get(page("clinics.webhookendpoint", "")).text,
        client.get(page("clinics.webhookendpoint", "change", endpoint.pk)).text,
    ]
    assert all("https://crm.example" in text and "/hook" not in text for text in seen)
    assert not any("opensesame" in text for text in seen)
    WebhookEndpoint.objects.update(url="https://crm.example/hook?key=another")
    trail = AuditEvent.objects.filter(table_name="webhook_endpoints").order_by("pk")
    assert [event.concealed for event in trail] == [[], ["url"]]
    assert "crm.example" not in f"{[(event.before, event.after) for event in trail]}"


def said() -> str:
    printed = io.StringIO()
    call_command("outbox", stdout=printed)
    return printed.getvalue()


def test_what_waits_for_a_broken_server_wakes_nobody_and_what_waits_for_us_does(clinic: Clinic) -> None:
    endpoint, _ = endpoint_of(clinic, "https://crm.example/hook")
    for number in (1, 2):
        tell(clinic, number)
    hand_on()
    WebhookDelivery.objects.update(due_at=timezone.now() - timedelta(minutes=16))
    WebhookDelivery.objects.filter(lead_id=2).update(given_up_at=timezone.now())
    of_endpoint: Any = WebhookEndpoint.objects.filter(pk=endpoint.pk)
    of_endpoint.update(failing_since=timezone.now())
    assert "ok    webhooks  1 waiting" in said()
    of_endpoint.update(failing_since=None)
    with pytest.raises(CommandError, match="Look at: webhooks"):
        said()
