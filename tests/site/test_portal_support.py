"""What a clinic asks of staff under «Help», and how staff answer it."""

from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from billing_site.outbox.mails import send_due_mails
from clinics.models import AuditEvent, Clinic, SupportRequest, User
from clinics.services.support import AnsweredAlready, AskedAlready, answer_clinic, ask_staff
from tests import factories
from tests.site.back_office import WHY, page, person, sign_in
from tests.site.portal_people import SUPPORT, browser_of, member

pytestmark = pytest.mark.django_db

MESSAGE = "We close our practice in March."


def ask(user: User, kind: str = "other", message: str = MESSAGE) -> Any:
    return browser_of(user).post(SUPPORT, {"kind": kind, "message": message})


def answer(client: Client, request: SupportRequest, text: str = "Paid back today.") -> Any:
    address = page("clinics.supportrequest", "change", request.pk)
    return client.post(address, {"answer": text, "audit_reason": WHY, "_save": "Save"})


class TestAsking:
    @pytest.mark.parametrize("kind", ["refund", "closure", "other"])
    def test_an_owner_asks_for_anything_once_at_a_time(self, owner: User, clinic: Clinic, kind: str) -> None:
        response = ask(owner, kind)
        assert (response.status_code, response["Location"]) == (303, SUPPORT)
        request = SupportRequest.objects.get()
        assert (request.clinic, request.kind, request.message, request.made_by) == (
            clinic,
            kind,
            MESSAGE,
            owner,
        )
        again = ask(owner, kind, "And once more, please")
        assert again.status_code == 409
        assert "asked for this already" in again.text
        assert "And once more, please" in again.text
        assert SupportRequest.objects.count() == 1
        trail = AuditEvent.objects.get(table_name="support_requests")
        assert MESSAGE not in str(trail.after)

    @pytest.mark.parametrize(
        "message",
        [
            "Please call Meera Joshi of lead {lead}.",
            "Her number is 98765 43210, lead {lead}.",
            "Write to meera@example.in about lead {lead}.",
        ],
    )
    def test_a_patients_name_or_number_goes_to_nobody(
        self, funded_clinic: Clinic, owner: User, message: str
    ) -> None:
        lead = factories.deliver(funded_clinic, name="Meera Joshi")

        response = ask(owner, message=message.format(lead=lead.pk))

        assert response.status_code == 400
        assert "Please leave names, phone numbers and e-mail addresses out." in response.text
        assert message.format(lead=lead.pk) in response.text
        assert not SupportRequest.objects.exists()

    def test_numbers_of_leads_and_payments_are_taken(self, clinic: Clinic, owner: User) -> None:
        text = (
            "Lead 4711 of 12 November 2026, ₹1,80,000: payments tu-9876543210987654 and pay_98765432109876."
        )

        assert ask(owner, message=text).status_code == 303

    @pytest.mark.parametrize("role", ["billing", "front_desk"])
    def test_others_ask_for_something_else_alone_and_read_no_more(
        self, clinic: Clinic, owner: User, role: str
    ) -> None:
        ask(owner, "refund")
        colleague = member(clinic, role)
        assert [ask(colleague, kind).status_code for kind in ("refund", "closure", "other")] == [
            403,
            403,
            303,
        ]
        shown = browser_of(colleague).get(SUPPORT)
        assert [one.kind for one in shown.context["asked"]] == ["other"]
        assert "Two people of our staff" not in shown.text

    def test_the_page_says_what_will_happen_before_one_asks(self, owner: User) -> None:
        text = browser_of(owner).get(SUPPORT).text
        for consequence in ("Bonus credits that came with them lapse", "held expire", "Tokens and sign-ins"):
            assert consequence in text

    @pytest.mark.parametrize(
        ("kind", "message"),
        [
            ("", MESSAGE),
            ("king", MESSAGE),
            ("other", ""),
            ("other", "short"),
            ("other", "x" * 4001),
            ("other", "\x00" * 20),
        ],
    )
    def test_bad_input_asks_nothing(self, owner: User, kind: str, message: str) -> None:
        assert ask(owner, kind, message).status_code == 400
        assert not SupportRequest.objects.exists()

    def test_another_clinics_requests_are_not_shown(self, owner: User, other_clinic: Clinic) -> None:
        ask(member(other_clinic), message="A secret of Lotus")
        assert "A secret of Lotus" not in browser_of(owner).get(SUPPORT).text

    def test_the_database_keeps_one_open_of_a_kind(self, owner: User, clinic: Clinic) -> None:
        ask_staff(clinic=clinic, kind="refund", message=MESSAGE, by=owner)
        with pytest.raises(IntegrityError), transaction.atomic():
            SupportRequest.objects.create(clinic=clinic, kind="refund", message=MESSAGE, made_by=owner)
        with pytest.raises(AskedAlready):
            ask_staff(clinic=clinic, kind="refund", message=MESSAGE, by=owner)


class TestAnswering:
    def staff(self, who: str) -> Client:
        client = Client(headers={"accept": "text/html"})
        self.user = person(who)
        sign_in(client, self.user)
        return client

    @pytest.mark.parametrize("who", ["support", "finance", "superuser"])
    def test_those_who_may_answer_once_and_the_clinic_reads_it(
        self, owner: User, clinic: Clinic, who: str
    ) -> None:
        ask(owner, "refund")
        request, client = SupportRequest.objects.get(), self.staff(who)
        assert MESSAGE in client.get(page("clinics.supportrequest", "change", request.pk)).text
        assert answer(client, request).status_code == 302
        request.refresh_from_db()
        assert (request.answer, request.answered_by) == ("Paid back today.", self.user)
        shown = browser_of(owner).get(SUPPORT).text
        assert "Paid back today." in shown
        assert self.user.email not in shown
        event = AuditEvent.objects.filter(table_name="support_requests").order_by("-pk")[0]
        assert (event.actor, event.reason, "answer" in event.concealed) == (self.user, WHY, True)
        assert answer(client, request, "Another word").status_code == 403
        assert ask(owner, "refund").status_code == 303  # a new matter

    def test_who_asked_gets_a_mail_that_leads_to_it(
        self, owner: User, clinic: Clinic, settings: Settings
    ) -> None:
        settings.SITE_URL = "https://credits.example"
        ask(owner)
        answer(self.staff("support"), SupportRequest.objects.get(), "A word about patients")
        assert not mail.outbox
        assert send_due_mails() == 1
        (message,) = mail.outbox
        assert message.to == [owner.email]
        assert f"https://credits.example{SUPPORT}?clinic={clinic.pk}" in str(message.body)
        assert "A word about patients" not in str(message.body)

    @pytest.mark.parametrize("who", ["auditor", "resolver", "user admin"])
    def test_others_can_not(self, owner: User, who: str) -> None:
        ask(owner)
        request = SupportRequest.objects.get()
        assert answer(self.staff(who), request).status_code == 403
        request.refresh_from_db()
        assert request.answered_at is None

    @pytest.mark.parametrize("text", ["", "   ", "x" * 4001])
    def test_an_answer_says_something(self, owner: User, text: str) -> None:
        ask(owner)
        request = SupportRequest.objects.get()
        assert answer(self.staff("support"), request, text).status_code == 200
        request.refresh_from_db()
        assert request.answered_at is None

    def test_of_two_who_answer_the_second_is_told(self, owner: User, clinic: Clinic) -> None:
        request = ask_staff(clinic=clinic, kind="other", message=MESSAGE, by=owner)
        one, other = person("support"), person("finance")
        answer_clinic(request=request, text="First", by=one)
        with pytest.raises(AnsweredAlready):
            answer_clinic(request=request, text="Second", by=other)
        assert SupportRequest.objects.get().answer == "First"

    def test_the_waiting_come_first_and_are_counted_on_the_first_page(
        self, owner: User, clinic: Clinic
    ) -> None:
        made = [
            ask_staff(clinic=clinic, kind=kind, message=MESSAGE, by=owner)
            for kind in ("refund", "closure", "other")
        ]
        SupportRequest.objects.filter(pk=made[0].pk).update(
            answer="Done", answered_by=person("support"), answered_at=timezone.now()
        )
        client = self.staff("support")
        listed = client.get(page("clinics.supportrequest", ""))
        assert [row.pk for row in listed.context["cl"].result_list] == [made[1].pk, made[2].pk, made[0].pk]
        with CaptureQueriesContext(connection) as few:
            tiles = {tile.title: tile for tile in client.get("/admin/").context["tiles"]}
        tile = tiles["Clinics asking"]
        assert (tile.number, [(part.label, part.number) for part in tile.parts]) == (
            2, [("close the account", 1), ("something else", 1)],
        )  # fmt: skip
        assert sum("support_requests" in query["sql"] for query in few) == 1
        for link, number in ((tile.address, 2), *((part.address, part.number) for part in tile.parts)):
            assert client.get(link).context["cl"].result_count == number
        resolver = {tile.title for tile in self.staff("resolver").get("/admin/").context["tiles"]}
        assert "Clinics asking" not in resolver


def test_who_was_invited_is_to_look_at_alone() -> None:
    clinic = factories.ClinicFactory.create()
    member(clinic)
    client = Client(headers={"accept": "text/html"})
    sign_in(client, person("superuser"))
    assert client.get(page("clinics.invitation", "")).status_code == 200
    assert client.get(page("clinics.invitation", "add")).status_code == 403


def test_what_else_the_table_refuses_is_not_told_as_asked_already(clinic: Clinic, owner: User) -> None:
    with pytest.raises(IntegrityError, match="support_request_says_something"):
        ask_staff(clinic=clinic, kind="other", message="", by=owner)
