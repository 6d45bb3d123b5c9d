"""JSON routes for a clinic's own system: the leads it received, with the contacts that are visible."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django import forms
from django.db.models import Q
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clinics.api import ApiView, form_data, refuse
from clinics.models import ApiToken, Clinic, Scope
from leads.models import Lead, LeadContact
from leads.models.lead import LeadQuerySet
from leads.services.contacts import show_contacts

PAGE_SIZE: Final = 50
MOST_A_PAGE: Final = 100
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
CURSOR: Final = re.compile(r"([0-9]{1,16})-([0-9]{1,18})")  # microseconds since 1970, and a lead's id


class IsClinicsProgram(BasePermission):
    """A clinic's token with the scope to read leads; people look at the portal's own pages."""

    message = gettext_lazy("This route is for a clinic's own system: use a token with the scope leads:read.")

    def has_permission(self, request: Request, view: APIView) -> bool:
        token: Any = request.auth
        return isinstance(token, ApiToken) and token.clinic is not None and Scope.LEADS_READ in token.scopes


class LeadsPage(forms.Form):
    after = forms.CharField(required=False, max_length=40)
    limit = forms.IntegerField(required=False, min_value=1, max_value=MOST_A_PAGE)

    def clean_after(self) -> tuple[datetime, int] | None:
        text = self.cleaned_data["after"]
        if not text:
            return None
        match = CURSOR.fullmatch(text)
        if match is None:
            raise forms.ValidationError(_("Send «next» of an earlier answer, as it was."))
        return EPOCH + timedelta(microseconds=int(match[1])), int(match[2])


def cursor_of(lead: Lead) -> str:
    assert lead.delivered_at is not None
    return f"{(lead.delivered_at - EPOCH) // timedelta(microseconds=1)}-{lead.pk}"


class ClinicProgramView(ApiView):
    permission_classes = (IsClinicsProgram,)

    def leads(self, request: Request) -> LeadQuerySet:
        token: Any = request.auth
        clinic: Clinic = token.clinic
        leads: LeadQuerySet = Lead.objects.filter(clinic=clinic)
        return leads.select_related("package", "treatment", "repeat_of")

    def as_json(self, request: Request, leads: Iterable[Lead]) -> list[dict[str, Any]]:
        """With the contacts that may be seen now; the look is the token's user's (rule 12)."""
        leads, user = list(leads), request.user
        contacts = show_contacts(leads, user, timezone.now())  # type: ignore[arg-type]  # a token has a User
        return [lead_as_json(lead, contacts.get(lead.pk)) for lead in leads]


@method_decorator(never_cache, name="dispatch")
class ClinicLeadsApi(ClinicProgramView):
    """GET /api/clinic/leads[?after=<next>&limit=50]: what the clinic received, in the order it was delivered.

    Not by id or arrival: a held lead is delivered days after it came, and ids are given out before they are
    committed. `delivered_at` is stamped under the lock of the clinic's account, which is held until the commit, so
    whatever becomes visible later stands later in this order: who goes on from the last `next` misses nothing.
    """

    def get(self, request: Request) -> Response:
        data, errors = form_data(request.query_params, LeadsPage)
        page = LeadsPage(data)
        if not page.is_valid() or errors:
            refuse(400, "invalid", _("Some fields need another look."), {**page.errors, **errors})
        leads, after = self.leads(request).received(), page.cleaned_data["after"]
        if after:
            moment, lead_id = after
            later = Q(delivered_at__gt=moment) | Q(delivered_at=moment, pk__gt=lead_id)
            leads = leads.filter(later, delivered_at__gte=moment)
        limit = page.cleaned_data["limit"] or PAGE_SIZE
        found = list(leads.order_by("delivered_at", "pk")[: limit + 1])
        shown = found[:limit]
        return Response(
            {
                "leads": self.as_json(request, shown),
                "next": cursor_of(shown[-1]) if shown else data.get("after") or None,
                "more": len(found) > limit,
            }
        )


@method_decorator(never_cache, name="dispatch")
class ClinicLeadApi(ClinicProgramView):
    """GET /api/clinic/leads/<id>: one lead of the clinic in whatever state, its contact while it is visible."""

    def get(self, request: Request, lead_id: int) -> Response:
        lead = get_object_or_404(self.leads(request), pk=lead_id)
        return Response(self.as_json(request, [lead])[0])


def lead_as_json(lead: Lead, contact: LeadContact | None) -> dict[str, Any]:
    """`contact` is null while it is masked, and once the patient withdrew."""
    return {
        "id": lead.pk,
        "state": lead.delivery_state,
        "held_reason": lead.held_reason or None,
        "expired_reason": lead.expired_reason or None,
        "repeat_of": lead.repeat_of_id,
        "status": lead.status,
        "cost": lead.cost,
        "refunded": lead.refunded_total,
        "package": lead.package.title if lead.package else None,
        "treatment": lead.treatment.name if lead.treatment else None,
        "city": lead.city,
        "preferred_date": lead.preferred_date,
        "contact_intent": lead.contact_intent,
        "source": lead.source,
        "is_minor": lead.is_minor,
        "received_at": lead.created_at,
        "delivered_at": lead.delivered_at,
        "contact": contact_as_json(contact),
    }


def contact_as_json(contact: LeadContact | None) -> dict[str, Any] | None:
    if contact is None or contact.erased_at is not None:
        return None
    return {
        "name": contact.name,
        "phone": contact.phone.as_e164,
        "email": contact.email,
        "procedure_name": contact.procedure_name,
        "message": contact.message,
        "guardian_name": contact.guardian_name,
    }
