"""GET, POST /clinic/settings/help: asks staff for money back, closure, or something else."""

import re
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinics.models import Clinic, SupportRequest
from clinics.services.support import AskedAlready, ask_staff
from clinics.surfaces import OWNER, ClinicRequest
from credits.settings_pages import SettingsPage
from disputes.free_text import patient_data_in
from disputes.services.filing import contacts_shown

Kind = SupportRequest.Kind
# About money and the clinic's end its owner decides; anything else may be asked by whoever works there.
OWNERS_KINDS: Final = frozenset({Kind.REFUND.value, Kind.CLOSURE.value})
LONGEST_MESSAGE: Final = 4_000
MOST_EARLIER: Final = 50
MOST_LEADS: Final = 50  # whose patients' names are looked for in one message
LEAD_NUMBER: Final = re.compile(r"(?<!\d)\d{1,12}(?!\d)")
# Ours (see TopUp.receipt) and the gateway's: they may hold as many digits as a phone number.
NUMBER_OF_A_PAYMENT: Final = re.compile(r"\b(?:tu-[0-9a-f]{16}|(?:pay|order|rfnd)_[A-Za-z0-9]{14})\b")


class SupportForm(forms.Form):
    kind = forms.ChoiceField(
        label=gettext_lazy("What is it about?"),
        choices=Kind.choices,
        initial=Kind.OTHER,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Please choose what it is about.")},
    )
    message = forms.CharField(
        label=gettext_lazy("Your message"),
        min_length=10,
        max_length=LONGEST_MESSAGE,
        help_text=gettext_lazy(
            "Without names or numbers of patients. A lead's or payment's number is enough."
        ),
        widget=forms.Textarea({"rows": 5}),
    )

    def __init__(self, *args: Any, clinic: Clinic, is_owner: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.clinic = clinic
        if not is_owner:
            self.fields["kind"].choices = [(Kind.OTHER.value, Kind.OTHER.label)]  # type: ignore[attr-defined]

    def clean_message(self) -> str:
        """Staff read it without a look at a contact being logged, and it is kept."""
        message: str = self.cleaned_data["message"]
        text = NUMBER_OF_A_PAYMENT.sub(" ", message)
        if patient_data_in(text, self.names_of_leads_in(text)):
            raise forms.ValidationError(
                _(
                    "Please leave names, phone numbers and e-mail addresses out."
                    " A lead's or payment's number is enough, and we answer on this page."
                )
            )
        return message

    def names_of_leads_in(self, text: str) -> list[str]:
        """Of the patients of the leads whose numbers stand in it, as far as the clinic sees them."""
        numbers = set(LEAD_NUMBER.findall(text)[:MOST_LEADS])
        contacts = contacts_shown().filter(clinic=self.clinic, pk__in=numbers)
        return [name for names in contacts.values_list("name", "guardian_name") for name in names]


class Support(SettingsPage):
    """GET, POST /clinic/settings/help: asks staff, and reads what they answered."""

    template_name = "clinic/settings/support.html"
    url_name = "clinic_support"
    http_method_names = ("get", "head", "post", "options")

    def is_owner(self) -> bool:
        return self.request.membership.role in OWNER

    def post(self, request: ClinicRequest) -> HttpResponse:
        if request.POST.get("kind") in OWNERS_KINDS and not self.is_owner():
            raise PermissionDenied(_("Only an owner may ask for this."))
        form = SupportForm(request.POST, clinic=request.clinic, is_owner=self.is_owner())
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form), status=400)
        try:
            ask_staff(clinic=request.clinic, by=request.user, **form.cleaned_data)
        except AskedAlready as refusal:
            form.add_error("kind", str(refusal))
            return self.render_to_response(self.get_context_data(form=form), status=409)
        messages.success(request, _("Sent. Our staff answers on this page."))
        return HttpResponseRedirect(reverse("clinic_support"), status=303)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        kwargs.setdefault("form", SupportForm(clinic=self.request.clinic, is_owner=self.is_owner()))
        asked = SupportRequest.objects.filter(clinic=self.request.clinic).select_related("made_by")
        if not self.is_owner():
            asked = asked.exclude(kind__in=OWNERS_KINDS)
        return super().get_context_data(
            asked=asked.order_by("-pk")[:MOST_EARLIER], is_owner=self.is_owner(), **kwargs
        )
