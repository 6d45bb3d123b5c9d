"""GET, POST /clinic/settings/security: the member themselves: name, language, password, second step, devices."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import View

from clinics.form_fields import IdField
from clinics.models import Clinic, Language, User
from clinics.second_factor import has_second_factor
from clinics.services.devices import Device, devices_of, end_devices
from clinics.services.profile import change_user
from clinics.surfaces import ClinicRequest
from credits.settings_pages import SettingsPage


class YouForm(forms.Form):
    full_name = forms.CharField(
        label=gettext_lazy("Your name"),
        max_length=150,
        help_text=gettext_lazy("Your colleagues and our staff see it beside what you do."),
        widget=forms.TextInput({"autocomplete": "name"}),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        required=False,
        choices=[("", gettext_lazy("As my browser says")), *Language.choices],
        help_text=gettext_lazy("Of pages and mails, on all your devices."),
    )


class Security(SettingsPage):
    """GET, POST /clinic/settings/security: the member themselves. POST changes name and language."""

    template_name = "clinic/settings/security.html"
    url_name = "clinic_security"
    http_method_names = ("get", "head", "post", "options")

    def post(self, request: ClinicRequest) -> HttpResponse:
        form = YouForm(request.POST)
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form), status=400)
        change_user(user=request.user, **form.cleaned_data)
        messages.success(request, _("Saved."))
        return HttpResponseRedirect(reverse("clinic_security"), status=303)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = self.request.user
        kwargs.setdefault("form", YouForm({"full_name": user.full_name, "language": user.language}))
        return super().get_context_data(
            has_password=user.has_usable_password(),
            has_second_step=has_second_factor(user),
            devices=devices_for(self.request),
            **kwargs,
        )


def devices_for(request: HttpRequest) -> list[Device]:
    assert isinstance(request.user, User)
    agent = request.headers.get("User-Agent", "")
    return devices_of(user=request.user, session_key=request.session.session_key, user_agent=agent)


class DeviceForm(forms.Form):
    """One device by its number; none means all the others."""

    device = IdField(required=False)


class Devices(LoginRequiredMixin, View):
    """GET, POST /accounts/sessions/: where somebody is signed in, in place of the sign-in library's own page.

    Members see it among their settings; staff, who have none, here. POST signs out one other device (`device`), or
    all others.
    """

    http_method_names = ("get", "head", "post", "options")

    def get(self, request: HttpRequest) -> HttpResponseBase:
        if _is_member(request):
            return redirect("clinic_security")
        return render(request, "usersessions/usersession_list.html", {"devices": devices_for(request)})

    def post(self, request: HttpRequest) -> HttpResponseBase:
        assert isinstance(request.user, User)
        form = DeviceForm(request.POST)
        if not form.is_valid():
            raise Http404("no such device")
        only = form.cleaned_data["device"]
        ended = end_devices(user=request.user, session_key=request.session.session_key, only=only)
        if only is not None and not ended:
            raise Http404("no such device")
        messages.success(request, _("Signed out there."))
        page = "clinic_security" if _is_member(request) else "usersessions_list"
        return HttpResponseRedirect(reverse(page), status=303)


def _is_member(request: HttpRequest) -> bool:
    assert isinstance(request.user, User)
    return Clinic.objects.of_member(request.user).exists()
