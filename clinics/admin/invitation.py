"""«Invite first owner»: a small form on the clinic's page."""

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from clinics import audit
from clinics.admin.base import BackOfficeAdmin
from clinics.models import Clinic, User
from clinics.services import InvitationRefused, invite_owner
from clinics.step_up import ask_again


class InviteOwnerForm(forms.Form):
    email = forms.EmailField(label="E-mail address", max_length=254)
    full_name = forms.CharField(label="Full name", max_length=150)


class InvitesOwners(BackOfficeAdmin[Clinic]):
    """Adds `<clinic>/invite-owner/` to the clinic's pages, for those who may add memberships."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.invite_owner_view)
        return [
            path("<path:object_id>/invite-owner/", view, name="clinics_clinic_invite_owner"),
            *super().get_urls(),
        ]

    def invite_owner_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not (request.user.has_perm("clinics.add_membership") and self.has_view_permission(request)):
            raise PermissionDenied
        if question := ask_again(request):
            return question
        clinic = self.get_object(request, unquote(object_id))
        if clinic is None:
            return self.no_such_row(request, object_id)
        form = InviteOwnerForm(request.POST if request.method == "POST" else None)
        if form.is_valid() and self._invite(request, clinic, form):
            return HttpResponseRedirect(reverse("admin:clinics_clinic_change", args=[clinic.pk]))
        return self._invitation_page(request, clinic, form)

    def _invite(self, request: HttpRequest, clinic: Clinic, form: InviteOwnerForm) -> bool:
        assert isinstance(request.user, User)
        try:
            with audit.because("Invited as owner"):
                membership = invite_owner(clinic=clinic, by=request.user, **form.cleaned_data)
        except InvitationRefused as refusal:
            form.add_error("email", str(refusal))
            return False
        messages.success(
            request,
            f"Invited: {membership.user.email} is an owner now. A mail that says so, and where to set a password,"
            " leaves within a minute.",
        )
        return True

    def _invitation_page(self, request: HttpRequest, clinic: Clinic, form: InviteOwnerForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Invite an owner",
            "subtitle": clinic.name,
            "original": clinic,
            "form": form,
        }
        status = 400 if form.errors else 200
        return TemplateResponse(request, "admin/clinics/clinic/invite_owner.html", context, status=status)
