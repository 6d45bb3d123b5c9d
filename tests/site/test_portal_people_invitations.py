"""Invitations by e-mail: from the owner's form to the newcomer's first page, and every link that leads nowhere."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone
from pytest_django import Settings

from billing_site.outbox.mails import send_due_mails
from clinics.models import AuditEvent, Clinic, Invitation, Membership, OutgoingMail, User
from clinics.services import invitations
from tests import factories
from tests.site.back_office import sign_in
from tests.site.portal_people import HTML, MEMBERS, browser_of, link_in_mail, member

pytestmark = pytest.mark.django_db

NEW = {"full_name": "Asha Patel", "password": "a quite long one 77"}


def invite(owner: User, email: str = "Asha@Care.example", role: str = "billing") -> Any:
    return browser_of(owner).post(MEMBERS, {"email": email, "role": role})


def act(owner: User, invitation: Invitation, action: str) -> Any:
    return browser_of(owner).post(f"/clinic/settings/invitations/{invitation.pk}", {"action": action})


def link_to(clinic: Clinic, owner: User, email: str = "asha@care.example", role: str = "billing") -> str:
    invitation = invitations.invite(clinic=clinic, email=email, role=role, by=owner)
    return f"/accounts/invitations/{invitations.token_of(invitation)}"


def html_of(message: Any) -> str:
    return str(message.alternatives[0][0])


def state() -> tuple[int, list[Any]]:
    return User.objects.count(), list(
        Membership.objects.order_by("pk").values_list("user", "role", "is_active")
    )


class TestInviting:
    def test_the_mail_has_a_link_without_the_address_in_text_and_html(
        self, owner: User, clinic: Clinic
    ) -> None:
        User.objects.filter(pk=owner.pk).update(full_name="Dr Meghna Bhatt")
        response = invite(owner)

        assert (response.status_code, response["Location"]) == (303, MEMBERS)
        assert not mail.outbox
        assert send_due_mails() == 1
        (message,) = mail.outbox
        assert message.to == ["asha@care.example"]
        assert "Sunrise" in message.subject
        html = html_of(message)
        for body in (str(message.body), html):
            assert "Dr Meghna Bhatt" in body
            assert link_in_mail() in body
        assert "asha" not in link_in_mail()
        invitation = Invitation.objects.get()
        assert (invitation.email, invitation.role, invitation.invited_by) == (
            "asha@care.example",
            "billing",
            owner,
        )
        event = AuditEvent.objects.filter(table_name="clinic_invitations").get()
        assert "asha" not in str(event.after)

    def test_it_says_the_same_whether_the_address_has_an_account_or_not(
        self, owner: User, clinic: Clinic
    ) -> None:
        """Of staff, of somebody switched off, of a stranger: who invites learns nothing of them."""
        addresses = [
            factories.UserFactory.create(is_staff=True).email,
            factories.UserFactory.create(is_active=False).email,
            factories.UserFactory.create().email,
            "nobody@here.example",
        ]
        for email in addresses:
            assert invite(owner, email).status_code == 303
        send_due_mails()
        subjects = {message.subject for message in mail.outbox}
        assert (len(mail.outbox), len(subjects)) == (4, 1)
        page = browser_of(owner).get(MEMBERS).text
        for email in addresses:
            assert page.count(email) == 3  # the address, and what its two buttons are called

    def test_somebody_who_works_here_is_not_invited(self, owner: User, clinic: Clinic) -> None:
        desk = member(clinic, "front_desk")
        response = invite(owner, desk.email.upper())
        assert response.status_code == 400
        assert "works here already" in response.text
        assert not OutgoingMail.objects.exists()

    @pytest.mark.parametrize(
        ("email", "role"),
        [("", "billing"), ("nobody", "billing"), ("a@b.example", "king"), ("a\x00@b.example", "owner")],
    )
    def test_bad_input_sends_nothing(self, owner: User, email: str, role: str) -> None:
        assert invite(owner, email, role).status_code == 400
        assert not Invitation.objects.exists()

    def test_the_limit_of_the_day_counts_what_is_sent_again_and_is_the_clinics_own(
        self, owner: User, clinic: Clinic, other_clinic: Clinic, settings: Settings
    ) -> None:
        settings.INVITATIONS_PER_CLINIC_PER_DAY = 2
        assert invite(owner).status_code == 303
        assert act(owner, Invitation.objects.get(), "send").status_code == 303
        refused = invite(owner, "another@care.example")
        assert refused.status_code == 400
        assert "at most 2 invitations a day" in refused.text
        assert invite(member(other_clinic)).status_code == 303
        Invitation.objects.update(created_at=timezone.now() - timedelta(days=1))
        assert invite(owner, "another@care.example").status_code == 303

    def test_what_became_of_it_before_the_mail_left_counts(self, owner: User, clinic: Clinic) -> None:
        for email in ("withdrawn@b.example", "old@b.example", "replaced@b.example"):
            invite(owner, email)
        act(owner, Invitation.objects.get(email="withdrawn@b.example"), "revoke")
        act(owner, Invitation.objects.get(email="replaced@b.example"), "send")
        Invitation.objects.filter(email="old@b.example").update(
            created_at=timezone.now() - timedelta(days=8), expires_at=timezone.now()
        )

        assert send_due_mails() == 1

        assert [message.to for message in mail.outbox] == [["replaced@b.example"]]
        notes = OutgoingMail.objects.exclude(problem="").values_list("problem", flat=True)
        assert list(notes) == ["Not sent: the invitation is over."] * 3

    def test_the_page_says_what_became_of_the_mail(self, owner: User, clinic: Clinic) -> None:
        client = browser_of(owner)
        client.post(MEMBERS, {"email": "a@b.example", "role": "billing"})
        waits = client.get(MEMBERS).text
        assert "a@b.example is invited" in waits
        assert "The mail is on its way." in waits
        send_due_mails()
        assert "Good until" in client.get(MEMBERS).text
        for problem, said in (
            ("SMTPRecipientsRefused 550", "could not be delivered. Is the address right?"),
            ("ConnectionRefusedError", "We could not send the mail. Send it again."),
        ):
            OutgoingMail.objects.update(done_at=None, given_up_at=timezone.now(), problem=problem)
            page = client.get(MEMBERS).text
            assert said in page
            assert ("Is the address right?" in page) == problem.startswith("SMTPRecipientsRefused")

    def test_it_is_written_in_the_language_of_who_invites(self, owner: User) -> None:
        User.objects.filter(pk=owner.pk).update(language="hi")
        invite(owner)
        send_due_mails()
        assert 'lang="hi"' in html_of(mail.outbox[0])


class TestTheLink:
    def test_a_newcomer_sets_name_and_password_and_is_in(
        self, owner: User, clinic: Clinic, client: Client
    ) -> None:
        invite(owner)
        link = link_in_mail()
        page = client.get(link, **HTML)
        assert "Sunrise" in page.text
        assert 'autocomplete="new-password"' in page.text
        assert page["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"

        response = client.post(link, NEW, **HTML)

        assert (response.status_code, response["Location"]) == (303, "/clinic/dashboard")
        newcomer = User.objects.get(email="asha@care.example")
        assert (newcomer.full_name, newcomer.is_staff, newcomer.check_password(NEW["password"])) == (
            "Asha Patel", False, True,
        )  # fmt: skip
        assert Membership.objects.get(user=newcomer).role == "billing"
        assert client.get("/clinic/dashboard", **HTML).context["clinic"] == clinic
        assert Invitation.objects.get().accepted_by == newcomer

    @pytest.mark.parametrize(
        ("wrong", "problem"),
        [
            ({"password": "short"}, "too short"),
            ({"password": "password1234"}, "too common"),
            ({"password": "asha@care.example"}, "too similar"),
            ({"full_name": ""}, "required"),
            ({"full_name": "x\x00"}, "Null characters"),
        ],
    )
    def test_a_weak_password_or_no_name_makes_no_account(
        self, owner: User, clinic: Clinic, client: Client, wrong: dict[str, str], problem: str
    ) -> None:
        link, before = link_to(clinic, owner), state()
        response = client.post(link, {**NEW, **wrong}, **HTML)
        assert response.status_code == 400
        assert problem in response.text
        assert state() == before
        assert "_auth_user_id" not in client.session

    def test_somebody_with_an_account_signs_in_first_and_accepts(
        self, owner: User, clinic: Clinic, client: Client
    ) -> None:
        known = factories.UserFactory.create(email="asha@care.example")
        link, before = link_to(clinic, owner), state()
        page = client.get(link, **HTML)
        assert f"/accounts/login/?next={link}" in page.text
        assert client.post(link, NEW, **HTML).status_code == 403
        assert state() == before  # a link alone neither signs in nor changes their password

        sign_in(client, known)
        assert "Accept" in client.get(link, **HTML).text
        assert client.post(link, **HTML)["Location"] == "/clinic/dashboard"
        assert Membership.objects.get(user=known).role == "billing"
        assert client.post(link, **HTML).status_code == 303  # their own second click
        assert client.get(link, **HTML).status_code == 303
        assert Membership.objects.filter(user=known).count() == 1

    def test_opened_by_somebody_signed_in_as_another_it_says_so_and_changes_nothing(
        self, owner: User, clinic: Clinic
    ) -> None:
        link, other = link_to(clinic, owner), factories.UserFactory.create()
        client, before = browser_of(other), state()
        assert f"you are signed in as {other.email}" in client.get(link).text
        assert client.post(link, NEW).status_code == 403
        assert state() == before
        with pytest.raises(invitations.NotForThisPerson):
            invitations.accept(invitation=Invitation.objects.get(), user=other)

    def test_staff_and_who_was_switched_off_can_not_accept(self, owner: User, clinic: Clinic) -> None:
        for fields in ({"is_staff": True}, {"is_superuser": True}, {"is_active": False}):
            user = factories.UserFactory.create(**fields)
            link = link_to(clinic, owner, user.email)
            for client in (Client(), browser_of(user)):
                assert client.get(link, **HTML).status_code == 403
                assert client.post(link, NEW, **HTML).status_code == 403
            with pytest.raises(invitations.NotForThisPerson):
                invitations.accept(invitation=Invitation.objects.latest("pk"), user=user)
            assert not Membership.objects.filter(user=user).exists()

    def test_links_that_are_over_say_why(self, owner: User, clinic: Clinic, client: Client) -> None:
        for fact, text in (
            ({"revoked_at": timezone.now()}, "withdrawn"),
            ({"created_at": timezone.now() - timedelta(days=9), "expires_at": timezone.now()}, "too old"),
            ({"accepted_at": timezone.now(), "accepted_by": owner}, "used already"),
        ):
            link = link_to(clinic, owner)
            Invitation.objects.filter(pk=Invitation.objects.latest("pk").pk).update(**fact)
            for response in (client.get(link, **HTML), client.post(link, NEW, **HTML)):
                assert response.status_code == 410
                assert text in response.text
        assert not User.objects.filter(email="asha@care.example").exists()

    @pytest.mark.parametrize("broken", ["1", "1.x", "%00", "1." + "a" * 43, "..", "9" * 400])
    def test_a_link_of_nobodys_is_a_404(self, owner: User, client: Client, broken: str) -> None:
        assert client.get(f"/accounts/invitations/{broken}", **HTML).status_code == 404

    def test_a_newer_one_replaces_it_and_a_withdrawn_one_is_dead(self, owner: User, client: Client) -> None:
        invite(owner)
        first = link_in_mail()
        act(owner, Invitation.objects.get(), "send")
        second = link_in_mail()
        assert [client.get(link, **HTML).status_code for link in (first, second)] == [410, 200]
        act(owner, Invitation.objects.latest("pk"), "revoke")
        assert client.get(second, **HTML).status_code == 410
        assert act(owner, Invitation.objects.latest("pk"), "send").status_code == 409

    def test_it_ends_with_the_clinic_and_with_the_owner_who_sent_it(
        self, owner: User, clinic: Clinic, client: Client
    ) -> None:
        link = link_to(clinic, owner)
        for model, fact in ((Clinic, "is_active"), (User, "is_active")):
            model._default_manager.update(**{fact: False})
            assert client.get(link, **HTML).status_code == 410
            model._default_manager.update(**{fact: True})
        member(clinic, "owner")
        Membership.objects.filter(user=owner).update(role="billing")
        assert client.get(link, **HTML).status_code == 410

    def test_who_left_comes_back_in_the_invited_role_and_who_is_here_keeps_theirs(
        self, owner: User, clinic: Clinic
    ) -> None:
        former, colleague = member(clinic, "front_desk"), factories.UserFactory.create()
        Membership.objects.filter(user=former).update(is_active=False)
        links = [link_to(clinic, owner, user.email, "billing") for user in (former, colleague)]
        Membership.objects.create(clinic=clinic, user=colleague, role="owner")
        for user, link in zip((former, colleague), links, strict=True):
            browser_of(user).post(link)
        roles = Membership.objects.filter(user__in=(former, colleague), is_active=True).order_by("user")
        assert list(roles.values_list("role", flat=True)) == ["billing", "owner"]


@pytest.mark.django_db(transaction=True)
def test_accepted_twice_at_once_it_makes_one_account_and_one_membership() -> None:
    clinic = factories.ClinicFactory.create()
    owner = member(clinic)
    link, start, answers = link_to(clinic, owner), threading.Barrier(4), []

    def accept() -> None:
        client = Client()
        start.wait()
        answers.append(client.post(link, NEW, **HTML).status_code)
        connection.close()

    threads = [threading.Thread(target=accept) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The others: over, or (between the account and the end of the invitation) somebody's who has to sign in.
    assert answers.count(303) == 1
    assert set(answers) <= {303, 403, 410}
    assert User.objects.filter(email="asha@care.example").count() == 1
    assert Membership.objects.filter(clinic=clinic).count() == 2

    # The limit of the day holds for many at once.
    def ask(number: int) -> None:
        start.wait()
        try:
            invitations.invite(clinic=clinic, email=f"n{number}@b.example", role="billing", by=owner)
        except invitations.TooManyInvitations:
            answers.append(429)
        connection.close()

    with override_settings(INVITATIONS_PER_CLINIC_PER_DAY=3):
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert Invitation.objects.filter(clinic=clinic).count() == 3
    assert answers.count(429) == 2
