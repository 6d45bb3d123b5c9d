"""What a clinic's member sends from the portal."""

from django import forms

from clinics.form_fields import IdField
from leads.models import Lead


class StatusForm(forms.Form):
    """`POST /clinic/leads/update-status`, for people and programs alike."""

    lead_id = IdField()
    status = forms.ChoiceField(choices=Lead.Status.choices)


class SearchForm(forms.Form):
    """One box: a lead's number, or a patient's name or phone. Sent by POST: names don't belong into addresses."""

    q = forms.CharField(label="Search", max_length=100, min_length=1)
