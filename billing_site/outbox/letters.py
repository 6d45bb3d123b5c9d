"""What a mail says, to whom, and what stands above it. Written at the moment it leaves, by what holds then."""

from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from clinics.models import AlertPreference, Clinic, Membership, OutgoingMail
from clinics.models.outbox import FOR_OWNERS
from clinics.surfaces import CLINIC_FIELD

LONGEST_SUBJECT: Final = 150


class NotWanted(Exception):
    """There is nobody to send it to any more, or nothing to say. The text is for staff, and names nobody."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail in both its forms. `stop_link`: where this kind of mail is switched off."""

    to: str
    subject: str
    text: str
    html: str
    stop_link: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Words:
    """What a mail says that is neither a notice nor a summary. `label` and `href` are its button, `below` stands under
    it, a `code` is to be read and typed."""

    subject: str
    title: str
    text: tuple[str, ...] = ()
    code: str = ""
    label: str = ""
    href: str = ""
    below: tuple[str, ...] = ()


def plain_letter(words: Words, *, to: str) -> Letter:
    return compose("letter", to=to, facts={"words": words})


def compose(name: str, *, to: str, facts: dict[str, Any], stop_link: str = "") -> Letter:
    """From the templates `notices/<name>…`, in the language that is active."""
    context = {**facts, "site_url": settings.SITE_URL, "stop_link": stop_link}
    context["subject"] = subject = on_one_line(render_to_string(f"notices/{name}_subject.txt", context))
    return Letter(
        to=to,
        subject=subject,
        text=render_to_string(f"notices/{name}.txt", context).strip() + "\n",
        html=render_to_string(f"notices/{name}.html", context),
        stop_link=stop_link,
    )


def on_one_line(text: str) -> str:
    """A clinic's name may hold anything; a header may not."""
    return " ".join(text.split())[:LONGEST_SUBJECT]


def message_of(mail: OutgoingMail, letter: Letter) -> EmailMultiAlternatives:
    """The whole message. Its id is the row's, the same at each try; RFC 8058 for the button of mail programs."""
    headers = {"Message-ID": f"<{mail.message_id}@{our_host()}>", "Auto-Submitted": "auto-generated"}
    if letter.stop_link:
        headers["List-Unsubscribe"] = f"<{letter.stop_link}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message = EmailMultiAlternatives(letter.subject, letter.text, to=[letter.to], headers=headers)
    message.attach_alternative(letter.html, "text/html")
    return message


def our_host() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"


def address_of(path: str) -> str:
    """A page's whole address, as a mail needs it."""
    return f"{settings.SITE_URL}{path}"


def portal_address(path: str, clinic: Clinic) -> str:
    """Of a page of the portal: who works for several clinics sees there the one that the mail is of."""
    return f"{address_of(path)}?{CLINIC_FIELD}={clinic.pk}"


def active_member(mail: OutgoingMail) -> Membership:
    """The member as they are now, who still works there. Raises NotWanted."""
    assert mail.membership_id is not None  # the database says so
    member = Membership.objects.select_related("user", "clinic").get(pk=mail.membership_id)
    if not (member.is_active and member.user.is_active and member.clinic.is_active):
        raise NotWanted("Not sent: the person or the clinic is not active any more.")
    return member


def recipient_of(mail: OutgoingMail, kind: str) -> Membership:
    """The member who still works there, may hear of this kind and still wants it. Raises NotWanted."""
    member = active_member(mail)
    if kind in FOR_OWNERS and member.role != Membership.Role.OWNER:
        raise NotWanted("Not sent: for owners alone, and the person is none any more.")
    if AlertPreference.objects.filter(membership=member, kind=kind, by_email=False).exists():
        raise NotWanted("Not sent: switched off meanwhile.")
    return member
