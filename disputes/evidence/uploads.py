"""Routes that take files: a larger body than anywhere else, onto disk instead of into memory, for signed-in people."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpRequest, HttpResponseBase
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.utils.translation import gettext as _

from clinics.surfaces import View, declared_length, error, wants_html
from disputes.evidence.rules import MOST_BYTES
from disputes.models import MOST_FILES

MOST_BODY_BYTES: Final = MOST_FILES * MOST_BYTES + 1024 * 1024  # the files and what stands around them


def takes_evidence(view: View) -> Callable[..., HttpResponseBase]:
    """Lets a multipart body of up to MOST_BODY_BYTES through to `view`; `BodyLimitMiddleware` reads the attribute."""

    @wraps(view)  # with it, that the dispatcher checks CSRF itself: nothing reads the body before this
    def dispatch(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_large = declared_length(request) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if is_large and not request.user.is_authenticated:
            return refused(request, 413, "too_large", _("Please sign in before you send files."))
        request.upload_handlers = [TemporaryFileUploadHandler(request)]
        try:
            return view(request, *args, **kwargs)
        except RequestDataTooBig:
            return refused(request, 413, "too_large", _("The text is too long."))
        except (TooManyFilesSent, TooManyFieldsSent, MultiPartParserError):
            return refused(request, 400, "invalid", _("The form arrived in a shape that can't be read."))

    dispatch.most_body_bytes = {"multipart/form-data": MOST_BODY_BYTES}  # type: ignore[attr-defined]
    return dispatch


def refused(request: HttpRequest, status: int, code: str, reason: str) -> HttpResponseBase:
    if wants_html(request):
        return render(request, "refused.html", {"reason": reason}, status=status)
    return error(status, code, reason)
