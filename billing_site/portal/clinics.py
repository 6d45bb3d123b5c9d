"""The clinics of somebody who works for several."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from clinics.form_fields import IdField
from clinics.models import Clinic, Membership
from clinics.surfaces import work_for
from credits.portal import PortalPage
from credits.services.balances import balances_of_member


class ClinicChoice(forms.Form):
    clinic_id = IdField()


class MemberClinics(PortalPage):
    """GET /clinic/switch: one's clinics, with one's role and their balances. POST: works for another of them from here
    on; any other clinic is a 404."""

    template_name = "clinic/clinics.html"
    http_method_names = ("get", "head", "post", "options")

    def post(self, request: HttpRequest) -> HttpResponse:
        choice = ClinicChoice(request.POST)
        chosen = choice.cleaned_data["clinic_id"] if choice.is_valid() else None
        clinic = get_object_or_404(Clinic.objects.of_member(self.request.user), pk=chosen)
        work_for(request, clinic.pk)
        return HttpResponseRedirect(reverse("clinic_dashboard"), status=303)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        mine = Membership.objects.filter(user=self.request.user, is_active=True)
        balances = balances_of_member(self.request.user)
        here = self.request.clinic.pk
        rows = [
            # Of the clinic one is at, the header says it live.
            (one, self.account.balance if one.clinic_id == here else balances.get(one.clinic_id))
            for one in mine.select_related("clinic").order_by("clinic__name", "clinic_id")
        ]
        return super().get_context_data(rows=rows, **kwargs)
