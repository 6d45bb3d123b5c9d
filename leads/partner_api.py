"""JSON routes for partners: many leads at once, the clinics to send them to, and what became of an own lead."""

import logging
from collections.abc import Mapping
from typing import IO, Any, ClassVar, Final, cast

from django import forms
from django.db import OperationalError
from django.db.models import Prefetch
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clinics.api import ApiView, StrictJSONParser, form_data, refuse
from clinics.form_fields import IdField
from clinics.models import ApiToken, Clinic, Scope
from clinics.surfaces import error_body
from clinics.throttles import wait_of_program
from credits.services.ledger import BillingError
from leads.api import refusal_of, token_caller
from leads.forms import PartnerEnquiryForm
from leads.models import Lead, TreatmentPackage
from leads.services.intake import receive_enquiry

logger = logging.getLogger(__name__)
MOST_LEADS: Final = 1_000
LEADS_A_REQUEST: Final = 50
MOST_BATCH_BYTES: Final = 4 * 1024 * 1024
PAGE_SIZE: Final = 100


class IsPartner(BasePermission):
    """A partner's own token with the scope to hand over leads; nobody else, also no signed-in member."""

    message = gettext_lazy("This route is for partners: use a token with the scope leads:write.")

    def has_permission(self, request: Request, view: APIView) -> bool:
        token: Any = request.auth
        return isinstance(token, ApiToken) and token.partner is not None and Scope.LEADS_WRITE in token.scopes


class PartnerApiView(ApiView):
    permission_classes = (IsPartner,)


class BatchParser(BaseParser):
    """`StrictJSONParser` from the stream: of a JSONParser's body REST framework reads no more than Django's limit for
    all routes. This one's is set where it is mounted."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        return StrictJSONParser().parse(stream, media_type, parser_context)


class LeadBatchApi(PartnerApiView):
    """POST /api/leads/batch `{"leads": [{…, "idempotency_key": "…"}, …]}`: up to 1,000, each with its own verdict.

    Each lead is stored by itself, as `POST /contact-clinic` would: one that is refused stops no other. A batch that
    broke off is sent again as it was: those that are here already answer as they did the first time.
    """

    parser_classes = (BatchParser,)

    def post(self, request: Request) -> Response:
        body = cast("Mapping[str, Any]", request.data)
        leads = body.get("leads")
        if not isinstance(leads, list) or body.keys() != {"leads"}:
            refuse(400, "invalid", _('Send {"leads": […]}.'), {"leads": [_("This takes a list of leads.")]})
        if not 1 <= len(leads) <= MOST_LEADS:
            sent = _("%(count)s were sent.") % {"count": len(leads)}
            refuse(400, "invalid", _("Send 1 to 1,000 leads at once."), {"leads": [sent]})
        self.count(request, len(leads))
        stuck: set[int] = set()
        results = [{"index": index, **self.verdict(request, one, stuck)} for index, one in enumerate(leads)]
        stored = sum(result["status"] == "success" for result in results)
        return Response(
            {"status": "success", "stored": stored, "refused": len(results) - stored, "results": results}
        )

    def count(self, request: Request, leads: int) -> None:
        """A batch counts as a request for each 50 leads begun; the first was counted when it came in."""
        wait = wait_of_program(cast("ApiToken", request.auth), (leads - 1) // LEADS_A_REQUEST)
        if wait:
            self.throttled(request, wait)

    def verdict(self, request: Request, one: Any, stuck: set[int]) -> dict[str, Any]:
        """`stuck` are clinics whose account could not be had in time: no further lead of this batch waits for it."""
        if not isinstance(one, dict):
            return failure("invalid", _("A lead is an object with fields."))
        data, errors = form_data(one, PartnerEnquiryForm)
        if not data.get("idempotency_key"):
            errors["idempotency_key"] = [_("Each lead of a batch needs its own key.")]
        form = PartnerEnquiryForm(data)
        if not form.is_valid() or errors:
            return failure("invalid", _("Some fields need another look."), {**form.errors, **errors})
        return self.stored(request, form.cleaned_data, stuck)

    def stored(self, request: Request, fields: dict[str, Any], stuck: set[int]) -> dict[str, Any]:
        token: Any = request.auth
        try:
            delivery = receive_enquiry(
                fields=fields,
                caller=token_caller(token),
                key=fields["idempotency_key"],
                address=None,
                partner=token.partner,
                is_stuck=fields["clinic_id"] in stuck,
            )
        except BillingError as problem:
            refusal = refusal_of(problem)
            return failure(refusal.code, refusal.message, refusal.fields)
        except OperationalError as problem:
            logger.warning("A lead of a batch was not stored: %s", type(problem).__name__)
            return failure("busy", _("We are busy for a moment. Send this lead again, with the same key."))
        if delivery.held_reason == Lead.HeldReason.BUSY:
            stuck.add(fields["clinic_id"])
        return {"status": "success", "lead_id": delivery.lead_id}


def failure(code: str, message: str, fields: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return error_body(
        code, message, {name: [str(text) for text in texts] for name, texts in (fields or {}).items()}
    )


class ClinicPage(forms.Form):
    after = IdField(required=False)


class ClinicsApi(PartnerApiView):
    """GET /api/clinics[?after=<id>]: the clinics that take enquiries, with the packages they offer, 100 a page."""

    def get(self, request: Request) -> Response:
        data, errors = form_data(request.query_params, ClinicPage)
        page = ClinicPage(data)
        if not page.is_valid() or errors:
            refuse(400, "invalid", _("Some fields need another look."), {**page.errors, **errors})
        offered = Prefetch(
            "packages", TreatmentPackage.objects.offered().select_related("treatment"), to_attr="offered"
        )
        clinics = list(
            Clinic.objects.active()
            .filter(pk__gt=page.cleaned_data["after"] or 0)
            .order_by("pk")
            .prefetch_related(offered)[: PAGE_SIZE + 1]
        )
        shown, more = clinics[:PAGE_SIZE], clinics[PAGE_SIZE:]
        return Response(
            {"clinics": [clinic_facts(clinic) for clinic in shown], "next": shown[-1].pk if more else None}
        )


def clinic_facts(clinic: Any) -> dict[str, Any]:
    return {
        "id": clinic.pk,
        "slug": clinic.slug,
        "name": clinic.name,
        "city": clinic.city,
        "state": clinic.get_state_display(),
        "pincode": clinic.pincode,
        "packages": [
            {
                "id": package.pk,
                "title": package.title,
                "treatment": package.treatment.name,
                "price": package.price,
            }
            for package in clinic.offered
        ],
    }


class PartnerLeadApi(PartnerApiView):
    """GET /api/leads/<id>: what became of a lead the partner handed over; nothing of the patient, nor of billing."""

    # A lead that waits because the clinic has no credits is «received» like one that waits for another reason.
    states: ClassVar[Mapping[str, str]] = {
        Lead.DeliveryState.DELIVERED: "delivered",
        Lead.DeliveryState.FREE: "delivered",
        Lead.DeliveryState.HELD: "received",
        Lead.DeliveryState.EXPIRED: "closed",
    }

    def get(self, request: Request, lead_id: int) -> Response:
        token: Any = request.auth
        lead = get_object_or_404(Lead, pk=lead_id, partner=token.partner)
        return Response(
            {
                "lead_id": lead.pk,
                "clinic_id": lead.clinic_id,
                "package_id": lead.package_id,
                "state": self.states[lead.delivery_state],
                "withdrawn": lead.expired_reason == Lead.ExpiredReason.WITHDRAWN,
                "received_at": lead.created_at,
            }
        )
