"""Pages of leads for a clinic's members."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, JSONObject, Now
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from clinics.surfaces import ClinicRequest
from clinics.views import PortalAction
from credits.models import BillingRules, CreditAccount
from credits.portal import PortalPage
from credits.services.statement import recent_transactions, spent_this_month
from leads.filters import LeadFilter, found_by
from leads.models import Lead, LeadContact, PricingTier, PricingVersion, Treatment
from leads.models.lead import LeadQuerySet
from leads.portal_forms import SearchForm, StatusForm
from leads.services.contacts import show_contacts
from leads.services.status import LeadFullyRefunded, LeadInDispute, LeadNotReceived, change_status

PAGE_SIZE: Final = 20
MOST_FOUND: Final = 50
RECENT_LEADS: Final = 500  # the filters offer the treatments and sources of this many


@dataclass(frozen=True, slots=True)
class LeadRow:
    """A lead and, where it may be seen, its patient's contact."""

    lead: Lead
    contact: LeadContact | None


def dashboard_accounts(accounts: QuerySet[CreditAccount]) -> QuerySet[CreditAccount]:
    """The dashboard's figures, read in one statement with the balance, so that they agree with it."""
    leads = Lead.objects.filter(clinic=OuterRef("pk")).order_by()
    recent = Lead.objects.filter(clinic=OuterRef(OuterRef("pk"))).newest_first()[:RECENT_LEADS]
    sources = Lead.objects.filter(pk__in=recent.values("pk")).order_by("source").values("source").distinct()
    treatments = Treatment.objects.filter(pk__in=recent.values("treatment")).order_by("name")
    price_list = (
        PricingVersion.objects.filter(effective_at__lte=Now()).order_by("-effective_at").values("pk")[:1]
    )
    tiers = PricingTier.objects.filter(version=Subquery(price_list)).order_by("-credits")

    def count(of: LeadQuerySet) -> Coalesce:
        return Coalesce(Subquery(of.values("clinic").annotate(number=Count("pk")).values("number")), 0)

    return accounts.annotate(
        leads_delivered=count(leads.filter(delivery_state=Lead.DeliveryState.DELIVERED)),
        leads_held=count(leads.held()),
        dearest_lead=Subquery(tiers.values("credits")[:1]),
        auto_release_hours=Subquery(BillingRules.objects.values("auto_release_hours")[:1]),
        held_valid_days=Subquery(BillingRules.objects.values("held_valid_days")[:1]),
        lead_sources=ArraySubquery(sources),
        lead_treatments=ArraySubquery(treatments.values(json=JSONObject(pk="pk", name="name"))),
    )


class Dashboard(PortalPage):
    """GET /clinic/dashboard: the leads, and a tab on billing. POST searches them, by name or phone too.

    Mounted as `disputes.dashboard.DashboardWithDisputes`, which adds what only disputes know.
    """

    template_name = "clinic/dashboard.html"

    def accounts(self) -> QuerySet[CreditAccount]:
        return dashboard_accounts(super().accounts())

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        filters = self.filters(request.GET)
        if not filters.is_valid():
            return self.page(filters, SearchForm(), [], status=400)
        leads = list(filters.qs[: PAGE_SIZE + 1])
        return self.page(filters, SearchForm(), leads[:PAGE_SIZE], has_older=len(leads) > PAGE_SIZE)

    def post(self, request: HttpRequest) -> HttpResponse:
        search, filters = SearchForm(request.POST), self.filters(QueryDict())
        if not search.is_valid():
            return self.page(filters, search, [], status=400)
        leads = found_by(search.cleaned_data["q"], self.request.clinic, self.leads())
        return self.page(filters, search, leads[:MOST_FOUND])

    def leads(self) -> LeadQuerySet:
        leads: LeadQuerySet = Lead.objects.filter(clinic=self.request.clinic)
        return leads.select_related("package", "treatment", "partner", "tier", "repeat_of").newest_first()

    def filters(self, data: Any) -> LeadFilter:
        return LeadFilter(
            data,
            queryset=self.leads(),
            treatments=self.account.lead_treatments,
            sources=self.account.lead_sources,
        )

    def page(
        self,
        filters: LeadFilter,
        search: SearchForm,
        leads: Iterable[Lead],
        *,
        has_older: bool = False,
        status: int = 200,
    ) -> HttpResponse:
        now = timezone.now()
        leads = list(leads)
        contacts = show_contacts(leads, self.request.user, now)
        context = self.get_context_data(
            filters=filters,
            search=search,
            rows=[LeadRow(lead, contacts.get(lead.pk)) for lead in leads],
            has_older=has_older,
            statuses=Lead.Status.choices,
            balance_is_low=self.account.balance < self.account.dearest_lead,
            monthly_spending=spent_this_month(self.account, now),
            recent_transactions=recent_transactions(self.account),
        )
        return self.render_to_response(context, status=status)


class UpdateLeadStatus(PortalAction):
    """POST /clinic/leads/update-status from the dashboard's buttons: 303 back to the list."""

    def post(self, request: ClinicRequest) -> HttpResponseBase:
        form = StatusForm(request.POST)
        if not form.is_valid():
            return self.refused("This is not a status that a lead can have.", status=400)
        lead = get_object_or_404(Lead.objects.filter(clinic=request.clinic), pk=form.cleaned_data["lead_id"])
        try:
            lead = change_status(lead=lead, status=Lead.Status(form.cleaned_data["status"]), by=request.user)
        except LeadNotReceived:
            return self.refused(
                "This lead has not been delivered, so it has no status to change.", status=409
            )
        except LeadFullyRefunded:
            return self.refused("This lead was refunded in full and can't be set to converted.", status=409)
        except LeadInDispute:
            return self.refused("This lead is being disputed and can't be set to converted.", status=409)
        messages.success(request, f"Lead {lead.pk} is now «{lead.get_status_display()}».")
        return HttpResponseRedirect(f"{self.back()}#lead-{lead.pk}", status=303)

    def refused(self, reason: str, *, status: int) -> HttpResponse:
        return render(self.request, "refused.html", {"reason": reason}, status=status)

    def back(self) -> str:
        """The list the button was on; `next` is believed only when it is a view of the dashboard."""
        dashboard, back = reverse("clinic_dashboard"), self.request.POST.get("next", "")
        is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts=None)
        return back if is_ours and back.partition("?")[0] == dashboard else dashboard
