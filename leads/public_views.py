"""What patients see: a clinic's page, the enquiry, and the receipt with its way back."""

from typing import Any
from uuid import uuid4

from django.core import signing
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.generic import DetailView

from clinics.models import Clinic
from clinics.surfaces import caller_address
from credits.services.ledger import (
    BillingService,
    ClinicInactive,
    KeyReused,
    PackageNotOffered,
    TooManyEnquiries,
)
from leads.forms import EnquiryForm
from leads.models import Lead
from leads.services.intake import current_notice, receive_enquiry

RECEIPT_SALT = "leads.enquiry_receipt"
FLOOD_RETRY_AFTER_SECONDS = 60


def receipt_token(lead_id: int) -> str:
    """What the thank-you page's address holds: a signed lead id, no personal data."""
    return signing.dumps(lead_id, salt=RECEIPT_SALT)


def clinic_page_context(clinic: Clinic, form: EnquiryForm | None = None) -> dict[str, Any]:
    """What `templates/public/clinic.html` shows; an inactive clinic has no form."""
    if form is None:
        form = EnquiryForm(
            initial={
                "clinic_id": clinic.pk,
                "idempotency_key": uuid4().hex,
                "source": "web",
                "contact_intent": "call",
            }
        )
    return {
        "clinic": clinic,
        "packages": list(clinic.packages.offered().select_related("treatment")),
        "form": form if clinic.is_active else None,
        "consent_text": current_notice().text,
    }


class ClinicPage(DetailView[Clinic]):
    """GET /clinics/<slug>: the clinic's public page with its packages and the enquiry form."""

    model = Clinic
    template_name = "public/clinic.html"
    context_object_name = "clinic"

    def get_queryset(self) -> QuerySet[Clinic]:
        return Clinic.objects.all()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), **clinic_page_context(self.object)}


class EnquiryPage(View):
    """POST /contact-clinic from a browser's form: 303 to the receipt, or the form again with what is wrong."""

    http_method_names = ("post", "options")

    def post(self, request: HttpRequest) -> HttpResponse:
        form = EnquiryForm(request.POST)
        if not form.is_valid():
            return self.form_again(request, form, status=400)
        fields = form.cleaned_data
        try:
            delivery = receive_enquiry(
                fields=fields,
                caller=caller_of(request, fields["clinic_id"]),
                key=fields["idempotency_key"] or None,
                address=caller_address(request),
            )
        except ClinicInactive as refusal:
            raise Http404 from refusal
        except PackageNotOffered:
            form.add_error("package_id", _("The clinic does not offer this any more. Please choose again."))
            return self.form_again(request, form, status=400)
        except KeyReused:
            form.data = {**request.POST.dict(), "idempotency_key": uuid4().hex}
            form.add_error(
                None, _("You sent this form before, with other details. To send it as it is now, tap again.")
            )
            return self.form_again(request, form, status=409)
        except TooManyEnquiries:
            response = render(request, "429.html", status=429)
            response["Retry-After"] = str(FLOOD_RETRY_AFTER_SECONDS)
            return response
        return HttpResponseRedirect(
            reverse("enquiry_receipt", args=[receipt_token(delivery.lead_id)]), status=303
        )

    def form_again(self, request: HttpRequest, form: EnquiryForm, *, status: int) -> HttpResponse:
        clinic = get_object_or_404(Clinic.objects.active(), pk=form.cleaned_data.get("clinic_id"))
        return render(request, "public/clinic.html", clinic_page_context(clinic, form), status=status)


def caller_of(request: HttpRequest, clinic_id: int) -> str:
    """Whose idempotency keys these are: the signed-in user's, or all strangers' of this clinic."""
    return f"user:{request.user.pk}" if request.user.is_authenticated else f"clinic:{clinic_id}"


@method_decorator(never_cache, name="dispatch")
class EnquiryReceipt(View):
    """GET the thank-you page; POST withdraws the enquiry. The address is a signed lead id."""

    http_method_names = ("get", "head", "post", "options")

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        lead = self.lead_of(token)
        contact = lead.contact
        context = {"clinic": lead.clinic, "lead_is_withdrawn": contact.erased_at is not None}
        return render(request, "public/receipt.html", context)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        lead = self.lead_of(token)
        BillingService.withdraw_lead(lead.pk)
        return HttpResponseRedirect(reverse("enquiry_receipt", args=[token]), status=303)

    def lead_of(self, token: str) -> Lead:
        try:
            lead_id = signing.loads(token, salt=RECEIPT_SALT)
        except signing.BadSignature as problem:
            raise Http404 from problem
        return get_object_or_404(Lead.objects.select_related("clinic", "contact"), pk=lead_id)
