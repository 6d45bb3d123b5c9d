"""/local/mails: the mails that this machine wrote to files instead of sending them, to look at. DEBUG only.

Mounted by `billing_site/urls.py` where DEBUG is on and mails go to files (EMAIL_URL=filemail://…), nowhere else.
"""

import email
import email.policy
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Final

from csp.constants import NONE, SELF
from csp.decorators import csp, csp_update
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.timezone import make_aware
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

MOST_SHOWN: Final = 200
MOST_FILES_READ: Final = 200
BETWEEN_MAILS: Final = b"\n" + b"-" * 79 + b"\n"  # of Django's file backend: one file for all of a connection
INLINE: Final = "'unsafe-inline'"
# A mail's page may do nothing but be looked at; a link in it opens in the place of the page around it.
SANDBOX: Final = ["allow-top-navigation-by-user-activation"]


@dataclass(frozen=True, slots=True)
class LocalMail:
    """`key` names it in addresses: its file, and its place in there."""

    key: str
    written_at: datetime
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "")

    @property
    def to(self) -> str:
        return str(self.message["To"] or "")

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, str(value)) for name, value in self.message.items()]

    @property
    def address(self) -> str:
        return reverse("local_mail", args=[self.key])

    def part(self, kind: str) -> str:
        """The text of one form of it; empty where it has none."""
        body = self.message.get_body((kind,))
        return str(body.get_content()) if body is not None else ""

    @property
    def text(self) -> str:
        return self.part("plain")

    @property
    def html(self) -> str:
        return self.part("html")


def newest_first() -> Iterator[LocalMail]:
    folder = getattr(settings, "EMAIL_FILE_PATH", "")
    files = [one for one in Path(folder).glob("*.log") if one.is_file()] if folder else []
    # Names begin with the time; of one second the file's own time decides.
    for file in sorted(files, key=lambda one: (one.stat().st_mtime_ns, one.name), reverse=True)[
        :MOST_FILES_READ
    ]:
        yield from reversed(mails_of(file))


def mails_of(file: Path) -> list[LocalMail]:
    written_at = make_aware(datetime.fromtimestamp(file.stat().st_mtime))  # noqa: DTZ006  (made aware at once)
    whole = [part for part in file.read_bytes().split(BETWEEN_MAILS) if part.strip()]
    return [
        LocalMail(
            f"{file.stem}.{number}",
            written_at,
            email.message_from_bytes(part.lstrip(b"\n"), policy=email.policy.default),
        )
        for number, part in enumerate(whole)
    ]


def find(key: str) -> LocalMail:
    """By its key among the files that are there: no path is ever made of it. Raises Http404."""
    for mail in newest_first():
        if mail.key == key:
            return mail
    raise Http404


@require_safe
@never_cache
def mails(request: HttpRequest) -> HttpResponse:
    """GET /local/mails"""
    shown = [mail for mail, _ in zip(newest_first(), range(MOST_SHOWN), strict=False)]
    return render(request, "local/mails.html", {"mails": shown, "most": MOST_SHOWN})


@require_safe
@never_cache
@csp_update({"frame-src": [SELF]})  # type: ignore[arg-type]
def one_mail(request: HttpRequest, key: str) -> HttpResponse:
    """GET /local/mails/<key>: its heads, its look, its text."""
    return render(request, "local/mail.html", {"mail": find(key)})


@require_safe
@never_cache
@xframe_options_sameorigin
@csp(  # type: ignore[arg-type]  # typed for views without an argument
    {
        "default-src": [NONE],
        "style-src": [INLINE],
        "img-src": ["data:"],
        "frame-ancestors": [SELF],
        "sandbox": SANDBOX,
    }
)
def mail_as_page(request: HttpRequest, key: str) -> HttpResponse:
    """GET /local/mails/<key>/html: the mail's own page, in a sandbox and with a policy of its own."""
    html = find(key).html
    if not html:
        raise Http404
    return HttpResponse(html.replace("<head>", '<head><base target="_top">', 1))


urlpatterns = [
    path("local/mails", mails, name="local_mails"),
    path("local/mails/<str:key>", one_mail, name="local_mail"),
    path("local/mails/<str:key>/html", mail_as_page, name="local_mail_page"),
]
