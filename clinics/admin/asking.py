"""Forms in the back office that ask for what takes two people (rule 7), on the pages where one would look for them."""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from clinics import audit
from clinics.admin.base import BackOfficeAdmin
from clinics.models import StaffRequest, User
from clinics.requests import RequestImpossible, RequestRefused, Why
from clinics.step_up import ask_again

M = TypeVar("M", bound=Model)

# «Above one person's limit» is said by the disputes' own page alone.
REASONS = [choice for choice in StaffRequest.Reason.choices if choice[0] != StaffRequest.Reason.ABOVE_LIMIT]


class AskForm(forms.Form):
    """A subclass says what is asked for; the reason stands at the end of each. `row` is what the page is about."""

    right: ClassVar[str] = "clinics.request_money"
    heading: str
    button = "Ask"
    rows: Any = None  # a formset, where it takes a small table too

    reason_code = forms.ChoiceField(label="Reason", choices=[("", "Choose"), *REASONS])
    reason = forms.CharField(
        label="In words",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        help_text="Who asked for it and why, for the second person and for whoever looks later. No patient's details.",
    )

    def __init__(self, request: HttpRequest, row: Any, data: Any = None) -> None:
        self.row = row
        super().__init__(data, initial=self.initial_of(request) if data is None else None)
        for name in ("reason_code", "reason"):
            self.fields[name] = self.fields.pop(name)

    def initial_of(self, request: HttpRequest) -> dict[str, Any]:
        """What the form begins with: what holds now."""
        return {}

    def facts(self) -> Sequence[tuple[str, str]]:
        """What one should know, above the form."""
        return ()

    def submit(self, why: Why) -> StaffRequest | str:
        """Asks, with what was typed. A text: one person was enough, and this was done. Raises RequestRefused."""
        raise NotImplementedError

    def typed(self) -> dict[str, Any]:
        """What was typed, without the reason."""
        return {
            name: value for name, value in self.cleaned_data.items() if name not in ("reason_code", "reason")
        }


class Asking(NamedTuple):
    """A form at `<row>/<name>/`, or beside the list at `<name>/` where it is not about a row."""

    name: str
    label: str
    form: type[AskForm]
    of_row: bool = True


class AsksRequests(BackOfficeAdmin[M]):
    """Adds the forms of `asking` to a model's pages, for those who have each form's right."""

    asking: ClassVar[tuple[Asking, ...]] = ()

    def get_urls(self) -> list[URLPattern]:
        return [*map(self._url, self.asking), *super().get_urls()]

    def can_ask(self, request: HttpRequest, asking: Asking, row: M | None) -> bool:
        """Whether the form is offered and taken."""
        return request.user.has_perm(asking.form.right) and self.has_view_permission(request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id)) if self.has_view_permission(request) else None
        links = [] if row is None else self._links(request, row)
        return super().change_view(
            request, object_id, form_url, {"ask_links": links, **(extra_context or {})}
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        links = self._links(request, None)
        return super().changelist_view(request, {"ask_links": links, **(extra_context or {})})

    def _url(self, asking: Asking) -> URLPattern:
        def view(request: HttpRequest, object_id: str | None = None) -> HttpResponse:
            return self.ask_view(request, asking, object_id)

        route = f"<path:object_id>/{asking.name}/" if asking.of_row else f"{asking.name}/"
        return path(route, self.admin_site.admin_view(view), name=self._name(asking))

    def _name(self, asking: Asking) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{asking.name.replace('-', '_')}"

    def _change_page(self) -> str:
        return f"admin:{self.opts.app_label}_{self.opts.model_name}_change"

    def _links(self, request: HttpRequest, row: M | None) -> list[tuple[str, str]]:
        return [
            (reverse(f"admin:{self._name(asking)}", args=[row.pk] if row is not None else []), asking.label)
            for asking in self.asking
            if asking.of_row is (row is not None) and self.can_ask(request, asking, row)
        ]

    def ask_view(self, request: HttpRequest, asking: Asking, object_id: str | None) -> HttpResponse:
        """GET shows the form, POST asks: 302 to the request, 400 for wrong fields, 409 where another is in the way."""
        if not (request.user.has_perm(asking.form.right) and self.has_view_permission(request)):
            raise PermissionDenied
        if question := ask_again(request):
            return question
        row = None if object_id is None else self.get_object(request, unquote(object_id))
        if object_id is not None and row is None:
            return self.no_such_row(request, object_id)
        if not self.can_ask(request, asking, row):
            raise PermissionDenied
        form = asking.form(request, row, request.POST if request.method == "POST" else None)
        status = 200
        if form.is_bound:
            made, status = _submitted(request, form)
            if isinstance(made, StaffRequest):
                return HttpResponseRedirect(reverse("admin:clinics_staffrequest_change", args=[made.pk]))
            if made is not None:
                assert row is not None
                self.log_change(request, row, f"{made} {form.cleaned_data['reason']}")
                messages.success(request, made)
                return HttpResponseRedirect(reverse(self._change_page(), args=[row.pk]))
        return self._ask_page(request, form, row, status)

    def _ask_page(self, request: HttpRequest, form: AskForm, row: M | None, status: int) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": form.heading,
            "subtitle": None if row is None else self.label(row),
            "original": row,
            "form": form,
        }
        return TemplateResponse(request, "admin/requests/ask.html", context, status=status)


def _submitted(request: HttpRequest, form: AskForm) -> tuple[StaffRequest | str | None, int]:
    """What came of it, or the status to show the form with."""
    assert isinstance(request.user, User)
    if not form.is_valid():
        return None, 400
    why = Why(request.user, form.cleaned_data.get("reason_code", ""), form.cleaned_data["reason"])
    try:
        # The words stay with the request; the trail is for good and takes the code, where there is one.
        with audit.because(why.reason_code or why.reason):
            made = form.submit(why)
    except RequestRefused as refusal:
        form.add_error(None, str(refusal))
        return None, 400 if isinstance(refusal, RequestImpossible) else 409
    if isinstance(made, StaffRequest):
        text = f"Asked for, as request {made.pk}. Somebody else approves it within 72 hours."
        messages.success(request, text)
    return made, 302
