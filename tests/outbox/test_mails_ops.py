"""What ops see of mails: how the outbox stands, what was given up, and the way to send it again."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.test import Client

from billing_site.outbox.handing_on import hand_on
from billing_site.outbox.mails import send_due_mails
from clinics.models import Clinic, Notice, OutgoingMail, User
from clinics.trail import AuditEvent
from tests.outbox.post import sent
from tests.pages import text_of
from tests.site.back_office import WHY, person, sign_in, signed_in

pytestmark = pytest.mark.django_db
LIST = "/admin/clinics/outgoingmail/"


@pytest.fixture
def dead(clinic: Clinic, owner: User) -> OutgoingMail:
    data = {"threshold": "1000.00", "balance": "990.00"}
    Notice.objects.create(clinic=clinic, kind="low_balance", unique_key="low", data=data)
    hand_on()
    [mail] = OutgoingMail.objects.claim(most=1, lease=timedelta(minutes=1))
    mail.give_up("ConnectionRefusedError")
    return mail


def said(command: str = "outbox", *words: str) -> str:
    printed = io.StringIO()
    call_command(command, *words, stdout=printed)
    return printed.getvalue()


def test_the_command_counts_and_complains_of_what_was_given_up_or_is_overdue(
    clinic: Clinic, owner: User, dead: OutgoingMail
) -> None:
    with pytest.raises(CommandError, match="Look at: mails"):
        said()

    assert "Put back, to be sent again: 1 mails." in said("send_again", "mails", "--reason", WHY)
    assert "ok    mails     1 waiting" in said()

    OutgoingMail.objects.update(due_at=Now() - timedelta(minutes=16))
    with pytest.raises(CommandError, match="Look at: mails"):
        said()
    assert send_due_mails() == 1
    assert "ok    mails     0 waiting; 0 overdue; 0 given up" in said()

    Notice.objects.create(clinic=clinic, kind="low_balance", unique_key="late", data={})
    Notice.objects.filter(sent_at=None).update(created_at=Now() - timedelta(minutes=16))
    with pytest.raises(CommandError, match="Look at: notices"):
        said()


def test_a_mail_server_that_is_down_is_told_after_a_quarter_of_an_hour(
    clinic: Clinic, dead: OutgoingMail
) -> None:
    """Each try moves `due_at` on, so by that alone nothing would ever be overdue."""
    later = Now() + timedelta(hours=1)
    OutgoingMail.objects.update(
        given_up_at=None, due_at=later, tries=2, created_at=Now() - timedelta(minutes=14)
    )
    assert said("send_mails") == "0 mails sent.\n"
    assert "0 overdue; 0 given up" in said()

    OutgoingMail.objects.update(created_at=Now() - timedelta(minutes=16))

    printed = io.StringIO()
    with pytest.raises(CommandError, match="Look at: mails"):
        call_command("outbox", stdout=printed)
    assert "1 overdue (ConnectionRefusedError); 0 given up" in printed.getvalue()
    with pytest.raises(CommandError, match="No mail leaves, 1 overdue: ConnectionRefusedError"):
        said("send_mails")
    OutgoingMail.objects.update(problem="SMTPRecipientsRefused 451")
    assert "0 overdue; 0 given up" in said()
    assert said("send_mails") == "0 mails sent.\n"


def test_the_trail_keeps_what_was_put_back_and_why_and_nothing_else_of_a_mail(dead: OutgoingMail) -> None:
    with pytest.raises(CommandError, match="Say why"):
        said("send_again", "mails")
    said("send_again", "mails", "--reason", "The mail server is mended")
    assert send_due_mails() == 1
    OutgoingMail.objects.all().delete()

    [kept] = AuditEvent.objects.filter(table_name="outgoing_mails")
    assert (kept.row, kept.reason) == (f"mail {dead.pk}", "The mail server is mended")


def test_a_mailbox_that_is_not_there_wakes_nobody(dead: OutgoingMail) -> None:
    OutgoingMail.objects.update(problem="SMTPRecipientsRefused 550")
    assert "ok    mails     0 waiting; 0 overdue; 1 given up" in said()


def test_support_sends_again_what_was_given_up_with_a_reason_and_the_trail_says_who(
    dead: OutgoingMail, owner: User, caplog: pytest.LogCaptureFixture
) -> None:
    supporter, client = person("support"), Client()
    sign_in(client, supporter)
    page = client.get(LIST, {"state": "given_up"})
    assert "ConnectionRefusedError" in text_of(page)
    assert owner.email not in page.content.decode()
    action = {"action": "send_again", "_selected_action": [dead.pk]}

    client.post(LIST, action)
    assert OutgoingMail.objects.dead().exists()  # no reason, no action
    client.post(LIST, {**action, "audit_reason": WHY})

    dead.refresh_from_db()
    assert (dead.given_up_at, dead.tries, dead.problem) == (None, 0, "")
    assert f"Mails put back: {dead.pk}, by user {supporter.pk}, because: {WHY}" in caplog.text
    [kept] = AuditEvent.objects.about("mail", dead.pk)
    assert (kept.actor_id, kept.reason, kept.channel) == (supporter.pk, WHY, "back_office")
    assert f"clinic:{dead.clinic_id}" in kept.about
    assert "ConnectionRefusedError" in str(kept.before)
    client.post(LIST, {**action, "audit_reason": WHY})  # it waits already
    assert send_due_mails() == 1
    client.post(LIST, {**action, "audit_reason": WHY})  # it was sent
    assert send_due_mails() == 0
    assert len(sent()) == 1


def test_an_auditor_looks_and_sends_nothing(dead: OutgoingMail) -> None:
    client = signed_in("auditor")

    assert client.get(f"{LIST}{dead.pk}/change/").status_code == 200
    client.post(LIST, {"action": "send_again", "_selected_action": [dead.pk], "audit_reason": WHY})

    assert OutgoingMail.objects.dead().exists()


@pytest.mark.parametrize(("state", "rows"), [("given_up", 1), ("waiting", 0), ("sent", 0), ("nonsense", 1)])
def test_the_list_is_narrowed_by_state(dead: OutgoingMail, state: str, rows: int) -> None:
    assert len(signed_in("support").get(LIST, {"state": state}).context["cl"].result_list) == rows


def test_the_first_page_names_what_was_given_up_as_long_as_there_is_some(dead: OutgoingMail) -> None:
    client = signed_in("support")
    assert f'href="{LIST}?state=given_up"' in client.get("/admin/").content.decode()
    assert "Mails given up" not in text_of(signed_in("finance").get("/admin/"))

    said("send_again", "mails", "--reason", WHY)

    assert "Mails given up" not in text_of(client.get("/admin/"))
