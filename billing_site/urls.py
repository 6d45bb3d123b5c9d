"""Every mount on one screen. The seed's routes have no trailing slash."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.utils.translation import gettext_lazy
from django.views.generic import RedirectView

from billing_site.health import Healthz, Readyz
from billing_site.openapi.pages import Docs, Guide, Schema
from billing_site.portal.security import Devices
from billing_site.portal.texts import Texts
from clinics.second_factor import ActivateTOTP
from clinics.surfaces import json_only

handler400 = "billing_site.error_pages.bad_request"
handler403 = "billing_site.error_pages.permission_denied"
handler404 = "billing_site.error_pages.page_not_found"
handler429 = "billing_site.error_pages.too_many_requests"  # allauth's: it asks for this name
handler500 = "billing_site.error_pages.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="clinic_dashboard")),
    path("healthz", Healthz.as_view(), name="healthz"),
    path("readyz", Readyz.as_view(), name="readyz"),
    path("texts/<str:language>.js", Texts.as_view(), name="javascript_texts"),
    path("accounts/2fa/totp/activate/", ActivateTOTP.as_view(), name="mfa_activate_totp"),
    # Whoever has no password gets one by a link to their mail box: a session alone is not enough to set it.
    path(
        "accounts/password/set/",
        RedirectView.as_view(pattern_name="account_reset_password"),
        name="account_set_password",
    ),
    # The library would let anybody make any address their own, unproved. Here staff change a member's address.
    path("accounts/email/", RedirectView.as_view(pattern_name="usersessions_list"), name="account_email"),
    path("accounts/sessions/", Devices.as_view(), name="usersessions_list"),
    path("accounts/", include("allauth.urls")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("", include("disputes.desk.urls")),
    path("admin/", admin.site.urls),
    path("", include("billing_site.portal.urls")),
    path("api/schema", json_only(Schema.as_view()), name="api_schema"),
    path("api/docs", Docs.as_view(), name="api_docs"),
    path("api/guide", Guide.as_view(), name="api_guide"),
    path(
        "api/webhooks",
        Guide.as_view(document="webhooks.md", title=gettext_lazy("Webhooks")),
        name="api_webhooks",
    ),
    path("", include("clinics.urls")),
    path("", include("leads.urls")),
    path("", include("credits.urls")),
    path("", include("disputes.urls")),
]
if settings.DEBUG and getattr(settings, "EMAIL_FILE_PATH", ""):  # mails are files, to be looked at
    urlpatterns.append(path("", include("billing_site.local_mails")))
