"""Mounts of the portal's own pages."""

from django.urls import path

from billing_site.portal.alerts import Alerts
from billing_site.portal.clinics import MemberClinics
from billing_site.portal.invitations import AcceptInvitation
from billing_site.portal.manifest import Favicon, WebManifest
from billing_site.portal.members import ChangeInvitation, ChangeMember, Members
from billing_site.portal.notices import Notices
from billing_site.portal.profile import ClinicProfile
from billing_site.portal.security import Security
from billing_site.portal.stop_mails import StopMails
from billing_site.portal.support import Support
from billing_site.portal.tokens import EndToken, Tokens
from billing_site.portal.webhooks import Webhook, Webhooks

urlpatterns = [
    path("manifest.webmanifest", WebManifest.as_view(), name="web_manifest"),
    path("favicon.ico", Favicon.as_view(), name="favicon"),
    path("clinic/switch", MemberClinics.as_view(), name="switch_clinic"),
    path("clinic/notices", Notices.as_view(), name="notices"),
    path("clinic/settings", ClinicProfile.as_view(), name="clinic_settings"),
    path("clinic/settings/members", Members.as_view(), name="clinic_members"),
    path("clinic/settings/members/<int:membership_id>", ChangeMember.as_view(), name="clinic_member"),
    path(
        "clinic/settings/invitations/<int:invitation_id>",
        ChangeInvitation.as_view(),
        name="clinic_invitation",
    ),
    path("accounts/invitations/<str:token>", AcceptInvitation.as_view(), name="accept_invitation"),
    path("mail/stop/<str:token>", StopMails.as_view(), name="stop_mails"),
    path("clinic/settings/alerts", Alerts.as_view(), name="clinic_alerts"),
    path("clinic/settings/tokens", Tokens.as_view(), name="clinic_tokens"),
    path("clinic/settings/tokens/end", EndToken.as_view(), name="clinic_end_token"),
    path("clinic/settings/webhooks", Webhooks.as_view(), name="clinic_webhooks"),
    path("clinic/settings/webhooks/<int:endpoint_id>", Webhook.as_view(), name="clinic_webhook"),
    path("clinic/settings/security", Security.as_view(), name="clinic_security"),
    path("clinic/settings/help", Support.as_view(), name="clinic_support"),
]
