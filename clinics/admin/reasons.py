"""Why? Every form and bulk action of the back office asks for it, and the audit trail keeps it (rule 12)."""

import re
from typing import Any, ClassVar, Final, TypeVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from clinics import audit

M = TypeVar("M", bound=Model)

REASON: Final = "audit_reason"
# An e-mail address, or a number as long as somebody's phone or card. Years, ids and amounts are shorter.
TRACE_OF_SOMEBODY: Final = re.compile(r"\S@\S|\d{8}")


def names_nobody(text: str) -> None:
    """What is typed here stays for good. Raises ValidationError where it would tell whose matter it was."""
    if TRACE_OF_SOMEBODY.search(text):
        raise ValidationError(
            "This is kept for good: please say it without e-mail addresses and without numbers of 8 or more digits."
        )


def reason_field(**more: Any) -> forms.CharField:
    return forms.CharField(
        label="Why",
        max_length=audit.LONGEST_REASON,
        widget=forms.TextInput(attrs={"size": 60, "autocomplete": "off"}),
        validators=[names_nobody],
        **more,
    )


class ReasonedActionForm(ActionForm):
    """The choice of a bulk action, with its reason."""

    audit_reason = reason_field(required=False)  # asked for with words of our own, see `response_action`


class AsksWhy(admin.ModelAdmin[M]):
    """Adds a field to the forms of those who may save them, and puts what it says into the audit trail."""

    action_form: ClassVar[type[ActionForm]] = ReasonedActionForm

    def asks_why(self, request: HttpRequest, row: M | None) -> bool:
        return self.has_add_permission(request) if row is None else self.has_change_permission(request, row)

    def get_form(
        self,
        request: HttpRequest,
        obj: M | None = None,
        change: bool = False,  # noqa: FBT001, FBT002  (Django's own signature)
        **kwargs: Any,
    ) -> Any:
        if self.asks_why(request, obj):
            form: Any = kwargs.get("form") or (
                self.form if obj is not None else getattr(self, "add_form", self.form)
            )
            field = reason_field(help_text="Kept in the audit trail. No names or numbers of patients.")
            kwargs["form"] = type(form)(form.__name__, (form,), {REASON: field})
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: M | None = None) -> Any:
        fieldsets = [
            (title, {**options, "fields": tuple(name for name in options["fields"] if name != REASON)})
            for title, options in super().get_fieldsets(request, obj)
        ]
        return [*fieldsets, ("Reason", {"fields": (REASON,)})] if self.asks_why(request, obj) else fieldsets

    def construct_change_message(
        self,
        request: HttpRequest,
        form: Any,
        formsets: Any,
        add: bool = False,  # noqa: FBT001, FBT002  (Django's own signature)
    ) -> Any:
        if REASON in form.changed_data:
            form.changed_data.remove(REASON)
        return super().construct_change_message(request, form, formsets, add)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method != "POST":
            return super().changeform_view(request, object_id, form_url, extra_context)
        with audit.because(request.POST.get(REASON, "")):
            return super().changeform_view(request, object_id, form_url, extra_context)

    def response_action(self, request: HttpRequest, queryset: QuerySet[M], *args: Any) -> HttpResponse | None:
        reason = request.POST.get(REASON, "").strip()
        if not reason and issubclass(self.action_form, ReasonedActionForm):
            messages.warning(request, "Please say why, beside the action. Nothing was changed.")
            return None
        try:
            names_nobody(reason)
        except ValidationError as problem:
            messages.warning(request, f"{problem.message} Nothing was changed.")
            return None
        with audit.because(reason):
            return super().response_action(request, queryset, *args)
