"""What a clinic types into its limits."""

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.template.defaultfilters import floatformat
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from credits.services.limits import Limits

LONGEST_PAUSE: Final = timedelta(days=366)
OPENS: Final = time(9)
AMOUNT: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?")


class AmountField(forms.CharField):
    """₹ with at most two places, also as people write it («₹1,00,000»); empty is None, which means no limit."""

    def __init__(self, label: Any) -> None:
        super().__init__(label=label, required=False, max_length=30)

    def clean(self, value: Any) -> Decimal | None:
        text = re.sub(r"[₹,\s]", "", super().clean(value))
        if not text:
            return None
        if not AMOUNT.fullmatch(text) or Decimal(text) < 1:
            raise forms.ValidationError(
                _("Type an amount of at least ₹1 in digits, or leave it empty for no limit."), code="invalid"
            )
        return Decimal(text)


class LimitsForm(forms.Form):
    daily_cap = AmountField(_("At most a day"))
    monthly_cap = AmountField(_("At most a month"))
    highest_cost = AmountField(_("At most for one lead"))
    auto_release = forms.BooleanField(label=_("Deliver held leads by itself"), required=False)
    first_warning = AmountField(_("First warning below"))
    last_warning = AmountField(_("Last warning below"))

    @classmethod
    def showing(cls, limits: Limits) -> "LimitsForm":
        first, last = (*limits.low_balance_thresholds[:2], None, None)[:2]
        amounts = {
            "daily_cap": limits.daily_cap,
            "monthly_cap": limits.monthly_cap,
            "highest_cost": limits.highest_cost,
            "first_warning": first,
            "last_warning": last,
        }
        written = {name: floatformat(amount, "-2g") for name, amount in amounts.items()}
        return cls(initial={**written, "auto_release": limits.auto_release})

    def limits(self) -> Limits:
        typed = self.cleaned_data
        warnings = {typed["first_warning"], typed["last_warning"]} - {None}
        return Limits(
            daily_cap=typed["daily_cap"],
            monthly_cap=typed["monthly_cap"],
            highest_cost=typed["highest_cost"],
            auto_release=typed["auto_release"],
            low_balance_thresholds=tuple(sorted(warnings, reverse=True)),
        )


def opening(day: date) -> datetime:
    """When a clinic opens on that day, in India."""
    return timezone.make_aware(datetime.combine(day, OPENS))


def tomorrow(today: date) -> datetime:
    return opening(today + timedelta(days=1))


def next_monday(today: date) -> datetime:
    """On a Monday, that of the next week."""
    return opening(today + timedelta(days=7 - today.weekday()))


# The ends of a pause that one tap chooses, by the button's action; None is «until somebody ends it».
USUAL_PAUSES: Final[dict[str, Callable[[date], datetime | None]]] = {
    "pause_until_tomorrow": tomorrow,
    "pause_until_monday": next_monday,
    "pause_until_ended": lambda _today: None,
}


class PauseForm(forms.Form):
    """Until when; empty: until somebody ends it. The time is India's."""

    until = forms.DateTimeField(
        label=_("Until"), required=False, input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
    )

    def clean_until(self) -> datetime | None:
        until: datetime | None = self.cleaned_data["until"]
        now = timezone.now()
        if until is not None and until <= now:
            raise forms.ValidationError(_("This time is over already."), code="over")
        if until is not None and until > now + LONGEST_PAUSE:
            raise forms.ValidationError(_("Choose a time within a year."), code="too_far")
        return until
