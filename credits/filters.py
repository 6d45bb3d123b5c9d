"""Which rows of the history to show."""

import django_filters

from clinics.filters import DaysFilterSet
from credits.models import CreditTransaction


class TransactionFilter(DaysFilterSet):
    type = django_filters.ChoiceFilter(
        field_name="transaction_type",
        choices=CreditTransaction.Type.choices,
        label="Type",
        empty_label="All types",
    )
