"""Pages of buying credits: the choice, the payment, and what came of it."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from csp.decorators import csp_update
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from clinics.idempotency import KeyUsedForAnother
from clinics.models import Clinic, User
from credits.gateway import GatewayMisconfigured, is_razorpay
from credits.models import CreditPackage, TopUp
from credits.portal import PortalPage
from credits.services import topups
from credits.services.checkout import progress_of
from credits.topup_api import BUYERS, RETRY_AFTER_SECONDS, claimed_key, order_answer, own_top_up
from credits.topup_forms import TopUpForm


def checkout_sources() -> list[str]:
    """Where Razorpay Checkout loads from, for the one page that needs it: Razorpay's hosts, or the sandbox's."""
    parts = urlsplit(settings.RAZORPAY_CHECKOUT_JS_URL)
    if is_razorpay(parts.hostname or ""):
        return ["https://*.razorpay.com"]
    return [f"{parts.scheme}://{parts.netloc}"]


def checkout_policy() -> dict[str, list[str]]:
    directives = ("script-src", "frame-src", "connect-src", "img-src", "font-src")
    return {directive: checkout_sources() for directive in directives}


class PaymentPage(PortalPage):
    """What the pages of a purchase share."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            section="topup", is_test_mode=settings.RAZORPAY_KEY_ID.startswith("rzp_test_"), **kwargs
        )


class TopUpPage(PaymentPage):
    """GET, POST /clinic/credits/topup: choose, see the exact price, pay. POST answers 303 to `?top_up=<id>`."""

    template_name = "clinic/credit_topup.html"
    roles = BUYERS
    http_method_names = ("get", "head", "post", "options")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = csp_update(checkout_policy())(super().dispatch)(request, *args, **kwargs)
        # Banks open as popups; under «same-origin» their window would look closed, and paid look cancelled.
        response["Cross-Origin-Opener-Policy"] = "same-origin-allow-popups"
        return response

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        top_up = None
        if "top_up" in request.GET:
            top_up = own_top_up(self.request.clinic, request.GET["top_up"])
            if top_up is None:
                raise Http404
            if top_up.state == TopUp.State.PAID:
                return HttpResponseRedirect(f"{reverse('payment_success')}?top_up={top_up.pk}", status=303)
        form = TopUpForm(initial={"idempotency_key": uuid4().hex})
        return self.render_to_response(self.get_context_data(form=form, top_up=top_up))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = TopUpForm(request.POST)
        status = 400
        if form.is_valid():
            fields = form.cleaned_data
            try:
                top_up = topups.start(
                    clinic=self.request.clinic,
                    by=self.request.user,
                    amount=fields["amount"],
                    package_id=fields["package_id"],
                    promo_code=fields["promo_code"],
                    key=claimed_key(fields, f"user:{self.request.user.pk}"),
                )
                return HttpResponseRedirect(f"{reverse('credit_topup')}?top_up={top_up.pk}", status=303)
            except topups.TopUpRefused as refusal:
                form.add_error(refusal.field, str(refusal))
            except topups.TopUpsStopped:
                form.add_error(None, "Buying credits is switched off for now. Your leads go on being stored.")
                status = 409
            except KeyUsedForAnother:
                form.data = {**request.POST.dict(), "idempotency_key": uuid4().hex}
                form.add_error(
                    None, "You sent this form before, with another choice. To buy this one, send it again."
                )
                status = 409
            except (topups.GatewayUnavailable, GatewayMisconfigured):
                form.add_error(
                    None, "The payment service does not answer. Nothing was charged; please try again."
                )
                status = 503
        response = self.render_to_response(self.get_context_data(form=form, top_up=None), status=status)
        if status == 503:
            response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        top_up: TopUp | None = kwargs["top_up"]
        form: TopUpForm = kwargs["form"]
        packages = list(CreditPackage.objects.filter(is_active=True).order_by("price"))
        chosen = chosen_package(form, packages)
        bill: TopUp | topups.Quote | None = top_up
        if top_up is None and chosen is not None and not form.is_bound:
            with suppress(topups.TopUpRefused):  # a package outside the limits has no price to show
                bill = topups.quote(clinic=self.request.clinic, package_id=chosen)
        return {
            **super().get_context_data(**kwargs),
            "packages": packages,
            "chosen": chosen,
            "bill": bill,
            "least_price": settings.TOP_UP_LEAST_PRICE,
            "most_gross": settings.TOP_UP_MOST_GROSS,
            "checkout_js_url": settings.RAZORPAY_CHECKOUT_JS_URL,
            "checkout": checkout_options(self.request.clinic, self.request.user),
            "order": order_answer(top_up) if top_up and top_up.razorpay_order_id else None,
        }


def chosen_package(form: TopUpForm, packages: list[CreditPackage]) -> int | None:
    """The package ticked when the page opens: what was sent, else the least; None is a free amount."""
    if not form.is_bound:
        return packages[0].pk if packages else None
    package_id: int | None = form.cleaned_data.get("package_id")
    return package_id


def checkout_options(clinic: Clinic, user: User) -> dict[str, Any]:
    """What Razorpay Checkout shows and fills in beside the order: the payer's own details, nobody else's."""
    prefill = {"name": user.full_name, "email": user.email, "contact": str(clinic.phone or "")}
    return {
        "name": "Clinic Credits",
        "description": f"Credits for {clinic.name}",
        "prefill": {name: value for name, value in prefill.items() if value},
    }


class PaymentSuccess(PaymentPage):
    """GET /payment-success?top_up=<id>: what happened, the new balance, what to do next."""

    template_name = "clinic/payment_success.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        top_up = own_top_up(self.request.clinic, request.GET.get("top_up", ""))
        if top_up is None:
            raise Http404
        return self.render_to_response(self.get_context_data(top_up=top_up, progress=progress_of(top_up)))


class PaymentFailure(PaymentPage):
    """GET /payment-failure[?top_up=<id>]: nothing was charged, why, and how to try again."""

    template_name = "clinic/payment_failure.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        top_up = own_top_up(self.request.clinic, request.GET.get("top_up", ""))
        if top_up is None and "top_up" in request.GET:
            raise Http404
        progress = progress_of(top_up) if top_up else None
        return self.render_to_response(self.get_context_data(top_up=top_up, progress=progress))
