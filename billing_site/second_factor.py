"""Staff enter the back office with a second factor only."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from clinics.models import User
from clinics.second_factor import has_second_factor, used_second_factor
from clinics.surfaces import error, wants_html

REFUSAL = "The back office needs a second factor: open it anew, and you are led through it."


class StaffSecondFactorMiddleware:
    """With STAFF_MFA_REQUIRED, everything under /admin/ is for staff who signed in with password and code.

    A page leads to what is missing, setting the factor up or giving a code; other requests get 403. Elsewhere, and
    for everybody else, it costs nothing.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.STAFF_MFA_REQUIRED and _is_back_office(request) and _is_without_code(request):
            return _led_to_it(request)
        return self.get_response(request)


def _is_back_office(request: HttpRequest) -> bool:
    is_inside = request.path.startswith(reverse("admin:index"))
    return is_inside and request.path != reverse("admin:logout")


def _is_without_code(request: HttpRequest) -> bool:
    user = request.user
    return isinstance(user, User) and user.is_staff and not used_second_factor(request)


def _led_to_it(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    if request.method not in ("GET", "HEAD"):
        if wants_html(request):
            raise PermissionDenied(REFUSAL)
        return error(403, "second_factor_needed", REFUSAL)
    if not has_second_factor(request.user):
        return redirect("mfa_activate_totp")
    query = urlencode({REDIRECT_FIELD_NAME: request.get_full_path()})
    return redirect(f"{reverse('mfa_reauthenticate')}?{query}")
