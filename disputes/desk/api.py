"""POST /admin/disputes/<id>/resolve as JSON, for scripts of signed-in staff. No token comes this far."""

from collections.abc import Mapping
from typing import Any, NoReturn, cast

from django.contrib import admin
from django.http import Http404
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clinics.api import ApiView, form_data, refuse
from clinics.models import User
from credits.services.ledger import DisputeAlreadyDecided
from disputes.desk.case import decision_of
from disputes.desk.forms import DecisionForm
from disputes.desk.pages import DECIDE, VIEW
from disputes.desk.refusals import REFUSALS, explain
from disputes.models import LeadDispute
from disputes.services.decide import Action, decide
from disputes.services.facts import case


class DecidesDisputes(BasePermission):
    """Signed-in staff with the right, as on the page."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        is_session = request.auth is None and admin.site.has_permission(request._request)
        return is_session and request.user.has_perms((VIEW, DECIDE))


class ResolveApi(ApiView):
    """`{"action": "approve", "refund_amount": 250, "reason_code": "confirmed", "admin_notes": "…"}`.

    200 when it is done, 202 when it waits for a second person.
    """

    permission_classes = (DecidesDisputes,)

    def post(self, request: Request, dispute_id: int) -> Response:
        dispute = case(dispute_id)
        if dispute is None:
            raise Http404
        if dispute.status != LeadDispute.Status.PENDING:
            tell(DisputeAlreadyDecided(), dispute_id)
        data, errors = form_data(cast("Mapping[str, Any]", request.data), DecisionForm)
        form = DecisionForm(data, rest=dispute.lead.cost - dispute.lead.refunded_total)
        is_valid = form.is_valid()
        if data.get("refund_amount") and data.get("action") != Action.APPROVE:
            errors["refund_amount"] = ["Only an approval gives credits back."]
        if not is_valid or errors:
            refuse(400, "invalid", "Some fields need another look.", {**form.errors, **errors})
        try:
            waits = decide(dispute=dispute, by=cast("User", request.user), **decision_of(form))
        except REFUSALS as refusal:
            tell(refusal, dispute_id)
        decided = LeadDispute.objects.get(pk=dispute_id)
        answer = {
            "status": "success",
            "dispute_id": decided.pk,
            "dispute_status": decided.status,
            "refund_amount": decided.refund_amount,
            "awaiting_clinic": decided.awaiting_clinic_since is not None,
            "request_id": waits.pk if waits else None,
        }
        return Response(answer, status=202 if waits else 200)


def tell(refusal: Exception, dispute_id: int) -> NoReturn:
    status, code, words = explain(refusal, dispute_id)
    refuse(status, code, words)
