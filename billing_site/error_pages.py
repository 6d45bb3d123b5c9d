"""What people and programs read when something goes wrong: a page that says what to do, or the error shape.

None of these needs the database, and the 500 needs no request either: each may be shown because that failed.
"""

import sys
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from billing_site.middleware import busy_response, is_database_busy, language_known
from clinics.surfaces import error, wants_html


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: a host we are not, too many fields, a body that can't be read."""
    with translation.override(language_known(request)):
        if wants_html(request):
            # Without the request: reading its host may be what failed.
            return HttpResponse(render_to_string("400.html", words_alone(request)), status=400)
        return error(400, "invalid", _("The request is not valid."))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403: `exception` says why, in words for a person."""
    with translation.override(language_known(request)):
        reason = str(exception)
        if wants_html(request):
            return render(request, "403.html", {"exception": reason}, status=403)
        return error(403, "permission_denied", reason or _("You may not do this."))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404: the same for what is missing and for what is somebody else's, so `exception` is not shown."""
    with translation.override(language_known(request)):
        if wants_html(request):
            return render(request, "404.html", status=404)
        return error(404, "not_found", _("There is nothing here."))


def too_many_requests(
    request: HttpRequest, exception: Exception | None = None, *, retry_after: int = 60
) -> HttpResponse:
    """handler429, for allauth too: `retry_after` is in seconds."""
    with translation.override(language_known(request)):
        if wants_html(request):
            minutes = -(-retry_after // 60)
            response: HttpResponse = render(request, "429.html", {"minutes": minutes}, status=429)
        else:
            response = error(429, "too_many_requests", _("Too many requests at once."))
    response["Retry-After"] = str(retry_after)
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500. Where the database was missed outside a view, say for the session, it is a 503."""
    with translation.override(language_known(request)):
        if is_database_busy(sys.exc_info()[1]):
            return busy_response(request)
        if wants_html(request):
            return HttpResponse(render_to_string("500.html", words_alone(request)), status=500)
        return error(500, "server_error", _("Something went wrong on our side. It has been noted."))


def words_alone(request: HttpRequest) -> dict[str, Any]:
    """What a page needs that is rendered without its request."""
    language = language_known(request)
    return {"LANGUAGE_CODE": language, "LANGUAGES": settings.LANGUAGES}
