"""The inbox of a clinic's members."""

from collections.abc import Iterable
from typing import Any, Final

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django_htmx.http import trigger_client_event

from clinics.models import Membership
from clinics.surfaces import ClinicRequest
from clinics.views import PortalAction
from credits.models import CreditAccount
from credits.portal import PortalPage
from credits.services.limits import is_paused
from credits.services.statement import recent_transactions, spent_this_month
from leads.filters import LeadFilter, found_by
from leads.inbox import FirstSteps, dashboard_accounts, held_leads, leads_of, rows_for, unread_leads
from leads.models import Lead
from leads.models.lead import LeadQuerySet
from leads.portal_forms import SearchForm, StatusForm
from leads.services.status import REFUSAL_TEXTS, change_status

PAGE_SIZE: Final = 20
MOST_FOUND: Final = 50


class Dashboard(PortalPage):
    """GET /clinic/dashboard: the leads, and a tab on billing. POST searches them, by name or phone too.

    Mounted as `disputes.dashboard.DashboardWithDisputes`, which adds what only disputes know.
    """

    template_name = "clinic/dashboard.html"
    section = "leads"

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
        return leads_of(self.request.clinic).newest_first()

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
        steps = FirstSteps.of(self.account)
        is_owner = self.request.membership.role == Membership.Role.OWNER
        context = self.get_context_data(
            filters=filters,
            search=search,
            rows=rows_for(leads, self.request.clinic, self.request.user, now),
            has_older=has_older,
            statuses=Lead.Status.choices,
            held=held_leads(self.account),
            steps=steps if is_owner and steps.are_due else None,
            is_first_day=is_owner and not steps.has_credits,  # the steps say it already
            page_address=self.request.build_absolute_uri(
                reverse("clinic_page", args=[self.request.clinic.slug])
            ),
            is_live=not search.is_bound and filters.is_whole,
            is_paused=is_paused(self.account, now),
            balance_is_low=self.account.balance < self.account.dearest_lead,
            monthly_spending=spent_this_month(self.account, now),
            recent_transactions=recent_transactions(self.account),
        )
        return self.render_to_response(context, status=status)


class UpdateLeadStatus(PortalAction):
    """POST /clinic/leads/update-status from a lead's buttons: 303 back to where they stood.

    A script's tap (htmx) gets the buttons again, as they are now, and what else the page has to say of it.
    """

    def post(self, request: ClinicRequest) -> HttpResponseBase:
        form = StatusForm(request.POST)
        if not form.is_valid():
            return self.refused(_("This is not a status that a lead can have."), status=400)
        lead = get_object_or_404(Lead.objects.filter(clinic=request.clinic), pk=form.cleaned_data["lead_id"])
        try:
            lead = change_status(lead=lead, status=Lead.Status(form.cleaned_data["status"]), by=request.user)
        except tuple(REFUSAL_TEXTS) as refusal:
            return self.refused(str(REFUSAL_TEXTS[type(refusal)]), status=409)
        facts = {"lead": str(lead.pk), "status": lead.get_status_display()}
        said = _("Lead %(lead)s is now «%(status)s».") % facts
        if request.headers.get("HX-Request"):
            return self.buttons(lead, said)
        messages.success(request, said)
        return HttpResponseRedirect(self.back(lead), status=303)

    def buttons(self, lead: Lead, said: str) -> HttpResponse:
        context = {"lead": lead, "statuses": Lead.Status.choices}
        response = render(self.request, "clinic/_lead_status.html", context)
        news = {"message": said, "lead": lead.pk, "unread": unread_leads(self.request.clinic)}
        return trigger_client_event(response, "inbox:changed", news)

    def back(self, lead: Lead) -> str:
        """Where the button was; `next` is believed only when it is a view of the dashboard or the lead's page."""
        dashboard, back = reverse("clinic_dashboard"), self.request.POST.get("next", "")
        own_page = reverse("clinic_lead", args=[lead.pk])
        if back == own_page:
            return own_page
        is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts=None)
        return f"{back if is_ours and back.partition('?')[0] == dashboard else dashboard}#lead-{lead.pk}"
