"""Which leads to show."""

import re
from typing import Any, Final

import django_filters
import phonenumbers
from django import forms
from django.conf import settings
from django.db.models import CharField, Q, Subquery
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _

from clinics.filters import DaysFilterSet
from clinics.form_fields import IdField
from clinics.models import Clinic
from leads.models import Lead, LeadContact
from leads.models.lead import LeadQuerySet
from leads.sources import name_of_source

LEAD_NUMBER: Final = re.compile(r"(?:lead\s*|#)?([0-9]{1,18})", re.IGNORECASE)
FEWEST_DIGITS: Final = 4


class IdFilter(django_filters.Filter):
    field_class = IdField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.HiddenInput, **kwargs)


class LeadFilter(DaysFilterSet):
    """The leads of one clinic. `lead` shows one of them; `before` goes on after that lead (keyset paging)."""

    delivery = django_filters.ChoiceFilter(
        field_name="delivery_state",
        choices=Lead.DeliveryState.choices,
        label=_("Delivery"),
        empty_label=_("All"),
    )
    status = django_filters.ChoiceFilter(
        method="with_status", choices=Lead.Status.choices, label=_("Your status"), empty_label=_("All")
    )
    treatment = django_filters.ChoiceFilter(
        field_name="treatment_id", label=_("Treatment"), empty_label=_("All")
    )
    source = django_filters.ChoiceFilter(label=_("Source"), empty_label=_("All"))
    unread = django_filters.ChoiceFilter(
        method="not_opened", choices=[("1", _("Unread"))], widget=forms.HiddenInput
    )
    lead = IdFilter(field_name="pk")
    before = IdFilter(method="older_than")

    def __init__(
        self, data: Any, *, queryset: LeadQuerySet, treatments: list[Any], sources: list[str]
    ) -> None:
        super().__init__(data, queryset=queryset)
        self.filters["treatment"].extra["choices"] = [(one["pk"], one["name"]) for one in treatments]
        self.filters["source"].extra["choices"] = [(source, name_of_source(source)) for source in sources]

    def filter_queryset(self, queryset: LeadQuerySet) -> LeadQuerySet:
        """Leads that expired ask for nothing any more: only a list that is narrowed down shows them."""
        leads: LeadQuerySet = super().filter_queryset(queryset)
        return leads if self.how_many() else leads.not_expired()

    def with_status(self, leads: LeadQuerySet, name: str, status: str) -> LeadQuerySet:
        """Only leads the clinic received have a working status."""
        return leads.received().filter(status=status)

    def not_opened(self, leads: LeadQuerySet, name: str, unread: str) -> LeadQuerySet:
        return leads.unread()

    def older_than(self, leads: LeadQuerySet, name: str, lead_id: int) -> LeadQuerySet:
        last = self.queryset.filter(pk=lead_id)  # none where it is another clinic's
        arrived_at = Subquery(last.values("created_at")[:1])
        return leads.filter(Q(created_at__lt=arrived_at) | Q(pk__lt=lead_id), created_at__lte=arrived_at)

    @property
    def is_refined(self) -> bool:
        """True when something is chosen that the quick filters don't offer."""
        chosen = self.form.cleaned_data if self.is_valid() else {}
        return any(chosen.get(name) for name in ("treatment", "source", "date_from", "date_to"))

    @property
    def is_whole(self) -> bool:
        """The newest of all leads: nothing narrows the list, and it was not paged on."""
        return self.is_valid() and not any(self.form.cleaned_data.values())

    def how_many(self) -> int:
        return super().how_many() - bool(self.form.cleaned_data.get("before"))  # paging narrows nothing


def found_by(text: str, clinic: Clinic, leads: LeadQuerySet) -> LeadQuerySet:
    """Leads of this number, or whose patient is called so or has such a phone, as far as the clinic may see them."""
    contacts = LeadContact.objects.visible().filter(clinic=clinic).alias(written=Cast("phone", CharField()))
    found = Q(pk__in=contacts.filter(Q(name__icontains=text) | phone_like(text)).values("pk"))
    if number := LEAD_NUMBER.fullmatch(text):
        found |= Q(pk=int(number[1]))
    return leads.filter(found)


def phone_like(text: str) -> Q:
    """A whole number in any usual writing, or at least four digits of one."""
    digits = re.sub(r"[^0-9]", "", text)
    if len(digits) < FEWEST_DIGITS or re.search(r"[^\W\d_]", text):
        return Q(pk__in=[])
    try:
        number = phonenumbers.parse(text, settings.PHONENUMBER_DEFAULT_REGION)
    except phonenumbers.NumberParseException:
        return Q(written__contains=digits)
    if phonenumbers.is_valid_number(number):
        return Q(phone=phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return Q(written__contains=digits)
