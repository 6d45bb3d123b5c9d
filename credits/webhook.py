"""POST /razorpay/webhook: the signature over the raw bytes, the event stored, then applied."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from clinics.surfaces import error
from credits.gateway import webhook_signature_is_valid
from credits.services.events import receive


@method_decorator(csrf_exempt, name="dispatch")  # the signature is the proof; Razorpay has no session
class RazorpayWebhook(View):
    """200 for everything genuine (duplicates, unknown and foreign events too: errors for 24 hours would switch the
    webhook off), 400 for a bad signature, 5xx only for our own faults, so that it is sent again."""

    http_method_names = ("post", "options")

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = error(405, "method_not_allowed", "Events are sent by POST.")
        response["Allow"] = "POST, OPTIONS"
        return response

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        secrets = [secret for secret in settings.RAZORPAY_WEBHOOK_SECRETS if secret.strip()]
        if not secrets:
            return error(503, "payments_not_set_up", "No webhook secret is set here.")
        raw = request.body
        signature = request.headers.get("X-Razorpay-Signature")
        if not webhook_signature_is_valid(raw, signature, secrets):
            return error(400, "bad_signature", "The signature does not fit the body.")
        event = receive(raw, request.headers.get("X-Razorpay-Event-Id"))
        return JsonResponse({"status": "success", "outcome": event.outcome})
