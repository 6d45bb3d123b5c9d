"""GET /clinic/notices: what happened, newest first."""

from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse

from billing_site.portal.notice_texts import Facts, Text, text_of
from clinics.form_fields import IdField
from clinics.models import Membership, Notice
from clinics.read_only import skipped_while_read_only
from credits.portal import PortalPage

PAGE_SIZE: Final = 30


class PageForm(forms.Form):
    before = IdField(required=False)


@dataclass(frozen=True, slots=True)
class Row:
    notice: Notice
    text: Text
    is_new: bool


class Notices(PortalPage):
    """GET /clinic/notices?before=<id>: what happened, newest first, without personal data.

    Opening the page is what marks notices as seen, as in a mailbox: a button for it would be one tap more each
    morning, and a script would leave those without one with a bell that never rests. The address is safe to ask for
    all the same: the mark moves forward only, HEAD and a browser's guess of the next page (`Sec-Purpose`) do not move
    it, and other sites' pages come without the session's cookie unless the member goes there.
    """

    template_name = "clinic/notices.html"
    section = "notices"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = PageForm(request.GET)
        if not form.is_valid():
            raise BadRequest("before is no notice's id")
        before = form.cleaned_data["before"]
        membership = self.request.membership
        notices = Notice.objects.shown_to(membership).newest_first()
        if before is not None:
            notices = notices.filter(pk__lt=before)
        found = list(notices[: PAGE_SIZE + 1])
        shown = found[:PAGE_SIZE]
        facts = Facts.of(self.request.clinic, shown)
        rows = [Row(one, text_of(one, facts), one.pk > membership.notices_seen_up_to) for one in shown]
        if before is None and rows and rows[0].is_new and is_looked_at(request):
            self.mark_as_seen(shown[0])
        context = self.get_context_data(
            rows=rows, next_before=shown[-1].pk if len(found) > PAGE_SIZE else None, is_newest=before is None
        )
        return self.render_to_response(context)

    def mark_as_seen(self, newest: Notice) -> None:
        mine = Membership.objects.filter(pk=self.request.membership.pk, notices_seen_up_to__lt=newest.pk)
        with skipped_while_read_only():
            mine.update(notices_seen_up_to=newest.pk)
            self.request.membership.notices_seen_up_to = newest.pk  # the bell of this page is read after it


def is_looked_at(request: HttpRequest) -> bool:
    """A person asked for the page; nobody fetched it in advance or looked at its head alone."""
    purpose = request.headers.get("Sec-Purpose", "") + request.headers.get("Purpose", "")
    return request.method == "GET" and not any(
        word in purpose for word in ("prefetch", "prerender", "preview")
    )
