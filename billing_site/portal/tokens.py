"""GET, POST /clinic/settings/tokens: programs that act for the clinic."""

from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from clinics import audit
from clinics.form_fields import IdempotencyKeyField
from clinics.models import ApiToken, Scope
from clinics.services.tokens import (
    CLINIC_SCOPES,
    LIFETIMES_IN_DAYS,
    TokenRefused,
    TokenWasMade,
    end_token,
    in_force,
    make_token,
)
from clinics.step_up import ask_again
from clinics.surfaces import OWNER, ClinicRequest
from clinics.views import PortalAction
from credits.settings_pages import SettingsPage

MOST_ENDED_SHOWN = 10


def lifetimes() -> list[tuple[int, str]]:
    return [(days, ngettext("%(n)d day", "%(n)d days", days) % {"n": days}) for days in LIFETIMES_IN_DAYS]


class TokenForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=80,
        help_text=gettext_lazy("What is it for? «Our booking software», say."),
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("It may"),
        choices=[(scope.value, scope.label) for scope in CLINIC_SCOPES],
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("It ends by itself after"), choices=lifetimes, coerce=int, initial=90
    )
    # Sent twice, by a double click or a reload, it makes one token.
    idempotency_key = IdempotencyKeyField(widget=forms.HiddenInput)

    def clean_idempotency_key(self) -> str:
        """A form without one can't be told from its repeat; it gets one of its own."""
        return self.cleaned_data["idempotency_key"] or str(uuid4())


class Tokens(SettingsPage):
    """GET, POST /clinic/settings/tokens: programs that act for the clinic.

    A new token is shown in the answer to its POST and nowhere else: not in an address, a session or a message, which
    are all stored. A reload sends the form again, which is recognised by its key and answered with 409.
    """

    template_name = "clinic/settings/tokens.html"
    url_name = "clinic_tokens"
    roles = OWNER
    http_method_names = ("get", "head", "post", "options")

    def post(self, request: ClinicRequest) -> HttpResponse:
        if question := ask_again(request):
            return question
        form = TokenForm(request.POST)
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form), status=400)
        try:
            with audit.because("Made by an owner"):
                made = make_token(clinic=request.clinic, by=request.user, **form.cleaned_data)
        except TokenWasMade as refusal:
            return self.render_to_response(self.get_context_data(problem=str(refusal)), status=409)
        except TokenRefused as refusal:
            return self.render_to_response(self.get_context_data(form=form, problem=str(refusal)), status=409)
        response = self.render_to_response(self.get_context_data(made=made), status=201)
        response["Cache-Control"] = "no-store, private"
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        tokens = (
            ApiToken.objects.filter(clinic=self.request.clinic).select_related("user").order_by("-created")
        )
        ended = tokens.exclude(in_force())[:MOST_ENDED_SHOWN]
        kwargs.setdefault("form", TokenForm(initial={"idempotency_key": str(uuid4())}))
        live = [(token, names_of(token)) for token in tokens.filter(in_force())]
        return super().get_context_data(live=live, ended=ended, now=timezone.now(), **kwargs)


def names_of(token: ApiToken) -> list[str]:
    """What the token may do, in words."""
    return [str(Scope(scope).label) for scope in token.scopes]


class EndTokenForm(forms.Form):
    token = forms.RegexField(r"^[0-9a-f]{1,128}$")


class EndToken(PortalAction):
    """POST /clinic/settings/tokens/end: ends a token at once and for good. Again, it changes nothing.

    The row is named in the body: its key is a digest of the token, and addresses end up in logs.
    """

    roles = OWNER

    def post(self, request: ClinicRequest) -> HttpResponseBase:
        form = EndTokenForm(request.POST)
        digest = form.cleaned_data["token"] if form.is_valid() else ""
        token = get_object_or_404(ApiToken, pk=digest, clinic=request.clinic)
        with audit.because("Ended by an owner"):
            end_token(token=token)
        text = _("«%(name)s» is ended: programs that use it are refused from now on.")
        messages.success(request, text % {"name": token.name})
        return HttpResponseRedirect(reverse("clinic_tokens"), status=303)
