from django.urls import path

from clinics.surfaces import html_or_json, json_only
from leads.api import ContactClinicApi
from leads.clinic_api import ClinicLeadApi, ClinicLeadsApi
from leads.lead_views import RecordAttempt, SetAttemptOutcome
from leads.partner_api import MOST_BATCH_BYTES, ClinicsApi, LeadBatchApi, PartnerLeadApi
from leads.portal_api import AttemptOutcomeApi, RecordAttemptApi, UpdateLeadStatusApi
from leads.public_views import ClinicPage, EnquiryPage, EnquiryReceipt
from leads.views import UpdateLeadStatus

urlpatterns = [
    path(
        "clinic/leads/update-status",
        html_or_json(html=UpdateLeadStatus.as_view(), json=UpdateLeadStatusApi.as_view()),
        name="update_lead_status",
    ),
    path(
        "clinic/leads/<int:lead_id>/attempts",
        html_or_json(html=RecordAttempt.as_view(), json=RecordAttemptApi.as_view()),
        name="record_attempt",
    ),
    path(
        "clinic/attempts/<int:attempt_id>/outcome",
        html_or_json(html=SetAttemptOutcome.as_view(), json=AttemptOutcomeApi.as_view()),
        name="attempt_outcome",
    ),
    path("clinics/<slug:slug>", ClinicPage.as_view(), name="clinic_page"),
    path(
        "contact-clinic",
        html_or_json(html=EnquiryPage.as_view(), json=ContactClinicApi.as_view()),
        name="enhanced_contact_clinic",
    ),
    path(
        "api/leads/batch", json_only(LeadBatchApi.as_view(), most_bytes=MOST_BATCH_BYTES), name="lead_batch"
    ),
    path("api/leads/<int:lead_id>", json_only(PartnerLeadApi.as_view()), name="partner_lead"),
    path("api/clinics", json_only(ClinicsApi.as_view()), name="clinics_api"),
    path("api/clinic/leads", json_only(ClinicLeadsApi.as_view()), name="clinic_leads_api"),
    path("api/clinic/leads/<int:lead_id>", json_only(ClinicLeadApi.as_view()), name="clinic_lead_api"),
    path("enquiries/<str:token>", EnquiryReceipt.as_view(), name="enquiry_receipt"),
]
