"""Reading a clinic's disputes for its own people: never a word of what staff say among themselves."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.db.models import Case, CharField, Count, Exists, F, Func, OuterRef, Prefetch, Subquery, When
from django.db.models.functions import Coalesce
from django.db.models.query import QuerySet
from django.utils import timezone
from django.utils.translation import ngettext

from clinics.models import Clinic, User
from credits.models import BillingRules, CreditAccount
from disputes.models import DisputeEntry, DisputeReader, Evidence, LeadDispute
from disputes.services.cases import REFUSAL_TEXTS
from disputes.services.filing import contacts_shown
from disputes.services.reasons import appeal_until

PAGE_SIZE: Final = 20
NEWS_DAYS: Final = 30
# What we say in a dispute, as against what the clinic says.
OUR_WORDS: Final = (DisputeEntry.Kind.ASKED, DisputeEntry.Kind.APPROVED, DisputeEntry.Kind.REJECTED)


@dataclass(frozen=True, slots=True)
class DisputeRow:
    """A dispute with its open timeline, its files, and what can be done with it now."""

    dispute: LeadDispute
    timeline: list[DisputeEntry]
    files: list[Evidence]
    files_are_open: bool  # masked like the contact where it is not
    appeal_refusal: str | None
    appeal_until: date | None

    @property
    def is_pending(self) -> bool:
        return self.dispute.status == LeadDispute.Status.PENDING

    @property
    def can_be_appealed(self) -> bool:
        return self.appeal_refusal is None

    @property
    def appeal_refusal_text(self) -> str:
        """Why a decision can't be appealed now, where it was one."""
        if not self.dispute.is_decided or self.appeal_refusal is None:
            return ""
        return str(REFUSAL_TEXTS[self.appeal_refusal])


def disputes_of(clinic: Clinic) -> QuerySet[LeadDispute]:
    """Newest first: ids of one clinic rise with time, since they are given under its account's lock."""
    open_entries = DisputeEntry.objects.filter(is_internal=False).select_related("author").order_by("pk")
    return (
        LeadDispute.objects.filter(clinic=clinic)
        .select_related("lead__package", "lead__treatment")
        .annotate(
            appeal_refusal=Func(F("pk"), function="appeal_refusal", output_field=CharField()),
            appeal_days=Subquery(BillingRules.objects.values("appeal_days")[:1]),
            files_are_open=Exists(contacts_shown().filter(pk=OuterRef("lead"))),
        )
        .prefetch_related(
            Prefetch("entries", open_entries, to_attr="timeline"),
            Prefetch("evidence", Evidence.objects.order_by("position"), to_attr="files"),
        )
        .order_by("-pk")
    )


def row_of(dispute: Any) -> DisputeRow:
    """Of one that `disputes_of` has read."""
    return DisputeRow(
        dispute=dispute,
        timeline=dispute.timeline,
        files=dispute.files,
        files_are_open=dispute.files_are_open,
        appeal_refusal=dispute.appeal_refusal,
        appeal_until=appeal_until(dispute, dispute.appeal_days),
    )


def shown_disputes_of(clinic: Clinic, *, reader: User) -> QuerySet[LeadDispute]:
    """Newest first, as the list shows them: without what was said, but with whether `reader` has read our last word.

    What is older than NEWS_DAYS is no news to anybody, not to a member who came yesterday either.
    """
    read = DisputeReader.objects.filter(
        member=reader, dispute=OuterRef("dispute"), read_up_to__gte=OuterRef("pk")
    )
    ours = DisputeEntry.objects.filter(
        ~Exists(read),
        dispute=OuterRef("pk"),
        kind__in=OUR_WORDS,
        created_at__gte=timezone.now() - timedelta(days=NEWS_DAYS),
    )
    return (
        LeadDispute.objects.filter(clinic=clinic)
        .select_related("lead__package", "lead__treatment")
        .annotate(has_news=Exists(ours))
        .order_by("-pk")
    )


def answer_time() -> str:
    """In words: within which time a dispute is answered, as the rules say now."""
    hours = BillingRules.objects.values_list("dispute_hours", flat=True).get()
    if hours % 24:
        return ngettext("%(number)d hour", "%(number)d hours", hours) % {"number": hours}
    return ngettext("%(number)d day", "%(number)d days", hours // 24) % {"number": hours // 24}


def with_pending_disputes(accounts: QuerySet[CreditAccount]) -> QuerySet[CreditAccount]:
    """How many disputes wait, read in the account's own statement: for pages that show disputes themselves."""
    pending = LeadDispute.objects.pending().filter(clinic=OuterRef("pk")).order_by()
    number = pending.values("clinic").annotate(number=Count("pk")).values("number")
    return accounts.annotate(pending_disputes=Coalesce(Subquery(number), 0))


def state_of_lead() -> Subquery:
    """The state of a lead's dispute, or of its appeal where that counts; none where it was cancelled.

    Each lead has at most one such dispute: read by the index that makes sure of it.
    """
    counts = LeadDispute.objects.filter(lead=OuterRef("pk"), appeal_of__isnull=True).exclude(
        status=LeadDispute.Status.CANCELLED
    )
    decisive = Case(
        When(appeal__status__in=["pending", "approved", "rejected"], then=F("appeal__status")),
        default=F("status"),
    )
    return Subquery(counts.order_by().annotate(state=decisive).values("state")[:1])


class MayBeDisputed(Func):
    """Whether there is a reason for which this lead can be disputed now."""

    template = "EXISTS (SELECT FROM dispute_refusals(%(expressions)s) WHERE refusal IS NULL)"
