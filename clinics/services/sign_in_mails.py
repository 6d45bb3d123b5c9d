"""Mails about signing in: a link for a new password, a code, or word that there is no such account.

Anybody may ask for one with any address, so asking only writes a row: how long the answer takes tells nobody whether
the address is known here, and a mail server that is away breaks no page. The address and the code are encrypted in the
row, and forgotten when it ends; the link is made when the mail leaves.
"""

import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import uuid4

from django.db.models.functions import Now
from django.utils.crypto import salted_hmac
from django.utils.translation import get_language

from clinics.models import OutgoingMail, User
from clinics.stored_secrets import decrypted, encrypted

SALT: Final = "clinics.sign_in_mail"
# Somebody sits and waits for it: it goes before what became due in the last ten minutes, a morning's summaries too.
AHEAD: Final = timedelta(minutes=10)


class About(StrEnum):
    """Those that the sign-in library writes are called as its templates are."""

    PASSWORD = "password"  # noqa: S105  # a name
    CODE = "login_code"
    NO_ACCOUNT = "unknown_account"


@dataclass(frozen=True, slots=True)
class Sealed:
    to: str
    user_id: int | None = None
    code: str = ""
    password_mark: str = ""  # of the password to be replaced


def ask_for_mail(about: About, sealed: Sealed) -> OutgoingMail:
    return OutgoingMail.objects.create(
        kind=OutgoingMail.Kind.SIGN_IN,
        unique_key=f"{OutgoingMail.Kind.SIGN_IN}:{uuid4()}",
        data={"about": about.value, "language": get_language() or ""},
        sealed=encrypted(json.dumps(asdict(sealed)), salt=SALT),
        due_at=Now() - AHEAD,
    )


def password_mark(user: User) -> str:
    """Another one as soon as the password is another."""
    return salted_hmac(SALT, user.password, algorithm="sha256").hexdigest()


def unsealed(mail: OutgoingMail) -> Sealed | None:
    """None where it was forgotten. Raises SecretUnreadable."""
    return Sealed(**json.loads(decrypted(mail.sealed, salt=SALT))) if mail.sealed else None
