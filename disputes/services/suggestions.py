"""What the policy suggests for a dispute: a pure function over facts, so that a person can check every word of it.

A suggestion decides nothing: a person may leave it with a reason (PRODUCT rule 6).
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final

from disputes.models import DisputePolicy, DisputeType, LeadDispute

PAISA: Final = Decimal("0.01")
# As long as a clinic has to dispute a lead and to appeal: who is silent for that long is not going to answer.
NO_ANSWER_AFTER: Final = timedelta(days=7)
Code = LeadDispute.ReasonCode


class Advice(StrEnum):
    """What is suggested; `LOOK` where the policy leaves it to a person."""

    APPROVE = "approve"
    REJECT = "reject"
    ASK = "ask"
    LOOK = "look"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """What a suggestion is made of. Amounts in credits; `days_without_answer` is 0 until they are too many."""

    dispute_type: str
    cost: Decimal
    refunded: Decimal
    from_partner: bool
    is_appeal: bool
    has_evidence: bool
    has_answered: bool
    repeats_a_charged_lead: bool
    patient_was_reached: bool
    days_without_answer: int

    @property
    def rest(self) -> Decimal:
        """The most that can still come back."""
        return self.cost - self.refunded

    @property
    def is_appeal_of_a_rejection(self) -> bool:
        return self.is_appeal and not self.refunded


@dataclass(frozen=True, slots=True)
class Suggestion:
    advice: Advice
    why: str
    amount: Decimal | None = None
    reason_code: str = ""

    @property
    def is_approval(self) -> bool:
        return self.advice is Advice.APPROVE


def suggest(facts: CaseFacts, policy: DisputePolicy | None) -> Suggestion:
    """The policy's answer to these facts, with its reason."""
    if policy is None or not policy.is_accepted:
        return Suggestion(
            Advice.REJECT, "The policy does not accept this reason.", reason_code=Code.NOT_COVERED
        )
    if facts.rest <= 0:
        return Suggestion(Advice.LOOK, "All credits for this lead have come back already.")
    if facts.days_without_answer:
        why = f"The clinic did not answer our question for {facts.days_without_answer} days."
        return Suggestion(Advice.REJECT, why, reason_code=Code.NO_EVIDENCE)
    if facts.is_appeal_of_a_rejection:
        return Suggestion(Advice.LOOK, "Somebody rejected it before: look at what they wrote.")
    if policy.evidence_needed and not facts.has_evidence:
        return _without_evidence(facts)
    return _contradicted(facts) or _rest_of_an_appeal(facts) or _by_percentage(facts, policy)


def _contradicted(facts: CaseFacts) -> Suggestion | None:
    """What our own books say against the reason."""
    if facts.dispute_type == DisputeType.DUPLICATE and not facts.repeats_a_charged_lead:
        why = "Our books show no other charged enquiry of this number at this clinic within the window."
        return Suggestion(Advice.REJECT, why, reason_code=Code.NOT_CONFIRMED)
    if facts.dispute_type == DisputeType.INVALID_CONTACT and facts.patient_was_reached:
        why = "The clinic itself recorded that it reached the patient. Ask, or look closer."
        return Suggestion(Advice.LOOK, why)
    return None


def _rest_of_an_appeal(facts: CaseFacts) -> Suggestion | None:
    if not facts.is_appeal or not facts.refunded:
        return None
    why = f"An appeal: ₹{_plain(facts.refunded)} came back by the first decision; the rest would follow."
    return Suggestion(Advice.APPROVE, why, facts.rest, Code.CONFIRMED)


def _without_evidence(facts: CaseFacts) -> Suggestion:
    if facts.has_answered:
        why = "The policy asks for a file; none came, also not with the answer."
        return Suggestion(Advice.REJECT, why, reason_code=Code.NO_EVIDENCE)
    return Suggestion(Advice.ASK, "The policy asks for a file, and none was sent.")


def _by_percentage(facts: CaseFacts, policy: DisputePolicy) -> Suggestion:
    percent = policy.percent_for(from_partner=facts.from_partner)
    is_partners = facts.from_partner and policy.partner_percent is not None
    basis = "the policy, a partner sent the lead" if is_partners else "the policy"
    if not percent:
        return Suggestion(Advice.LOOK, "The policy names no percentage for this reason: decide by hand.")
    share = (facts.cost * percent / 100).quantize(PAISA, ROUND_HALF_UP)
    amount = min(share, facts.rest)
    is_proven = facts.dispute_type == DisputeType.DUPLICATE
    found = "Our books show another charged enquiry of this number: " if is_proven else ""
    why = f"{found}{percent} % of ₹{_plain(facts.cost)} by {basis}."
    code = Code.CONFIRMED if percent == 100 else Code.PARTLY_CONFIRMED
    return Suggestion(Advice.APPROVE, why, amount, code)


def _plain(amount: Decimal) -> str:
    return f"{amount:,.2f}".removesuffix(".00")
