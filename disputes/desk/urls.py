"""Mounted before the admin's own pages, whose index of this app leads to the queue."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from clinics.surfaces import html_or_json
from disputes.desk.api import ResolveApi
from disputes.desk.case import Assign, Case, Note, Resolve, ShowContact
from disputes.desk.queue import Bulk, Next, QueuePage
from disputes.views import EvidenceForStaff

urlpatterns = [
    path("admin/disputes", QueuePage.mounted(), name="admin_disputes"),
    path("admin/disputes/", RedirectView.as_view(pattern_name="admin_disputes", query_string=True)),
    path("admin/disputes/bulk", Bulk.mounted(), name="admin_disputes_bulk"),
    path("admin/disputes/next", Next.mounted(), name="admin_disputes_next"),
    path("admin/disputes/<int:dispute_id>", Case.mounted(), name="admin_dispute"),
    path(
        "admin/disputes/<int:dispute_id>/resolve",
        html_or_json(html=Resolve.mounted(), json=ResolveApi.as_view()),
        name="resolve_dispute",
    ),
    path("admin/disputes/<int:dispute_id>/note", Note.mounted(), name="admin_dispute_note"),
    path("admin/disputes/<int:dispute_id>/assign", Assign.mounted(), name="admin_dispute_assign"),
    path("admin/disputes/<int:dispute_id>/contact", ShowContact.mounted(), name="admin_dispute_contact"),
    path(
        "admin/disputes/<int:dispute_id>/evidence/<int:evidence_id>",
        admin.site.admin_view(EvidenceForStaff.as_view()),
        name="admin_dispute_evidence",
    ),
]
