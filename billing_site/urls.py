"""Every mount on one screen. The seed's routes have no trailing slash."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from billing_site.health import Healthz, Readyz
from clinics.second_factor import ActivateTOTP

handler500 = "billing_site.middleware.server_error"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="clinic_dashboard")),
    path("healthz", Healthz.as_view(), name="healthz"),
    path("readyz", Readyz.as_view(), name="readyz"),
    path("accounts/2fa/totp/activate/", ActivateTOTP.as_view(), name="mfa_activate_totp"),
    path("accounts/", include("allauth.urls")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("", include("disputes.desk.urls")),
    path("admin/", admin.site.urls),
    path("", include("clinics.urls")),
    path("", include("leads.urls")),
    path("", include("credits.urls")),
    path("", include("disputes.urls")),
]
