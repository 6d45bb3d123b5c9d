"""What the tests of the portal's own pages share: who comes in, and how their browser asks."""

import re
from typing import Any, Final

from django.core import mail
from django.test import Client

from billing_site.outbox.mails import send_due_mails
from clinics.models import Clinic, User
from tests import factories
from tests.site.back_office import sign_in

HTML: Final[Any] = {"headers": {"accept": "text/html"}}
SETTINGS: Final = "/clinic/settings"
MEMBERS: Final = "/clinic/settings/members"
TOKENS: Final = "/clinic/settings/tokens"
SECURITY: Final = "/clinic/settings/security"
SUPPORT: Final = "/clinic/settings/help"
PASSWORD: Final = "correct horse battery"


def member(clinic: Clinic, role: str = "owner", **user_fields: Any) -> User:
    return factories.member_of(clinic, role, **user_fields)


def browser_of(user: User, *, minutes_ago: float = 0) -> Client:
    """Signed in with the password, so many minutes ago."""
    client = Client(headers={"accept": "text/html"})
    sign_in(client, user, minutes_ago=minutes_ago)
    return client


def link_in_mail(number: int = -1) -> str:
    """The path of the link in a mail, once what waits has left."""
    send_due_mails()
    found = re.search(r"https?://[^/\s]+(/accounts/\S+)", str(mail.outbox[number].body))
    assert found, mail.outbox[number].body
    return found[1]
