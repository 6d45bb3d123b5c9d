"""The form of a clinic's profile: its seven rows of opening hours, and a GSTIN that fits its state."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from django import forms
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from phonenumber_field.formfields import PhoneNumberField

from clinics.gstin import validate_gstin
from clinics.models import Clinic
from clinics.states import STATES

# As they stand in the database and in imported lists.
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LONGEST_HOURS: Final = 80
MOST_SPECIALTIES: Final = 30
LONGEST_SPECIALTY: Final = 120


def week_of(clinic: Clinic) -> list[tuple[Any, str]]:
    """Each day's name, in the reader's language, and its hours as the clinic wrote them."""
    return [(WEEKDAYS[number], clinic.operating_hours.get(day, "")) for number, day in enumerate(DAYS)]


def state_choices() -> list[tuple[str, str]]:
    """By their names, as people look for them."""
    return sorted(((code, _(name)) for code, name in STATES.items()), key=lambda state: state[1])


class ProfileForm(forms.ModelForm[Clinic]):
    """The clinic's slug is not here: its page's address is on paper and in other people's links."""

    phone = PhoneNumberField(
        label=gettext_lazy("Phone"),
        required=False,
        widget=forms.TextInput({"type": "tel", "autocomplete": "tel", "inputmode": "tel"}),
    )
    website_url = forms.URLField(
        label=gettext_lazy("Website"),
        required=False,
        max_length=500,
        assume_scheme="https",
        widget=forms.TextInput({"inputmode": "url", "autocomplete": "url", "autocapitalize": "none"}),
    )
    pincode = forms.CharField(
        label=gettext_lazy("PIN code"),
        required=False,
        max_length=12,  # «380 009», as it stands on paper
        widget=forms.TextInput({"inputmode": "numeric", "autocomplete": "postal-code"}),
    )
    gstin = forms.CharField(
        label="GSTIN",
        required=False,
        max_length=30,  # spaces and all, as it stands on paper
        help_text=gettext_lazy("15 characters. Leave it empty if you have none."),
        widget=forms.TextInput(
            {"autocapitalize": "characters", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    state = forms.ChoiceField(label=gettext_lazy("State"), choices=state_choices)
    specialties = forms.CharField(
        label=gettext_lazy("Specialties"),
        required=False,
        max_length=MOST_SPECIALTIES * LONGEST_SPECIALTY,
        help_text=gettext_lazy("One on each line."),
        widget=forms.Textarea({"rows": 3}),
    )

    class Meta:
        model = Clinic
        fields = ("name", "address", "city", "state", "pincode", "gstin", "phone", "email", "website_url")
        labels: ClassVar[dict[str, Any]] = {
            "name": gettext_lazy("Name"),
            "address": gettext_lazy("Address"),
            "city": gettext_lazy("City"),
            "email": gettext_lazy("E-mail"),
        }
        widgets: ClassVar[dict[str, Any]] = {
            "name": forms.TextInput({"autocomplete": "organization"}),
            "address": forms.Textarea({"rows": 3, "autocomplete": "street-address"}),
            "city": forms.TextInput({"autocomplete": "address-level2"}),
            "email": forms.EmailInput({"autocomplete": "email"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["specialties"] = "\n".join(self.instance.specialties)
        for number, day in enumerate(DAYS):
            self.initial[f"hours_{number}"] = self.instance.operating_hours.get(day, "")
            self.fields[f"hours_{number}"] = forms.CharField(
                label=WEEKDAYS[number],
                required=False,
                max_length=LONGEST_HOURS,
                widget=forms.TextInput(
                    {"list": "usual-hours", "autocomplete": "off", "class": "form-control"}
                ),
            )

    def hours(self) -> Iterator[forms.BoundField]:
        """The seven rows."""
        return (self[f"hours_{number}"] for number in range(len(DAYS)))

    def values(self) -> dict[str, Any]:
        """What the fields say, as the columns hold it."""
        typed = dict(self.cleaned_data)
        hours = [typed.pop(f"hours_{number}") for number in range(len(DAYS))]
        return typed | {"operating_hours": {day: text for day, text in zip(DAYS, hours, strict=True) if text}}

    def clean_gstin(self) -> str:
        gstin = re.sub(r"\s", "", self.cleaned_data["gstin"]).upper()
        if gstin:
            validate_gstin(gstin)
        return gstin

    def clean_pincode(self) -> str:
        pincode = re.sub(r"\s", "", self.cleaned_data["pincode"])
        if pincode and not re.fullmatch(r"[1-9][0-9]{5}", pincode):
            raise forms.ValidationError(_("A PIN code has six digits and does not begin with 0."))
        return pincode

    def clean_specialties(self) -> list[str]:
        lines = [" ".join(line.split()) for line in self.cleaned_data["specialties"].splitlines()]
        specialties = list(dict.fromkeys(line for line in lines if line))
        if len(specialties) > MOST_SPECIALTIES:
            raise forms.ValidationError(_("At most %(most)d, please.") % {"most": MOST_SPECIALTIES})
        if any(len(specialty) > LONGEST_SPECIALTY for specialty in specialties):
            problem = _("At most %(most)d characters on each line, please.")
            raise forms.ValidationError(problem % {"most": LONGEST_SPECIALTY})
        return specialties

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        gstin, state = values.get("gstin"), values.get("state")
        if gstin and state and not gstin.startswith(state):
            home = STATES.get(gstin[:2])
            if home is None:
                problem = _("The first two digits of a GSTIN are the code of its state, and this is none.")
            else:
                problem = _("This GSTIN belongs to %(state)s. Choose that state, or check the number.")
                problem = problem % {"state": _(home)}
            self.add_error("gstin", problem)
        return values
