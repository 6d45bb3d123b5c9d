"""The switches of one person of finance, on the pages of the rules and of accounts; each with a reason."""

from typing import Any

from django import forms
from django.http import HttpRequest

from clinics.admin.asking import AskForm, Asking
from clinics.admin.reasons import names_nobody
from clinics.requests import Why
from credits.services import switches


class SwitchForm(AskForm):
    """Says what it will do: stop or resume, by how things stand when the page is opened, and does just that."""

    off: str  # what stopping is called, and resuming
    on: str
    to = forms.ChoiceField(choices=[("off", "off"), ("on", "on")], widget=forms.HiddenInput)
    reason = forms.CharField(
        label="Why",
        max_length=switches.LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        help_text="For the log and the trail. Nobody's name or number.",
        validators=[names_nobody],
    )

    def __init__(self, request: HttpRequest, row: Any, data: Any = None) -> None:
        super().__init__(request, row, data)
        del self.fields["reason_code"]
        wanted = data.get("to") if data is not None else self.initial["to"]
        self.heading = self.button = self.on if wanted == "on" else self.off

    def initial_of(self, request: HttpRequest) -> dict[str, Any]:
        return {"to": "on" if self.is_off() else "off"}

    def is_off(self) -> bool:
        raise NotImplementedError

    def throw(self, *, reason: str, is_on: bool) -> bool:
        """False where it stood so already."""
        raise NotImplementedError

    def submit(self, why: Why) -> str:
        is_on = self.cleaned_data["to"] == "on"
        changed = self.throw(reason=why.reason, is_on=is_on)
        return f"Done: {self.heading.lower()}." if changed else "Nothing was changed: it stood so already."


class ChargingForm(SwitchForm):
    right = "credits.change_billingrules"
    off, on = "Stop charging", "Resume charging"

    def is_off(self) -> bool:
        return self.row.charging_stopped_at is not None

    def throw(self, *, reason: str, is_on: bool) -> bool:
        return (switches.resume_charging if is_on else switches.stop_charging)(reason=reason)


class TopUpsForm(SwitchForm):
    right = "credits.change_billingrules"
    off, on = "Stop top-ups", "Resume top-ups"

    def is_off(self) -> bool:
        return self.row.top_ups_stopped_at is not None

    def throw(self, *, reason: str, is_on: bool) -> bool:
        return (switches.resume_top_ups if is_on else switches.stop_top_ups)(reason=reason)


class FreezeForm(SwitchForm):
    right = "credits.change_creditaccount"
    off, on = "Freeze this clinic", "Lift the freeze"

    def is_off(self) -> bool:
        return self.row.frozen_at is not None

    def throw(self, *, reason: str, is_on: bool) -> bool:
        switch = switches.unfreeze_clinic if is_on else switches.freeze_clinic
        return switch(clinic=self.row.clinic, reason=reason)


CHARGING = Asking("switch-charging", "Stop or resume charging", ChargingForm)
TOP_UPS = Asking("switch-top-ups", "Stop or resume top-ups", TopUpsForm)
FREEZE = Asking("switch-freeze", "Freeze or lift the freeze", FreezeForm)
