"""Mails to members: at least once, the same one at each try, to whom it is still meant, and never a patient's data."""

import re
import threading
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings as site
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from billing_site.outbox import mails
from billing_site.outbox.digests import write_digests
from billing_site.outbox.handing_on import hand_on
from billing_site.outbox.letters import our_host
from billing_site.outbox.mails import WAITS, send_due_mails
from billing_site.outbox.patients import write_to_waiting_patients
from clinics.models import AlertPreference, Clinic, Membership, Notice, OutgoingMail, User
from credits.services.ledger import BillingService
from disputes.services import cases
from tests import factories, steps
from tests.clock import Clock
from tests.credits.books import account
from tests.factories import deliver, deliver_many, give_credits, member_of
from tests.outbox.post import all_words, be_due, part, send_all, sent
from tests.outbox.smtp import mail_server

pytestmark = pytest.mark.django_db


def move(clinic: Clinic, to: int) -> None:
    key = f"move-{account(clinic).last_sequence}"
    steps.adjust_credits(clinic.pk, to - account(clinic).balance, "Moved by a test", idempotency_key=key)


def only() -> OutgoingMail:
    [found] = OutgoingMail.objects.all()
    return found


def one_notice(clinic: Clinic) -> Notice:
    return Notice.objects.create(
        clinic=clinic,
        kind="low_balance",
        unique_key="low",
        data={"threshold": "1000.00", "balance": "990.00"},
    )


class TestWhatItSays:
    def test_its_heads_its_two_forms_and_its_links(self, funded_clinic: Clinic, owner: User) -> None:
        lead = deliver(funded_clinic, 1, city="Surat")

        assert send_all() == OutgoingMail.objects.count()

        mail = OutgoingMail.objects.get(notice__kind="lead_delivered")
        [message] = [one for one in sent() if f"Lead {lead.pk} came in" in str(one["Subject"])]
        assert message["Subject"].strip() == f"Lead {lead.pk} came in – Sunrise"
        assert (message["To"], message["From"]) == (owner.email, site.DEFAULT_FROM_EMAIL)
        assert message["Message-ID"] == f"<{mail.message_id}@{our_host()}>"
        assert message["Date"] is not None
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        stop = re.fullmatch(
            r"<(http.*/mail/stop/\d+-lead_delivered\.[\w-]+)>", str(message["List-Unsubscribe"]).strip()
        )
        assert stop is not None
        assert message.get_content_type() == "multipart/alternative"
        page = f"{site.SITE_URL}/clinic/leads/{lead.pk}?clinic={funded_clinic.pk}"
        for body in (part(message, "text/plain"), part(message, "text/html")):
            for words in (
                "Sunrise",
                f"Lead {lead.pk} came in",
                "Surat",
                page,
                stop[1],
                f"/clinic/settings/alerts?clinic={funded_clinic.pk}",
            ):
                assert words in body
        assert not re.search(r"<img|<script|<link|url\(", part(message, "text/html"))

    def test_it_is_in_the_language_of_its_reader(self, clinic: Clinic, owner: User) -> None:
        User.objects.filter(pk=owner.pk).update(language="hi")
        member_of(clinic, "owner")
        one_notice(clinic)

        send_all()

        hindi, english = sent()
        assert hindi["Subject"].strip() == "आपका बैलेंस ₹1,000 से नीचे गया – Sunrise"
        assert '<html lang="hi">' in part(hindi, "text/html")
        assert english["Subject"].strip() == "Your balance fell below ₹1,000 – Sunrise"

    def test_a_clinics_name_can_neither_break_a_head_nor_the_page(self, clinic: Clinic, owner: User) -> None:
        Clinic.objects.update(name="A & <b>B</b>\r\nBcc: everybody@example.com")
        one_notice(clinic)

        assert send_all() == 1

        [message] = sent()
        assert message["Bcc"] is None
        assert str(message["Subject"]).endswith("– A & <b>B</b> Bcc: everybody@example.com")
        assert "A &amp; &lt;b&gt;B" in part(message, "text/html")
        assert "A & <b>B</b>" in part(message, "text/plain")

    @pytest.mark.parametrize("role", ["owner", "front_desk"])
    def test_a_held_lead_comes_with_its_reason_and_for_who_may_act_with_what_helps(
        self, clinic: Clinic, role: str
    ) -> None:
        member_of(clinic, role)
        deliver(clinic, 1, price=30000, city="Surat")

        send_all()

        [message] = sent()
        for body in (part(message, "text/plain"), part(message, "text/html")):
            assert "Not enough credits · No treatment named · Surat · would cost ₹" in body
            assert ("Buy credits" in body) is (role == "owner")
            assert (f"{site.SITE_URL}/clinic/credits/topup?clinic={clinic.pk}" in body) is (role == "owner")
            assert "Open in the portal" in body

    def test_enquiries_that_wait_for_a_check_are_told_as_such_and_lead_to_all_of_them(
        self, clinic: Clinic, owner: User
    ) -> None:
        for phone in range(3):
            deliver(clinic, phone, hold_for_review=True)

        send_all()

        [message] = sent()
        assert message["Subject"].strip() == "Enquiries wait for your check – Sunrise"
        assert f"{site.SITE_URL}/clinic/leads/held?clinic={clinic.pk}" in part(message, "text/plain")

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        name=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=6, max_size=30),
        number=st.integers(600_000_000, 999_999_999),
    )
    def test_no_mail_of_any_kind_holds_anything_of_a_patient(
        self, clinic: Clinic, clock: Clock, mailoutbox: list[Any], name: str, number: int
    ) -> None:
        phone, address = f"+919{number}", f"p{number}@patient.example"
        person = {"name": f"Q{name}Q", "email": address, "message": f"M{name}M"}
        with transaction.atomic():
            clock.reset()
            one_of_each_kind(clinic, phone, person)
            clock.advance(hours=25)
            write_to_waiting_patients()
            write_digests()
            del mailoutbox[:]
            send_all()
            kinds = set(OutgoingMail.objects.values_list("kind", "notice__kind"))
            transaction.set_rollback(True)

        others = {("patient_waiting", None), ("digest", None)}
        assert kinds == {("notice", kind) for kind in Notice.Kind.values} | others
        for message in sent():
            words = all_words(message).replace(str(message["Message-ID"]), "")
            if address == message["To"]:
                words = words.replace(f"To: {address}", "")
            for trace in (*person.values(), address, phone, phone[3:], phone[4:]):
                assert trace not in words


def one_of_each_kind(clinic: Clinic, phone: str, person: dict[str, Any]) -> None:
    owner = member_of(clinic, "owner", password=None)
    staff = factories.UserFactory.create(is_staff=True, password=None)
    factories.paid_top_up(clinic, 2000)
    lead = deliver(clinic, phone, **person)
    case = factories.dispute(lead, by=owner)
    cases.ask_clinic(dispute=case, text="Which number?", by=staff)
    cases.answer(dispute=case, text="This one, we think.", by=owner)
    cases.approve(dispute=case, amount=lead.cost, reason_code="confirmed", notes="ok", by=staff)
    deliver(clinic, 7, hold_for_review=True, **person)
    withdrawn = deliver(clinic, 8, **person)
    BillingService.withdraw_lead(withdrawn.pk)
    move(clinic, 100)
    others = {"budget_reached": {"period": "day", "since": "2030-01-30", "cap": "100.00"},
              "credits_expiring": {"days": 7, "on": "2030-06-30", "amount": "500.00"},
              "webhook_failing": {"endpoint_id": 1, "state": "failing"}}  # fmt: skip
    for kind, data in others.items():
        Notice.objects.create(clinic=clinic, kind=kind, unique_key=kind, data=data)


class TestToWhom:
    @pytest.mark.parametrize("what", ["membership", "user", "clinic", "preference"])
    def test_what_changes_before_it_leaves_counts(self, clinic: Clinic, owner: User, what: str) -> None:
        membership = member_of(clinic, "billing").memberships.get()
        AlertPreference.objects.create(membership=owner.memberships.get(), kind="low_balance", by_email=False)
        one_notice(clinic)
        hand_on()
        {
            "membership": lambda: Membership.objects.filter(pk=membership.pk).update(is_active=False),
            "user": lambda: User.objects.filter(pk=membership.user_id).update(is_active=False),
            "clinic": lambda: Clinic.objects.update(is_active=False),
            "preference": lambda: AlertPreference.objects.create(
                membership=membership, kind="low_balance", by_email=False
            ),
        }[what]()

        assert send_due_mails() == 0

        assert sent() == []
        assert only().done_at is not None
        assert only().problem.startswith("Not sent: ")

    def test_it_goes_to_the_address_of_now(self, clinic: Clinic, owner: User) -> None:
        one_notice(clinic)
        User.objects.filter(pk=owner.pk).update(email="moved@example.com")

        send_all()

        assert [one["To"] for one in sent()] == ["moved@example.com"]


class TestOnce:
    def test_what_is_rolled_back_sends_nothing(self, funded_clinic: Clinic, owner: User) -> None:
        with transaction.atomic():
            deliver(funded_clinic, 1)
            transaction.set_rollback(True)

        assert send_all() == 0
        assert sent() == []

    def test_a_round_made_twice_sends_one_mail(self, clinic: Clinic, owner: User) -> None:
        one_notice(clinic)

        assert [send_all(), send_all()] == [1, 0]
        assert len(sent()) == 1

    def test_fifty_crossings_of_a_threshold_are_told_fifty_times_and_swings_above_it_once(
        self, clinic: Clinic, owner: User
    ) -> None:
        move(clinic, 1300)
        for swing in range(50):
            move(clinic, 990 - swing % 3)
            move(clinic, 1010 + swing % 180)
        send_all()
        assert len(sent()) == Notice.objects.filter(kind="low_balance").count() == 1

        for _ in range(50):
            move(clinic, 1200)
            move(clinic, 999)
        send_all()

        assert len(sent()) == Notice.objects.filter(kind="low_balance").count() == 51
        assert len({one["Message-ID"] for one in sent()}) == 51

    @pytest.mark.django_db(transaction=True)
    def test_four_senders_at_once_send_each_mail_once(
        self, clinic: Clinic, owner: User, settings: Settings
    ) -> None:
        give_credits(clinic, 10_000)
        deliver_many(clinic, range(30))
        hand_on()
        start, numbers = threading.Barrier(4), list[int]()

        def another() -> None:
            start.wait()
            numbers.append(send_due_mails())
            connection.close()

        with mail_server(settings) as server:
            crowd = [threading.Thread(target=another) for _ in range(4)]
            for one in crowd:
                one.start()
            for one in crowd:
                one.join()

            assert set(server.taken().values()) == {1}
            assert len(server.messages) == sum(numbers) == OutgoingMail.objects.count() == 30
            assert len([number for number in numbers if number]) > 1  # not one alone


class TestTrouble:
    def test_a_refused_recipient_is_given_up_at_once_and_the_others_get_theirs(
        self, clinic: Clinic, owner: User, settings: Settings
    ) -> None:
        nobody, later = member_of(clinic, "billing"), member_of(clinic, "front_desk")
        one_notice(clinic)
        with mail_server(settings) as server:
            server.verdicts = {
                nobody.email: (550, f"no such user {nobody.email}"),
                later.email: (451, f"greylisted {later.email}"),
            }

            assert send_all() == 1

            assert [one["To"] for one in server.messages] == [owner.email]
            assert server.conversations == 1
        refused = OutgoingMail.objects.get(membership__user=nobody)
        assert (refused.given_up_at is not None, refused.tries) == (True, 1)
        assert refused.problem == "SMTPRecipientsRefused 550"
        waits = OutgoingMail.objects.get(membership__user=later)
        assert (waits.given_up_at, waits.done_at, waits.problem) == (None, None, "SMTPRecipientsRefused 451")
        assert timedelta(seconds=50) < waits.due_at - timezone.now() < timedelta(seconds=70)

    def test_while_the_server_is_down_all_are_put_off_and_then_delivered_under_the_same_id(
        self, clinic: Clinic, owner: User, settings: Settings
    ) -> None:
        for _ in range(3):
            member_of(clinic, "front_desk")
        one_notice(clinic)
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1  # nobody listens there
        assert send_all() == 0
        assert send_due_mails() == 0
        told = OutgoingMail.objects.values_list("tries", "problem")
        assert set(told) == {(1, "ConnectionRefusedError")}
        with mail_server(settings) as server:
            be_due()
            assert send_due_mails() == 4

            ids = {
                f"<{one}@{our_host()}>" for one in OutgoingMail.objects.values_list("message_id", flat=True)
            }
            assert server.taken() == dict.fromkeys(ids, 1)

    def test_it_is_tried_for_about_a_day_and_then_given_up(
        self, clinic: Clinic, owner: User, settings: Settings
    ) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
        one_notice(clinic)
        waits = []
        for _ in range(len(WAITS)):
            send_all()
            waits.append(only().due_at - timezone.now())
            assert only().given_up_at is None
            be_due()

        send_due_mails()

        assert only().given_up_at is not None
        assert timedelta(hours=22) < sum(waits, timedelta()) < timedelta(hours=29)
        assert waits == sorted(waits)

    def test_a_line_that_the_server_closes_is_opened_again(
        self, clinic: Clinic, owner: User, settings: Settings
    ) -> None:
        for _ in range(4):
            member_of(clinic, "front_desk")
        one_notice(clinic)
        with mail_server(settings) as server:
            server.hangs_up_after_each = True

            assert send_all() == 5

            assert (len(server.messages), server.conversations) == (5, 5)

    def test_a_mail_that_cannot_be_written_stops_no_other_and_says_nothing_of_what_was_in_it(
        self, clinic: Clinic, owner: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        Notice.objects.create(clinic=clinic, kind="low_balance", unique_key="bad", data={"threshold": "Asha"})
        one_notice(clinic)

        assert send_all() == 1

        bad = OutgoingMail.objects.get(notice__unique_key="bad")
        assert (bad.problem, bad.done_at) == ("KeyError", None)
        assert "notice_texts.py" in caplog.text
        assert "Asha" not in caplog.text

    def test_a_slow_batch_ends_before_its_claim_does(self, clinic: Clinic, owner: User) -> None:
        member_of(clinic, "front_desk")
        one_notice(clinic)
        with patch(
            "billing_site.outbox.mails.time.monotonic", side_effect=[0.0, 0.0, mails.LAST_START_SECONDS + 1.0]
        ):
            assert send_all() == 1

        [left_over] = OutgoingMail.objects.open()
        assert (left_over.tries, left_over.problem) == (1, "")
        be_due()
        assert send_due_mails() == 1
