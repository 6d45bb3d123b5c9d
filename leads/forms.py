"""The shape of an enquiry, for people and programs alike."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.core.validators import RegexValidator
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from phonenumber_field.formfields import PhoneNumberField

from clinics.form_fields import IdempotencyKeyField, IdField
from leads.models import Lead

YES: Final = frozenset({"true", "on", "1", "yes"})
NO: Final = frozenset({"", "false", "off", "0", "no"})


class ExplicitCheckbox(forms.CheckboxInput):
    """A box that tells «no» from nonsense: consent must not be read into a value nobody meant as yes."""

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        value = str(data.get(name, "")).strip().lower()
        return True if value in YES else False if value in NO else value


class ExplicitBooleanField(forms.BooleanField):
    widget = ExplicitCheckbox

    def to_python(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise forms.ValidationError(_("Say true or false."), code="invalid")
        return value


class EnquiryForm(forms.Form):
    """`POST /contact-clinic` as PRODUCT's routes name its fields. Says nothing about billing."""

    clinic_id = IdField(widget=forms.HiddenInput)
    patient_name = forms.CharField(
        label=_("Your name"),
        max_length=120,
        validators=[RegexValidator(r"[^\W\d_]", _("Please write your name in letters."))],
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    mobile_number = PhoneNumberField(
        label=_("Mobile number"),
        region="IN",
        error_messages={
            "invalid": _("Please check the number: ten digits for India, or with + and country code.")
        },
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "inputmode": "tel"}),
    )
    email = forms.EmailField(
        label=_("E-mail"),
        required=False,
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    city = forms.CharField(
        label=_("City"),
        required=False,
        max_length=80,
        validators=[RegexValidator(r"^[^\d@]*$", _("A city has no digits."))],
        widget=forms.TextInput(attrs={"autocomplete": "address-level2"}),
    )
    package_id = IdField(label=_("Treatment"), required=False)
    procedure_name = forms.CharField(label=_("Treatment you ask about"), required=False, max_length=200)
    message = forms.CharField(
        label=_("Message"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )
    preferred_date = forms.DateField(
        label=_("Preferred date"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    contact_intent = forms.ChoiceField(label=_("Reach me by"), choices=Lead.Intent.choices, required=False)
    source = forms.SlugField(required=False, max_length=40, widget=forms.HiddenInput)
    is_minor = ExplicitBooleanField(label=_("The patient is younger than 18"), required=False)
    guardian_name = forms.CharField(label=_("Parent's or guardian's name"), required=False, max_length=120)
    consent_given = ExplicitBooleanField(
        label=_("I agree"), error_messages={"required": _("We need your consent to pass your enquiry on.")}
    )
    website = forms.CharField(label=_("Leave this empty"), required=False, max_length=500)  # honeypot
    idempotency_key = IdempotencyKeyField(widget=forms.HiddenInput)

    def clean_source(self) -> str:
        return self.cleaned_data["source"].lower() or "web"

    def clean_contact_intent(self) -> str:
        return self.cleaned_data["contact_intent"] or Lead.Intent.CALL

    def clean_preferred_date(self) -> Any:
        date = self.cleaned_data["preferred_date"]
        today = timezone.localdate()
        if date and not today <= date <= today + timedelta(days=366):
            raise forms.ValidationError(_("Please choose a day within the next year."), code="out_of_range")
        return date

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("is_minor") and not data.get("guardian_name"):
            self.add_error(
                "guardian_name", _("Please name a parent or guardian for a patient younger than 18.")
            )
        return data


class PartnerEnquiryForm(EnquiryForm):
    """A partner's program may send the price of the treatment instead of one of the clinic's packages."""

    package_price = forms.DecimalField(required=False, min_value=0, max_digits=12, decimal_places=2)

    def clean_package_price(self) -> Decimal | None:
        """To the paisa: Django lets «0e2000000000» pass, the database does not."""
        price: Decimal | None = self.cleaned_data["package_price"]
        return price if price is None else Decimal("0.00") if price == 0 else price.quantize(Decimal("0.01"))
