"""The dashboard of leads, with what can be said of each one's dispute. It stands here because leads know of none."""

from django.db.models import BooleanField, F, QuerySet

from credits.models import CreditAccount
from disputes.listing import MayBeDisputed, state_of_lead, with_pending_disputes
from leads.models.lead import LeadQuerySet
from leads.views import Dashboard


class DashboardWithDisputes(Dashboard):
    """GET, POST /clinic/dashboard: each lead with the state of its dispute, or whether it may be disputed."""

    def accounts(self) -> QuerySet[CreditAccount]:
        return with_pending_disputes(super().accounts())

    def leads(self) -> LeadQuerySet:
        leads: LeadQuerySet = (
            super()
            .leads()
            .annotate(
                dispute_state=state_of_lead(),
                may_be_disputed=MayBeDisputed(F("pk"), output_field=BooleanField()),
            )
        )
        return leads
