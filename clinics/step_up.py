"""«Is it still you?»: password or code again, at most five minutes before money, rights or many contacts are touched.

A page that leads to such a step asks before it is shown. The step itself checks again: when too much time went by
meanwhile, it answers with a page that holds what was typed and asks, and goes on from there. allauth would keep the
whole request in the session instead: passwords in clear, and carried out later, by the next confirmation of that page.
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.forms import ReauthenticateForm as PasswordForm
from allauth.account.internal.flows.reauthentication import reauthenticate_by_password
from allauth.core.internal import ratelimit
from django import forms
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinics.models import User
from clinics.surfaces import error, wants_html

# What allauth records as a proof. Neither «password_reset» nor «code»: what comes by mail is neither of the two. Who
# signs in by mailed codes alone is asked to set a password first, by a link to their mail box.
PROOFS: Final = frozenset({"password", "mfa"})
ANSWERS: Final = frozenset({"step_up_password", "step_up_code"})
NOT_TYPED: Final = ANSWERS | {"csrfmiddlewaretoken"}


def signed_in_recently(request: HttpRequest) -> bool:
    """The user gave password or code within ACCOUNT_REAUTHENTICATION_TIMEOUT seconds. Reads the session alone."""
    records = get_authentication_records(request, request.user)
    times = [record["at"] for record in records if record.get("method") in PROOFS]
    return any(abs(time.time() - at) < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT for at in times)


def ask_again(request: HttpRequest) -> HttpResponse | None:
    """None when the sign-in is recent; otherwise the answer to give instead.

    A page is asked for after the confirmation. Any other request gets 403: a program the usual error, a browser the
    form to confirm with, which sends all that was typed (but no files) once more; with the right answer, None.
    """
    if signed_in_recently(request):
        return None
    user = request.user
    if not isinstance(user, User):
        return redirect_to_login(request.get_full_path())
    if not get_adapter().get_reauthentication_methods(user):
        return _without_proof(request)
    if request.method in ("GET", "HEAD"):
        query = urlencode({REDIRECT_FIELD_NAME: request.get_full_path()})
        return redirect(f"{_where_to_confirm(user)}?{query}")
    if not wants_html(request):
        return error(403, "sign_in_again", _("Confirm with your password or a code that it is you."))
    return _ask_here(request, user)


def recent_sign_in_required(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """For view functions; for classes and methods through `method_decorator`. Permission is checked outside of it."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return ask_again(request) or view(request, *args, **kwargs)

    return guarded


class RecentSignInMixin:
    """For class-based views; stands behind the mixins that check who may come in."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return ask_again(request) or super().dispatch(request, *args, **kwargs)  # type: ignore[misc]


class StepUpForm(forms.Form):
    """Password or code, checked by allauth's own forms and within their limits."""

    step_up_password = forms.CharField(
        label=gettext_lazy("Password"),
        required=False,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )
    step_up_code = forms.CharField(
        label=gettext_lazy("Code of your authenticator app, or a recovery code"),
        required=False,
        widget=forms.TextInput({"autocomplete": "one-time-code"}),
    )

    def __init__(self, data: Any = None, *, user: User) -> None:
        super().__init__(data)
        self.user = user
        self.by_code: Any = None
        ways = {method["id"] for method in get_adapter().get_reauthentication_methods(user)}
        if "reauthenticate" not in ways:
            del self.fields["step_up_password"]
        if "mfa_reauthenticate" not in ways:
            del self.fields["step_up_code"]

    def clean(self) -> dict[str, Any]:
        code, password = (self.cleaned_data.get(name) for name in ("step_up_code", "step_up_password"))
        if code:
            self._check("step_up_code", self._code_form(code), "code")
        elif password:
            self._check(
                "step_up_password", PasswordForm(user=self.user, data={"password": password}), "password"
            )
        elif not self.errors:
            raise forms.ValidationError(_("Please fill this in."))
        return self.cleaned_data

    def _code_form(self, code: str) -> Any:
        from allauth.mfa.base.forms import ReauthenticateForm

        self.by_code = ReauthenticateForm(user=self.user, data={"code": code})
        return self.by_code

    def _check(self, name: str, form: forms.Form, its_name: str) -> None:
        for problem in form.errors.get(its_name, []):
            self.add_error(name, str(problem))

    def record(self, request: HttpRequest) -> None:
        if self.by_code is not None:
            self.by_code.save()
        else:
            reauthenticate_by_password(request)


def _without_proof(request: HttpRequest) -> HttpResponse:
    """They have neither password nor app, so that any question would be a dead end."""
    if not wants_html(request):
        return error(403, "password_needed", _("Set a password first, by «forgot password»."))
    return render(request, "account/password_needed.html", status=403)


def _where_to_confirm(user: User) -> str:
    return str(get_adapter().get_reauthentication_methods(user)[0]["url"])


def _ask_here(request: HttpRequest, user: User) -> HttpResponse | None:
    is_answer = not ANSWERS.isdisjoint(request.POST)
    if is_answer:
        limited = ratelimit.consume_or_429(request, app="allauth.account", action="reauthenticate", user=user)
        if limited is not None:
            return limited  # type: ignore[no-any-return]
    form = StepUpForm(request.POST if is_answer else None, user=user)
    if is_answer and form.is_valid():
        form.record(request)
        request.POST = _typed(request)
        return None
    pairs = [(name, value) for name, values in _typed(request).lists() for value in values]
    return render(request, "account/step_up.html", {"form": form, "typed": pairs}, status=403)


def _typed(request: HttpRequest) -> Any:
    """What the page's own form sent, without our questions and the old token."""
    typed = request.POST.copy()
    for name in NOT_TYPED:
        typed.pop(name, None)
    return typed
