"""One dispute as a conversation between the clinic and us, for the clinic's own people."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from clinics.models import User
from clinics.read_only import skipped_while_read_only
from disputes.listing import DisputeRow
from disputes.models import DisputeEntry, DisputeReader, Evidence, LeadDispute

THE_CLINIC_S: Final = frozenset({DisputeEntry.Kind.FILED, DisputeEntry.Kind.ANSWERED})


@dataclass(slots=True)
class Message:
    """One line of the timeline as it is shown; `files` came with it."""

    entry: DisputeEntry
    text: str
    is_theirs: bool  # the clinic's, as against ours
    files: list[Evidence] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return self.entry.kind

    @property
    def said_at(self) -> datetime:
        return self.entry.created_at

    @property
    def author(self) -> User | None:
        """Who of the clinic said it. Who of us did is not told."""
        return self.entry.author if self.is_theirs or self.kind == DisputeEntry.Kind.CANCELLED else None


def messages_of(row: DisputeRow) -> list[Message]:
    """Oldest first, each with the files that were sent with it."""
    messages = [
        Message(
            entry=entry,
            text=row.dispute.description if entry.kind == DisputeEntry.Kind.FILED else entry.text,
            is_theirs=entry.kind in THE_CLINIC_S,
        )
        for entry in row.timeline
    ]
    for file in row.files:
        _message_of(file, messages).files.append(file)
    return messages


def _message_of(file: Evidence, messages: Sequence[Message]) -> Message:
    """The last one of the same person before the file was stored, which is in the same transaction."""
    theirs = [message for message in messages if message.is_theirs]
    sent_before = [
        message
        for message in theirs
        if message.entry.author_id == file.uploaded_by_id and message.said_at <= file.created_at
    ]
    return (sent_before or theirs or list(messages))[-1]


def mark_read(dispute: LeadDispute, messages: Sequence[Message], *, reader: User) -> None:
    """Up to the last message on the page: what comes while it is read stays unread."""
    newest = max((message.entry.pk for message in messages), default=0)
    known = DisputeReader.objects.filter(dispute=dispute, member=reader, read_up_to__gte=newest)
    if known.exists():
        return
    with skipped_while_read_only():
        DisputeReader.objects.bulk_create(
            [DisputeReader(dispute=dispute, member=reader, read_up_to=newest)],
            update_conflicts=True,
            unique_fields=["dispute", "member"],
            update_fields=["read_up_to"],
        )
