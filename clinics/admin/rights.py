"""Rights of staff, asked for on the user's page (rule 7)."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.http import HttpRequest

from clinics.admin.asking import AskForm, Asking
from clinics.models import StaffRequest, User
from clinics.requests import Why, as_text
from clinics.staff_rights import LABELS, ask_rights, rights_of


class RightsForm(AskForm):
    right = "clinics.request_rights"
    heading = "Ask for rights in the back office"
    is_active = forms.BooleanField(label="Active", required=False)
    is_staff = forms.BooleanField(label="Staff", required=False, help_text="May open the back office.")
    is_superuser = forms.BooleanField(
        label="Superuser", required=False, help_text="Sees and asks for everything; decides nothing alone."
    )
    groups = forms.ModelMultipleChoiceField(
        queryset=Group.objects.order_by("name"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def initial_of(self, request: HttpRequest) -> dict[str, Any]:
        user: User = self.row
        return {**rights_of(user), "groups": list(user.groups.all())}

    def facts(self) -> Sequence[tuple[str, str]]:
        return [(LABELS[name] + " now", as_text(value)) for name, value in rights_of(self.row).items()]

    def submit(self, why: Why) -> StaffRequest:
        typed = self.typed()
        groups = [group.name for group in typed.pop("groups")]
        return ask_rights(user=self.row, groups=groups, why=why, **typed)


RIGHTS = Asking("ask-rights", "Ask for rights", RightsForm)
