"""What a clinic sends about a dispute, for people and programs alike."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django import forms
from django.core.validators import RegexValidator
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django_stubs_ext import StrOrPromise

from clinics.models import IDEMPOTENCY_KEY_MAX_LENGTH
from disputes.evidence.storage import Upload
from disputes.free_text import plain
from disputes.models import MOST_FILES, DisputeType
from disputes.services.reasons import Reason
from leads.models import Lead

MOST_CHARACTERS: Final = 2000
ACCEPTED_FILES: Final = "image/jpeg,image/png,image/webp,application/pdf"
SINGLE: Final = _("This takes a single value.")


class FilesInput(forms.FileInput):
    allow_multiple_selected = True

    def value_from_datadict(
        self, data: Mapping[str, Any], files: MultiValueDict[str, Upload], name: str
    ) -> list[Upload]:
        return files.getlist(name) if isinstance(files, MultiValueDict) else []


class FilesField(forms.Field):
    """Some files, or none. What is in them is judged by `disputes.evidence`, not here."""

    widget = FilesInput

    def clean(self, value: list[Upload]) -> list[Upload]:
        if len(value) > MOST_FILES:
            raise forms.ValidationError(
                ngettext("At most %(number)d file.", "At most %(number)d files.", MOST_FILES)
                % {"number": MOST_FILES},
                code="too_many",
            )
        return value


class TextField(forms.CharField):
    """A few sentences. What they say of the patient is looked at where they are filed: it depends on the lead."""

    def __init__(self, label: StrOrPromise) -> None:
        super().__init__(label=label, min_length=10, max_length=MOST_CHARACTERS, widget=forms.Textarea)
        self.error_messages["required"] = _("Please say what happened.")

    def to_python(self, value: Any) -> str:
        text = str(super().to_python(value) or "")
        if "\x00" in text:
            raise forms.ValidationError(
                _("Null characters are not allowed."), code="null_characters_not_allowed"
            )
        return plain(text.replace("\r\n", "\n"))


class CaseForm(forms.Form):
    """What all of them share: a text, files, and a key against double taps."""

    text_name: ClassVar[str]

    evidence = FilesField(label=_("Files"), required=False)
    idempotency_key = forms.CharField(
        required=False,
        max_length=IDEMPOTENCY_KEY_MAX_LENGTH,
        validators=[RegexValidator(r"^[\x21-\x7e]*$", _("A key is printable ASCII without spaces."))],
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if isinstance(self.data, MultiValueDict):
            for name in self.fields.keys() & self.data.keys():
                if len(self.data.getlist(name)) > 1:
                    self.add_error(name, SINGLE)
        return data


class DisputeForm(CaseForm):
    """`POST /clinic/disputes/create/<lead_id>`"""

    text_name = "description"

    dispute_type = forms.ChoiceField(
        label=_("Reason"),
        choices=DisputeType.choices,
        error_messages={"required": _("Please choose a reason.")},
    )
    description = TextField(_("What happened?"))

    def __init__(self, *args: Any, lead: Lead, reasons: list[Reason], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lead = lead
        self.reasons = {reason.dispute_type: reason for reason in reasons}

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        reason = self.reasons.get(data.get("dispute_type", ""))
        if reason and reason.policy.evidence_needed and "evidence" in data and not data["evidence"]:
            self.add_error("evidence", _("This reason needs at least one file."))
        return data


class AppealForm(CaseForm):
    """`POST /clinic/disputes/<id>/appeal`"""

    text_name = "description"

    description = TextField(_("Why should another person look at it?"))


class AnswerForm(CaseForm):
    """`POST /clinic/disputes/<id>/answer`"""

    text_name = "answer"

    answer = TextField(_("Your answer"))
