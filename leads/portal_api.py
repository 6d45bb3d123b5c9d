"""JSON routes of leads for a clinic's members."""

from collections.abc import Mapping
from typing import Any, cast

from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from clinics.api import ClinicApiView, form_data, refuse
from clinics.models import User
from leads.models import Lead
from leads.portal_forms import StatusForm
from leads.services.status import LeadFullyRefunded, LeadInDispute, LeadNotReceived, change_status


class UpdateLeadStatusApi(ClinicApiView):
    """POST /clinic/leads/update-status `{"lead_id": 1, "status": "contacted"}`; members only, no token."""

    def post(self, request: Request) -> Response:
        data, errors = form_data(cast("Mapping[str, Any]", request.data), StatusForm)
        form = StatusForm(data)
        if not form.is_valid() or errors:
            refuse(400, "invalid", "Some fields need another look.", {**form.errors, **errors})
        leads = Lead.objects.filter(clinic=request.clinic)  # type: ignore[attr-defined]
        lead = get_object_or_404(leads, pk=form.cleaned_data["lead_id"])
        member = cast("User", request.user)  # no token comes this far: there is no scope for it
        try:
            lead = change_status(lead=lead, status=Lead.Status(form.cleaned_data["status"]), by=member)
        except LeadNotReceived:
            refuse(
                409, "lead_not_received", "This lead has not been delivered, so it has no status to change."
            )
        except LeadFullyRefunded:
            refuse(
                409, "lead_fully_refunded", "This lead was refunded in full and can't be set to converted."
            )
        except LeadInDispute:
            refuse(409, "lead_in_dispute", "This lead is being disputed and can't be set to converted.")
        return Response({"status": "success", "lead_id": lead.pk, "lead_status": lead.status})
