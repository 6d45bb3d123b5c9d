"""What every surface shares: one dispatcher for HTML and JSON, the clinic mixin, the caller's address."""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import REASON_NO_CSRF_COOKIE, CsrfViewMiddleware, rotate_token
from django.urls import Resolver404, resolve
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.csrf import csrf_failure
from django.views.decorators.csrf import csrf_exempt

from clinics.models import Clinic, Membership, User

View = Callable[..., HttpResponseBase]
CLINIC_SESSION_KEY: Final = "clinic_id"
CLINIC_FIELD: Final = "clinic"  # in a link of a mail: whose page it is
API: Final = "/api/"  # below it no browser looks for a page, also where there is nothing
# Who may do what in the portal, by the member's role.
OWNER: Final = frozenset({Membership.Role.OWNER.value})
OWNER_AND_BILLING: Final = OWNER | {Membership.Role.BILLING.value}


class ClinicRequest(HttpRequest):
    """What a view behind `ClinicMixin` gets: a signed-in member and the clinic they work for."""

    user: User
    clinic: Clinic
    membership: Membership


class CsrfCheck(CsrfViewMiddleware):
    """Django's own check, asked for its verdict by the dispatcher instead of run by the middleware stack."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def csrf_failure_of(request: HttpRequest) -> str | None:
    """Why Django's CSRF check refuses this request, or None. Safe methods always pass."""
    check = CsrfCheck(lambda _: HttpResponse())
    check.process_request(request)
    reason = check.process_view(request, lambda _: HttpResponse(), (), {})
    return str(reason) if reason else None


def wants_html(request: HttpRequest) -> bool:
    """The one rule of PRODUCT: HTML when `Accept` names text/html, else JSON, and at routes for programs nothing else,
    whatever goes wrong there."""
    return "text/html" in request.headers.get("Accept", "") and not is_for_programs(request)


def is_for_programs(request: HttpRequest) -> bool:
    """The route says it of itself (`for_programs`)."""
    try:
        route = request.resolver_match or resolve(request.path_info)
    except Resolver404:
        return request.path_info.startswith(API)
    return getattr(route.func, "is_for_programs", False)


def error(
    status: int, code: str, message: str, fields: Mapping[str, list[str]] | None = None
) -> JsonResponse:
    """The one error shape of PRODUCT: `{"status":"error","code":…,"message":…,"fields":{…}}`."""
    return JsonResponse(error_body(code, message, fields), status=status)


def error_body(code: str, message: str, fields: Mapping[str, list[str]] | None = None) -> dict[str, Any]:
    return {"status": "error", "code": code, "message": message, "fields": dict(fields or {})}


def html_or_json(*, html: View, json: View) -> View:
    """One route for people and programs.

    Browsers are checked for CSRF here, signed in or not. A program's request with an Authorization header carries no
    ambient rights (`BearerAuthentication` refuses any that is not a valid token), so it is let through; a page works
    by the session, whatever headers come with it, and is always checked.
    """

    @csrf_exempt
    def dispatch(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_page = wants_html(request)
        if (is_page or "Authorization" not in request.headers) and csrf_failure_of(request) is not None:
            response = forbidden_by_csrf(request)
        else:
            response = (html if is_page else json)(request, *args, **kwargs)
        patch_vary_headers(response, ["Accept"])
        return response

    dispatch.json_view = json  # type: ignore[attr-defined]  # for the description of the API
    return dispatch


def for_programs(view: View) -> View:
    """Marks a route's view: it and all refusals of its route answer in JSON."""
    view.is_for_programs = True  # type: ignore[attr-defined]
    return view


def json_only(view: View, *, most_bytes: int = 0) -> View:
    """A route for programs and scripts alone, with the same check of browsers. `most_bytes`: a higher limit than
    usual for its JSON bodies."""
    dispatch = for_programs(html_or_json(html=view, json=view))
    if most_bytes:
        dispatch.most_body_bytes = {"application/json": most_bytes}  # type: ignore[attr-defined]
    return dispatch


def forbidden_by_csrf(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """Also CSRF_FAILURE_VIEW, which Django's own middleware calls with its reason."""
    if wants_html(request):
        return csrf_failure(request, reason=REASON_NO_CSRF_COOKIE)
    return error(
        403, "csrf_failed", _("This page is too old or was opened elsewhere. Reload it and try again.")
    )


def declared_length(request: HttpRequest) -> int:
    """How many bytes the body is said to have; 0 where nothing readable is said."""
    length = str(request.META.get("CONTENT_LENGTH") or "0")
    # Python refuses to read thousands of digits, and more than these are too many in any case.
    return int(length[:19]) if length.isdecimal() else 0


def caller_address(request: HttpRequest) -> str:
    """The caller's IP address; forwarded headers are believed from as many proxies as settings name."""
    direct = str(request.META.get("REMOTE_ADDR", ""))
    hops = request.headers.get("X-Forwarded-For", "").split(",")
    count: int = settings.TRUSTED_PROXY_COUNT
    if not count or len(hops) < count:
        return direct
    try:
        # Each proxy adds who called it at the end; what stands before the ones we trust, anybody may have written.
        return str(ip_address(hops[-count].strip()))
    except ValueError:
        return direct


def membership_for(
    request: HttpRequest, user: User, among: QuerySet[Membership] | None = None
) -> Membership | None:
    """The membership a signed-in user works under: of the clinic chosen in the session, else the first by name.

    `among` brings along what else the page reads in the same statement.
    """
    everybody = Membership.objects.all() if among is None else among
    memberships = everybody.filter(user=user, is_active=True).select_related("clinic")
    chosen = request.session.get(CLINIC_SESSION_KEY)
    membership = memberships.filter(clinic_id=chosen).first() if chosen else None
    if membership is None:
        membership = memberships.order_by("clinic__name", "clinic_id").first()
        if chosen and membership is not None:  # they no longer work where the page was opened
            work_for(request, membership.clinic_id)
            if request.method not in ("GET", "HEAD", "OPTIONS"):
                raise PermissionDenied(_("You work for another clinic now. Reload the page."))
    return membership


def work_for(request: HttpRequest, clinic_id: int) -> None:
    """From here on. The new CSRF token ends the forms of pages that stand open: they were filled in for another
    clinic, and would be carried out for this one."""
    request.session[CLINIC_SESSION_KEY] = clinic_id
    rotate_token(request)


def follow_link(request: HttpRequest, user: User) -> HttpResponseRedirect | None:
    """A link of a mail names its clinic (`?clinic=7`): a member of it works for it from here on, and is sent to the
    same address without the name. Anything else there is left alone.

    A GET may do that: it changes which of one's own clinics is shown, and ends the forms that stand open.
    """
    named = request.GET.get(CLINIC_FIELD, "")
    if request.method != "GET" or not re.fullmatch("[1-9][0-9]{0,17}", named):
        return None
    clinic = Clinic.objects.of_member(user).filter(pk=int(named)).first()
    if clinic is None:
        return None
    if request.session.get(CLINIC_SESSION_KEY) != clinic.pk:
        work_for(request, clinic.pk)
    rest = request.GET.copy()
    del rest[CLINIC_FIELD]
    return HttpResponseRedirect(f"{request.path}?{rest.urlencode()}".removesuffix("?"), status=303)


class ClinicMixin(LoginRequiredMixin):
    """Every portal page: a signed-in member, and `request.clinic`, through which all objects are fetched.

    `roles` narrows who may come in (403 otherwise); empty means every member. `is_linked_to` is False for what a
    script asks for by itself: it never changes the clinic.
    """

    request: ClinicRequest
    roles: frozenset[str] = frozenset()
    is_linked_to = True

    def memberships(self) -> QuerySet[Membership]:
        """What to read along with the membership: a route that is asked every few seconds annotates more."""
        return Membership.objects.all()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return self.handle_no_permission()
        if self.is_linked_to and (elsewhere := follow_link(request, request.user)) is not None:
            return elsewhere
        membership = membership_for(request, request.user, self.memberships())
        if membership is None:
            raise PermissionDenied(_("You are not a member of a clinic."))
        if self.roles and membership.role not in self.roles:
            raise PermissionDenied(_("Your role at this clinic does not include this."))
        self.request.membership, self.request.clinic = membership, membership.clinic
        return super().dispatch(request, *args, **kwargs)
