"""What every JSON route shares: bearer tokens, strict parsing, one error shape, money as a number."""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from math import ceil
from typing import IO, Any, Final, NoReturn

from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from knox.auth import TokenAuthentication
from rest_framework import exceptions
from rest_framework.authentication import SessionAuthentication
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.utils.encoders import JSONEncoder
from rest_framework.views import APIView
from rest_framework.views import exception_handler as drf_exception_handler

from clinics.models import ApiToken, Clinic, Membership, Partner, User
from clinics.read_only import skipped_while_read_only
from clinics.surfaces import error_body, membership_for
from clinics.throttles import ProgramThrottle

JSON_DEPTH_LIMIT: Final = 20
NOT_TEXT: Final = re.compile(r"[\x00\ud800-\udfff]")  # NUL and lone surrogates


class Refusal(exceptions.APIException):
    """An answer in the error shape: `fields` maps a field to its messages, `retry_after` is in seconds."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        fields: Mapping[str, Any] | None = None,
        *,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail=message, code=code)
        self.status_code, self.code, self.message = status, code, message
        self.fields = {name: [str(text) for text in texts] for name, texts in (fields or {}).items()}
        self.wait = retry_after  # DRF turns it into Retry-After


def refuse(
    status: int,
    code: str,
    message: str,
    fields: Mapping[str, Any] | None = None,
    *,
    retry_after: int | None = None,
) -> NoReturn:
    """Ends a JSON view with a `Refusal`."""
    raise Refusal(status, code, message, fields, retry_after=retry_after)


def error_response(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler, in our shape. Anything it does not know goes on to Django (a 500 is our bug)."""
    response = drf_exception_handler(exc, context)
    if response is None:
        return None
    if isinstance(exc, Http404):
        code, message = "not_found", _("There is nothing here.")
    elif isinstance(exc, PermissionDenied):
        code, message = "permission_denied", str(exc) or _("You may not do this.")
    elif isinstance(exc, exceptions.APIException):
        codes = exc.get_codes()
        code = codes if isinstance(codes, str) else "invalid"
        message = str(exc.detail) if isinstance(exc.detail, str) else _("The request is not valid.")
    response.data = error_body(code, message, getattr(exc, "fields", None))
    return response


def form_data(body: Mapping[str, Any], form_class: type[Form]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """A JSON object as form data, and the fields that are wrong by their mere kind.

    A field takes one text, number, true or false; a list or an object is not read as text. A field the form does
    not have is refused: nobody must believe that it did something.
    """
    data: dict[str, str] = {}
    errors: dict[str, list[str]] = {}
    for name, value in body.items():
        if name == "csrfmiddlewaretoken":
            continue
        if name not in form_class.base_fields:
            errors[name[:80]] = [_("This field is not known here.")]
        elif isinstance(value, bool):
            data[name] = "true" if value else "false"
        elif value is None or isinstance(value, str | int | float):
            data[name] = "" if value is None else str(value)
        else:
            errors[name] = [_("This takes a single value.")]
    return data, errors


class MoneyEncoder(JSONEncoder):
    """Money leaves as a JSON number with at most two places; the only place where it becomes a float."""

    def default(self, obj: Any) -> Any:
        return float(obj) if isinstance(obj, Decimal) else super().default(obj)


class MoneyJSONRenderer(JSONRenderer):
    encoder_class = MoneyEncoder


class StrictJSONParser(JSONParser):
    """JSON without the traps: no repeated keys, no NaN or Infinity, no lone surrogates, no NUL, bounded depth."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        try:
            text = stream.read().decode("utf-8")
            body = json.loads(
                text, object_pairs_hook=_object_without_repeats, parse_constant=_refuse_constant
            )
            _check_text(body, depth=0)
        except (ValueError, RecursionError) as problem:
            raise exceptions.ParseError(
                _("The body is not valid JSON: %(problem)s") % {"problem": _plain(problem)}
            ) from problem
        if not isinstance(body, dict):
            raise exceptions.ParseError(_("The body must be a JSON object."))
        return body


def _plain(problem: Exception) -> str:
    """A message that never quotes the body: it may hold a patient's number."""
    if isinstance(problem, UnicodeError):
        return "it is not UTF-8"
    return "it is malformed" if isinstance(problem, (json.JSONDecodeError, RecursionError)) else str(problem)


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


def _refuse_constant(_: str) -> None:
    raise ValueError("NaN and Infinity are not numbers here")


def _check_text(value: Any, depth: int) -> None:
    if depth > JSON_DEPTH_LIMIT:
        raise ValueError("it is nested too deeply")
    if isinstance(value, str):
        if NOT_TEXT.search(value):
            raise ValueError("it holds a character that is not text")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key, depth + 1)
            _check_text(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_text(item, depth + 1)


class BearerAuthentication(TokenAuthentication):
    """`Authorization: Bearer <token>`. Any other or broken Authorization header is a 401, never a session."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        if "Authorization" not in request.headers:
            return None
        result = super().authenticate(request)
        if result is None:
            raise exceptions.AuthenticationFailed(_("Use «Authorization: Bearer <token>»."))
        user, token = result
        holder: Clinic | Partner | None = token.clinic or token.partner
        if token.revoked_at is not None or holder is None or not holder.is_active:
            raise exceptions.AuthenticationFailed(_("This token has been revoked."))
        now = timezone.now()
        if token.expiry is not None and token.expiry < now:
            raise exceptions.AuthenticationFailed(_("This token has expired: use a new one."))
        # Once a minute is enough to see whether a token is in use, and keeps a busy partner off one row.
        if token.last_used_at is None or (now - token.last_used_at).total_seconds() > 60:
            with skipped_while_read_only():
                ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        return user, token

    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiToken]:
        if not token.isalnum():  # bytes.isalnum: ASCII letters and digits, which is all a token has
            raise exceptions.AuthenticationFailed(_("This token is not valid."))
        try:
            result: tuple[User, ApiToken] = super().authenticate_credentials(token)
        except exceptions.AuthenticationFailed as refusal:
            raise exceptions.AuthenticationFailed(_("This token is not valid.")) from refusal
        return result

    def _cleanup_token(self, auth_token: ApiToken) -> bool:
        """Never: the library would delete an expired one, and a token's row is the record of who had access."""
        return False


def wanted_of_a_token(scope: str | None) -> str:
    """What the holder of a token that does not open a route is told."""
    if scope is None:
        return _("No token opens this route: sign in instead.")
    return _("Use a clinic's token with the scope %(scope)s.") % {"scope": scope}


class ClinicPermission(BasePermission):
    """A member of a clinic (session), or a clinic's token with the view's scope. Sets `request.clinic`."""

    message: str | None = None  # None: REST framework's own

    def has_permission(self, request: Request, view: APIView) -> bool:
        scope = getattr(view, "scope", None)
        clinic, role = self.clinic_of(request, scope)
        if isinstance(request.auth, ApiToken):
            self.message = wanted_of_a_token(scope)
        request.clinic = clinic  # type: ignore[attr-defined]
        roles: frozenset[str] = getattr(view, "roles", frozenset())
        return clinic is not None and (not roles or role is None or role in roles)

    def clinic_of(self, request: Request, scope: str | None) -> tuple[Clinic | None, str | None]:
        if isinstance(request.auth, ApiToken):
            allowed = scope is not None and scope in request.auth.scopes
            return (request.auth.clinic if allowed else None), None
        if not isinstance(request.user, User):
            return None, None
        membership: Membership | None = membership_for(request._request, request.user)
        return (membership.clinic, membership.role) if membership else (None, None)


class SessionWithCsrfDone(SessionAuthentication):
    """The browser session. CSRF was checked by the dispatcher, also for the anonymous, whom DRF would let pass."""

    def enforce_csrf(self, request: Request) -> None:
        return None


class ApiView(APIView):
    """The base of every JSON route: bearer token or session, strict JSON in, money as numbers out, one error shape."""

    authentication_classes = (BearerAuthentication, SessionWithCsrfDone)
    parser_classes: tuple[type[BaseParser], ...] = (StrictJSONParser,)
    renderer_classes = (MoneyJSONRenderer,)
    throttle_classes: tuple[type[BaseThrottle], ...] = (ProgramThrottle,)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:  # noqa: FBT001, FBT002
        """JSON whatever `Accept` asks for: what names text/html never comes here (PRODUCT, routes)."""
        return super().perform_content_negotiation(request, force=True)

    def throttled(self, request: Request, wait: float | None) -> NoReturn:
        refuse(429, "too_many_requests", _("Too many requests at once."), retry_after=ceil(wait or 1))

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        return error_response


class ClinicApiView(ApiView):
    """A JSON route of the portal: `scope` for tokens, `roles` for members; objects through `request.clinic`."""

    permission_classes = (ClinicPermission,)
    scope: str | None = None
    roles: frozenset[str] = frozenset()
