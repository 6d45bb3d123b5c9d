"""An endpoint that takes nothing for days: its owners are told, then it is stopped, and what it missed can be sent."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.db.models import F
from django.utils import timezone

from billing_site.outbox import webhooks
from billing_site.outbox.handing_on import hand_on
from billing_site.outbox.mails import send_due_mails
from billing_site.outbox.webhook_calls import Outcome
from billing_site.outbox.webhooks import WAITS
from clinics.models import AuditEvent, Clinic, Notice, OutgoingMail, User, WebhookDelivery, WebhookEndpoint
from clinics.models.webhooks import STOP_AFTER_TELLING, TELL_AFTER
from clinics.services import webhooks as services
from tests.outbox.post import all_words, sent
from tests.outbox.receiver import Receiver, delivery_of, endpoint_of, sent_round, tell
from tests.outbox.test_webhooks_pages import LIST, act
from tests.pages import text_of
from tests.site.back_office import signed_in
from tests.site.portal_people import browser_of, member

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def in_vain(notice: Notice) -> None:
    """Its last try, a day after the first, fails."""
    hand_on()
    long_due = timezone.now() - HOUR  # before whatever else waits
    WebhookDelivery.objects.filter(notice=notice).update(tries=len(WAITS), due_at=long_due)
    sent_round()
    assert delivery_of(notice).given_up_at is not None


def time_passes(by: timedelta) -> None:
    WebhookEndpoint.objects.update(
        failing_since=F("failing_since") - by, failing_told_at=F("failing_told_at") - by
    )


def notices() -> list[Any]:
    return list(
        Notice.objects.filter(kind="webhook_failing").order_by("pk").values_list("data__state", flat=True)
    )


def test_five_days_pass_in_all() -> None:
    assert sum(WAITS, timedelta()) * 0.9 > TELL_AFTER  # the last try of the first event is past it
    assert timedelta(days=4.5) < TELL_AFTER + STOP_AFTER_TELLING < timedelta(days=5.5)


def test_after_a_day_in_vain_owners_alone_are_told_once_in_the_bell_and_by_mail_and_no_program_is(
    clinic: Clinic, owner: User, receiver: Receiver
) -> None:
    desk = member(clinic, "front_desk")
    endpoint_of(clinic, receiver.url("/key-of-theirs"))
    receiver.answer = lambda got: 500
    in_vain(tell(clinic, 1))
    assert notices() == []  # it has failed for a moment only
    time_passes(TELL_AFTER)
    tell(clinic, 2)
    sent_round()
    assert notices() == []  # this one may still arrive
    for number in (3, 4):
        in_vain(tell(clinic, number))
    assert notices() == ["failing"]

    hand_on()
    to = OutgoingMail.objects.filter(notice__kind="webhook_failing").values_list(
        "membership__user", flat=True
    )
    assert list(to) == [owner.pk]
    assert not WebhookDelivery.objects.filter(notice__kind="webhook_failing").exists()
    send_due_mails()
    words = "Your software at 127.0.0.1 has taken nothing for a day"
    [mail] = [one for one in map(all_words, sent()) if words in one]
    [of_owner, of_desk] = [text_of(browser_of(user).get("/clinic/notices")) for user in (owner, desk)]
    assert words in of_owner
    assert words not in of_desk
    assert "key-of-theirs" not in mail + of_owner
    assert "we stop calling it" in text_of(browser_of(owner).get(LIST))


def test_what_gets_through_ends_the_count_and_the_next_time_is_told_anew(
    clinic: Clinic, receiver: Receiver
) -> None:
    endpoint, _ = endpoint_of(clinic, receiver.url())
    receiver.answer = lambda got: 200 if got.lead == 2 else 500
    for number in (1, 3):
        tell(clinic, number)
        sent_round()
        time_passes(TELL_AFTER)
        in_vain(Notice.objects.latest("pk"))
        time_passes(STOP_AFTER_TELLING)
        tell(clinic, 2)
        WebhookDelivery.objects.open().update(due_at=timezone.now())
        assert sent_round() == 1
        endpoint.refresh_from_db()
        assert (endpoint.failing_since, endpoint.failing_told_at, endpoint.stopped_at) == (None, None, None)
    assert notices() == ["failing", "failing"]


def test_days_later_it_is_stopped_and_what_it_missed_is_sent_when_an_owner_says_so(
    clinic: Clinic, owner: User, receiver: Receiver
) -> None:
    endpoint, _ = endpoint_of(clinic, receiver.url())
    receiver.answer = lambda got: 500
    tell(clinic, 1)
    sent_round()
    time_passes(TELL_AFTER)
    in_vain(tell(clinic, 2))
    time_passes(STOP_AFTER_TELLING - HOUR)
    in_vain(tell(clinic, 3))
    assert notices() == ["failing"]
    time_passes(HOUR)
    tell(clinic, 4)
    in_vain(tell(clinic, 5))

    endpoint.refresh_from_db()
    assert (endpoint.stopped_because, notices()) == ("silent", ["failing", "stopped"])
    change = AuditEvent.objects.filter(table_name="webhook_endpoints", operation="update").latest("pk")
    assert change.reason == "Nothing got through for five days"
    assert not WebhookDelivery.objects.open().exists()
    calls, browser = len(receiver.got), browser_of(owner)
    tell(clinic, 6)  # happens meanwhile
    sent_round()
    assert len(receiver.got) == calls
    assert delivery_of(Notice.objects.get(data__lead_id=6)).problem == "stopped"
    told = text_of(browser.get("/clinic/notices"))
    page = text_of(browser.get(f"{LIST}/{endpoint.pk}"))
    assert "We stopped calling your software at 127.0.0.1" in told
    for words in ("Nothing got through since", "so we stopped", "Not sent: the endpoint was stopped."):
        assert words in page
    assert act(browser, endpoint, "again_all").status_code == 409
    listed = signed_in("support").get("/admin/clinics/webhookendpoint/", {"state": "silent"})
    assert (len(listed.context["cl"].result_list), "Stopped: silent" in listed.text) == (1, True)

    receiver.answer = lambda got: 200
    act(browser, endpoint, "resume")
    assert "Listens again" in text_of(browser.get(LIST))
    tell(clinic, 7)
    assert sent_round() == 1  # what happens from now on
    act(browser, endpoint, "again_all")
    assert sent_round() == 6
    assert sorted(receiver.leads[calls:]) == [1, 2, 3, 4, 5, 6, 7]
    endpoint.refresh_from_db()
    assert (endpoint.failing_since, endpoint.failing_told_at) == (None, None)


def test_one_that_listens_again_has_all_its_days_before_it(clinic: Clinic, receiver: Receiver) -> None:
    endpoint, _ = endpoint_of(clinic, receiver.url())
    receiver.answer = lambda got: 500
    long_ago = timezone.now() - timedelta(days=9)
    WebhookEndpoint.objects.update(failing_since=long_ago, failing_told_at=long_ago)
    services.resume(endpoint=endpoint)  # it was not stopped: a press of the button changes nothing
    in_vain(tell(clinic, 1))
    endpoint.refresh_from_db()
    assert endpoint.stopped_because == "silent"
    services.resume(endpoint=endpoint)
    in_vain(tell(clinic, 2))
    endpoint.refresh_from_db()
    assert endpoint.stopped_at is None


def test_an_event_that_comes_in_while_what_waits_is_put_by_is_not_dropped(
    clinic: Clinic, receiver: Receiver
) -> None:
    endpoint_of(clinic, receiver.url())
    first = tell(clinic, 1)
    hand_on()
    WebhookEndpoint.objects.update(
        stopped_at=timezone.now(), stopped_because="silent", failing_since=timezone.now()
    )
    happens, later = [2], []

    def comes_in(execute: Any, *arguments: Any) -> Any:
        done = execute(*arguments)
        if happens:
            later.append(tell(clinic, happens.pop()))
            hand_on()
        return done

    for _ in range(2):
        with connection.execute_wrapper(comes_in):
            services.drop_what_nobody_waits_for(WebhookDelivery.objects.all())

    for notice in (first, *later):
        assert (delivery_of(notice).done_at, delivery_of(notice).problem) == (None, "stopped")
        assert delivery_of(notice).given_up_at is not None


@pytest.mark.parametrize(
    ("problem", "state"), [("ours", []), ("secret_lost", []), ("timed_out", ["failing"])]
)
def test_failures_of_our_own_stop_nothing(
    clinic: Clinic, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, problem: str, state: list[str]
) -> None:
    endpoint_of(clinic, receiver.url())
    tell(clinic, 1)
    monkeypatch.setattr(webhooks, "make", lambda call: Outcome(1, problem))
    sent_round()
    time_passes(TELL_AFTER)
    in_vain(tell(clinic, 2))
    assert notices() == state


def test_a_late_success_of_one_that_was_stopped_counts_for_its_event_alone(
    clinic: Clinic, receiver: Receiver
) -> None:
    endpoint, _ = endpoint_of(clinic, receiver.url())
    WebhookEndpoint.objects.update(failing_since=timezone.now())
    notice = tell(clinic, 1)
    hand_on()
    [on_its_way] = webhooks.claim([delivery_of(notice).pk])
    services.stop(endpoint=endpoint, because=WebhookEndpoint.StoppedBecause.SILENT)
    assert delivery_of(notice).given_up_at is not None
    webhooks.keep(on_its_way, Outcome(5, status=200), started_at=timezone.now())
    endpoint.refresh_from_db()
    assert (delivery_of(notice).problem, endpoint.stopped_because) == ("", "silent")
    assert delivery_of(notice).done_at is not None
    assert endpoint.failing_since is not None  # its page says since when


def test_no_webhook_can_be_asked_to_tell_of_webhooks(clinic: Clinic) -> None:
    with pytest.raises(IntegrityError, match="hears_nothing_of_webhooks"):
        endpoint_of(clinic, "https://crm.example/hook", ["webhook_failing"])


def test_every_stop_that_is_not_an_owners_is_told(clinic: Clinic, owner: User, receiver: Receiver) -> None:
    leaving = member(clinic, "owner")
    of_leaving = services.add_endpoint(clinic=clinic, by=leaving, url=receiver.url("/1"), kinds=["lead_held"])
    by_hand, _ = endpoint_of(clinic, receiver.url("/2"))
    services.stop(endpoint=by_hand, because=WebhookEndpoint.StoppedBecause.BY_HAND)
    assert notices() == []
    clinic.memberships.filter(user=leaving).update(role="billing")
    told = Notice.objects.get(kind="webhook_failing").data
    assert (told["endpoint_id"], told["because"]) == (of_leaving.endpoint.pk, "owner_left")
    services.remove(endpoint=by_hand)  # its page is gone, the list is not
    Notice.objects.update(data=told | {"endpoint_id": by_hand.pk, "because": "gone"})
    assert f'href="{LIST}"' in browser_of(owner).get("/clinic/notices").text


def test_a_former_owner_gets_no_mail_that_was_on_its_way(clinic: Clinic, owner: User) -> None:
    leaving = member(clinic, "owner")
    endpoint_of(clinic, "https://crm.example/hook")
    WebhookEndpoint.objects.update(failing_since=timezone.now(), failing_told_at=timezone.now())
    hand_on()
    clinic.memberships.filter(user=leaving).update(role="billing")
    send_due_mails()
    assert [mail["To"] for mail in sent()] == [owner.email]
