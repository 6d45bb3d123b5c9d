"""JSON routes of buying credits: the order, the callback of the browser, and what a page polls."""

from collections.abc import Mapping
from typing import Any, Final, cast

from django.conf import settings
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from rest_framework.request import Request
from rest_framework.response import Response

from clinics.api import ClinicApiView, form_data, refuse
from clinics.idempotency import KeyUsedForAnother, body_digest
from clinics.models import ApiToken, Clinic, Scope, User
from clinics.surfaces import OWNER_AND_BILLING
from clinics.throttles import ProgramThrottle, QuoteThrottle
from credits.gateway import GatewayMisconfigured
from credits.models import TopUp
from credits.services import topups
from credits.services.checkout import PaymentNotVerified, progress_of, verify_payment
from credits.topup_forms import TopUpForm, VerifyPaymentForm

BUYERS: Final = OWNER_AND_BILLING
ORDER_ROUTE: Final = "/create-razorpay-order"
RETRY_AFTER_SECONDS: Final = 10


def order_answer(top_up: TopUp) -> dict[str, Any]:
    """What Razorpay Checkout is opened with: `amount` in paise, tax included."""
    return {
        "status": "success",
        "top_up": top_up.pk,
        "order_id": top_up.razorpay_order_id,
        "amount": top_up.gross_paise,
        "currency": top_up.currency,
        "key_id": settings.RAZORPAY_KEY_ID,
    }


def claimed_key(fields: Mapping[str, Any], caller: str) -> topups.ClaimedKey | None:
    """The caller's idempotency key for an order, if one was sent."""
    if not fields["idempotency_key"]:
        return None
    body = {name: fields[name] for name in ("amount", "package_id", "promo_code")}
    return topups.ClaimedKey(caller, ORDER_ROUTE, fields["idempotency_key"], body_digest(body))


class CreateRazorpayOrderApi(ClinicApiView):
    """POST /create-razorpay-order: a top-up and its order. Owner or billing; token scope credits:topup."""

    scope = Scope.CREDITS_TOPUP
    roles = BUYERS
    throttle_classes = (ProgramThrottle, QuoteThrottle)

    def post(self, request: Request) -> Response:
        data, errors = form_data(cast("Mapping[str, Any]", request.data), TopUpForm)
        data["idempotency_key"] = request.headers.get("Idempotency-Key") or data.get("idempotency_key", "")
        form = TopUpForm(data)
        if not form.is_valid() or errors:
            refuse(400, "invalid", _("Some fields need another look."), {**form.errors, **errors})
        return Response(order_answer(self.start(request, form.cleaned_data)))

    def start(self, request: Request, fields: Mapping[str, Any]) -> TopUp:
        clinic: Clinic = request.clinic  # type: ignore[attr-defined]
        token = request.auth if isinstance(request.auth, ApiToken) else None
        caller = f"token:{token.digest[:32]}" if token else f"user:{request.user.pk}"
        try:
            return topups.start(
                clinic=clinic,
                by=cast("User", request.user),
                amount=fields["amount"],
                package_id=fields["package_id"],
                promo_code=fields["promo_code"],
                key=claimed_key(fields, caller),
            )
        except topups.TopUpRefused as refusal:
            refuse(400, "invalid", str(refusal), {refusal.field: [str(refusal)]})
        except topups.TopUpsStopped:
            refuse(409, "top_ups_stopped", _("Buying credits is switched off for now."))
        except KeyUsedForAnother:
            refuse(409, "idempotency_key_reused", _("This key was used for another request."))
        except topups.GatewayUnavailable:
            message = _("The payment service does not answer. Nothing was charged; please try again.")
            refuse(503, "gateway_unavailable", message, retry_after=RETRY_AFTER_SECONDS)
        except GatewayMisconfigured:
            refuse(503, "payments_not_set_up", _("Buying credits is not set up here."), retry_after=3600)


class TopUpApi(CreateRazorpayOrderApi):
    """GET /clinic/credits/topup: what a choice costs and brings, tax included, nothing kept. POST: the order."""

    def get(self, request: Request) -> Response:
        form = TopUpForm(request.query_params)
        if not form.is_valid():
            refuse(400, "invalid", _("Some fields need another look."), form.errors)
        fields = form.cleaned_data
        try:
            quote = topups.quote(
                clinic=request.clinic,  # type: ignore[attr-defined]
                amount=fields["amount"],
                package_id=fields["package_id"],
                promo_code=fields["promo_code"],
            )
        except topups.TopUpRefused as refusal:
            refuse(400, "invalid", str(refusal), {refusal.field: [str(refusal)]})
        names = ("price", "bonus", "promo_bonus", "tax", "gross", "credits")
        return Response({"status": "success", **{name: getattr(quote, name) for name in names}})


class VerifyPaymentApi(ClinicApiView):
    """POST /verify-payment: 200 credited, 202 not captured (or not to be asked) yet, 400 bad signature."""

    roles = BUYERS

    def post(self, request: Request) -> Response:
        data, errors = form_data(cast("Mapping[str, Any]", request.data), VerifyPaymentForm)
        form = VerifyPaymentForm(data)
        if not form.is_valid() or errors:
            refuse(400, "invalid", _("Some fields need another look."), {**form.errors, **errors})
        clinic: Clinic = request.clinic  # type: ignore[attr-defined]
        try:
            top_up = verify_payment(
                clinic=clinic,
                order_id=form.cleaned_data["razorpay_order_id"],
                payment_id=form.cleaned_data["razorpay_payment_id"],
                signature=form.cleaned_data["razorpay_signature"],
            )
        except TopUp.DoesNotExist:
            refuse(404, "not_found", _("There is nothing here."))
        except PaymentNotVerified:
            refuse(400, "bad_signature", _("This payment could not be verified."))
        return progress_response(top_up)


@method_decorator(never_cache, name="dispatch")
class PaymentSuccessApi(ClinicApiView):
    """GET /payment-success?top_up=<id>: `{state, credits, balance}`, polled after a 202."""

    scope = Scope.CREDITS_READ

    def get(self, request: Request) -> Response:
        clinic: Clinic = request.clinic  # type: ignore[attr-defined]
        top_up = own_top_up(clinic, request.query_params.get("top_up", ""))
        if top_up is None:
            refuse(404, "not_found", _("There is nothing here."))
        progress = progress_of(top_up)
        return Response({"state": progress.state, "credits": progress.credits, "balance": progress.balance})


def progress_response(top_up: TopUp) -> Response:
    progress = progress_of(top_up)
    body = {
        "status": "success",
        "top_up": top_up.pk,
        "state": progress.state,
        "credits": progress.credits,
        "balance": progress.balance,
    }
    return Response(body, status=200 if progress.state == "paid" else 202)


def own_top_up(clinic: Clinic, text: str) -> TopUp | None:
    """The clinic's top-up of this id, as a query string gives it; None for anything else."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        return None
    return clinic.top_ups.filter(pk=int(text)).first()
