"""What a member does in the portal that concerns neither leads nor money."""

from django import forms
from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views import View

from clinics.form_fields import IdField
from clinics.models import Clinic
from clinics.surfaces import CLINIC_SESSION_KEY, ClinicMixin, ClinicRequest


class PortalAction(ClinicMixin, View):  # type: ignore[misc]  # its request is a ClinicRequest
    """A button of the portal: POST alone. Who has been signed out meanwhile comes back to the dashboard."""

    http_method_names = ("post", "options")

    def handle_no_permission(self) -> HttpResponseRedirect:
        return redirect_to_login(reverse("clinic_dashboard"))


class ClinicChoice(forms.Form):
    clinic_id = IdField()


class SwitchClinic(PortalAction):
    """POST /clinic/switch: works for another of one's own clinics from here on; any other clinic is a 404."""

    def post(self, request: ClinicRequest) -> HttpResponseBase:
        choice = ClinicChoice(request.POST)
        chosen = choice.cleaned_data["clinic_id"] if choice.is_valid() else None
        clinic = get_object_or_404(Clinic.objects.of_member(request.user), pk=chosen)
        request.session[CLINIC_SESSION_KEY] = clinic.pk
        return HttpResponseRedirect(reverse("clinic_dashboard"), status=303)
