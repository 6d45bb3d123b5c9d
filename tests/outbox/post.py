"""What the tests of mails share: the round that the worker makes, and what a mail says in all its parts."""

from email import message_from_bytes, policy
from email.message import EmailMessage

from django.core import mail as mailer
from django.db.models.functions import Now

from billing_site.outbox.handing_on import hand_on
from billing_site.outbox.mails import send_due_mails
from clinics.models import OutgoingMail


def send_all() -> int:
    """Notices become mails, and those leave."""
    hand_on()
    return send_due_mails()


def be_due() -> None:
    """As if every wait and every claim were over."""
    OutgoingMail.objects.open().update(due_at=Now())


def sent() -> list[EmailMessage]:
    """As they went over the wire, parsed."""
    raw = [message.message().as_bytes() for message in mailer.outbox]
    return [message_from_bytes(one, policy=policy.default) for one in raw]


def all_words(message: EmailMessage) -> str:
    """Heads and bodies, decoded."""
    heads = [f"{name}: {value}" for name, value in message.items()]
    bodies = [one.get_content() for one in message.walk() if not one.is_multipart()]
    return "\n".join([*heads, *bodies])


def part(message: EmailMessage, kind: str) -> str:
    [found] = [one for one in message.walk() if one.get_content_type() == kind]
    return str(found.get_content())
