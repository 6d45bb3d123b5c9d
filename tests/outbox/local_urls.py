"""The site as it is mounted where DEBUG is on and mails go to files."""

from django.urls import include, path

urlpatterns = [path("", include("billing_site.urls")), path("", include("billing_site.local_mails"))]
