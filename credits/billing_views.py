"""The billing dashboard of a clinic."""

from datetime import date
from typing import Any, Final, cast
from uuid import uuid4

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy

from credits.models import CreditAccount
from credits.portal import PortalPage
from credits.services import figures
from credits.services.checkout import offers
from credits.services.snapshot import one_snapshot
from credits.services.statement import recent_transactions, spent_this_month
from credits.topup_api import BUYERS
from leads.models import Lead

PERIODS: Final = {
    "1": gettext_lazy("This month"),
    "3": gettext_lazy("3 months"),
    "12": gettext_lazy("12 months"),
}
USUAL_PERIOD: Final = "3"
NEXT_EXPIRIES: Final = 4


class BillingDashboard(PortalPage):
    """GET /clinic/billing-dashboard?period=3: the balance, how long it lasts, and what it was spent on.

    Mounted as `disputes.billing.BillingDashboardWithDisputes`, which adds what only disputes know.
    """

    template_name = "clinic/billing_dashboard.html"
    section = "billing"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Read and rendered in one snapshot: a template reads too."""
        with one_snapshot():
            response = self.render_to_response(self.get_context_data())
            return cast("TemplateResponse", response).render()

    def accounts(self) -> QuerySet[CreditAccount]:
        delivered = Lead.objects.filter(clinic=OuterRef("pk"), delivery_state=Lead.DeliveryState.DELIVERED)
        number = delivered.order_by().values("clinic").annotate(number=Count("pk")).values("number")
        return super().accounts().annotate(leads_delivered=Coalesce(Subquery(number), 0))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        now = timezone.now()
        account = self.account
        period = self.request.GET.get("period", USUAL_PERIOD)
        period = period if period in PERIODS else USUAL_PERIOD
        since = figures.month_start(now, int(period) - 1)
        spending = figures.spending(account, now)
        parts = figures.parts_of_balance(account)
        self.request.clinic.credit_balance = account.balance  # type: ignore[attr-defined]
        return super().get_context_data(
            recent_transactions=recent_transactions(account),
            monthly_spending=spent_this_month(account, now),
            total_leads=account.leads_delivered,
            payments_under_way=figures.payments_under_way(account.pk, now),
            spending=spending,
            this_month=spending.months[-1],
            chart=chart_of(spending.months),
            shares=figures.shares(account, since),
            periods=PERIODS.items(),
            period=period,
            since=since,
            parts=parts,
            next_expiries=parts.expiries[:NEXT_EXPIRIES],
            later_expiries=parts.expiries[NEXT_EXPIRIES:],
            **self.purchase_context(),
            **kwargs,
        )

    def purchase_context(self) -> dict[str, Any]:
        """What the window for buying needs; nothing for those who may not buy."""
        if self.request.membership.role not in BUYERS:
            return {"offers": []}
        return {"offers": offers(self.account), "idempotency_key": uuid4().hex}


def chart_of(months: list[figures.Month]) -> dict[str, Any]:
    """The months as the chart's script takes them: whole words and plain numbers."""
    return {
        "labels": [short_month(month.start) for month in months],
        "series": [
            {"label": gettext("Spent on leads"), "values": [float(month.spent) for month in months]},
            {"label": gettext("Refunds received"), "values": [float(month.refunded) for month in months]},
        ],
    }


def short_month(day: date) -> str:
    """«Nov 2026», in the reader's language."""
    return date_format(day, "M Y")
