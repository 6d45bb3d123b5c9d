"""What a clinic does with a dispute, with its text and files, once for each key.

Files are judged and stored before the transaction and removed again when it fails; what a crash leaves behind,
`forget_old_data` finds.
"""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from clinics.idempotency import KeyUsedForAnother, body_digest, claim
from clinics.models import Clinic, IdempotencyKey, User
from credits.services.ledger import DisputeAlreadyDecided
from credits.services.topups import ClaimedKey
from disputes.evidence import storage
from disputes.free_text import patient_data_in
from disputes.models import MOST_FILES, Evidence, LeadDispute
from disputes.services import cases
from leads.models import Lead, LeadContact


class TooManyFiles(Exception):
    """With the files it has already, the dispute would have more than MOST_FILES."""


class TextRefused(Exception):
    """The text of a field tells who the patient is; the message says to a person what to leave out."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Sent:
    """Who sends what to which clinic's disputes. `key` is the caller's idempotency key, empty for none."""

    clinic: Clinic
    by: User
    files: Sequence[storage.Upload] = ()
    key: str = ""


def contacts_shown() -> QuerySet[LeadContact]:
    """Contacts that may be seen now: a text is compared with these alone, and files about these alone are opened."""
    return LeadContact.objects.visible().filter(erased_at=None)


def file_dispute(*, sent: Sent, lead: Lead, dispute_type: str, description: str) -> LeadDispute:
    """Raises LeadNotFound, DisputeRefused, TextRefused, EvidenceRefused, KeyUsedForAnother."""

    def check() -> None:
        if refusal := cases.refusals(lead).get(dispute_type, "not_accepted"):
            raise cases.DisputeRefused(refusal)
        _check_text("description", description, lead.pk)

    def act() -> LeadDispute:
        return cases.file_dispute(
            clinic=sent.clinic, lead=lead, dispute_type=dispute_type, description=description, by=sent.by
        )

    body = {"lead": lead.pk, "dispute_type": dispute_type, "description": description}
    return _once(sent, "/clinic/disputes/create", body, check, act)


def appeal(*, sent: Sent, dispute: LeadDispute, description: str) -> LeadDispute:
    """Raises DisputeRefused, TextRefused, EvidenceRefused, KeyUsedForAnother."""

    def check() -> None:
        if refusal := cases.appeal_refusal(dispute):
            raise cases.DisputeRefused(refusal)
        _check_text("description", description, dispute.lead_id)

    def act() -> LeadDispute:
        return cases.appeal(dispute=dispute, description=description, by=sent.by)

    return _once(
        sent, "/clinic/disputes/appeal", {"dispute": dispute.pk, "description": description}, check, act
    )


def answer(*, sent: Sent, dispute: LeadDispute, text: str) -> LeadDispute:
    """Raises DisputeAlreadyDecided, TextRefused, TooManyFiles, EvidenceRefused, KeyUsedForAnother."""

    def check() -> None:
        if dispute.status != LeadDispute.Status.PENDING:
            raise DisputeAlreadyDecided(f"dispute {dispute.pk} was decided")
        _check_text("answer", text, dispute.lead_id)
        if sent.files and dispute.evidence.count() + len(sent.files) > MOST_FILES:
            raise TooManyFiles

    def act() -> LeadDispute:
        return cases.answer(dispute=dispute, text=text, by=sent.by)

    return _once(sent, "/clinic/disputes/answer", {"dispute": dispute.pk, "text": text}, check, act)


def _check_text(field: str, text: str, lead_id: int) -> None:
    """Comes after the refusals. Only to those who see a name it is told that the text holds it. Raises TextRefused."""
    names = contacts_shown().filter(pk=lead_id).values_list("name", "guardian_name").first()
    if problem := patient_data_in(text, names or ()):
        raise TextRefused(field, problem)


def _once(
    sent: Sent,
    route: str,
    body: dict[str, Any],
    check: Callable[[], None],
    act: Callable[[], LeadDispute],
) -> LeadDispute:
    """`act` with its files, or what the same key did before. `check` spares looking at files in vain."""
    key = _claimed_key(sent, route, body)
    if key is not None and (first := _done_before(key, sent.clinic)):
        return first
    try:
        check()
    except (cases.DisputeRefused, DisputeAlreadyDecided, TooManyFiles):
        # The first tap may have ended since: what it did is why this one is refused.
        if key is not None and (first := _done_before(key, sent.clinic)):
            return first
        raise
    with _kept(sent.files) as files, transaction.atomic():
        row, is_new = claim(**asdict(key)) if key else (None, True)
        if row is not None and not is_new:
            dispute = _first_of(row, sent.clinic)
        else:
            dispute = act()
            _attach(dispute, files.use(), sent.by)
            if row is not None:
                row.answer = {"dispute_id": dispute.pk}
                row.save(update_fields=["answer"])
    return dispute


class _Kept(AbstractContextManager["_Kept"]):
    """Clean files in their place; whatever is not used by a committed transaction is removed."""

    def __init__(self, files: list[storage.KeptFile]) -> None:
        self.files = files
        self.are_used = False

    def use(self) -> list[storage.KeptFile]:
        self.are_used = True
        return self.files

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None or not self.are_used:
            storage.remove(self.files)


def _kept(files: Sequence[storage.Upload]) -> _Kept:
    return _Kept(storage.keep(files))


def _attach(dispute: LeadDispute, files: list[storage.KeptFile], by: User) -> None:
    """Under the dispute's lock (it was just written): its places are counted once."""
    if not files:
        return
    taken = dispute.evidence.count()
    if taken + len(files) > MOST_FILES:
        raise TooManyFiles
    Evidence.objects.bulk_create(
        Evidence(
            dispute=dispute,
            position=position,
            original_name=storage.shown_name(file.stored_name, position),
            uploaded_by=by,
            **asdict(file),
        )
        for position, file in enumerate(files, start=taken + 1)
    )


def _claimed_key(sent: Sent, route: str, body: dict[str, Any]) -> ClaimedKey | None:
    if not sent.key:
        return None
    digests = [_digest(file) for file in sent.files]
    return ClaimedKey(f"user:{sent.by.pk}", route, sent.key, body_digest({**body, "files": digests}))


def _digest(file: storage.Upload) -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _done_before(key: ClaimedKey, clinic: Clinic) -> LeadDispute | None:
    row = IdempotencyKey.objects.filter(caller=key.caller, route=key.route, key=key.key).first()
    if row is None:
        return None
    if bytes(row.body_hmac) != key.body_hmac:
        raise KeyUsedForAnother
    return _first_of(row, clinic)


def _first_of(row: IdempotencyKey, clinic: Clinic) -> LeadDispute:
    """What the key stands for; a member of two clinics may send one key for both. Raises KeyUsedForAnother."""
    dispute = clinic.disputes.filter(pk=(row.answer or {}).get("dispute_id", 0)).first()
    if dispute is None:
        raise KeyUsedForAnother
    return dispute
