"""What staff send from the queue and from the page of a case."""

from decimal import Decimal
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from disputes.desk.texts import APPROVAL_CODES, REJECTION_CODES
from disputes.free_text import patient_data_in
from disputes.services.bulk import MOST_AT_ONCE
from disputes.services.decide import Action

MOST_CHARACTERS: Final = 2000
REASON_CODES: Final = [
    ("", "Choose …"),
    ("To approve", [(code.value, code.label) for code in APPROVAL_CODES]),
    ("To reject", [(code.value, code.label) for code in REJECTION_CODES]),
]
FITTING: Final = {Action.APPROVE: APPROVAL_CODES, Action.REJECT: REJECTION_CODES}


def check_reason_code(form: forms.Form, action: str) -> None:
    """The closed list differs by what is decided; a question to the clinic needs none."""
    code = form.cleaned_data.get("reason_code")
    fitting = FITTING.get(Action(action))
    if fitting is None or "reason_code" in form.errors:
        return
    if not code:
        form.add_error("reason_code", "Choose a reason.")
    elif code not in fitting:
        form.add_error("reason_code", f"This is no reason to {action}.")


def without_patient_data(text: str) -> str:
    """Staff may have seen the contact just now; what they write is kept for years, and clinics read it.

    The patient's name is not looked for: the answer would tell whoever guesses it.
    """
    found = patient_data_in(text, ())
    if found is not None:
        raise ValidationError(found)
    return text


def text_area(rows: int) -> forms.Textarea:
    return forms.Textarea({"rows": rows, "cols": 40})


class DecisionForm(forms.Form):
    """`POST /admin/disputes/<id>/resolve`, for people and programs alike. The amount counts for an approval alone."""

    action = forms.ChoiceField(
        label="Decision",
        choices=[
            (Action.APPROVE.value, "Approve"),
            (Action.REJECT.value, "Reject"),
            (Action.ASK.value, "Ask"),
        ],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose what to do."},
    )
    refund_amount = forms.DecimalField(
        label="Credits that come back",
        required=False,
        max_digits=12,
        decimal_places=2,
        min_value=Decimal("0.01"),
        widget=forms.NumberInput({"step": "0.01", "inputmode": "decimal"}),
        error_messages={"min_value": "At least ₹0.01 comes back; otherwise reject."},
    )
    reason_code = forms.ChoiceField(label="Reason", required=False, choices=REASON_CODES)
    admin_notes = forms.CharField(
        label="What the clinic will read",
        max_length=MOST_CHARACTERS,
        widget=text_area(4),
        error_messages={"required": "Write what the clinic will read."},
    )

    def __init__(self, data: Any = None, *, rest: Decimal, **kwargs: Any) -> None:
        super().__init__(data, label_suffix="", **kwargs)
        self.rest = rest
        self.fields["refund_amount"].widget.attrs["max"] = str(rest)

    def clean_admin_notes(self) -> str:
        return without_patient_data(self.cleaned_data["admin_notes"])

    def clean(self) -> dict[str, Any]:
        action = self.cleaned_data.get("action")
        if action:
            check_reason_code(self, action)
        if action == Action.APPROVE:
            self._check_amount()
        elif action:
            # The page sends the amount it suggested along with any decision; only an approval means it.
            self.errors.pop("refund_amount", None)
            self.cleaned_data["refund_amount"] = None
        return self.cleaned_data

    def _check_amount(self) -> None:
        if "refund_amount" in self.errors:
            return
        amount = self.cleaned_data.get("refund_amount")
        if amount is None:
            self.add_error("refund_amount", "Say how many credits come back.")
        elif amount > self.rest:
            self.add_error("refund_amount", f"At most ₹{self.rest} of this lead's cost can still come back.")


class NoteForm(forms.Form):
    text = forms.CharField(
        label="Note among staff", max_length=MOST_CHARACTERS, widget=text_area(2),
        error_messages={"required": "Write the note first."},
    )  # fmt: skip

    def clean_text(self) -> str:
        return without_patient_data(self.cleaned_data["text"])


class AssignForm(forms.Form):
    to = forms.ChoiceField(choices=[("me", "me"), ("nobody", "nobody")])


class ContactForm(forms.Form):
    reason = forms.CharField(
        label="Why do you need it?", min_length=10, max_length=200,
        widget=forms.TextInput({"autocomplete": "off"}),
        error_messages={"required": "Say why you need it.", "min_length": "Say it in at least 10 characters."},
    )  # fmt: skip

    def clean_reason(self) -> str:
        return without_patient_data(self.cleaned_data["reason"])


class BulkForm(forms.Form):
    """Several ticked disputes: one action, one reason and one text for all of them."""

    TAKE: Final = "take"

    action = forms.ChoiceField(
        label="Action",
        choices=[
            (Action.APPROVE.value, "Approve the suggested amounts"),
            (Action.REJECT.value, "Reject"),
            (TAKE, "Assign to me"),
        ],
    )
    reason_code = forms.ChoiceField(label="Reason", required=False, choices=REASON_CODES)
    admin_notes = forms.CharField(
        label="What the clinics will read", required=False, max_length=MOST_CHARACTERS, widget=text_area(2)
    )
    dispute = forms.Field(required=False)

    def clean_admin_notes(self) -> str:
        return without_patient_data(self.cleaned_data["admin_notes"])

    def clean_dispute(self) -> list[int]:
        assert isinstance(self.data, QueryDict)
        ticked = self.data.getlist("dispute")
        if not ticked:
            raise ValidationError("Tick at least one dispute.")
        if len(ticked) > MOST_AT_ONCE:
            raise ValidationError(f"At most {MOST_AT_ONCE} at once.")
        if not all(len(one) <= 18 and one.isascii() and one.isdecimal() for one in ticked):
            raise ValidationError("These are no disputes.")
        return [int(one) for one in ticked]

    def clean(self) -> dict[str, Any]:
        action = self.cleaned_data.get("action")
        if action and action != self.TAKE:
            check_reason_code(self, action)
            if not self.cleaned_data.get("admin_notes") and "admin_notes" not in self.errors:
                self.add_error("admin_notes", "Write what the clinics will read.")
        return self.cleaned_data
