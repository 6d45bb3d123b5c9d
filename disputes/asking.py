"""Other terms of a reason, asked for on the policy's page (rule 7)."""

from typing import Any

from django import forms
from django.http import HttpRequest

from clinics.admin.asking import AskForm, Asking
from clinics.models import StaffRequest
from clinics.requests import Why
from disputes.services.policy import POLICY_LABELS, ask_policy


class PolicyForm(AskForm):
    heading = "Ask for a change of the dispute policy"
    is_accepted = forms.BooleanField(label="Accepted", required=False)
    window_days = forms.IntegerField(label="Days from delivery", min_value=0, max_value=365)
    evidence_needed = forms.BooleanField(label="At least one file needed", required=False)
    least_contact_attempts = forms.IntegerField(label="Least contact attempts", min_value=0, max_value=99)
    suggested_percent = forms.IntegerField(
        label="Suggested, per cent", required=False, min_value=0, max_value=100
    )
    partner_percent = forms.IntegerField(
        label="Suggested where a partner sent the lead, per cent", required=False, min_value=0, max_value=100
    )
    is_automatic = forms.BooleanField(
        label="Approved by itself", required=False, help_text="Where the books prove it: duplicates alone."
    )
    guidance = forms.CharField(label="What the clinic reads", max_length=300)

    def initial_of(self, request: HttpRequest) -> dict[str, Any]:
        return {name: getattr(self.row, name) for name in POLICY_LABELS}

    def submit(self, why: Why) -> StaffRequest:
        return ask_policy(policy=self.row, terms=self.typed(), why=why)


POLICY = Asking("ask-change", "Ask for a change", PolicyForm)
