"""Which of a clinic's disputes to show."""

import django_filters
from django.utils.translation import gettext_lazy as _

from disputes.models import LeadDispute
from leads.filters import IdFilter


class DisputeFilter(django_filters.FilterSet):
    """`lead` shows those of one lead, `dispute` one of them; `before` goes on after that one (keyset paging)."""

    status = django_filters.ChoiceFilter(
        choices=LeadDispute.Status.choices, label=_("State"), empty_label=_("All")
    )
    lead = IdFilter(field_name="lead_id")
    dispute = IdFilter(field_name="pk")
    before = IdFilter(field_name="pk", lookup_expr="lt")
