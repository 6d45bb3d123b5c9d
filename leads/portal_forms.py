"""What a clinic's member sends from the portal."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clinics.form_fields import BIGGEST_ID, IdempotencyKeyField, IdField
from leads.models import ContactAttempt, Lead


class StatusForm(forms.Form):
    """`POST /clinic/leads/update-status`, for people and programs alike."""

    lead_id = IdField()
    status = forms.ChoiceField(choices=Lead.Status.choices)


class SearchForm(forms.Form):
    """One box: a lead's number, or a patient's name or phone. Sent by POST: names don't belong into addresses."""

    q = forms.CharField(label=_("Search"), max_length=100, min_length=1)


class AttemptForm(forms.Form):
    """`POST /clinic/leads/1/attempts`: a link that was tapped, or a call by another phone with how it went."""

    kind = forms.TypedChoiceField(choices=ContactAttempt.Kind.choices, coerce=ContactAttempt.Kind)
    outcome = forms.TypedChoiceField(
        choices=ContactAttempt.Outcome.choices,
        coerce=ContactAttempt.Outcome,
        required=False,
        empty_value=ContactAttempt.Outcome.OPENED,
    )
    idempotency_key = IdempotencyKeyField()


class OutcomeForm(forms.Form):
    """`POST /clinic/attempts/1/outcome`: how it went; «link opened» is where it started."""

    outcome = forms.TypedChoiceField(
        choices=[one for one in ContactAttempt.Outcome.choices if one[0] != ContactAttempt.Outcome.OPENED],
        coerce=ContactAttempt.Outcome,
    )


class IdsField(forms.CharField):
    """Ids with commas between them, as a set; none for nothing."""

    default_validators = [RegexValidator(r"^[0-9]{1,19}(,[0-9]{1,19})*$")]  # noqa: RUF012  (Django's own attribute)

    def __init__(self) -> None:
        super().__init__(required=False, max_length=4000)

    def clean(self, value: Any) -> set[int]:
        text = str(super().clean(value))
        ids = {int(number) for number in text.split(",")} if text else set()
        return {number for number in ids if number <= BIGGEST_ID}


class MomentField(forms.CharField):
    """A moment of this century to the microsecond, as `isoformat` writes it."""

    def clean(self, value: Any) -> datetime:
        text = str(super().clean(value))
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as problem:
            raise forms.ValidationError(_("This is not a moment.")) from problem
        if not 2000 < moment.year < 2100:
            raise forms.ValidationError(_("This is not a moment."))
        aware = moment if timezone.is_aware(moment) else timezone.make_aware(moment)
        return aware.astimezone(UTC)  # PostgreSQL reads no offset beyond 16 hours


class NewsForm(forms.Form):
    """`GET /clinic/leads/news`: what the page shows, so that it is told the rest.

    `clinic` is the one whose leads it shows; `since` and `sequence` say how far its account was read; `known` and
    `held` are the leads in its list; with `peek` it asks only how many there are.
    """

    clinic = IdField()
    since = MomentField(max_length=40)
    sequence = forms.IntegerField(min_value=0, max_value=BIGGEST_ID)
    known = IdsField()
    held = IdsField()
    peek = forms.BooleanField(required=False)
