from django.urls import path

from clinics.surfaces import html_or_json
from leads.api import ContactClinicApi
from leads.portal_api import UpdateLeadStatusApi
from leads.public_views import ClinicPage, EnquiryPage, EnquiryReceipt
from leads.views import UpdateLeadStatus

urlpatterns = [
    path(
        "clinic/leads/update-status",
        html_or_json(html=UpdateLeadStatus.as_view(), json=UpdateLeadStatusApi.as_view()),
        name="update_lead_status",
    ),
    path("clinics/<slug:slug>", ClinicPage.as_view(), name="clinic_page"),
    path(
        "contact-clinic",
        html_or_json(html=EnquiryPage.as_view(), json=ContactClinicApi.as_view()),
        name="enhanced_contact_clinic",
    ),
    path("enquiries/<str:token>", EnquiryReceipt.as_view(), name="enquiry_receipt"),
]
