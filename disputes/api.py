"""JSON routes of a clinic's disputes, for the portal's own members: there is no token for them."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from django.http import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from clinics.api import ClinicApiView, StrictJSONParser, form_data, refuse
from clinics.models import Clinic, User
from disputes.filters import DisputeFilter
from disputes.forms import SINGLE, AnswerForm, AppealForm, CaseForm, DisputeForm
from disputes.listing import PAGE_SIZE, DisputeRow, disputes_of, row_of
from disputes.models import LeadDispute
from disputes.portal import (
    ACTORS,
    Problem,
    attempt,
    evidence_response,
    own_dispute,
    own_evidence,
    own_lead,
    preview_response,
)
from disputes.services import cases, filing
from disputes.services.reasons import Reason, reasons_for, refusal_of_lead
from leads.models import Lead

NOT_TEXT = gettext_lazy("This is sent as a file of a multipart/form-data body.")


def clinic_of(request: Request) -> Clinic:
    clinic: Clinic = request.clinic  # type: ignore[attr-defined]
    return clinic


def fields_sent(request: Request, form_class: type[CaseForm]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The body's fields, as JSON or as a form, and those that are wrong by their mere kind."""
    body = cast("Mapping[str, Any]", request.data)
    errors: dict[str, list[str]] = {}
    if request.content_type.startswith("multipart/"):
        post, files = request.POST, request.FILES
        errors |= {name: [str(SINGLE)] for name in post if len(post.getlist(name)) > 1}
        errors |= {name[:80]: [_("This field is not known here.")] for name in files if name != "evidence"}
        body = {name: post[name] for name in post}
    data, unreadable = form_data(body, form_class)
    errors |= unreadable
    if "evidence" in body:
        errors["evidence"] = [str(NOT_TEXT)]
    if key := request.headers.get("Idempotency-Key"):
        data["idempotency_key"] = key
    return data, errors


class CaseApi(ClinicApiView):
    """What takes a text and files: JSON, or multipart where there are files."""

    parser_classes = (StrictJSONParser, MultiPartParser)
    roles = ACTORS

    def checked(self, request: Request, form_class: type[CaseForm], **about: Any) -> CaseForm:
        data, errors = fields_sent(request, form_class)
        form = form_class(data, request.FILES, **about)
        if not form.is_valid() or errors:
            refuse(400, "invalid", _("Some fields need another look."), {**form.errors, **errors})
        return form

    def sent(self, request: Request, form: CaseForm) -> filing.Sent:
        return filing.Sent(
            clinic=clinic_of(request),
            by=cast("User", request.user),
            files=form.cleaned_data["evidence"],
            key=form.cleaned_data["idempotency_key"],
        )


def done(act: Callable[[], LeadDispute], *, status: int = 200) -> Response:
    """The dispute as it stands after `act`, or the refusal."""
    outcome = attempt(act)
    if isinstance(outcome, Problem):
        fields = {outcome.field: outcome.messages} if outcome.field else None
        refuse(outcome.status, outcome.code, " ".join(outcome.messages), fields)
    row = row_of(disputes_of(outcome.clinic).get(pk=outcome.pk))
    return Response({"status": "success", "dispute": dispute_as_json(row)}, status=status)


@method_decorator(never_cache, name="dispatch")
class DisputesApi(ClinicApiView):
    """GET /clinic/disputes, also status, lead, dispute, before; newest first, `next_before` leads to older ones."""

    def get(self, request: Request) -> Response:
        filters = DisputeFilter(request.query_params, queryset=disputes_of(clinic_of(request)))
        if not filters.is_valid():
            refuse(400, "invalid", _("Some parameters need another look."), filters.errors)
        found = list(filters.qs[: PAGE_SIZE + 1])
        shown = found[:PAGE_SIZE]
        return Response({
            "status": "success",
            "disputes": [dispute_as_json(row_of(dispute)) for dispute in shown],
            "next_before": shown[-1].pk if len(found) > PAGE_SIZE else None,
        })  # fmt: skip


@method_decorator(never_cache, name="dispatch")
class DisputeApi(ClinicApiView):
    """GET /clinic/disputes/<id>: one of them."""

    def get(self, request: Request, dispute_id: int) -> Response:
        own_dispute(clinic_of(request), dispute_id)
        row = row_of(disputes_of(clinic_of(request)).get(pk=dispute_id))
        return Response({"status": "success", "dispute": dispute_as_json(row)})


@method_decorator(never_cache, name="dispatch")
class CreateDisputeApi(CaseApi):
    """GET /clinic/disputes/create/<lead_id>: which reasons count, until when and with what. POST: 201."""

    def get(self, request: Request, lead_id: int) -> Response:
        lead = own_lead(clinic_of(request), lead_id)
        reasons = reasons_for(lead)
        return Response({
            "status": "success",
            "lead_id": lead.pk,
            "refusal": refusal_of_lead(reasons),
            "reasons": [reason_as_json(reason) for reason in reasons],
        })  # fmt: skip

    def post(self, request: Request, lead_id: int) -> Response:
        lead = own_lead(clinic_of(request), lead_id)
        form = self.checked(request, DisputeForm, lead=lead, reasons=reasons_for(lead))
        return done(lambda: self.file(request, form, lead), status=201)

    def file(self, request: Request, form: CaseForm, lead: Lead) -> LeadDispute:
        return filing.file_dispute(
            sent=self.sent(request, form),
            lead=lead,
            dispute_type=form.cleaned_data["dispute_type"],
            description=form.cleaned_data["description"],
        )


class AnswerDisputeApi(CaseApi):
    """POST /clinic/disputes/<id>/answer `{"answer": "…"}`: 200 with the dispute."""

    def post(self, request: Request, dispute_id: int) -> Response:
        dispute = own_dispute(clinic_of(request), dispute_id)
        form = self.checked(request, AnswerForm)
        text = form.cleaned_data["answer"]
        return done(lambda: filing.answer(sent=self.sent(request, form), dispute=dispute, text=text))


@method_decorator(never_cache, name="dispatch")
class AppealDisputeApi(CaseApi):
    """GET /clinic/disputes/<id>/appeal: whether it can be appealed, until when. POST `{"description": "…"}`: 201."""

    def get(self, request: Request, dispute_id: int) -> Response:
        own_dispute(clinic_of(request), dispute_id)
        row = row_of(disputes_of(clinic_of(request)).get(pk=dispute_id))
        return Response({"status": "success", "dispute_id": dispute_id, "appeal": appeal_as_json(row)})

    def post(self, request: Request, dispute_id: int) -> Response:
        dispute = own_dispute(clinic_of(request), dispute_id)
        form = self.checked(request, AppealForm)
        text = form.cleaned_data["description"]
        return done(
            lambda: filing.appeal(sent=self.sent(request, form), dispute=dispute, description=text),
            status=201,
        )


class CancelDisputeApi(ClinicApiView):
    """POST /clinic/disputes/<id>/cancel: 200 with the dispute, 409 when it was decided."""

    roles = ACTORS

    def post(self, request: Request, dispute_id: int) -> Response:
        dispute = own_dispute(clinic_of(request), dispute_id)
        return done(lambda: cases.cancel(dispute=dispute, by=cast("User", request.user)))


class EvidenceApi(ClinicApiView):
    """GET /clinic/disputes/<id>/evidence/<evidence_id>: the file; 404 too while the contact is masked."""

    def get(self, request: Request, dispute_id: int, evidence_id: int) -> HttpResponseBase:
        return evidence_response(own_evidence(clinic_of(request), dispute_id, evidence_id))


class PreviewApi(ClinicApiView):
    """GET /clinic/disputes/<id>/evidence/<evidence_id>/preview: what a page's own image element asks for."""

    def get(self, request: Request, dispute_id: int, evidence_id: int) -> HttpResponseBase:
        return preview_response(own_evidence(clinic_of(request), dispute_id, evidence_id))


def dispute_as_json(row: DisputeRow) -> dict[str, Any]:
    """Amounts in credits, times with their offset in India."""
    dispute = row.dispute
    return {
        "id": dispute.pk,
        "lead_id": dispute.lead_id,
        "lead_cost": dispute.lead.cost,
        "lead_refunded": dispute.lead.refunded_total,
        "dispute_type": dispute.dispute_type,
        "description": dispute.description,
        "status": dispute.status,
        "created_at": local(dispute.created_at),
        "due_at": local(dispute.due_at) if row.is_pending else None,
        "awaiting_clinic_since": local(dispute.awaiting_clinic_since),
        "resolved_at": local(dispute.resolved_at),
        "reason_code": dispute.reason_code,
        "admin_notes": dispute.admin_notes,
        "refund_amount": dispute.refund_amount,
        "is_automatic": dispute.is_automatic,
        "appeal_of": dispute.appeal_of_id,
        "appeal": appeal_as_json(row),
        "timeline": [
            {"kind": entry.kind, "text": entry.text, "created_at": local(entry.created_at)}
            for entry in row.timeline
        ],
        "evidence": [
            {
                "id": file.pk,
                "name": file.original_name,
                "media_type": file.media_type,
                "byte_size": file.byte_size,
                "url": reverse("dispute_evidence", args=[dispute.pk, file.pk])
                if row.files_are_open
                else None,
            }
            for file in row.files
        ],
    }


def appeal_as_json(row: DisputeRow) -> dict[str, Any]:
    return {
        "is_possible": row.can_be_appealed,
        "until": row.appeal_until if row.can_be_appealed else None,
        "refusal": row.appeal_refusal,
    }


def reason_as_json(reason: Reason) -> dict[str, Any]:
    policy = reason.policy
    return {
        "dispute_type": policy.dispute_type,
        "label": policy.get_dispute_type_display(),
        "guidance": reason.guidance,
        "is_accepted": policy.is_accepted,
        "until": reason.until,
        "evidence_needed": policy.evidence_needed,
        "least_contact_attempts": policy.least_contact_attempts,
        "contact_attempts": reason.attempts,
        "suggested_percent": reason.percent,
        "is_automatic": policy.is_automatic,
        "refusal": reason.refusal,
        "refusal_text": reason.refusal_text,
    }


def local(moment: Any) -> Any:
    return None if moment is None else timezone.localtime(moment)
