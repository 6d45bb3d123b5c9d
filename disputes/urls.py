from django.urls import path

from clinics.surfaces import html_or_json
from disputes.api import (
    AnswerDisputeApi,
    AppealDisputeApi,
    CancelDisputeApi,
    CreateDisputeApi,
    DisputeApi,
    DisputesApi,
    EvidenceApi,
    PreviewApi,
)
from disputes.billing import BillingDashboardWithDisputes
from disputes.case_views import AnswerDispute, AppealDispute, CancelDispute, CasePage
from disputes.dashboard import DashboardWithDisputes, LeadNewsWithDisputes, LeadPageWithDisputes
from disputes.evidence.uploads import takes_evidence
from disputes.views import CreateDispute, DisputesDashboard, EvidenceFile, EvidencePreview

urlpatterns = [
    path("clinic/billing-dashboard", BillingDashboardWithDisputes.as_view(), name="billing_dashboard"),
    path("clinic/dashboard", DashboardWithDisputes.as_view(), name="clinic_dashboard"),
    path("clinic/leads/news", LeadNewsWithDisputes.as_view(), name="lead_news"),
    path("clinic/leads/<int:lead_id>", LeadPageWithDisputes.as_view(), name="clinic_lead"),
    path(
        "clinic/disputes",
        html_or_json(html=DisputesDashboard.as_view(), json=DisputesApi.as_view()),
        name="disputes_dashboard",
    ),
    path(
        "clinic/disputes/create/<int:lead_id>",
        takes_evidence(html_or_json(html=CreateDispute.as_view(), json=CreateDisputeApi.as_view())),
        name="create_dispute",
    ),
    path(
        "clinic/disputes/<int:dispute_id>",
        html_or_json(html=CasePage.as_view(), json=DisputeApi.as_view()),
        name="dispute_page",
    ),
    path(
        "clinic/disputes/<int:dispute_id>/cancel",
        html_or_json(html=CancelDispute.as_view(), json=CancelDisputeApi.as_view()),
        name="cancel_dispute",
    ),
    path(
        "clinic/disputes/<int:dispute_id>/answer",
        takes_evidence(html_or_json(html=AnswerDispute.as_view(), json=AnswerDisputeApi.as_view())),
        name="answer_dispute",
    ),
    path(
        "clinic/disputes/<int:dispute_id>/appeal",
        takes_evidence(html_or_json(html=AppealDispute.as_view(), json=AppealDisputeApi.as_view())),
        name="appeal_dispute",
    ),
    path(
        "clinic/disputes/<int:dispute_id>/evidence/<int:evidence_id>",
        html_or_json(html=EvidenceFile.as_view(), json=EvidenceApi.as_view()),
        name="dispute_evidence",
    ),
    path(
        "clinic/disputes/<int:dispute_id>/evidence/<int:evidence_id>/preview",
        html_or_json(html=EvidencePreview.as_view(), json=PreviewApi.as_view()),
        name="dispute_preview",
    ),
]
