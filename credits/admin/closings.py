"""Closed days: their pages, and finance signing them off."""

from collections.abc import Sequence

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from clinics.admin.asking import AskForm, Asking, AsksRequests
from clinics.admin.base import ReadOnlyAdmin, badge
from clinics.admin.reasons import names_nobody
from clinics.requests import RequestRefused, Why
from credits.models import DayClosing
from credits.services.closing import DayCannotBeClosed, sign_off
from credits.services.closing_page import page_of


class SignOffForm(AskForm):
    """The day's page was read; what stayed unexplained is said in words."""

    right = "credits.change_dayclosing"
    heading = button = "Sign off this day"
    reason = forms.CharField(
        label="What there is to say",
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 60}),
        help_text="What explains each unexplained line. Stays with the page for good.",
        validators=[names_nobody],
    )

    def __init__(self, request: HttpRequest, row: DayClosing, data: object = None) -> None:
        super().__init__(request, row, data)
        del self.fields["reason_code"]

    def facts(self) -> Sequence[tuple[str, str]]:
        lines = self.row.unexplained or []
        return [("Day", str(self.row)), *(("Unexplained", line) for line in lines or ["Nothing"])]

    def submit(self, why: Why) -> str:
        try:
            sign_off(closing=self.row, by=why.by, note=why.reason)
        except DayCannotBeClosed as problem:
            raise RequestRefused(str(problem)) from problem
        return "Signed off."


SIGN_OFF = Asking("sign-off", "Sign off", SignOffForm)


@admin.register(DayClosing)
class DayClosingAdmin(AsksRequests[DayClosing], ReadOnlyAdmin[DayClosing]):
    """The pages of `close_day`, newest first."""

    asking = (SIGN_OFF,)
    list_display = ("label", "standing", "closed_at", "left", "signed_off_at", "signer")
    list_select_related = ("signed_off_by", "closed_by")
    ordering = ("-day",)
    sortable_by = ()
    fields = (
        "standing",
        "opened_at",
        "closed_at",
        "seal_number",
        "seal_digest",
        "unexplained_lines",
        "page",
        "signed_off_at",
        "signed",
    )
    readonly_fields = ("standing", "unexplained_lines", "page", "signed")

    def can_ask(self, request: HttpRequest, asking: Asking, row: DayClosing | None) -> bool:
        is_open = row is not None and row.closed_at is not None and row.signed_off_at is None
        return super().can_ask(request, asking, row) and (is_open or request.method == "POST")

    @admin.display(description="Day")
    def label(self, row: DayClosing) -> str:
        return str(row)

    @admin.display(description="State")
    def standing(self, closing: DayClosing) -> SafeString:
        if closing.closed_at is None:
            return badge("Being closed", "wait")
        if closing.signed_off_at is not None:
            return badge("Signed off", "good")
        return badge("Unexplained", "bad") if closing.unexplained else badge("Closed", "wait")

    @admin.display(description="Unexplained")
    def left(self, closing: DayClosing) -> int:
        return len(closing.unexplained or [])

    @admin.display(description="Unexplained")
    def unexplained_lines(self, closing: DayClosing) -> SafeString | str:
        """Also on the page, whose long lines scroll out of sight on a phone."""
        return (
            format_html_join("\n", "<p>{}</p>", ((line,) for line in closing.unexplained or ())) or "Nothing"
        )

    @admin.display(description="Page")
    def page(self, closing: DayClosing) -> SafeString | str:
        return (
            format_html('<pre tabindex="0">{}</pre>', "\n".join(page_of(closing)))
            if closing.closed_at
            else "–"
        )

    @admin.display(description="Signed off by", empty_value="")
    def signer(self, closing: DayClosing) -> str | None:
        return closing.signed_off_by.email if closing.signed_off_by else None

    @admin.display(description="Signed off by")
    def signed(self, closing: DayClosing) -> str:
        return f"{closing.signed_off_by.email}: {closing.note}" if closing.signed_off_by else "–"
