"""Notices become mails and webhooks: all of them once, for whom they are meant."""

import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from pytest_django import DjangoAssertNumQueries

from billing_site.outbox.handing_on import LOCK, hand_on
from clinics.models import AlertPreference, Clinic, Membership, Notice, OutgoingMail, User, WebhookDelivery
from clinics.models.webhooks import WebhookEndpoint
from tests.factories import deliver, deliver_many, give_credits, member_of

pytestmark = pytest.mark.django_db


def listening(clinic: Clinic, by: User, **facts: Any) -> WebhookEndpoint:
    wanted = {
        "url": "https://crm.example/in",
        "kinds": ["lead_delivered", "lead_held"],
        "secret": "x",
        **facts,
    }
    return WebhookEndpoint.objects.create(clinic=clinic, made_by=by, **wanted)


def to() -> set[int]:
    return set(OutgoingMail.objects.values_list("membership__user", flat=True))


def test_each_notice_becomes_a_mail_for_each_member_and_a_call_of_each_endpoint_once(
    funded_clinic: Clinic, owner: User, other_clinic: Clinic
) -> None:
    desk = member_of(funded_clinic, "front_desk")
    member_of(other_clinic, "owner")
    listening(funded_clinic, owner)
    lead = deliver(funded_clinic, 1)

    handed, again = hand_on(), hand_on()

    assert (handed, again) == (Notice.objects.count(), 0)
    assert to() == {owner.pk, desk.pk}
    assert OutgoingMail.objects.count() == 2 * handed
    [call] = WebhookDelivery.objects.all()
    assert (call.lead_id, call.notice.kind) == (lead.pk, "lead_delivered")
    assert not Notice.objects.filter(sent_at=None).exists()


def test_who_left_switched_off_or_is_not_active_gets_none(funded_clinic: Clinic, owner: User) -> None:
    gone, off, quiet = (member_of(funded_clinic, "front_desk") for _ in range(3))
    Membership.objects.filter(user=gone).update(is_active=False)
    User.objects.filter(pk=off.pk).update(is_active=False)
    AlertPreference.objects.create(membership=quiet.memberships.get(), kind="lead_delivered", by_email=False)
    AlertPreference.objects.create(membership=owner.memberships.get(), kind="lead_held", by_email=False)
    deliver(funded_clinic, 1)

    hand_on()

    assert to() == {owner.pk}


def test_of_an_inactive_clinic_nothing_leaves_and_nothing_is_made_up_for(
    funded_clinic: Clinic, owner: User
) -> None:
    listening(funded_clinic, owner)
    deliver(funded_clinic, 1)
    Clinic.objects.update(is_active=False)

    assert hand_on() > 0
    Clinic.objects.update(is_active=True)

    assert hand_on() == 0
    assert not OutgoingMail.objects.exists()
    assert not WebhookDelivery.objects.exists()


def test_endpoints_get_the_kinds_they_asked_for_while_they_listen(funded_clinic: Clinic, owner: User) -> None:
    listening(funded_clinic, owner, kinds=["lead_held"])
    listening(
        funded_clinic, owner, url="https://crm.example/stopped", stopped_at=Now(), stopped_because="by_hand"
    )
    listening(funded_clinic, owner, url="https://crm.example/removed", removed_at=Now())
    deliver(funded_clinic, 1)
    held = deliver(funded_clinic, 2, hold_for_review=True)

    hand_on()

    assert [call.lead_id for call in WebhookDelivery.objects.all()] == [held.pk]


def test_they_are_handed_on_oldest_first_and_due_in_that_order(clinic: Clinic, owner: User) -> None:
    give_credits(clinic, 5000)
    deliver_many(clinic, range(5))
    notices = list(Notice.objects.order_by("pk").values_list("pk", flat=True))

    while hand_on(most=2):
        pass

    assert list(OutgoingMail.objects.order_by("due_at", "pk").values_list("notice", flat=True)) == notices


def test_what_is_undone_hands_on_nothing(funded_clinic: Clinic, owner: User) -> None:
    with transaction.atomic():
        deliver(funded_clinic, 1)
        transaction.set_rollback(True)

    assert hand_on() == 0
    assert not OutgoingMail.objects.exists()


@pytest.mark.parametrize("count", [1, 20])
def test_it_asks_the_database_as_often_for_many_as_for_one(
    clinic: Clinic, owner: User, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    give_credits(clinic, 5000)
    deliver_many(clinic, range(count))

    with django_assert_num_queries(7):  # a savepoint and its end, the lock, what waits, and three statements
        hand_on()


@pytest.mark.django_db(transaction=True)
def test_two_at_once_hand_each_notice_on_once(funded_clinic: Clinic, owner: User) -> None:
    deliver_many(funded_clinic, range(5))
    waiting = Notice.objects.count()
    handed: list[int] = []

    def another() -> None:
        handed.append(hand_on())
        connection.close()

    with transaction.atomic():  # one is at it, and is not done
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        while_at_it = threading.Thread(target=another)
        while_at_it.start()
        while_at_it.join()
    crowd = [threading.Thread(target=another) for _ in range(4)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()

    assert handed[0] == 0
    assert sum(handed) == waiting
    assert OutgoingMail.objects.count() == waiting
