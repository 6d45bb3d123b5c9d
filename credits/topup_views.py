"""Pages of buying credits: the choice, the payment, and what came of it."""

from math import ceil
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from csp.decorators import csp_update
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from clinics.idempotency import KeyUsedForAnother
from clinics.models import Clinic, User
from clinics.throttles import wait_of_quote
from credits.gateway import GatewayMisconfigured, is_razorpay
from credits.models import TopUp
from credits.portal import PortalPage
from credits.services import topups
from credits.services.checkout import Offer, leads_for, offers, progress_of
from credits.services.figures import leads_released_by, usual_lead_cost
from credits.topup_api import BUYERS, RETRY_AFTER_SECONDS, claimed_key, order_answer, own_top_up
from credits.topup_forms import TopUpForm
from leads.models import Lead


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

    section = "topup"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            is_test_mode=settings.RAZORPAY_KEY_ID.startswith("rzp_test_"), **kwargs
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
        status, retry_after = 400, 0
        if form.is_valid():
            fields = form.cleaned_data
            if fields["promo_code"] and (wait := wait_of_quote(self.request.user.pk)):
                form.add_error("promo_code", _("Too many promo codes at once. Please wait a minute."))
                return self.refused(form, 429, ceil(wait))
            try:
                top_up = topups.start(
                    clinic=self.request.clinic,
                    by=self.request.user,
                    amount=fields["amount"],
                    package_id=fields["package_id"],
                    promo_code=fields["promo_code"],
                    key=claimed_key(fields, f"user:{self.request.user.pk}"),
                )
                return HttpResponseRedirect(page_of(top_up, pay_now=fields["pay_now"]), status=303)
            except topups.TopUpRefused as refusal:
                form.add_error(refusal.field, str(refusal))
            except topups.TopUpsStopped:
                form.add_error(
                    None, _("Buying credits is switched off for now. Your leads go on being stored.")
                )
                status = 409
            except KeyUsedForAnother:
                form.data = {**request.POST.dict(), "idempotency_key": uuid4().hex}
                form.add_error(
                    None, _("You sent this form before, with another choice. To buy this one, send it again.")
                )
                status = 409
            except (topups.GatewayUnavailable, GatewayMisconfigured):
                form.add_error(
                    None, _("The payment service does not answer. Nothing was charged; please try again.")
                )
                status, retry_after = 503, RETRY_AFTER_SECONDS
        return self.refused(form, status, retry_after)

    def refused(self, form: TopUpForm, status: int, retry_after: int = 0) -> HttpResponse:
        """The page with the form as it was typed; `retry_after` is in seconds."""
        response = self.render_to_response(self.get_context_data(form=form, top_up=None), status=status)
        if retry_after:
            response["Retry-After"] = str(retry_after)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        top_up: TopUp | None = kwargs["top_up"]
        form: TopUpForm = kwargs["form"]
        for_sale = [] if top_up else offers(self.account)
        chosen = chosen_package(form, for_sale)
        bill: TopUp | topups.Quote | None = top_up
        if top_up is None and not form.is_bound and for_sale:
            bill = for_sale[0].quote
        return {
            **super().get_context_data(**kwargs),
            "offers": for_sale,
            "leads_to_buy": leads_for(top_up.credits, usual_lead_cost(self.account)) if top_up else None,
            "chosen": chosen,
            "bill": bill,
            "least_price": settings.TOP_UP_LEAST_PRICE,
            "most_gross": settings.TOP_UP_MOST_GROSS,
            "checkout_js_url": settings.RAZORPAY_CHECKOUT_JS_URL,
            "checkout": checkout_options(self.request.clinic, self.request.user),
            "order": order_answer(top_up) if top_up and top_up.razorpay_order_id else None,
        }


def page_of(top_up: TopUp, *, pay_now: bool) -> str:
    """Where a top-up is paid; its script opens Razorpay at once where the buyer has said «Pay» already."""
    return f"{reverse('credit_topup')}?top_up={top_up.pk}{'#pay' if pay_now else ''}"


def chosen_package(form: TopUpForm, for_sale: list[Offer]) -> int | None:
    """The package ticked when the page opens: what was sent, else the least; None is a free amount."""
    if not form.is_bound:
        least = for_sale[0].quote.package if for_sale else None
        return least.pk if least else None
    package_id: int | None = form.cleaned_data.get("package_id")
    return package_id


def checkout_options(clinic: Clinic, user: User) -> dict[str, Any]:
    """What Razorpay Checkout shows and fills in beside the order: the payer's own details, nobody else's."""
    prefill = {"name": user.full_name, "email": user.email, "contact": str(clinic.phone or "")}
    return {
        "name": "Clinic Credits",
        "description": _("Credits for %(clinic)s") % {"clinic": clinic.name},
        "prefill": {name: value for name, value in prefill.items() if value},
    }


class PaymentSuccess(PaymentPage):
    """GET /payment-success?top_up=<id>: what happened, the new balance, what to do next."""

    template_name = "clinic/payment_success.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        top_up = own_top_up(self.request.clinic, request.GET.get("top_up", ""))
        if top_up is None:
            raise Http404
        progress = progress_of(top_up)
        context = self.get_context_data(top_up=top_up, progress=progress, **what_it_did(top_up))
        return self.render_to_response(context)


def what_it_did(top_up: TopUp) -> dict[str, Any]:
    """Of a paid one: how many held leads it has delivered, and how many wait still."""
    if top_up.state != TopUp.State.PAID:
        return {}
    return {
        "leads_released": leads_released_by(top_up),
        "leads_held": Lead.objects.held().filter(clinic=top_up.clinic_id).count(),
    }


class PaymentFailure(PaymentPage):
    """GET /payment-failure[?top_up=<id>]: nothing was charged, why, and how to try again."""

    template_name = "clinic/payment_failure.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        top_up = own_top_up(self.request.clinic, request.GET.get("top_up", ""))
        if top_up is None and "top_up" in request.GET:
            raise Http404
        facts = what_it_did(top_up) if top_up else {}
        progress = progress_of(top_up) if top_up else None
        return self.render_to_response(self.get_context_data(top_up=top_up, progress=progress, **facts))
