from django.urls import path

from clinics.surfaces import html_or_json
from disputes.api import (
    AnswerDisputeApi,
    AppealDisputeApi,
    CancelDisputeApi,
    CreateDisputeApi,
    DisputesApi,
    EvidenceApi,
)
from disputes.dashboard import DashboardWithDisputes
from disputes.evidence.uploads import takes_evidence
from disputes.views import (
    AnswerDispute,
    AppealDispute,
    CancelDispute,
    CreateDispute,
    DisputesDashboard,
    EvidenceFile,
)

urlpatterns = [
    path("clinic/dashboard", DashboardWithDisputes.as_view(), name="clinic_dashboard"),
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
]
