"""JSON routes of leads: the intake."""

from collections.abc import Mapping
from typing import Any, cast

from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework.exceptions import PermissionDenied
from rest_framework.parsers import BaseParser, FormParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from clinics.api import ApiView, Refusal, StrictJSONParser, form_data, refuse
from clinics.models import ApiToken, Partner, Scope
from clinics.surfaces import caller_address
from credits.services.ledger import (
    BillingError,
    ClinicInactive,
    KeyReused,
    PackageNotOffered,
    TooManyEnquiries,
)
from leads.forms import EnquiryForm, PartnerEnquiryForm
from leads.public_views import FLOOD_RETRY_AFTER_SECONDS, caller_of
from leads.services.intake import receive_enquiry


class ContactClinicApi(ApiView):
    """POST /contact-clinic from a browser's script or a partner's program (scope leads:write): 201 with the id.

    The answer says nothing about billing: a partner or patient does not learn whether the clinic has credits.
    """

    permission_classes = (AllowAny,)
    parser_classes: tuple[type[BaseParser], ...] = (StrictJSONParser, FormParser)

    def post(self, request: Request) -> Response:
        partner = partner_of(request)
        form_class = PartnerEnquiryForm if partner else EnquiryForm
        data, errors = form_data(cast("Mapping[str, Any]", request.data), form_class)
        data["idempotency_key"] = request.headers.get("Idempotency-Key") or data.get("idempotency_key", "")
        form = form_class(data)
        if not form.is_valid() or errors:
            refuse(400, "invalid", _("Some fields need another look."), {**form.errors, **errors})
        fields = form.cleaned_data
        try:
            delivery = receive_enquiry(
                fields=fields,
                caller=self.caller(request, fields["clinic_id"]),
                key=fields["idempotency_key"] or None,
                address=None if partner else caller_address(request),
                partner=partner,
            )
        except BillingError as problem:
            raise refusal_of(problem) from problem
        return Response({"status": "success", "lead_id": delivery.lead_id}, status=201)

    def caller(self, request: Request, clinic_id: int) -> str:
        if isinstance(request.auth, ApiToken):
            return token_caller(request.auth)
        django_request: HttpRequest = request._request
        return caller_of(django_request, clinic_id)


def token_caller(token: ApiToken) -> str:
    """Whose idempotency keys a program's are."""
    return f"token:{token.digest[:32]}"


def refusal_of(problem: BillingError) -> Refusal:
    """What a program is told when an enquiry was not stored. Anything unforeseen is raised on."""
    match problem:
        case ClinicInactive():
            return Refusal(404, "not_found", _("There is no such clinic."))
        case PackageNotOffered():
            message = _("The clinic does not offer this package.")
            return Refusal(400, "invalid", _("Some fields need another look."), {"package_id": [message]})
        case KeyReused():
            return Refusal(409, "idempotency_key_reused", _("This key was used for another request."))
        case TooManyEnquiries():
            message = _("Too many enquiries at once.")
            return Refusal(429, "too_many_requests", message, retry_after=FLOOD_RETRY_AFTER_SECONDS)
    raise problem


def partner_of(request: Request) -> Partner | None:
    """The partner whose token this is; None for a browser. Raises PermissionDenied for any other token."""
    token: Any = request.auth
    if not isinstance(token, ApiToken):
        return None
    partner: Partner | None = token.partner
    if partner is None or Scope.LEADS_WRITE not in token.scopes:
        raise PermissionDenied(_("This token may not hand over leads."))
    return partner
