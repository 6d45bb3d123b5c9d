"""A lead's own page, and the attempts to reach its patient."""

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django_htmx.http import trigger_client_event

from clinics.idempotency import KeyUsedForAnother
from clinics.read_only import skipped_while_read_only
from clinics.surfaces import ClinicRequest
from clinics.views import PortalAction
from credits.models import CreditAccount
from credits.portal import PortalPage
from leads.inbox import inbox_accounts, leads_of, rows_for
from leads.models import ContactAttempt, Lead
from leads.models.lead import LeadQuerySet
from leads.portal_forms import AttemptForm, OutcomeForm
from leads.services.attempts import OutcomeIsSet, record_attempt, set_outcome
from leads.services.contacts import ContactNotVisible
from leads.services.openings import open_lead
from leads.timeline import Event, attempts_of, timeline


class LeadPage(PortalPage):
    """GET /clinic/leads/1: everything about one lead. A script (htmx) gets the part beside the list.

    Mounted as `disputes.dashboard.LeadPageWithDisputes`, which adds what only disputes know.
    """

    template_name = "clinic/lead.html"
    section = "leads"

    def accounts(self) -> QuerySet[CreditAccount]:
        return inbox_accounts(super().accounts())

    def leads(self) -> LeadQuerySet:
        return leads_of(self.request.clinic).select_related("opened_by")

    def events(self, lead: Lead) -> Iterable[Event]:
        """What only other apps know of the lead."""
        return ()

    def get(self, request: HttpRequest, lead_id: int, **kwargs: Any) -> HttpResponse:
        lead, now = get_object_or_404(self.leads(), pk=lead_id), timezone.now()
        if lead.opened_at is None:
            with skipped_while_read_only():
                open_lead(lead=lead, by=self.request.user, at=now)
        attempts = attempts_of(lead)
        latest = self.latest_attempt(attempts)
        was_reached = latest is not None and latest.outcome == ContactAttempt.Outcome.REACHED
        context = self.get_context_data(
            lead=lead,
            row=rows_for([lead], self.request.clinic, self.request.user, now)[0],
            timeline=timeline(lead, self.request.user, attempts, self.events(lead)),
            asked=latest if latest and latest.outcome == ContactAttempt.Outcome.OPENED else None,
            may_be_contacted=lead.status == Lead.Status.NEW and lead.is_received and was_reached,
            statuses=Lead.Status.choices,
            kinds=ContactAttempt.Kind,
            outcomes=OutcomeForm.base_fields["outcome"].choices,  # type: ignore[attr-defined]
            **self.neighbours(lead),
        )
        if not request.headers.get("HX-Request"):
            return self.render_to_response(context)
        response = render(request, "clinic/_lead_page.html", context)
        return trigger_client_event(
            response, "inbox:changed", {"lead": lead.pk, "unread": self.account.leads_unread}
        )

    def latest_attempt(self, attempts: Iterable[ContactAttempt]) -> ContactAttempt | None:
        """The reader's own latest: while nothing was said of it, it is asked about."""
        own = (attempt for attempt in attempts if attempt.made_by_id == self.request.user.pk)
        return next(own, None)

    def neighbours(self, lead: Lead) -> dict[str, int | None]:
        """The leads before and after this one in the inbox, as numbers."""
        leads = Lead.objects.filter(clinic=self.request.clinic).not_expired().values_list("pk", flat=True)
        at = lead.created_at
        newer = leads.filter(Q(created_at__gt=at) | Q(pk__gt=lead.pk), created_at__gte=at)
        older = leads.filter(Q(created_at__lt=at) | Q(pk__lt=lead.pk), created_at__lte=at)
        return {
            "newer": newer.order_by("created_at", "pk").first(),
            "older": older.order_by("-created_at", "-pk").first(),
        }


class AttemptAction(PortalAction):
    """A button about an attempt: 303 back to the lead's page, which shows what came of it."""

    def done(self, lead_id: int) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("clinic_lead", args=[lead_id]), status=303)


class RecordAttempt(AttemptAction):
    """POST /clinic/leads/1/attempts: the member rang or wrote, by whatever telephone."""

    def post(self, request: ClinicRequest, lead_id: int) -> HttpResponseBase:
        lead = get_object_or_404(Lead.objects.filter(clinic=request.clinic), pk=lead_id)
        form = AttemptForm(request.POST)
        if not form.is_valid():
            return self.refused(_("This is not a way to reach somebody."), status=400)
        try:
            record_attempt(lead=lead, by=request.user, **form.cleaned_data)
        except ContactNotVisible:
            return self.refused(_("The contact of this lead is hidden."), status=409)
        except KeyUsedForAnother:
            return self.refused(_("This key was used for another request."), status=409)
        if not request.headers.get("HX-Request"):
            messages.success(request, _("Your attempt is recorded."))
        return self.done(lead.pk)


class SetAttemptOutcome(AttemptAction):
    """POST /clinic/attempts/1/outcome: how it went, said once."""

    def post(self, request: ClinicRequest, attempt_id: int) -> HttpResponseBase:
        attempts = ContactAttempt.objects.filter(lead__clinic=request.clinic)
        attempt = get_object_or_404(attempts, pk=attempt_id)
        form = OutcomeForm(request.POST)
        if not form.is_valid():
            return self.refused(_("This is not an outcome that an attempt can have."), status=400)
        try:
            attempt = set_outcome(attempt=attempt, **form.cleaned_data)
        except OutcomeIsSet:
            return self.refused(_("It was said before how this attempt went."), status=409)
        if not request.headers.get("HX-Request"):
            messages.success(request, _("Thank you, that is recorded."))
        return self.done(attempt.lead_id)
