"""Filters that lists of leads and of credits share."""

from datetime import date, timedelta
from typing import Any, Final

import django_filters
from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext_lazy as _

from clinics.days import start_of

DAY_LIMITS: Final = [
    MinValueValidator(date(2000, 1, 1), _("Choose a day after the year 1999.")),
    MaxValueValidator(date(2100, 1, 1), _("Choose a day before the year 2100.")),
]


class DayFilter(django_filters.DateFilter):
    """A day in India, as a moment: `created_at` is compared as it is stored, so that its index serves."""

    def __init__(self, *, lookup_expr: str, days_later: int = 0, **kwargs: Any) -> None:
        self.days_later = timedelta(days=days_later)
        widget = forms.DateInput(attrs={"type": "date"})
        super().__init__("created_at", lookup_expr, widget=widget, validators=DAY_LIMITS, **kwargs)

    def filter(self, qs: Any, value: date | None) -> Any:
        return super().filter(qs, start_of(value + self.days_later) if value else None)


class DaysFilterSet(django_filters.FilterSet):
    """From a day to a day, both included."""

    date_from = DayFilter(lookup_expr="gte", label=_("From"))
    date_to = DayFilter(lookup_expr="lt", days_later=1, label=_("To"))

    def how_many(self) -> int:
        """How many of its fields narrow the list."""
        self.is_valid()  # reads the fields, also where one is wrong
        return sum(1 for value in self.form.cleaned_data.values() if value)
