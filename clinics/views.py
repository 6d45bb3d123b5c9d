"""What the buttons of the portal share."""

from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views import View

from clinics.surfaces import ClinicMixin


class PortalAction(ClinicMixin, View):  # type: ignore[misc]  # its request is a ClinicRequest
    """A button of the portal: POST alone. Who has been signed out meanwhile comes back to the dashboard."""

    http_method_names = ("post", "options")

    def handle_no_permission(self) -> HttpResponseRedirect:
        return redirect_to_login(reverse("clinic_dashboard"))

    def refused(self, reason: str, *, status: int) -> HttpResponse:
        """Why nothing was done: a page, or for a script (htmx) the words alone."""
        if self.request.headers.get("HX-Request"):
            return HttpResponse(reason, status=status, content_type="text/plain; charset=utf-8")
        return render(self.request, "refused.html", {"reason": reason}, status=status)
