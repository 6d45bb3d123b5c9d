"""«Who saw this patient», on the page of a lead; and the queue of enquiries for review."""

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from clinics.admin.base import BackOfficeAdmin
from leads.models import Lead
from leads.review_desk import ReviewDesk
from leads.services.looks import who_saw


class TellsWhoSaw(BackOfficeAdmin[Lead]):
    """Adds `<lead>/who-saw/`, for those who may view both the lead and who looked."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.who_saw_view)
        review = self.admin_site.admin_view(ReviewDesk.as_view())
        return [
            path("review/", review, name="leads_lead_review"),
            path("<path:object_id>/who-saw/", view, name="leads_lead_who_saw"),
            *super().get_urls(),
        ]

    def who_saw_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not (self.has_view_permission(request) and request.user.has_perm("leads.view_contactview")):
            raise PermissionDenied
        lead = self.get_object(request, unquote(object_id))
        if lead is None:
            return self.no_such_row(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Who saw the patient of lead {lead.pk}",
            "subtitle": None,
            "original": lead,
            "looks": who_saw(lead),
        }
        return TemplateResponse(request, "admin/leads/lead/who_saw.html", context)
