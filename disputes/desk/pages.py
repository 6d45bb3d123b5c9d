"""What every view of the desk shares: who may come in, and how the page of a case is put together."""

from datetime import datetime
from typing import Any, ClassVar, Final, cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views import View

from clinics.models import User
from disputes.desk.filters import Queue, in_words, time_left
from disputes.desk.forms import ContactForm, DecisionForm, NoteForm
from disputes.desk.texts import ready_texts
from disputes.models import LeadDispute
from disputes.services.facts import Dossier, case, days_without_answer, decided_the_first
from disputes.services.suggestions import Advice
from leads.models import LeadContact

VIEW: Final = "disputes.view_leaddispute"
DECIDE: Final = "disputes.decide_leaddispute"
COMMENT: Final = "disputes.comment_leaddispute"


class DeskView(View):
    """A view of the desk. `admin_view` lets every member of staff in, so each checks its own rights."""

    rights: ClassVar[tuple[str, ...]] = (VIEW,)
    user: User
    at: datetime

    @classmethod
    def mounted(cls) -> Any:
        return admin.site.admin_view(cls.as_view())

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.has_perms(self.rights):
            raise PermissionDenied
        self.user, self.at = cast("User", request.user), timezone.now()
        return super().dispatch(request, *args, **kwargs)

    @property
    def queue(self) -> Queue:
        return Queue(self.request.GET, self.user, self.at)

    def render(self, template: str, status: int, context: dict[str, Any]) -> HttpResponse:
        """The desk uses the whole width: the queue is where one works, not a place to leave by the sidebar."""
        page = {
            **admin.site.each_context(self.request),
            "is_nav_sidebar_enabled": False,
            "may_decide": self.user.has_perm(DECIDE),
            "may_comment": self.user.has_perm(COMMENT),
            **context,
        }
        return render(self.request, template, page, status=status)


class CaseView(DeskView):
    """About one dispute; every answer that isn't a way on is its page."""

    def case(self, dispute_id: int) -> LeadDispute:
        found = case(dispute_id)
        if found is None:
            raise Http404
        return found

    def to(self, name: str, *args: int) -> HttpResponseRedirect:
        """303 to a page of the desk, the filters still in force."""
        return HttpResponseRedirect(reverse(name, args=args) + self.queue.query, status=303)

    def case_page(
        self,
        dispute: LeadDispute,
        *,
        status: int = 200,
        problem: str = "",
        decision: DecisionForm | None = None,
        note: NoteForm | None = None,
        contact_form: ContactForm | None = None,
        contact: LeadContact | None = None,
    ) -> HttpResponse:
        dossier = Dossier.of(dispute, viewer=self.user, at=self.at)
        tone, words = time_left(dispute, self.at)
        context = {
            "title": f"Dispute {dispute.pk}: {dispute.get_dispute_type_display()}",
            "subtitle": None,
            "queue": self.queue,
            "dossier": dossier,
            "dispute": dispute,
            "lead": dispute.lead,
            "time_left": {"tone": tone, "words": words},
            "days_without_answer": days_without_answer(dispute, self.at),
            "age": in_words((dispute.resolved_at or self.at) - dispute.created_at),
            "problem": problem,
            "is_pending": dispute.status == LeadDispute.Status.PENDING,
            "is_own_appeal": decided_the_first(dispute, self.user),
            "decision": decision or suggested_decision(dossier),
            "ready_texts": ready_texts(dispute, dossier.rules),
            "note_form": note or NoteForm(label_suffix=""),
            "contact_form": contact_form or ContactForm(label_suffix=""),
            "contact": contact,
        }
        return self.render("admin/disputes/case.html", status, context)


class StepView(CaseView):
    """Something done on a case by POST. A GET leads to the case: so one ends up after signing in again on the way."""

    def get(self, request: HttpRequest, dispute_id: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin_dispute", args=[dispute_id]) + self.queue.query)


def suggested_decision(dossier: Dossier) -> DecisionForm:
    """The form as the suggestion fills it in; nothing is chosen where the policy leaves it to a person."""
    suggestion = dossier.suggestion
    initial = {
        "action": "" if suggestion.advice is Advice.LOOK else suggestion.advice.value,
        "refund_amount": suggestion.amount,
        "reason_code": suggestion.reason_code,
    }
    return DecisionForm(rest=dossier.rest, initial=initial)
