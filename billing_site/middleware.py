"""Three rules for every answer: a body that is too large is a 413, a busy database a 503 with Retry-After, and
private pages are never stored by anybody."""

from collections.abc import Callable, Mapping

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import Resolver404, resolve
from django.utils import translation
from django.utils.translation import gettext as _

from clinics.language import ENGLISH_ONLY
from clinics.models import Language
from clinics.surfaces import declared_length, error, wants_html

# SQLSTATEs that say «not now» rather than «wrong»: lock timeout, statement timeout, deadlock, serialization,
# read-only server, too many connections, and the server going down or being away (class 57P, 08).
BUSY_STATES = frozenset({"55P03", "57014", "40P01", "40001", "25006", "53300"})
BUSY_CLASSES = ("57P", "08")
RETRY_AFTER_SECONDS = 5


def is_database_busy(exc: BaseException | None) -> bool:
    """True when the database could not serve for now: no state of it, or of the request, is wrong."""
    if not isinstance(exc, DatabaseError):
        return False
    sqlstate = getattr(exc.__cause__, "sqlstate", None)
    if sqlstate is None:  # the connection itself failed or was lost
        return type(exc).__name__ == "OperationalError"
    return sqlstate in BUSY_STATES or sqlstate.startswith(BUSY_CLASSES)


class BodyLimitMiddleware:
    """Refuses a body above the limit before anything reads it. A route that takes more says so by content type
    (`most_body_bytes`), as those do that take files or many leads at once."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        length, limit = declared_length(request), settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if length > limit:
            limit = max(limit, limit_of_route(request))
        if length <= limit:
            return self.get_response(request)
        return too_large(request, limit)


def limit_of_route(request: HttpRequest) -> int:
    """What the route says it takes of this content type, in bytes; 0 for the usual."""
    try:
        limits: Mapping[str, int] = getattr(resolve(request.path_info).func, "most_body_bytes", {})
    except Resolver404:
        return 0
    return limits.get(request.content_type or "", 0)


def too_large(request: HttpRequest, limit: int) -> HttpResponse:
    size = f"{limit // 1024**2} MB" if limit > 1024**2 else f"{limit // 1024} KB"
    with translation.override(language_known(request)):
        message = _("At most %(size)s can be sent at once.") % {"size": size}
        if wants_html(request):
            return render(request, "refused.html", {"reason": message}, status=413)
        return error(413, "too_large", message)


class DatabaseBusyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return busy_response(request) if is_database_busy(exception) else None


def busy_response(request: HttpRequest) -> HttpResponse:
    message = _("We are busy for a moment. Please try again in a few seconds.")
    response: HttpResponse
    if wants_html(request):
        context = {"message": message, "seconds": RETRY_AFTER_SECONDS}
        response = render(request, "busy.html", context, status=503)
    else:
        response = error(503, "busy", message)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


class PrivatePagesMiddleware:
    """Signed-in pages are not kept by browsers or proxies: the next person at the front desk must not see them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if getattr(request, "user", None) is not None and request.user.is_authenticated:
            response.headers.setdefault("Cache-Control", "no-store, private")
        return response


def language_known(request: HttpRequest) -> str:
    """The page's language without the database: what was found out so far, else by the cookie or the browser."""
    if request.path_info.startswith(ENGLISH_ONLY):
        return Language.ENGLISH.value
    known: str = getattr(request, "LANGUAGE_CODE", "")
    return known or translation.get_language_from_request(request)
