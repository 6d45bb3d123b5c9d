"""The second factor: an authenticator app and recovery codes, kept by allauth; what we ask of it and add to it."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.mfa.base.internal.flows import post_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.views import ActivateTOTPView
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone

from clinics.models import User
from clinics.step_up import ask_again


def has_second_factor(user: User) -> bool:
    """Recovery codes alone are none: they stand in for an app."""
    return bool(Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists())


def used_second_factor(request: HttpRequest) -> bool:
    """The session was opened, or confirmed since, with a factor that its user still has.

    What was used stands in the session. That it still exists is one look-up by key: cheaper than writing an answer
    into the session, and a factor that was taken away ends at the next click, whoever took it.
    """
    if not isinstance(request.user, User):
        return False
    records = get_authentication_records(request, request.user)
    used = {record["id"] for record in records if record.get("method") == "mfa" and "id" in record}
    return bool(used) and bool(Authenticator.objects.filter(user=request.user, pk__in=used).exists())


class ActivateTOTP(ActivateTOTPView):  # type: ignore[misc]
    """allauth's page, but the code that proves the app counts as used: for this session, and for good.

    Since it is a proof from then on, it takes one to set it up: allauth asks nobody who has no password, so that a
    session left open would be enough.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return ask_again(request) or super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)
        factor = Authenticator.objects.get(user=self.request.user, type=Authenticator.Type.TOTP)
        # The code may have run out this very second: then they are asked for the next one.
        if factor.wrap().validate_code(form.cleaned_data["code"]):
            post_authentication(self.request, factor)
        return response


# --- a lost phone ---------------------------------------------------------------------------------
@transaction.atomic
def reset_second_factor(*, user: User) -> tuple[int, int]:
    """Takes the user's factors away and signs them out everywhere; returns how many factors and sessions ended."""
    User.objects.select_for_update().get(pk=user.pk)
    factors, _ = Authenticator.objects.filter(user=user).delete()
    sessions, _ = Session.objects.filter(pk__in=list(_sessions_of(user))).delete()
    return factors, sessions


def _sessions_of(user: User) -> Iterator[str]:
    """The keys of the user's sessions. The table does not know whose they are: each one is opened, which is slow."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    rows = Session.objects.filter(expire_date__gt=timezone.now()).values_list("pk", "session_data")
    for key, data in rows.iterator(chunk_size=2000):
        if store.decode(data).get(SESSION_KEY) == str(user.pk):
            yield key
