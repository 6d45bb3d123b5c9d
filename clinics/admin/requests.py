"""Requests that take two people (rule 7): the list each person works off, and a page to decide one on."""

from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Case, QuerySet, When
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil

from clinics import audit
from clinics.admin.base import By, ReadOnlyAdmin, SearchByNumber, badge
from clinics.models import StaffRequest, User
from clinics.requests import RequestImpossible, RequestRefused, approve, expires_at, reject
from clinics.step_up import ask_again

Kind, State = StaffRequest.Kind, StaffRequest.State
RIGHTS: Final = frozenset({Kind.STAFF_RIGHTS})
MONEY: Final = frozenset(Kind) - RIGHTS
TONES: Final = {State.APPROVED: "good", State.REJECTED: "bad"}
LONGEST_SUMMARY: Final = 70


def visible_kinds(request: HttpRequest) -> frozenset[StaffRequest.Kind]:
    """What a viewer has to do with: user admins rights, finance money, resolvers refunds of disputes; who has none of
    these rights but may view requests (the auditor), all."""
    may = request.user.has_perm
    kinds: frozenset[StaffRequest.Kind] = frozenset()
    if may("clinics.request_rights") or may("clinics.approve_rights"):
        kinds |= RIGHTS
    if may("clinics.request_money") or may("clinics.approve_money"):
        kinds |= MONEY
    if may("disputes.decide_leaddispute"):
        kinds |= {Kind.DISPUTE_REFUND}
    return kinds or frozenset(Kind)


def may_decide(request: HttpRequest, row: StaffRequest) -> bool:
    """Money is decided by finance, rights by user admins. Whether it is another person, the database says."""
    right = "approve_rights" if row.kind in RIGHTS else "approve_money"
    return request.user.has_perm(f"clinics.{right}")


class KindSeen(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        kinds = visible_kinds(request)
        return [(kind.value, str(kind.label)) for kind in Kind if kind in kinds]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StaffRequest]) -> QuerySet[StaffRequest]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class WithMe(admin.SimpleListFilter):
    title = "whose"
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("mine", "I asked"), ("others", "Others asked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StaffRequest]) -> QuerySet[StaffRequest]:
        if self.value() == "mine":
            return queryset.filter(requested_by=request.user.pk)
        return queryset.exclude(requested_by=request.user.pk) if self.value() == "others" else queryset


class DecisionForm(forms.Form):
    note = forms.CharField(
        label="Note",
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "cols": 60}),
        help_text="What was looked at. To reject, say why.",
    )

    def __init__(self, data: Any = None, *, action: str = "") -> None:
        super().__init__(data)
        self.fields["note"].required = action == "reject"


class StaffRequestAdmin(SearchByNumber[StaffRequest], ReadOnlyAdmin[StaffRequest]):
    """Pending ones first, the oldest on top."""

    list_display = ("number", "standing", "kind", "about", "summary", "asked_by", "age", "left")
    list_filter = ("state", KindSeen, WithMe)
    ordering = (Case(When(state=State.PENDING, then="pk")).asc(nulls_last=True), "-pk")
    search_help_text = "A request's number, «clinic 7» or «clinic sunrise», or what it is about («top_up:5»)."
    search_words: ClassVar[dict[str, By]] = {"clinic": By("clinic_id", ("-pk",))}
    search_texts = (By("object_key"),)
    readonly_fields = ("number", "standing", "about", "asked_by", "decided_by_whom", "left")
    fieldsets = (
        (None, {"fields": ("number", "kind", "standing", "about", "asked_by", "requested_at", "left")}),
        ("Why", {"fields": ("reason_code", "reason")}),
    )
    ending = ("How it ended", {"fields": ("decided_by_whom", "decided_at", "decision_note", "outcome")})
    actions_of_page = ("approve", "reject", "withdraw")

    def carried_out(self, request: HttpRequest, row: StaffRequest) -> None:
        """What follows an approval, after its commit; the site knows."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[StaffRequest]:
        rows = super().get_queryset(request).filter(kind__in=visible_kinds(request))
        return rows.select_related("clinic", "requested_by", "decided_by")

    def get_fieldsets(self, request: HttpRequest, obj: StaffRequest | None = None) -> Any:
        is_open = obj is None or obj.state == State.PENDING
        return self.fieldsets if is_open else [*self.fieldsets, self.ending]

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                f"<path:object_id>/{action}/",
                self.admin_site.admin_view(self._view_of(action)),
                name=f"clinics_staffrequest_{action}",
            )
            for action in self.actions_of_page
        ] + super().get_urls()

    def _view_of(self, action: str) -> Any:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            return self.decide_view(request, object_id, action)

        return view

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id)) if self.has_view_permission(request) else None
        facts = {} if row is None else self._page_facts(request, row)
        return super().change_view(request, object_id, form_url, {**facts, **(extra_context or {})})

    def _page_facts(self, request: HttpRequest, row: StaffRequest) -> dict[str, Any]:
        is_open = row.state == State.PENDING and not has_expired(row)
        is_own = row.requested_by_id == request.user.pk
        is_about_oneself = row.object_key == f"user:{request.user.pk}"
        return {
            "lines": row.shown,
            "is_own": is_open and is_own,
            "is_about_oneself": is_open and is_about_oneself,
            "may_decide": is_open and may_decide(request, row) and not is_own and not is_about_oneself,
            "decision_form": DecisionForm(),
        }

    def decide_view(self, request: HttpRequest, object_id: str, action: str) -> HttpResponse:
        """POST <request>/approve/, reject/ or withdraw/: 302 when done, 400 without a note, 409 where refused."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self.no_such_row(request, object_id)
        is_own = row.requested_by_id == request.user.pk
        if (action == "withdraw" and not is_own) or (action != "withdraw" and not may_decide(request, row)):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if question := ask_again(request):
            return question
        form = DecisionForm(request.POST, action=action)
        if not form.is_valid():
            return self._refused(request, row, form, "Nothing was decided. Please say why.", 400)
        if action == "reject" and is_own:
            return self._refused(request, row, form, "You asked for it: you can withdraw it.", 409)
        return self._decide(request, row, form, action)

    def _decide(
        self, request: HttpRequest, row: StaffRequest, form: DecisionForm, action: str
    ) -> HttpResponse:
        assert isinstance(request.user, User)
        decide = approve if action == "approve" else reject
        try:
            with audit.because(f"Request {row.pk}: {row.reason_code}"):
                row = decide(request=row, by=request.user, note=form.cleaned_data["note"])
        except RequestRefused as refusal:
            status = 400 if isinstance(refusal, RequestImpossible) else 409
            return self._refused(request, row, form, f"{refusal} Nothing was changed.", status)
        self.log_change(request, row, f"{row.get_state_display()}.")
        messages.success(request, f"Request {row.pk}: {row.get_state_display().lower()}.")
        if row.state == State.APPROVED:
            self.carried_out(request, row)
        return HttpResponseRedirect(reverse("admin:clinics_staffrequest_change", args=[row.pk]))

    def _refused(
        self, request: HttpRequest, row: StaffRequest, form: DecisionForm, text: str, status: int
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            "title": f"Request {row.pk}",
            "subtitle": row.get_kind_display(),
            **self._page_facts(request, row),
            "decision_form": form,
            "refusal": text,
        }
        return TemplateResponse(request, "admin/requests/refused.html", context, status=status)

    @admin.display(description="No.")
    def number(self, row: StaffRequest) -> str:
        return str(row.pk)

    @admin.display(description="State")
    def standing(self, row: StaffRequest) -> SafeString:
        if has_expired(row):
            return badge("Expired")
        if row.state == State.PENDING:
            return badge("Pending", "wait")
        return badge(row.get_state_display(), TONES.get(State(row.state), "plain"))

    @admin.display(description="About")
    def about(self, row: StaffRequest) -> str:
        return (
            str(row.clinic) if row.clinic else row.object_key.replace(":", " ").replace("_", " ").capitalize()
        )

    @admin.display(description="What")
    def summary(self, row: StaffRequest) -> str:
        said = "; ".join(f"{label}: {after}" for label, _, after in row.shown if after and label != "Clinic")
        return said if len(said) <= LONGEST_SUMMARY else f"{said[:LONGEST_SUMMARY]}…"

    @admin.display(description="Asked by")
    def asked_by(self, row: StaffRequest) -> str:
        return row.requested_by.email

    @admin.display(description="Decided by")
    def decided_by_whom(self, row: StaffRequest) -> str:
        return row.decided_by.email if row.decided_by else "–"

    @admin.display(description="Age")
    def age(self, row: StaffRequest) -> str:
        return timesince(row.requested_at, row.decided_at or timezone.now(), depth=1)

    @admin.display(description="Expires in")
    def left(self, row: StaffRequest) -> str:
        is_open = row.state == State.PENDING and not has_expired(row)
        return timeuntil(expires_at(row), depth=1) if is_open else "–"


def has_expired(row: StaffRequest) -> bool:
    """Nobody can approve it any more, whether or not the command has said so yet."""
    return row.state == State.PENDING and expires_at(row) <= timezone.now()
