"""Sends the mails that are due, at least once each, outside any transaction.

A row is claimed and committed first, so who dies while sending leaves it to be sent again when the claim ends, under
the same Message-ID. What a mail server says may quote an address: only the kind of a problem and its code are kept.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from typing import Any, Final

from django.core import mail as mailer
from django.core.mail import EmailMessage
from django.utils import translation

from billing_site.outbox.answers import letter_of_an_answer
from billing_site.outbox.digests import letter_of_a_digest
from billing_site.outbox.invitations import letter_of_an_invitation, letter_to_a_new_owner
from billing_site.outbox.letters import Letter, NotWanted, message_of
from billing_site.outbox.notices import letter_of_a_notice
from billing_site.outbox.patients import letter_to_a_patient
from billing_site.outbox.sign_in import letter_about_signing_in
from billing_site.problems import place_of
from clinics.models import Language, OutgoingMail

logger = logging.getLogger(__name__)

BATCH: Final = 10
MOST_BATCHES: Final = 10  # of one call: who sends in a loop is not away for long
# With EMAIL_TIMEOUT at 20 s, a mail whose line broke takes at most 12 answers to open another and send: 4 minutes.
# None is begun later than 3 minutes after its batch was claimed; those left over are due again when the claim ends.
LEASE: Final = timedelta(minutes=8)
LAST_START_SECONDS: Final = 180
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WAITS: Final = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR)
REFUSED_FOR_GOOD: Final = range(500, 600)  # RFC 5321
ABOUT_US: Final = frozenset(
    {503, 530, 535}
)  # of these the server means us, not the recipient: it may be mended

WRITERS: Final[dict[str, Callable[[OutgoingMail], Letter]]] = {
    OutgoingMail.Kind.NOTICE: letter_of_a_notice,
    OutgoingMail.Kind.DIGEST: letter_of_a_digest,
    OutgoingMail.Kind.PATIENT_WAITING: letter_to_a_patient,
    OutgoingMail.Kind.INVITATION: letter_of_an_invitation,
    OutgoingMail.Kind.NEW_OWNER: letter_to_a_new_owner,
    OutgoingMail.Kind.ANSWERED: letter_of_an_answer,
    OutgoingMail.Kind.SIGN_IN: letter_about_signing_in,
}


class ServerAway(Exception):
    """No line to the mail server, for any mail. The text is the kind of the problem."""


class Line:
    """One connection to the mail server for many mails. A broken one is opened anew at the next mail."""

    def __init__(self) -> None:
        self._open: Any = None

    def send(self, message: EmailMessage) -> None:
        """Raises ServerAway; SMTPRecipientsRefused, after which the line is still good; other OSErrors."""
        was_open = self._open is not None
        try:
            self._send(message)
        except SMTPRecipientsRefused:
            raise
        except OSError:  # every SMTPException is one
            if not was_open:
                raise
            self._send(message)  # a line that stood for a while may have been closed at the other end

    def _send(self, message: EmailMessage) -> None:
        if self._open is None:
            line = mailer.get_connection()
            try:
                line.open()
            except OSError as problem:
                raise ServerAway(kind_of(problem)) from None
            self._open = line
        try:
            self._open.send_messages([message])
        except SMTPRecipientsRefused:
            raise
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        line, self._open = self._open, None
        if line is not None:
            with suppress(OSError):
                line.close()


def send_due_mails() -> int:
    """Sends up to 100 of what is due and says how many mails left; fewer where the mail server can't be reached."""
    line, sent = Line(), 0
    try:
        for _ in range(MOST_BATCHES):
            batch = OutgoingMail.objects.claim(most=BATCH, lease=LEASE)
            if not batch:
                break
            sent += send_batch(batch, line)
    except ServerAway as problem:
        logger.warning(f"Mails wait: the mail server can't be reached ({problem})")
    finally:
        line.close()
    return sent


def send_batch(batch: Sequence[OutgoingMail], line: Line) -> int:
    """How many left. Raises ServerAway when the rest of the batch is put off."""
    started, sent = time.monotonic(), 0
    for position, mail in enumerate(batch):
        if time.monotonic() - started > LAST_START_SECONDS:
            break
        try:
            sent += send_one(mail, line)
        except ServerAway as problem:
            for waiting in batch[position:]:
                waiting.put_off(str(problem), waits=WAITS)
            raise
    return sent


def send_one(mail: OutgoingMail, line: Line) -> bool:
    """Whether it left. Nothing that is wrong with one mail keeps the others. Raises ServerAway."""
    try:
        line.send(message_of(mail, write(mail)))
    except NotWanted as reason:
        mail.finish(note=str(reason))
        return False
    except ServerAway:
        raise
    except SMTPRecipientsRefused as refusal:
        if set(codes_of(refusal)) <= set(REFUSED_FOR_GOOD) - ABOUT_US:
            mail.give_up(kind_of(refusal))
        else:
            mail.put_off(kind_of(refusal), waits=WAITS)
        return False
    except Exception as problem:
        if not isinstance(problem, OSError):
            logger.error(f"Mail {mail.pk} can't be written: {kind_of(problem)} at {place_of(problem)}")
        mail.put_off(kind_of(problem), waits=WAITS)
        return False
    mail.finish()
    return True


def write(mail: OutgoingMail) -> Letter:
    """In the language its reader chose, or, of who is not known yet, that of the page it was asked for on. Raises
    NotWanted, and whatever a template may raise."""
    member = mail.membership
    chosen = member.user.language if member is not None else mail.data.get("language", "")
    with translation.override(chosen or Language.ENGLISH.value):
        return WRITERS[mail.kind](mail)


def kind_of(problem: Exception) -> str:
    """What happened, without what was said about it: that may quote an address or a template's value."""
    codes = codes_of(problem)
    return " ".join([type(problem).__name__, *map(str, codes)])


def codes_of(problem: Exception) -> list[int]:
    if isinstance(problem, SMTPRecipientsRefused):
        return [code for code, _ in problem.recipients.values()]
    return [problem.smtp_code] if isinstance(problem, SMTPResponseException) else []
