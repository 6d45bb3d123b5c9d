"""What a phone needs to keep the portal on its home screen.

There is no service worker: nothing of the portal may be kept on a shared phone (`PrivatePagesMiddleware`), so there is
nothing one could show without a connection.
"""

from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django.views import View

ICONS: Final = (
    ("site/icon.svg", "any", "image/svg+xml", "any"),
    ("site/icon-192.png", "192x192", "image/png", "any"),
    ("site/icon-512.png", "512x512", "image/png", "any"),
    ("site/icon-maskable-512.png", "512x512", "image/png", "maskable"),
)
KEPT_SECONDS: Final = 3600


class WebManifest(View):
    """GET /manifest.webmanifest, in the language of the browser."""

    http_method_names = ("get", "head", "options")

    def get(self, request: HttpRequest) -> HttpResponse:
        home = reverse("clinic_dashboard")
        manifest = {
            "id": home,
            "name": _("Clinic Credits"),
            "short_name": _("Credits"),
            "description": _("Leads, credits and disputes of your clinic."),
            "lang": translation.get_language(),
            "dir": "ltr",
            "start_url": home,
            "scope": "/",  # signing in is part of it
            "display": "standalone",
            "background_color": "#f5f7f6",
            "theme_color": "#0b6b61",
            "categories": ["business", "medical"],
            "icons": [
                {"src": static(path), "sizes": sizes, "type": kind, "purpose": purpose}
                for path, sizes, kind, purpose in ICONS
            ],
            "shortcuts": [
                {"name": name, "url": reverse(page)}
                for name, page in (
                    (_("Leads"), "clinic_dashboard"),
                    (_("Billing"), "billing_dashboard"),
                    (_("Disputes"), "disputes_dashboard"),
                )
            ],
        }
        response = JsonResponse(manifest, content_type="application/manifest+json")
        if not request.user.is_authenticated:
            patch_cache_control(response, max_age=KEPT_SECONDS)
        return response


class Favicon(View):
    """GET /favicon.ico, which browsers and mail programs ask for whatever a page says."""

    http_method_names = ("get", "head", "options")

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(static("site/icon-192.png"))
