"""What the pages and the JSON routes of a clinic's disputes share: whose they are, and what a refusal answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.http import FileResponse, Http404, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from clinics.idempotency import KeyUsedForAnother
from clinics.models import Clinic
from clinics.surfaces import OWNER_AND_BILLING
from credits.services.ledger import DisputeAlreadyDecided
from disputes.evidence.storage import EvidenceRefused, logger, path_of, preview_path_of
from disputes.evidence.texts import refusal_text
from disputes.models import MOST_FILES, Evidence, LeadDispute
from disputes.services.cases import REFUSAL_TEXTS, DisputeRefused
from disputes.services.filing import TextRefused, TooManyFiles, contacts_shown
from leads.models import Lead

ACTORS: Final = OWNER_AND_BILLING
KEY_REUSED: Final = "idempotency_key_reused"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why nothing was done: status and code for programs, messages for people, and the field they belong to."""

    status: int
    code: str
    messages: list[str]
    field: str | None = None


def attempt(act: Callable[[], LeadDispute]) -> LeadDispute | Problem:
    """What `act` made, or the problem that kept it from it."""
    try:
        return act()
    except DisputeRefused as refusal:
        return Problem(409, refusal.code, [str(REFUSAL_TEXTS[refusal.code])])
    except DisputeAlreadyDecided:
        return Problem(409, "already_decided", [_("This dispute was decided meanwhile.")])
    except KeyUsedForAnother:
        return Problem(
            409,
            KEY_REUSED,
            [_("You sent this form before, with other contents. To send it as it is now, send it again.")],
        )
    except (TextRefused, TooManyFiles, EvidenceRefused) as refused:
        return input_problem(refused)


def input_problem(refused: TextRefused | TooManyFiles | EvidenceRefused) -> Problem:
    """What was sent is not taken as it is."""
    if isinstance(refused, TextRefused):
        return Problem(400, "invalid", [str(refused)], refused.field)
    if isinstance(refused, TooManyFiles):
        too_many = _("A dispute has at most %(number)d files in all.") % {"number": MOST_FILES}
        return Problem(400, "invalid", [too_many], "evidence")
    codes = list(refused.refusals.values())
    messages = [
        _("File %(number)d: %(problem)s") % {"number": position + 1, "problem": refusal_text(code)}
        for position, code in refused.refusals.items()
    ]
    if "too_large" in codes:
        return Problem(413, "too_large", messages, "evidence")
    return Problem(400, "invalid", messages, "evidence")


def own_lead(clinic: Clinic, lead_id: int) -> Lead:
    leads = Lead.objects.select_related("package", "treatment", "partner")
    return get_object_or_404(leads, pk=lead_id, clinic=clinic)


def own_dispute(clinic: Clinic, dispute_id: int) -> LeadDispute:
    return get_object_or_404(
        LeadDispute.objects.select_related("lead", "clinic"), pk=dispute_id, clinic=clinic
    )


def own_evidence(clinic: Clinic, dispute_id: int, evidence_id: int) -> Evidence:
    """A file about a patient whose contact the clinic may see now. Raises Http404."""
    files = Evidence.objects.filter(dispute=dispute_id, dispute__clinic=clinic)
    return get_object_or_404(files, pk=evidence_id, dispute__lead__in=contacts_shown().values("pk"))


def evidence_response(evidence: Evidence) -> HttpResponseBase:
    """The file, to be saved and never shown by the browser itself. Each caller has checked who asks."""
    try:
        file = path_of(evidence.stored_name).open("rb")
    except FileNotFoundError as error:
        logger.error(f"Evidence: the file of {evidence.pk} is gone")
        raise Http404 from error
    response = FileResponse(
        file, as_attachment=True, filename=evidence.original_name, content_type=evidence.media_type
    )
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "no-store, private"
    return response


def preview_response(evidence: Evidence) -> HttpResponseBase:
    """The small picture that was drawn when the file came, to be shown on a page of ours. Each caller has checked who
    asks. Nothing is decoded here: a picture of a stranger's costs as much as it likes.
    """
    try:
        file = preview_path_of(evidence.stored_name).open("rb")
    except FileNotFoundError as error:
        raise Http404("no preview") from error
    response = FileResponse(file, content_type="image/jpeg")
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    # Kept by nobody, like the file: the next person at this machine may not be a member.
    response["Cache-Control"] = "no-store, private"
    return response
