"""«Enquiries for review»: staff release or refuse what looked like spam (rule 9), one by one or many at once."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Final, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views import View

from clinics.form_fields import IdField
from clinics.models import User
from credits.models import HeldLeadDecision
from leads.models import Lead
from leads.services.review_queue import MOST_AT_ONCE, Outcome, decide, queue, read

VIEW: Final = "leads.view_lead"
REVIEW: Final = "leads.review_lead"
PER_PAGE: Final = MOST_AT_ONCE
Action = HeldLeadDecision.Action
Reason = HeldLeadDecision.Reason
FITTING: Final[dict[str, tuple[Reason, ...]]] = {
    Action.RELEASE: (Reason.GENUINE, Reason.SHARED_ADDRESS, Reason.CLINIC_ASKED),
    Action.REFUSE: (Reason.SCRIPTED, Reason.NONSENSE, Reason.REPEATED, Reason.TEST, Reason.CLINIC_ASKED),
}
EITHER_WAY: Final = [code for code in FITTING[Action.RELEASE] if code in FITTING[Action.REFUSE]]


def fitting(*, only: str) -> list[tuple[str, str]]:
    """The reasons of this decision and no other, as choices."""
    return [(code.value, str(code.label)) for code in FITTING[only] if code not in EITHER_WAY]


class NarrowForm(forms.Form):
    """Which part of the queue: behind a lead, of one lead's address, of one clinic."""

    after = IdField(required=False)
    like = IdField(required=False)
    clinic = IdField(required=False)


class ReviewForm(forms.Form):
    """One decision and one reason for all that are ticked."""

    action = forms.ChoiceField(
        label="Decision",
        choices=[("", "Choose …"), (Action.RELEASE.value, "Release"), (Action.REFUSE.value, "Refuse")],
        error_messages={"required": "Choose what to do."},
    )
    reason_code = forms.ChoiceField(
        label="Reason",
        choices=[
            ("", "Choose …"),
            ("To release", fitting(only=Action.RELEASE)),
            ("To refuse", fitting(only=Action.REFUSE)),
            ("Either way", [(code.value, code.label) for code in EITHER_WAY]),
        ],
        error_messages={"required": "Choose a reason."},
    )
    lead = forms.Field(required=False)

    def clean_lead(self) -> list[int]:
        assert isinstance(self.data, QueryDict)
        ticked = self.data.getlist("lead")
        if not ticked:
            raise ValidationError("Tick at least one enquiry.")
        if len(ticked) > MOST_AT_ONCE:
            raise ValidationError(f"At most {MOST_AT_ONCE} at once.")
        if not all(len(one) <= 18 and one.isascii() and one.isdecimal() for one in ticked):
            raise ValidationError("These are no enquiries.")
        return [int(one) for one in ticked]

    def clean(self) -> dict[str, Any]:
        action, reason = self.cleaned_data.get("action"), self.cleaned_data.get("reason_code")
        if action and reason and reason not in FITTING[action]:
            self.add_error("reason_code", f"This is no reason to {action}.")
        return self.cleaned_data


class ReviewDesk(View):
    """GET, POST /admin/leads/lead/review/. `admin_view` lets every member of staff in, so it checks their rights."""

    http_method_names = ("get", "head", "post")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        rights = (VIEW, REVIEW) if request.method == "POST" else (VIEW,)
        if not request.user.has_perms(rights):
            raise PermissionDenied
        self.narrow = NarrowForm(request.GET)
        self.chosen = (
            {name: value for name, value in self.narrow.cleaned_data.items() if value}
            if self.narrow.is_valid()
            else {}
        )
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.page()

    def post(self, request: HttpRequest) -> HttpResponse:
        form = ReviewForm(request.POST, label_suffix="")
        if not form.is_valid():
            return self.page(form=form, status=400)
        chosen = form.cleaned_data
        outcomes = decide(
            lead_ids=chosen["lead"],
            action=chosen["action"],
            reason_code=chosen["reason_code"],
            by=cast("User", request.user),
        )
        self.tell(outcomes)
        if all(one.why_not for one in outcomes):
            return self.page(form=form, status=409)
        return HttpResponseRedirect(self.address(), status=303)

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """What became of them, in groups; what was left, by number, so that one can look."""
        left: dict[str, list[int]] = defaultdict(list)
        done: Counter[str] = Counter()
        for one in outcomes:
            if one.why_not:
                left[one.why_not].append(one.lead_id)
            else:
                done[became(one)] += 1
        if done:
            said = ", ".join(f"{number} {what}" for what, number in done.most_common())
            messages.success(self.request, f"Decided: {said}.")
        for why, keys in left.items():
            messages.warning(self.request, f"Left as it was ({why}): {', '.join(map(str, keys))}.")

    def page(self, *, form: ReviewForm | None = None, status: int = 200) -> HttpResponse:
        after = self.chosen.get("after", 0)
        like, clinic = self.chosen.get("like"), self.chosen.get("clinic")
        rows = read(queue(like=like, clinic=clinic), after=after, most=PER_PAGE + 1)
        ticked = set(form.data.getlist("lead")) if form and isinstance(form.data, QueryDict) else set()
        context = {
            **admin.site.each_context(self.request),
            "is_nav_sidebar_enabled": False,
            "title": "Enquiries for review",
            "rows": rows[:PER_PAGE],
            "later": self.address(after=rows[PER_PAGE - 1].lead.pk) if len(rows) > PER_PAGE else "",
            "first": self.address(after=None) if after else "",
            "is_narrowed": like is not None or clinic is not None,
            "like": like,
            "here": self.address(),
            "everything": reverse("admin:leads_lead_review"),
            "is_understood": self.narrow.is_valid(),
            "may_review": self.request.user.has_perm(REVIEW),
            "form": form or ReviewForm(label_suffix=""),
            "ticked": ticked,
        }
        return render(self.request, "admin/leads/review.html", context, status=status)

    def address(self, **changes: int | None) -> str:
        query = {name: value for name, value in {**self.chosen, **changes}.items() if value}
        return reverse("admin:leads_lead_review") + (f"?{urlencode(query)}" if query else "")


def became(outcome: Outcome) -> str:
    """In words, after a number."""
    state = Lead.DeliveryState(outcome.delivery_state)
    if state == Lead.DeliveryState.HELD:
        return f"held on ({str(Lead.HeldReason(outcome.held_reason).label).lower()})"
    if state == Lead.DeliveryState.EXPIRED:
        return "refused"
    return "delivered and charged" if state == Lead.DeliveryState.DELIVERED else "delivered free, a repeat"
