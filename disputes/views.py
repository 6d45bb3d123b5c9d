"""Pages of a clinic's disputes, and the file that staff open from the resolve page."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.template.defaultfilters import floatformat
from django.urls import reverse
from django.utils import timezone
from django.views import View

from clinics.models import User
from clinics.surfaces import ClinicMixin, ClinicRequest
from clinics.views import PortalAction
from credits.models import BillingRules, CreditAccount
from credits.portal import PortalPage
from disputes.filters import DisputeFilter
from disputes.forms import ACCEPTED_FILES, AnswerForm, AppealForm, CaseForm, DisputeForm
from disputes.listing import PAGE_SIZE, answer_time, disputes_of, row_of, with_pending_disputes
from disputes.models import MOST_FILES, Evidence, LeadDispute
from disputes.portal import (
    ACTORS,
    KEY_REUSED,
    Problem,
    attempt,
    evidence_response,
    own_dispute,
    own_evidence,
    own_lead,
)
from disputes.services import cases, filing
from disputes.services.cases import REFUSAL_TEXTS
from disputes.services.reasons import appeal_until, reasons_for, refusal_of_lead
from leads.services.contacts import log_look


class DisputePage(PortalPage):
    """What the pages of disputes share."""

    def accounts(self) -> QuerySet[CreditAccount]:
        return with_pending_disputes(super().accounts())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            section="disputes",
            may_act=self.request.membership.role in ACTORS,
            most_files=MOST_FILES,
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
    return HttpResponseRedirect(f"{reverse('disputes_dashboard')}#dispute-{dispute.pk}", status=303)


class DisputesDashboard(DisputePage):
    """GET /clinic/disputes: newest first, each with its timeline, its decision and what can be done."""

    template_name = "clinic/disputes.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        filters = DisputeFilter(request.GET, queryset=disputes_of(self.request.clinic))
        found = list(filters.qs[: PAGE_SIZE + 1]) if filters.is_valid() else []
        context = self.get_context_data(
            filters=filters,
            rows=[row_of(dispute) for dispute in found[:PAGE_SIZE]],
            has_older=len(found) > PAGE_SIZE,
            states=LeadDispute.Status.choices,
            key=uuid4().hex,
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
        if outcome.is_automatic:
            back = floatformat(outcome.refund_amount, "-2g")
            messages.success(request, f"Our books show it: {back} credits for lead {lead_id} are back.")
        else:
            messages.success(request, f"Lead {lead_id} is disputed. We answer within {answer_time()}.")
        return back_to(outcome)

    def page(self, form: DisputeForm, *, status: int = 200) -> HttpResponse:
        reasons = list(form.reasons.values())
        code = refusal_of_lead(reasons)
        context = self.get_context_data(
            form=form, lead=form.lead, reasons=reasons, refusal=REFUSAL_TEXTS[code] if code else ""
        )
        return self.render_to_response(context, status=status)


class DisputeText(DisputePage):
    """A page with one dispute and a text to be sent about it."""

    template_name = "clinic/dispute_text.html"
    roles = ACTORS
    http_method_names: tuple[str, ...] = ("post", "options")
    form_class: type[CaseForm]
    title: str
    done: str

    def post(self, request: HttpRequest, dispute_id: int) -> HttpResponse:
        dispute = own_dispute(self.request.clinic, dispute_id)
        form = self.form_class(request.POST, request.FILES)
        if not form.is_valid():
            return self.page(form, dispute, status=400)
        outcome = attempt(self.act(form, dispute))
        if isinstance(outcome, Problem):
            self.show(outcome, form)
            return self.page(form, dispute, status=outcome.status)
        messages.success(request, self.done)
        return back_to(outcome)

    def act(self, form: CaseForm, dispute: LeadDispute) -> Callable[[], LeadDispute]:
        raise NotImplementedError

    def page(self, form: CaseForm, dispute: LeadDispute, *, status: int = 200) -> HttpResponse:
        context = self.get_context_data(
            form=form, dispute=dispute, text=form[form.text_name], page_title=self.title
        )
        return self.render_to_response(context, status=status)


class AnswerDispute(DisputeText):
    """POST /clinic/disputes/<id>/answer, from the list; with a mistake in it, the form comes back on a page."""

    form_class = AnswerForm
    title = "Your answer"
    done = "Thank you: your answer is with us, and the time to decide runs again."

    def act(self, form: CaseForm, dispute: LeadDispute) -> Callable[[], LeadDispute]:
        return lambda: filing.answer(sent=self.sent(form), dispute=dispute, text=form.cleaned_data["answer"])


class AppealDispute(DisputeText):
    """GET, POST /clinic/disputes/<id>/appeal: another person looks at a decision, once, within its time."""

    http_method_names = ("get", "head", "post", "options")
    form_class = AppealForm
    title = "Appeal a decision"
    done = "Your appeal is with us. Another person looks at it."

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        dispute = own_dispute(self.request.clinic, kwargs["dispute_id"])
        return self.page(AppealForm(initial={"idempotency_key": uuid4().hex}), dispute)

    def act(self, form: CaseForm, dispute: LeadDispute) -> Callable[[], LeadDispute]:
        return lambda: filing.appeal(
            sent=self.sent(form), dispute=dispute, description=form.cleaned_data["description"]
        )

    def page(self, form: CaseForm, dispute: LeadDispute, *, status: int = 200) -> HttpResponse:
        code = cases.appeal_refusal(dispute)
        days = BillingRules.objects.values_list("appeal_days", flat=True).get()
        self.extra_context = {
            "refusal": REFUSAL_TEXTS[code] if code else "",
            "until": appeal_until(dispute, days),
        }
        return super().page(form, dispute, status=status)


class CancelDispute(PortalAction):
    """POST /clinic/disputes/<id>/cancel: the clinic takes it back; 409 when it was decided."""

    roles = ACTORS

    def post(self, request: ClinicRequest, dispute_id: int) -> HttpResponseBase:
        dispute = own_dispute(request.clinic, dispute_id)
        outcome = attempt(lambda: cases.cancel(dispute=dispute, by=request.user))
        if isinstance(outcome, Problem):
            context = {
                "reason": outcome.messages[0],
                "href": reverse("disputes_dashboard"),
                "link": "To your disputes",
            }
            return render(request, "refused.html", context, status=outcome.status)
        what = "dispute" if outcome.appeal_of_id is None else "appeal"
        messages.success(request, f"The {what} of lead {outcome.lead_id} is cancelled.")
        return back_to(outcome)


class EvidenceFile(ClinicMixin, View):  # type: ignore[misc]  # its request is a ClinicRequest
    """GET /clinic/disputes/<id>/evidence/<evidence_id>, for every member; 404 once the contact is masked."""

    http_method_names = ("get", "head", "options")

    def get(self, request: ClinicRequest, dispute_id: int, evidence_id: int) -> HttpResponseBase:
        return evidence_response(own_evidence(request.clinic, dispute_id, evidence_id))


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
