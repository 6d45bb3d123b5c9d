"""One dispute's own page, and what is sent from it: an answer, an appeal, a cancel."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from clinics.surfaces import ClinicRequest
from clinics.views import PortalAction
from disputes.conversation import mark_read, messages_of
from disputes.forms import AnswerForm, AppealForm, CaseForm
from disputes.listing import DisputeRow, disputes_of, row_of
from disputes.models import LeadDispute
from disputes.portal import ACTORS, Problem, attempt, own_dispute
from disputes.services import cases, filing
from disputes.services.cases import REFUSAL_TEXTS
from disputes.views import DisputePage, back_to


class CasePage(DisputePage):
    """GET /clinic/disputes/<id>: what was said so far, the decision, and a form for what may be said now."""

    template_name = "clinic/dispute.html"
    is_appealing = False

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.page(kwargs["dispute_id"])

    def page(self, dispute_id: int, form: CaseForm | None = None, *, status: int = 200) -> HttpResponse:
        """With `form` where what was sent needs another look, also when there is nothing to send any more."""
        found = disputes_of(self.request.clinic).select_related("appeal")
        row = row_of(get_object_or_404(found, pk=dispute_id))
        said = messages_of(row)
        mark_read(row.dispute, said, reader=self.request.user)
        context = self.get_context_data(
            row=row,
            dispute=row.dispute,
            lead=row.dispute.lead,
            conversation=said,
            form=form or self.form_for(row),
            is_appealing=self.is_appealing,
            refusal=self.refusal(row) if form is None else "",
        )
        return self.render_to_response(context, status=status)

    def form_for(self, row: DisputeRow) -> CaseForm | None:
        if self.request.membership.role not in ACTORS:
            return None
        fresh = {"idempotency_key": uuid4().hex}
        if row.can_be_appealed:
            return AppealForm(initial=fresh)
        return AnswerForm(initial=fresh) if row.is_pending and not self.is_appealing else None

    def refusal(self, row: DisputeRow) -> str:
        """Why a decision can't be appealed; on the appeal's address also why there is none to appeal."""
        code = row.appeal_refusal
        return str(REFUSAL_TEXTS[code]) if code and self.is_appealing else row.appeal_refusal_text


class SendingPage(CasePage):
    """A text that is sent about one dispute; with a mistake in it, the page comes back with the form as typed."""

    roles = ACTORS
    http_method_names: tuple[str, ...] = ("post", "options")
    form_class: type[CaseForm]
    done: StrOrPromise

    def post(self, request: HttpRequest, dispute_id: int) -> HttpResponse:
        dispute = own_dispute(self.request.clinic, dispute_id)
        form = self.form_class(request.POST, request.FILES)
        if not form.is_valid():
            return self.page(dispute_id, form, status=400)
        outcome = attempt(self.act(form, dispute))
        if isinstance(outcome, Problem):
            self.show(outcome, form)
            return self.page(dispute_id, form, status=outcome.status)
        messages.success(request, str(self.done))
        return back_to(outcome)

    def act(self, form: CaseForm, dispute: LeadDispute) -> Callable[[], LeadDispute]:
        raise NotImplementedError


class AnswerDispute(SendingPage):
    """POST /clinic/disputes/<id>/answer."""

    form_class = AnswerForm
    done = gettext_lazy("Thank you: your answer is with us, and the time to decide runs again.")

    def act(self, form: CaseForm, dispute: LeadDispute) -> Callable[[], LeadDispute]:
        return lambda: filing.answer(sent=self.sent(form), dispute=dispute, text=form.cleaned_data["answer"])


class AppealDispute(SendingPage):
    """GET, POST /clinic/disputes/<id>/appeal: another person looks at a decision, once, within its time."""

    http_method_names = ("get", "head", "post", "options")
    form_class = AppealForm
    is_appealing = True
    done = gettext_lazy("Your appeal is with us. Another person looks at it.")

    def act(self, form: CaseForm, dispute: LeadDispute) -> Callable[[], LeadDispute]:
        return lambda: filing.appeal(
            sent=self.sent(form), dispute=dispute, description=form.cleaned_data["description"]
        )


class CancelDispute(PortalAction):
    """POST /clinic/disputes/<id>/cancel: the clinic takes it back; 409 when it was decided."""

    roles = ACTORS

    def post(self, request: ClinicRequest, dispute_id: int) -> HttpResponseBase:
        dispute = own_dispute(request.clinic, dispute_id)
        outcome = attempt(lambda: cases.cancel(dispute=dispute, by=request.user))
        if isinstance(outcome, Problem):
            context = {
                "reason": outcome.messages[0],
                "href": reverse("dispute_page", args=[dispute_id]),
                "link": _("Back to the dispute"),
            }
            return render(request, "refused.html", context, status=outcome.status)
        told = _("The dispute of lead %(lead)d is cancelled.")
        if outcome.appeal_of_id is not None:
            told = _("The appeal of lead %(lead)d is cancelled.")
        messages.success(request, told % {"lead": outcome.lead_id})
        return back_to(outcome)
