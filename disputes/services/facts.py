"""What staff must know to decide a dispute. Patients' numbers are compared inside the database and never leave it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

from django.db.models import Count, Exists, Func, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.fields import BooleanField, CharField
from django.db.models.functions import Cast, Concat

from clinics.days import day_of, start_of
from clinics.models import Clinic, StaffRequest, User
from clinics.requests import VALID_FOR
from credits.models import BillingRules, CreditTransaction, GrantConsumption
from disputes.models import DisputeEntry, DisputePolicy, Evidence, LeadDispute
from disputes.services.suggestions import NO_ANSWER_AFTER, CaseFacts, Suggestion, suggest
from leads.models import ContactAttempt, Lead, LeadContact, LeadStatusChange

HISTORY_DAYS: Final = 90
MOST_ROWS: Final = 50
MOST_ELSEWHERE: Final = 500

Disputes = TypeVar("Disputes", bound=QuerySet[LeadDispute])


@dataclass(frozen=True, slots=True)
class DisputeRate:
    """Disputes ÷ delivered leads of a clinic's last 90 days; an appeal is no dispute of its own."""

    disputes: int
    delivered: int

    @property
    def percent(self) -> Decimal | None:
        if not self.delivered:
            return None
        return (Decimal(100) * self.disputes / self.delivered).quantize(Decimal("0.1"))

    @property
    def is_high(self) -> bool:
        """One in five, of enough leads to say so: a mark to look closer, nothing is decided by it."""
        return self.delivered >= 10 and self.disputes * 5 >= self.delivered


def dispute_rates(clinic_ids: Iterable[int], at: datetime) -> dict[int, DisputeRate]:
    """Of these clinics, in two statements."""
    clinics, since = set(clinic_ids), at - timedelta(days=HISTORY_DAYS)
    delivered = _count_by_clinic(
        Lead.objects.filter(
            clinic__in=clinics, created_at__gte=since, delivery_state=Lead.DeliveryState.DELIVERED
        )
    )
    disputed = _count_by_clinic(
        LeadDispute.objects.filter(clinic__in=clinics, created_at__gte=since, appeal_of=None)
    )
    return {clinic: DisputeRate(disputed.get(clinic, 0), delivered.get(clinic, 0)) for clinic in clinics}


def _count_by_clinic(rows: QuerySet[Any]) -> dict[int, int]:
    return dict(rows.order_by().values_list("clinic").annotate(number=Count("pk")))


def disputes_of_lead(disputes: Disputes, lead_id: int) -> Disputes:
    """By way of the lead's clinic, whose disputes have an index."""
    return disputes.filter(lead=lead_id, clinic__in=Lead.objects.filter(pk=lead_id).values("clinic"))


def open_requests(at: datetime) -> QuerySet[StaffRequest]:
    """Those a second person can still approve: one that nobody did in time stays «pending» until it is swept."""
    return StaffRequest.objects.filter(state=StaffRequest.State.PENDING, requested_at__gt=at - VALID_FOR)


def waits_for_second_person(at: datetime) -> Exists:
    """Condition on disputes: a request to approve one is open."""
    key = Concat(Value("dispute:"), Cast(OuterRef("pk"), CharField()))
    return Exists(open_requests(at).filter(object_key=key))


def is_unanswered(at: datetime) -> Q:
    """Condition on disputes: the clinic was asked, and silent for so long that one can decide without it."""
    return Q(status=LeadDispute.Status.PENDING, awaiting_clinic_since__lte=at - NO_ANSWER_AFTER)


def days_without_answer(dispute: LeadDispute, at: datetime) -> int:
    """Whole days, once they are too many to wait on (`is_unanswered`); 0 before."""
    if dispute.awaiting_clinic_since is None:
        return 0
    silence = at - dispute.awaiting_clinic_since
    return silence.days if silence >= NO_ANSWER_AFTER else 0


class RepeatsAChargedLead(Func):
    """Whether the books prove a lead a repeat (rule 2), as `disputes/sql/cases.sql` decides it."""

    function = "repeats_a_charged_lead"
    arity = 1
    output_field = BooleanField()


def with_facts(disputes: QuerySet[LeadDispute]) -> QuerySet[LeadDispute]:
    """What `suggestion_for` reads, for a page of disputes at a time."""
    reached = ContactAttempt.objects.filter(lead=OuterRef("lead"), outcome=ContactAttempt.Outcome.REACHED)
    answered = DisputeEntry.objects.filter(dispute=OuterRef("pk"), kind=DisputeEntry.Kind.ANSWERED)
    return disputes.select_related("lead__partner", "clinic").annotate(
        repeats_a_charged_lead=RepeatsAChargedLead("lead"),
        patient_was_reached=Exists(reached),
        has_evidence=Exists(Evidence.objects.filter(dispute=OuterRef("pk"))),
        has_answered=Exists(answered),
    )


def policies() -> dict[str, DisputePolicy]:
    return {policy.dispute_type: policy for policy in DisputePolicy.objects.all()}


def suggestion_for(dispute: LeadDispute, policy: DisputePolicy | None, at: datetime) -> Suggestion:
    """For a dispute loaded through `with_facts`."""
    row: Any = dispute
    facts = CaseFacts(
        dispute_type=dispute.dispute_type,
        cost=dispute.lead.cost,
        refunded=dispute.lead.refunded_total,
        from_partner=dispute.lead.partner_id is not None,
        is_appeal=dispute.appeal_of_id is not None,
        has_evidence=row.has_evidence,
        has_answered=row.has_answered,
        repeats_a_charged_lead=row.repeats_a_charged_lead,
        patient_was_reached=row.patient_was_reached,
        days_without_answer=days_without_answer(dispute, at),
    )
    return suggest(facts, policy)


@dataclass(frozen=True, slots=True)
class PersonalLimit:
    """What one member of staff may still give back to one clinic today, credits (rule 7)."""

    limit: Decimal
    refunded_today: Decimal

    @property
    def left(self) -> Decimal:
        return max(self.limit - self.refunded_today, Decimal(0))


def personal_limit(user: User, clinic_id: int, limit: Decimal, at: datetime) -> PersonalLimit:
    """To show beforehand; what decides is `approve_dispute`, under the account's lock."""
    today = start_of(day_of(at))
    refunds = LeadDispute.objects.filter(
        resolved_by=user, clinic=clinic_id, status=LeadDispute.Status.APPROVED, resolved_at__gte=today
    )
    refunded = refunds.aggregate(total=Sum("refund_amount"))["total"] or Decimal(0)
    return PersonalLimit(limit, refunded)


@dataclass(frozen=True, slots=True)
class ClinicHistory:
    """A clinic's last 90 days."""

    rate: DisputeRate
    by_outcome: dict[str, int]
    refunded: Decimal

    @classmethod
    def of(cls, clinic_id: int, at: datetime) -> "ClinicHistory":
        recent = LeadDispute.objects.filter(
            clinic=clinic_id, created_at__gte=at - timedelta(days=HISTORY_DAYS)
        )
        rows = recent.order_by().values("status").annotate(number=Count("pk"), total=Sum("refund_amount"))
        found = {row["status"]: row for row in rows}
        outcomes = {
            str(label): found[status]["number"] if status in found else 0
            for status, label in LeadDispute.Status.choices
        }
        refunded = sum((row["total"] or Decimal(0) for row in found.values()), Decimal(0))
        return cls(dispute_rates([clinic_id], at)[clinic_id], outcomes, refunded)


@dataclass(frozen=True, slots=True)
class SamePhone:
    """Other leads of the patient's number: at this clinic by number, at others as counts only."""

    here: list[Lead]
    clinics_elsewhere: int
    states_elsewhere: list[tuple[str, int]]

    @classmethod
    def of(cls, lead: Lead) -> "SamePhone":
        phone = Subquery(LeadContact.objects.filter(pk=lead.pk, erased_at=None).values("phone"))
        # Clinic by clinic, as the index on (clinic, phone) goes; there is none on the number alone.
        elsewhere = LeadContact.objects.filter(
            clinic__in=Clinic.objects.exclude(pk=lead.clinic_id), phone=phone, erased_at=None
        ).values_list("clinic", "lead__delivery_state")[:MOST_ELSEWHERE]
        found = list(elsewhere)
        labels = dict(Lead.DeliveryState.choices)
        states = Counter(str(labels[state]) for _, state in found)
        return cls(_leads_here(lead, phone), len({clinic for clinic, _ in found}), sorted(states.items()))


def _leads_here(lead: Lead, phone: Subquery) -> list[Lead]:
    contacts = LeadContact.objects.filter(clinic=lead.clinic_id, phone=phone, erased_at=None)
    others = Lead.objects.filter(pk__in=contacts.values("pk")).exclude(pk=lead.pk)
    return list(others.order_by("-created_at", "-pk")[:MOST_ROWS])


@dataclass(frozen=True, slots=True)
class Dossier:
    """All facts of one case; as many statements for a long history as for a short one."""

    dispute: LeadDispute
    policy: DisputePolicy | None
    rules: BillingRules
    suggestion: Suggestion
    history: ClinicHistory
    same_phone: SamePhone
    charged_from: list[GrantConsumption]
    refunds: list[CreditTransaction]
    status_changes: list[LeadStatusChange]
    attempts: list[ContactAttempt]
    evidence: list[Evidence]
    entries: list[DisputeEntry]
    other_disputes: list[LeadDispute]
    request: StaffRequest | None
    limit: PersonalLimit

    @classmethod
    def of(cls, dispute: LeadDispute, *, viewer: User, at: datetime) -> "Dossier":
        """Of a dispute loaded by `case`, for this member of staff."""
        lead, rules = dispute.lead, BillingRules.objects.get()
        policy = DisputePolicy.objects.filter(dispute_type=dispute.dispute_type).first()
        changes = LeadStatusChange.objects.filter(lead=lead).select_related("changed_by").order_by("-pk")
        attempts = ContactAttempt.objects.filter(lead=lead).select_related("made_by").order_by("-pk")
        entries = dispute.entries.select_related("author").order_by("created_at", "pk")
        others = disputes_of_lead(LeadDispute.objects.exclude(pk=dispute.pk), lead.pk)
        return cls(
            dispute=dispute,
            policy=policy,
            rules=rules,
            suggestion=suggestion_for(dispute, policy, at),
            history=ClinicHistory.of(dispute.clinic_id, at),
            same_phone=SamePhone.of(lead),
            charged_from=_charged_from(lead),
            refunds=_refunds(lead),
            status_changes=list(changes[:MOST_ROWS]),
            attempts=list(attempts[:MOST_ROWS]),
            evidence=list(dispute.evidence.order_by("position")),
            entries=list(entries[: 4 * MOST_ROWS]),
            other_disputes=list(others.select_related("resolved_by").order_by("-pk")[:MOST_ROWS]),
            request=_open_request(dispute, at),
            limit=personal_limit(viewer, dispute.clinic_id, rules.staff_refund_limit, at),
        )

    @property
    def rest(self) -> Decimal:
        """The most that can still come back, credits."""
        return self.dispute.lead.cost - self.dispute.lead.refunded_total


def case(dispute_id: int) -> LeadDispute | None:
    """A dispute with what its page shows, or None."""
    return (
        with_facts(LeadDispute.objects.filter(pk=dispute_id))
        .select_related(
            "lead__partner", "lead__treatment", "lead__package", "lead__tier", "clinic__credit_account",
            "filed_by", "assigned_to", "resolved_by", "approved_by", "appeal_of__resolved_by",
            "appeal_of__approved_by",
        )
        .first()
    )  # fmt: skip


def decided_the_first(dispute: LeadDispute, user: User) -> bool:
    """An appeal of this person's own decision: another has to decide it."""
    first = dispute.appeal_of
    return first is not None and user.pk in (first.resolved_by_id, first.approved_by_id)


def _charged_from(lead: Lead) -> list[GrantConsumption]:
    charge = CreditTransaction.objects.filter(
        lead=lead, transaction_type=CreditTransaction.Type.DEDUCTION
    ).values("pk")
    used = GrantConsumption.objects.filter(transaction__in=charge)
    return list(used.select_related("grant__purchase").order_by("pk")[:MOST_ROWS])


def _refunds(lead: Lead) -> list[CreditTransaction]:
    refunds = CreditTransaction.objects.filter(lead=lead, transaction_type=CreditTransaction.Type.REFUND)
    return list(refunds.select_related("dispute").order_by("pk")[:MOST_ROWS])


def _open_request(dispute: LeadDispute, at: datetime) -> StaffRequest | None:
    waiting = open_requests(at).filter(object_key=f"dispute:{dispute.pk}")
    return waiting.select_related("requested_by").first()
