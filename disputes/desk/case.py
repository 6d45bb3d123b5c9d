"""The page of one dispute, and what is done on it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_variables

from credits.services.ledger import DisputeAlreadyDecided
from disputes.desk.forms import AssignForm, ContactForm, DecisionForm, NoteForm
from disputes.desk.pages import COMMENT, DECIDE, VIEW, CaseView, StepView
from disputes.desk.refusals import REFUSALS, explain
from disputes.models import LeadDispute
from disputes.services import cases
from disputes.services.decide import Action, decide
from leads.services.contacts import ContactNotVisible, show_contact_to_staff

Status = LeadDispute.Status


class Case(CaseView):
    """GET /admin/disputes/<id>: all facts on one page."""

    def get(self, request: HttpRequest, dispute_id: int) -> HttpResponse:
        return self.case_page(self.case(dispute_id))


class Resolve(StepView):
    """POST /admin/disputes/<id>/resolve: approve, reject or ask; then the next case at once."""

    rights = (VIEW, DECIDE)

    def post(self, request: HttpRequest, dispute_id: int) -> HttpResponse:
        dispute = self.case(dispute_id)
        form = DecisionForm(request.POST, rest=dispute.lead.cost - dispute.lead.refunded_total)
        if dispute.status != Status.PENDING:
            return self.refused(DisputeAlreadyDecided(), dispute_id, form)
        if not form.is_valid():
            return self.case_page(dispute, status=400, decision=form)
        try:
            request_made = decide(dispute=dispute, by=self.user, **decision_of(form))
        except REFUSALS as refusal:
            return self.refused(refusal, dispute_id, form)
        if request_made is not None:
            messages.warning(request, self.waits(dispute))
        else:
            messages.success(request, self.done(dispute, form))
        return self.onwards(dispute)

    def refused(self, refusal: Exception, dispute_id: int, form: DecisionForm) -> HttpResponse:
        status, _, words = explain(refusal, dispute_id)
        return self.case_page(self.case(dispute_id), status=status, problem=words, decision=form)

    def waits(self, dispute: LeadDispute) -> SafeString:
        return format_html(
            "Above what you may give back to this clinic today: a second person must approve it. "
            '<a href="{}">Dispute {}</a> stays pending until then.',
            reverse("admin_dispute", args=[dispute.pk]),
            str(dispute.pk),
        )

    def done(self, dispute: LeadDispute, form: DecisionForm) -> str:
        action = Action(form.cleaned_data["action"])
        if action is Action.ASK:
            return f"Dispute {dispute.pk}: the clinic was asked. The time stands still until it answers."
        if action is Action.REJECT:
            return f"Dispute {dispute.pk} was rejected."
        amount = number_format(form.cleaned_data["refund_amount"], 2)
        return f"Dispute {dispute.pk} was approved: ₹{amount} came back to {dispute.clinic.name}."

    def onwards(self, dispute: LeadDispute) -> HttpResponseRedirect:
        following = self.queue.next_after(dispute)
        return self.to("admin_disputes") if following is None else self.to("admin_dispute", following)


def decision_of(form: DecisionForm) -> dict[str, Any]:
    """A valid form as the arguments of `decide`."""
    cleaned = form.cleaned_data
    return {
        "action": Action(cleaned["action"]),
        "amount": cleaned["refund_amount"],
        "reason_code": cleaned["reason_code"],
        "notes": cleaned["admin_notes"],
    }


class Note(StepView):
    """POST /admin/disputes/<id>/note: a remark among staff, also on a decided dispute."""

    rights = (VIEW, COMMENT)

    def post(self, request: HttpRequest, dispute_id: int) -> HttpResponse:
        dispute, form = self.case(dispute_id), NoteForm(request.POST, label_suffix="")
        if not form.is_valid():
            return self.case_page(dispute, status=400, note=form)
        cases.note(dispute=dispute, text=form.cleaned_data["text"], by=self.user)
        messages.success(request, "The note is on the timeline.")
        return HttpResponseRedirect(
            f"{reverse('admin_dispute', args=[dispute_id])}{self.queue.query}#timeline", status=303
        )


class Assign(StepView):
    """POST /admin/disputes/<id>/assign: says who works on it, `to` is «me» or «nobody»."""

    rights = (VIEW, DECIDE)

    def post(self, request: HttpRequest, dispute_id: int) -> HttpResponse:
        dispute, form = self.case(dispute_id), AssignForm(request.POST)
        if not form.is_valid():
            return self.case_page(dispute, status=400, problem="It can be assigned to you or to nobody.")
        try:
            cases.assign(dispute=dispute, to=self.user if form.cleaned_data["to"] == "me" else None)
        except DisputeAlreadyDecided as refusal:
            status, _, words = explain(refusal, dispute_id)
            return self.case_page(self.case(dispute_id), status=status, problem=words)
        return self.to("admin_dispute", dispute_id)


class ShowContact(StepView):
    """POST /admin/disputes/<id>/contact: the patient's contact, with a reason, logged each time.

    It stands in this answer alone: not in an address, not in the session, and gone with the next page.
    """

    rights = (VIEW, DECIDE)

    @sensitive_variables("contact")
    def post(self, request: HttpRequest, dispute_id: int) -> HttpResponse:
        dispute, form = self.case(dispute_id), ContactForm(request.POST, label_suffix="")
        if not form.is_valid():
            return self.case_page(dispute, status=400, contact_form=form)
        try:
            contact = show_contact_to_staff(
                lead=dispute.lead, viewer=self.user, reason=form.cleaned_data["reason"], at=self.at
            )
        except ContactNotVisible:
            problem = "This contact is masked for everybody: it was erased, or the lead was refunded in full."
            return self.case_page(dispute, status=409, problem=problem)
        return self.case_page(dispute, contact=contact)
