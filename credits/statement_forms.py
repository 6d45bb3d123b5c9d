"""What a request for a statement says."""

from datetime import UTC, date, datetime
from typing import Any, Final

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clinics.filters import DAY_LIMITS
from credits.services.statement_period import Period

FORMATS: Final = [("", ""), ("csv", "CSV"), ("pdf", "PDF")]


class DayField(forms.DateField):
    """A day in India; none means what the form makes of it."""

    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")

    def __init__(self, label: Any) -> None:
        super().__init__(label=label, required=False, input_formats=["%Y-%m-%d"], validators=DAY_LIMITS)


class InstantField(forms.DateTimeField):
    """Python's own reader stops at a NUL and takes what stands before it."""

    def to_python(self, value: Any) -> datetime | None:
        if isinstance(value, str) and "\x00" in value:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class StatementForm(forms.Form):
    """`from` and `to`: days in India, both included; without them the month of `as_of` so far.

    `as_of`: an instant in ISO 8601, in India's time without an offset; without it `settled`, the latest there can be.
    """

    format = forms.ChoiceField(choices=FORMATS, required=False, widget=forms.HiddenInput)
    as_of = InstantField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any, *, settled: datetime) -> None:
        super().__init__(data)
        self.settled = settled
        self.fields["from"] = DayField(_("From"))
        self.fields["to"] = DayField(_("To"))

    def clean_as_of(self) -> datetime:
        as_of: datetime = self.cleaned_data.get("as_of") or self.settled
        if as_of > self.settled:
            raise forms.ValidationError(_("This moment has not come yet."))
        if as_of.year < 2000:
            raise forms.ValidationError(_("Choose a moment after the year 1999."))
        return as_of.astimezone(UTC)  # PostgreSQL reads no offset beyond 16 hours

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.errors:
            return data
        last: date = data["to"] or timezone.localdate(data["as_of"])
        first: date = data["from"] or min(last.replace(day=1), last)
        if data["from"] and timezone.localdate(data["as_of"]) < first:
            self.add_error("as_of", _("This moment is before the first day."))
        elif first > last:
            self.add_error("to", _("The last day is before the first."))
        return {**data, "from": first, "to": last}

    def filled(self) -> "StatementForm":
        """The same with the days that it found for those left out."""
        days = {name: self.cleaned_data[name].isoformat() for name in ("from", "to")}
        return StatementForm(days, settled=self.settled)

    def period(self) -> Period:
        """What was asked for; only without errors."""
        return Period(self.cleaned_data["from"], self.cleaned_data["to"], self.cleaned_data["as_of"])
