"""JSON routes of leads for a clinic's members; no token: there is no scope for them."""

from collections.abc import Mapping
from typing import Any, Final, cast

from django.forms import Form
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from clinics.api import ClinicApiView, form_data, refuse
from clinics.idempotency import KeyUsedForAnother
from clinics.models import User
from leads.models import ContactAttempt, Lead
from leads.portal_forms import AttemptForm, OutcomeForm, StatusForm
from leads.services.attempts import OutcomeIsSet, record_attempt, set_outcome
from leads.services.contacts import ContactNotVisible
from leads.services.status import (
    REFUSAL_TEXTS,
    LeadFullyRefunded,
    LeadInDispute,
    LeadNotReceived,
    change_status,
)

STATUS_CODES: Final = {
    LeadNotReceived: "lead_not_received",
    LeadFullyRefunded: "lead_fully_refunded",
    LeadInDispute: "lead_in_dispute",
}


def checked(request: Request, form_class: type[Form]) -> dict[str, Any]:
    """What the form makes of a JSON object; ends the view with a 400 that names the fields."""
    data, errors = form_data(cast("Mapping[str, Any]", request.data), form_class)
    if "idempotency_key" in form_class.base_fields and "Idempotency-Key" in request.headers:
        data["idempotency_key"] = request.headers["Idempotency-Key"]
    form = form_class(data)
    if not form.is_valid() or errors:
        refuse(400, "invalid", _("Some fields need another look."), {**form.errors, **errors})
    return form.cleaned_data


class UpdateLeadStatusApi(ClinicApiView):
    """POST /clinic/leads/update-status `{"lead_id": 1, "status": "contacted"}`."""

    def post(self, request: Request) -> Response:
        asked = checked(request, StatusForm)
        leads = Lead.objects.filter(clinic=request.clinic)  # type: ignore[attr-defined]
        lead = get_object_or_404(leads, pk=asked["lead_id"])
        member = cast("User", request.user)
        try:
            lead = change_status(lead=lead, status=Lead.Status(asked["status"]), by=member)
        except tuple(REFUSAL_TEXTS) as refusal:
            refuse(409, STATUS_CODES[type(refusal)], str(REFUSAL_TEXTS[type(refusal)]))
        return Response({"status": "success", "lead_id": lead.pk, "lead_status": lead.status})


class RecordAttemptApi(ClinicApiView):
    """POST /clinic/leads/1/attempts `{"kind": "call"}`: sent by the page's script when a link is tapped."""

    def post(self, request: Request, lead_id: int) -> Response:
        asked = checked(request, AttemptForm)
        leads = Lead.objects.filter(clinic=request.clinic)  # type: ignore[attr-defined]
        lead = get_object_or_404(leads, pk=lead_id)
        try:
            attempt = record_attempt(lead=lead, by=cast("User", request.user), **asked)
        except ContactNotVisible:
            refuse(409, "contact_not_visible", _("The contact of this lead is hidden."))
        except KeyUsedForAnother:
            refuse(409, "idempotency_key_reused", _("This key was used for another request."))
        answer = {"status": "success", "attempt_id": attempt.pk, "outcome": attempt.outcome}
        return Response(answer, status=201)


class AttemptOutcomeApi(ClinicApiView):
    """POST /clinic/attempts/1/outcome `{"outcome": "reached"}`."""

    def post(self, request: Request, attempt_id: int) -> Response:
        asked = checked(request, OutcomeForm)
        attempts = ContactAttempt.objects.filter(lead__clinic=request.clinic)  # type: ignore[attr-defined]
        attempt = get_object_or_404(attempts, pk=attempt_id)
        try:
            attempt = set_outcome(attempt=attempt, **asked)
        except OutcomeIsSet:
            refuse(409, "outcome_is_set", _("It was said before how this attempt went."))
        return Response({"status": "success", "attempt_id": attempt.pk, "outcome": attempt.outcome})
