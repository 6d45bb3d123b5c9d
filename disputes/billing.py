"""The billing dashboard with the number of disputes that wait. It stands here because credits know of none."""

from typing import Any

from django.db.models import QuerySet

from credits.billing_views import BillingDashboard
from credits.models import CreditAccount
from disputes.listing import with_pending_disputes


class BillingDashboardWithDisputes(BillingDashboard):
    """GET /clinic/billing-dashboard."""

    def accounts(self) -> QuerySet[CreditAccount]:
        return with_pending_disputes(super().accounts())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(dispute_count=self.account.pending_disputes, **kwargs)
