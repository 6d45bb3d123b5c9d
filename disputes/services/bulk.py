"""Many disputes at once: each decided on its own, by the same steps as on its page; one that fails harms no other."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.utils import timezone

from clinics.models import User
from credits.services.ledger import (
    DisputeAlreadyDecided,
    DisputeNotFound,
    LeadNotChargeable,
    RefundExceedsCost,
    SamePerson,
    SecondPersonNeeded,
)
from disputes.models import LeadDispute
from disputes.services import cases
from disputes.services.decide import Action, approve, reject
from disputes.services.facts import policies, suggestion_for, waits_for_second_person, with_facts
from disputes.services.suggestions import Suggestion

MOST_AT_ONCE: Final = 100

ABOVE_LIMIT: Final = "above what you may refund to that clinic today; open it to ask a second person"
NO_AMOUNT: Final = "no amount is suggested; open it to decide by hand"
WAITS: Final = "a second person has been asked already"
WHY_NOT: Final[dict[type[Exception], str]] = {
    SecondPersonNeeded: ABOVE_LIMIT,
    DisputeAlreadyDecided: "decided or cancelled meanwhile",
    DisputeNotFound: "there is no such dispute",
    SamePerson: "an appeal of your own decision, or filed by you; another person decides it",
    LeadNotChargeable: "its lead can no longer be refunded",
    RefundExceedsCost: "more than what is left of the lead's cost",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one ticked dispute; `why_not` is empty where it was done. `amount` in credits."""

    dispute_id: int
    amount: Decimal = Decimal(0)
    why_not: str = ""


def decide_many(
    *, dispute_ids: Sequence[int], action: Action, reason_code: str, notes: str, by: User
) -> list[Outcome]:
    """Approves the suggested amounts, or rejects. What needs a second person is left alone: no request is made.

    Every decision is a transaction of its own; there is none around them.
    """
    ticked = LeadDispute.objects.filter(pk__in=dispute_ids[:MOST_AT_ONCE]).most_urgent_first()
    rules, at = policies(), timezone.now()
    outcomes = []
    for dispute in with_facts(ticked).annotate(has_request=waits_for_second_person(at)):
        suggestion = suggestion_for(dispute, rules.get(dispute.dispute_type), at)
        outcomes.append(
            _decide_one(dispute, suggestion, action=action, reason_code=reason_code, notes=notes, by=by)
        )
    return [*outcomes, *_unknown(dispute_ids, outcomes)]


def _unknown(dispute_ids: Sequence[int], outcomes: Sequence[Outcome]) -> list[Outcome]:
    known = {outcome.dispute_id for outcome in outcomes}
    return [
        Outcome(key, why_not=WHY_NOT[DisputeNotFound])
        for key in dict.fromkeys(dispute_ids)
        if key not in known
    ]


def _decide_one(
    dispute: LeadDispute, suggestion: Suggestion, *, action: Action, reason_code: str, notes: str, by: User
) -> Outcome:
    amount = suggestion.amount if suggestion.is_approval else None
    if dispute.status == LeadDispute.Status.PENDING:
        if action is Action.APPROVE and amount is None:
            return Outcome(dispute.pk, why_not=NO_AMOUNT)
        if dispute.has_request:  # type: ignore[attr-defined]
            return Outcome(dispute.pk, why_not=WAITS)
    try:
        if action is Action.APPROVE:
            approve(dispute=dispute, amount=amount or Decimal(0), reason_code=reason_code, notes=notes, by=by)
            return Outcome(dispute.pk, amount or Decimal(0))
        reject(dispute=dispute, reason_code=reason_code, notes=notes, by=by)
        return Outcome(dispute.pk)
    except tuple(WHY_NOT) as refusal:
        return Outcome(dispute.pk, why_not=WHY_NOT[type(refusal)])


def take_many(*, dispute_ids: Sequence[int], to: User) -> list[Outcome]:
    """Says that `to` works on these."""
    outcomes = []
    for dispute in LeadDispute.objects.filter(pk__in=dispute_ids[:MOST_AT_ONCE]).most_urgent_first():
        try:
            cases.assign(dispute=dispute, to=to)
            outcomes.append(Outcome(dispute.pk))
        except DisputeAlreadyDecided as refusal:
            outcomes.append(Outcome(dispute.pk, why_not=WHY_NOT[type(refusal)]))
    return [*outcomes, *_unknown(dispute_ids, outcomes)]
