"""What waits for somebody: counted by the partial indexes that hold nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Min, Q, QuerySet

from clinics.models import StaffRequest
from credits.models import ReviewItem
from disputes.models import LeadDispute
from leads.models import Lead


@dataclass(frozen=True, slots=True)
class Queue:
    """How many wait, since when the oldest does, and how many of them by whatever they are told apart by."""

    waiting: int
    oldest: datetime | None
    parts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DisputeQueue:
    """Pending disputes. None is overdue while it waits for the clinic: its clock stands still, as in the queue."""

    waiting: int
    overdue: int
    with_clinic: int
    oldest: datetime | None
    by_assignee: Mapping[int | None, int]

    def of(self, user_id: int | None) -> int:
        return self.by_assignee.get(user_id, 0)


@dataclass(frozen=True, slots=True)
class RequestGroup:
    """What one person asked for, of one kind, and nobody decided yet."""

    kind: str
    asked_by: int
    waiting: int
    oldest: datetime


def disputes(at: datetime) -> DisputeQueue:
    asked = Q(awaiting_clinic_since__isnull=False)
    rows = list(
        LeadDispute.objects.pending()
        .values_list("assigned_to")
        .annotate(
            number=Count("pk"),
            late=Count("pk", filter=Q(due_at__lt=at) & ~asked),
            asked=Count("pk", filter=asked),
            oldest=Min("created_at"),
        )
        .order_by("assigned_to")
    )
    return DisputeQueue(
        waiting=sum(row[1] for row in rows),
        overdue=sum(row[2] for row in rows),
        with_clinic=sum(row[3] for row in rows),
        oldest=min((row[4] for row in rows), default=None),
        by_assignee={row[0]: row[1] for row in rows},
    )


def held_leads() -> Queue:
    return _queue(Lead.objects.held(), "held_reason", "created_at")


def review_items() -> Queue:
    return _queue(ReviewItem.objects.filter(state=ReviewItem.State.OPEN), "kind", "raised_at")


def requests() -> list[RequestGroup]:
    """By kind and person: who sees which kind is decided where they are shown."""
    rows = StaffRequest.objects.filter(state=StaffRequest.State.PENDING).values_list("kind", "requested_by")
    return [
        RequestGroup(*row)
        for row in rows.annotate(Count("pk"), Min("requested_at")).order_by("kind", "requested_by")
    ]


def _queue(rows: QuerySet[Lead] | QuerySet[ReviewItem], by: str, since: str) -> Queue:
    groups = list(rows.values_list(by).annotate(Count("pk"), Min(since)).order_by(by))
    return Queue(
        waiting=sum(count for _, count, _ in groups),
        oldest=min((oldest for _, _, oldest in groups), default=None),
        parts={str(value): count for value, count, _ in groups},
    )
