"""GET, POST /clinic/settings: what the clinic says of itself."""

from copy import copy
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from billing_site.portal.profile_form import ProfileForm, week_of
from clinics.services.profile import change_profile
from clinics.states import STATES
from clinics.surfaces import OWNER, ClinicRequest
from credits.settings_pages import SettingsPage


class ClinicProfile(SettingsPage):
    """GET, POST /clinic/settings: what the clinic says of itself. Every member reads it, the owner changes it."""

    template_name = "clinic/settings/profile.html"
    url_name = "clinic_settings"
    http_method_names = ("get", "head", "post", "options")

    def may_change(self) -> bool:
        return self.request.membership.role in OWNER

    def post(self, request: ClinicRequest) -> HttpResponse:
        if not self.may_change():
            raise PermissionDenied(_("Your role at this clinic does not include this."))
        # A copy: the header shows the clinic as it is, not as it was typed.
        form = ProfileForm(request.POST, instance=copy(request.clinic))
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form), status=400)
        change_profile(clinic=request.clinic, values=form.values())
        messages.success(request, _("Saved."))
        return HttpResponseRedirect(reverse("clinic_settings"), status=303)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        clinic = self.request.clinic
        if self.may_change():
            kwargs.setdefault("form", ProfileForm(instance=clinic))
        else:
            kwargs |= {"week": week_of(clinic), "state_name": _(STATES.get(clinic.state, ""))}
        page = self.request.build_absolute_uri(reverse("clinic_page", args=[clinic.slug]))
        return super().get_context_data(public_page=page, **kwargs)
