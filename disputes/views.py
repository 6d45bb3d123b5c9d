"""Pages of a clinic's disputes, and the file that staff open from the resolve page."""

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import floatformat
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views import View

from clinics.models import User
from clinics.surfaces import ClinicMixin, ClinicRequest
from credits.models import CreditAccount
from credits.portal import PortalPage
from disputes.evidence.rules import MOST_BYTES
from disputes.filters import DisputeFilter
from disputes.forms import ACCEPTED_FILES, CaseForm, DisputeForm
from disputes.listing import PAGE_SIZE, answer_time, shown_disputes_of, with_pending_disputes
from disputes.models import MOST_FILES, Evidence, LeadDispute
from disputes.portal import (
    ACTORS,
    KEY_REUSED,
    Problem,
    attempt,
    evidence_response,
    own_evidence,
    own_lead,
    preview_response,
)
from disputes.services import filing
from disputes.services.cases import REFUSAL_TEXTS
from disputes.services.reasons import reasons_for, refusal_of_lead
from leads.services.contacts import log_look


class DisputePage(PortalPage):
    """What the pages of disputes share."""

    section = "disputes"

    def accounts(self) -> QuerySet[CreditAccount]:
        return with_pending_disputes(super().accounts())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            may_act=self.request.membership.role in ACTORS,
            most_files=MOST_FILES,
            most_bytes=MOST_BYTES,
            accepted_files=ACCEPTED_FILES,
            **kwargs,
        )

    def sent(self, form: CaseForm) -> filing.Sent:
        return filing.Sent(
            clinic=self.request.clinic,
            by=self.request.user,
            files=form.cleaned_data["evidence"],
            key=form.cleaned_data["idempotency_key"],
        )

    def show(self, problem: Problem, form: CaseForm) -> None:
        """Puts what went wrong where it belongs; a key that was used gives way to a new one."""
        if problem.code == KEY_REUSED:
            form.data = {**self.request.POST.dict(), "idempotency_key": uuid4().hex}
        for message in problem.messages:
            form.add_error(problem.field, message)


def back_to(dispute: LeadDispute) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("dispute_page", args=[dispute.pk]), status=303)


class DisputesDashboard(DisputePage):
    """GET /clinic/disputes: newest first, each with where it stands; what was said is on its own page."""

    template_name = "clinic/disputes.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        shown = shown_disputes_of(self.request.clinic, reader=self.request.user)
        filters = DisputeFilter(request.GET, queryset=shown)
        found = list(filters.qs[: PAGE_SIZE + 1]) if filters.is_valid() else []
        context = self.get_context_data(
            filters=filters,
            disputes=found[:PAGE_SIZE],
            has_older=len(found) > PAGE_SIZE,
            states=LeadDispute.Status.choices,
            answer_time="" if found else answer_time(),
        )
        return self.render_to_response(context, status=200 if filters.is_valid() else 400)


class CreateDispute(DisputePage):
    """GET, POST /clinic/disputes/create/<lead_id>: what is accepted, until when and with what; and filing it."""

    template_name = "clinic/create_dispute.html"
    roles = ACTORS
    http_method_names = ("get", "head", "post", "options")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        lead = own_lead(self.request.clinic, kwargs["lead_id"])
        form = DisputeForm(initial={"idempotency_key": uuid4().hex}, lead=lead, reasons=reasons_for(lead))
        return self.page(form)

    def post(self, request: HttpRequest, lead_id: int) -> HttpResponse:
        lead = own_lead(self.request.clinic, lead_id)
        form = DisputeForm(request.POST, request.FILES, lead=lead, reasons=reasons_for(lead))
        if not form.is_valid():
            return self.page(form, status=400)
        fields = form.cleaned_data
        outcome = attempt(
            lambda: filing.file_dispute(
                sent=self.sent(form),
                lead=lead,
                dispute_type=fields["dispute_type"],
                description=fields["description"],
            )
        )
        if isinstance(outcome, Problem):
            self.show(outcome, form)
            return self.page(form, status=outcome.status)
        messages.success(request, told_after_filing(outcome))
        return back_to(outcome)

    def page(self, form: DisputeForm, *, status: int = 200) -> HttpResponse:
        reasons = list(form.reasons.values())
        code = refusal_of_lead(reasons)
        context = self.get_context_data(
            form=form,
            lead=form.lead,
            reasons=reasons,
            refused=[reason.dispute_type for reason in reasons if reason.refusal],
            refusal=str(REFUSAL_TEXTS[code]) if code else "",
        )
        return self.render_to_response(context, status=status)


def told_after_filing(dispute: LeadDispute) -> str:
    if dispute.is_automatic:
        text = _("Our books show it: %(credits)s credits for lead %(lead)d are back.")
        return text % {"credits": floatformat(dispute.refund_amount, "-2g"), "lead": dispute.lead_id}
    text = _("Lead %(lead)d is disputed. We answer within %(time)s.")
    return text % {"lead": dispute.lead_id, "time": answer_time()}


class EvidenceFile(ClinicMixin, View):  # type: ignore[misc]  # its request is a ClinicRequest
    """GET /clinic/disputes/<id>/evidence/<evidence_id>, for every member; 404 once the contact is masked."""

    http_method_names = ("get", "head", "options")

    def get(self, request: ClinicRequest, dispute_id: int, evidence_id: int) -> HttpResponseBase:
        return evidence_response(own_evidence(request.clinic, dispute_id, evidence_id))


class EvidencePreview(ClinicMixin, View):  # type: ignore[misc]  # its request is a ClinicRequest
    """GET /clinic/disputes/<id>/evidence/<evidence_id>/preview: a small picture, while the file is open."""

    http_method_names = ("get", "head", "options")

    def get(self, request: ClinicRequest, dispute_id: int, evidence_id: int) -> HttpResponseBase:
        return preview_response(own_evidence(request.clinic, dispute_id, evidence_id))


class EvidenceForStaff(PermissionRequiredMixin, View):
    """GET /admin/disputes/<id>/evidence/<evidence_id>, for staff who may see evidence; each look is logged."""

    permission_required = "disputes.view_evidence"
    http_method_names = ("get", "head", "options")

    def has_permission(self) -> bool:
        return self.request.user.is_active and self.request.user.is_staff and super().has_permission()

    def handle_no_permission(self) -> HttpResponseRedirect:
        if self.request.user.is_authenticated:
            raise PermissionDenied("Your rights do not include the evidence of disputes.")
        return super().handle_no_permission()

    def get(self, request: HttpRequest, dispute_id: int, evidence_id: int) -> HttpResponseBase:
        assert isinstance(request.user, User)  # has_permission said so
        files = Evidence.objects.select_related("dispute__lead")
        file = get_object_or_404(files, pk=evidence_id, dispute=dispute_id)
        if not filing.contacts_shown().filter(pk=file.dispute.lead_id).exists():
            raise PermissionDenied(
                "This file is masked like the contact: it was erased, or the lead was refunded in full."
            )
        # A screenshot may show the patient's number: opening it is a look at the contact.
        log_look(
            lead=file.dispute.lead,
            viewer=request.user,
            reason=f"Evidence {file.pk} of dispute {dispute_id}",
            at=timezone.now(),
        )
        return evidence_response(file)
