"""Mails about signing in: asked for by anybody, with any address, and sent like every other mail."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from billing_site.outbox.handing_on import hand_on
from billing_site.outbox.mails import send_due_mails
from clinics.models import Clinic, Notice, OutgoingMail, User
from tests.outbox.post import be_due, part, sent

pytestmark = pytest.mark.django_db

RESET = "/accounts/password/reset/"
CODE_PAGE = "/accounts/login/code/"
STRANGER = "nobody@here.example"


@pytest.fixture(autouse=True)
def nothing_counted_yet(db: None, settings: Settings) -> None:
    cache.clear()  # the limits count in it
    settings.SITE_URL = "https://credits.example"


def ask(page: str, email: str) -> Any:
    return Client(headers={"accept": "text/html"}).post(page, {"email": email})


def writes(page: str, email: str) -> list[str]:
    """The tables that are written while the answer is waited for, but for the limits' own."""
    with CaptureQueriesContext(connection) as queries:
        assert ask(page, email).status_code == 302
    found = [re.search(r'(?:INSERT INTO|UPDATE|DELETE FROM) "(\w+)"', query["sql"]) for query in queries]
    return [one[1] for one in found if one is not None and one[1] != "cache_entries"]


@pytest.mark.parametrize("page", [RESET, CODE_PAGE])
def test_a_known_and_an_unknown_address_take_the_same_work_and_nothing_leaves_meanwhile(
    owner: User, page: str
) -> None:
    known, unknown = writes(page, owner.email), writes(page, STRANGER)
    assert known == unknown
    assert known.count("outgoing_mails") == 1
    assert not mail.outbox
    assert send_due_mails() == 2
    assert {message.to[0] for message in mail.outbox} == {owner.email, STRANGER}


def test_a_mail_server_that_is_away_breaks_no_page_and_the_mail_leaves_later(
    owner: User, settings: Settings
) -> None:
    in_memory = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1  # nobody listens there
    assert ask(RESET, owner.email).status_code == 302
    assert send_due_mails() == 0
    settings.EMAIL_BACKEND = in_memory
    be_due()
    assert send_due_mails() == 1


def test_neither_address_code_nor_link_lies_in_the_table_and_nothing_sealed_outlives_the_mail(
    owner: User,
) -> None:
    for page, email in ((RESET, owner.email), (CODE_PAGE, owner.email), (RESET, STRANGER)):
        ask(page, email)
    waiting = str(list(OutgoingMail.objects.values()))
    assert OutgoingMail.objects.exclude(sealed="").count() == 3

    assert send_due_mails() == 3

    [link] = re.findall(r"https://credits\.example/accounts/password/reset/key/(\S+)/", bodies())
    [code] = re.findall(r"^[A-Z]{4}-[A-Z]{4}$", bodies(), re.MULTILINE)
    for secret in (owner.email, STRANGER, code, link):
        assert secret not in waiting
    assert not OutgoingMail.objects.exclude(sealed="").exists()
    ask(RESET, STRANGER)
    with pytest.raises(IntegrityError, match="mail_is_sealed_until_it_ends"), transaction.atomic():
        OutgoingMail.objects.filter(done_at=None).update(given_up_at=Now())


def bodies() -> str:
    return "\n".join(part(message, "text/plain") for message in sent())


def test_what_is_of_no_use_any_more_is_not_sent(owner: User) -> None:
    ask(CODE_PAGE, owner.email)
    OutgoingMail.objects.update(created_at=Now() - timedelta(minutes=16))
    ask(RESET, owner.email)
    User.objects.filter(pk=owner.pk).update(last_login=Now())
    assert send_due_mails() == 0
    ask(RESET, owner.email)
    User.objects.filter(pk=owner.pk).update(last_login=None, email="another@care.example")
    assert send_due_mails() == 0
    assert OutgoingMail.objects.open().count() == 0


def test_a_link_asked_for_twice_does_not_outlive_the_password_it_was_to_replace(owner: User) -> None:
    for _ in range(2):
        ask(RESET, owner.email)
    owner.set_password("set by the first of the two")
    owner.save(update_fields=["password"])

    assert send_due_mails() == 0

    assert set(OutgoingMail.objects.values_list("problem", flat=True)) == {
        "Not sent: the password was changed meanwhile."
    }


def test_one_that_was_given_up_is_not_sent_again_without_its_address(owner: User) -> None:
    ask(RESET, owner.email)
    [row] = OutgoingMail.objects.claim(most=1, lease=timedelta(minutes=1))
    row.give_up("ConnectionRefusedError")
    OutgoingMail.objects.all().send_again()
    assert send_due_mails() == 0
    assert OutgoingMail.objects.get().problem.startswith("Not sent: its address is forgotten")


def test_who_waits_for_a_code_does_not_stand_behind_a_morning_of_notices(clinic: Clinic, owner: User) -> None:
    for number in range(3):
        Notice.objects.create(clinic=clinic, kind="low_balance", unique_key=f"{number}", data={
            "threshold": "1000.00", "balance": "990.00",
        })  # fmt: skip
    hand_on()
    ask(CODE_PAGE, owner.email)
    assert send_due_mails() == 4
    assert mail.outbox[0].subject == "Your code to sign in"


def test_the_words_are_the_pages_language_and_the_code_is_in_both_forms(owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(language="hi")
    Client(headers={"accept": "text/html", "accept-language": "hi"}).post(CODE_PAGE, {"email": owner.email})
    send_due_mails()
    [message] = sent()
    assert 'lang="hi"' in part(message, "text/html")
    [code] = re.findall(r"^[A-Z]{4}-[A-Z]{4}$", part(message, "text/plain"), re.MULTILINE)
    assert code in part(message, "text/html")
    assert "List-Unsubscribe" not in message
