"""The sender is a process, and processes are killed: each mail leaves at least once, under one id; none is lost."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from django.conf import settings as site
from pytest_django import Settings

from billing_site.outbox.handing_on import hand_on
from billing_site.outbox.letters import our_host
from billing_site.outbox.mails import send_due_mails
from clinics.models import Clinic, Notice, OutgoingMail, User
from tests.factories import member_of
from tests.outbox.post import be_due
from tests.outbox.smtp import MailServer, mail_server
from tests.web_server import database_url

KILLS: Final = 20
NOTICES, MEMBERS = 50, 5
# For each line it reads, a process of its own that sends for ever. What each would load first is loaded before.
SENDERS: Final = """
import os, signal, sys, time
import django
django.setup()
import django.core.mail.backends.smtp
from django.template.loader import get_template
from django.urls import reverse
from django.utils.translation import gettext
from billing_site.outbox.mails import send_due_mails
for name in ("notice_subject.txt", "notice.txt", "notice.html"):
    get_template(f"notices/{name}")
reverse("clinic_alerts"), gettext("Lead")
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in sys.stdin:
    child = os.fork()
    if child:
        print(child, flush=True)
        continue
    while True:
        send_due_mails()
        time.sleep(0.005)
"""


@contextmanager
def senders(server: MailServer) -> Iterator["subprocess.Popen[str]"]:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "billing_site.settings",
        "DEBUG": "on",
        "DATABASE_URL": database_url("default"),
        "DATABASE_OWNER_URL": database_url("owner"),
        "EMAIL_URL": f"smtp://127.0.0.1:{server.port}",
        "LOG_LEVEL": "ERROR",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", SENDERS],
        cwd=site.BASE_DIR,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.communicate(timeout=60)


def start_one(process: "subprocess.Popen[str]") -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def wait_for(server: MailServer, more: int) -> None:
    until, wanted = time.monotonic() + 60, len(server.messages) + more
    while len(server.messages) < wanted:
        assert time.monotonic() < until, "the sender sends nothing"
        time.sleep(0.001)


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.django_db(transaction=True)
def test_a_sender_killed_twenty_times_loses_no_mail_and_gives_none_another_id(
    clinic: Clinic, owner: User, settings: Settings
) -> None:
    chance = random.Random(6)  # noqa: S311
    for _ in range(MEMBERS - 1):
        member_of(clinic, "front_desk", password=None)
    data = {"threshold": "1000.00", "balance": "990.00"}
    Notice.objects.bulk_create(
        Notice(clinic=clinic, kind="low_balance", unique_key=f"low-{number}", data=data)
        for number in range(NOTICES)
    )
    hand_on()
    ids = {f"<{one}@{our_host()}>" for one in OutgoingMail.objects.values_list("message_id", flat=True)}
    assert len(ids) == NOTICES * MEMBERS
    in_mid_batch = 0
    with mail_server(settings) as server:
        with senders(server) as process:
            for _ in range(KILLS):
                pid = start_one(process)
                wait_for(server, chance.randint(1, 8))
                time.sleep(chance.random() * 0.005)
                os.kill(pid, signal.SIGKILL)
                while is_there(pid):
                    time.sleep(0.001)
                in_mid_batch += OutgoingMail.objects.open().filter(tries__gt=0).exists()
                be_due()  # as if the claims of the dead one were over
        left_by_the_killed = len(server.messages)

        while send_due_mails():
            pass

        taken = server.taken()
    assert KILLS <= left_by_the_killed < len(ids)
    assert in_mid_batch >= KILLS // 2
    assert set(taken) == ids
    assert sum(taken.values()) - len(ids) <= KILLS  # at most the one that each was at went twice
    assert not OutgoingMail.objects.filter(done_at=None).exists()
    assert not OutgoingMail.objects.dead().exists()
