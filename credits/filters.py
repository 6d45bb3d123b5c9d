"""Which rows of the history to show."""

from typing import Any

import django_filters
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinics.filters import DaysFilterSet
from clinics.form_fields import IdField
from credits.models import CreditTransaction


class LeadNumberFilter(django_filters.Filter):
    field_class = IdField


class TransactionFilter(DaysFilterSet):
    type = django_filters.ChoiceFilter(
        field_name="transaction_type",
        choices=CreditTransaction.Type.choices,
        label=_("Type"),
        empty_label=_("All types"),
    )
    direction = django_filters.ChoiceFilter(
        method="in_or_out",
        choices=[("in", _("Came in")), ("out", _("Went out"))],
        label=_("In or out"),
        empty_label=_("Both"),
    )
    lead = LeadNumberFilter(method="of_lead", label=_("Lead number"))

    def in_or_out(self, rows: Any, _name: str, value: str) -> Any:
        return rows.filter(amount__gt=0) if value == "in" else rows.filter(amount__lt=0)

    def of_lead(self, rows: Any, _name: str, value: int) -> Any:
        """Its charge and its refunds: each has an index of its own."""
        return rows.filter(
            Q(transaction_type="deduction", lead=value) | Q(transaction_type="refund", lead=value)
        )
