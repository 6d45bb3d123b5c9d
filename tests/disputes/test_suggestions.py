"""What the policy suggests: a pure function, so every rule stands here as a line."""

from decimal import Decimal
from typing import Any

import pytest

from disputes.models import DisputePolicy
from disputes.services.suggestions import Advice, CaseFacts, suggest

COST = Decimal("250.00")


def policy(**terms: Any) -> DisputePolicy:
    """The default terms of most reasons, not stored."""
    return DisputePolicy(**{"is_accepted": True, "suggested_percent": 100, **terms})


def facts(**more: Any) -> CaseFacts:
    plain: dict[str, Any] = {
        "dispute_type": "spam", "cost": COST, "refunded": Decimal(0), "from_partner": False, "is_appeal": False,
        "has_evidence": False, "has_answered": False, "repeats_a_charged_lead": False, "patient_was_reached": False,
        "days_without_answer": 0,
    }  # fmt: skip
    return CaseFacts(**{**plain, **more})


HALF = policy(suggested_percent=50, partner_percent=100)


@pytest.mark.parametrize(("case", "terms", "amount", "code"), [
    (facts(), policy(), "250.00", "confirmed"),
    (facts(), policy(suggested_percent=33), "82.50", "partly_confirmed"),
    (facts(cost=Decimal("180.01")), policy(suggested_percent=50), "90.01", "partly_confirmed"),
    (facts(dispute_type="wrong_treatment"), HALF, "125.00", "partly_confirmed"),
    (facts(dispute_type="wrong_treatment", from_partner=True), HALF, "250.00", "confirmed"),
    (facts(from_partner=True), policy(), "250.00", "confirmed"),
    (facts(dispute_type="duplicate", repeats_a_charged_lead=True), policy(), "250.00", "confirmed"),
    (facts(is_appeal=True, refunded=Decimal(100)), HALF, "150.00", "confirmed"),
    (facts(refunded=Decimal(200)), policy(), "50.00", "confirmed"),
    (facts(has_evidence=True), policy(evidence_needed=True), "250.00", "confirmed"),
])  # fmt: skip
def test_an_approval_is_suggested_by_the_policys_share_of_what_is_left(
    case: CaseFacts, terms: DisputePolicy, amount: str, code: str
) -> None:
    suggestion = suggest(case, terms)
    assert (suggestion.advice, suggestion.amount, suggestion.reason_code) == (
        Advice.APPROVE,
        Decimal(amount),
        code,
    )


@pytest.mark.parametrize(("case", "terms", "advice", "code"), [
    (facts(), None, Advice.REJECT, "not_covered"),
    (facts(), policy(is_accepted=False), Advice.REJECT, "not_covered"),
    (facts(dispute_type="duplicate"), policy(), Advice.REJECT, "not_confirmed"),
    (facts(), policy(evidence_needed=True), Advice.ASK, ""),
    (facts(has_answered=True), policy(evidence_needed=True), Advice.REJECT, "no_evidence"),
    (facts(dispute_type="other"), policy(suggested_percent=None), Advice.LOOK, ""),
    (facts(), policy(suggested_percent=0), Advice.LOOK, ""),
    (facts(dispute_type="invalid_contact", patient_was_reached=True), policy(), Advice.LOOK, ""),
    (facts(refunded=COST), policy(), Advice.LOOK, ""),
    (facts(is_appeal=True), policy(), Advice.LOOK, ""),
    (facts(is_appeal=True), policy(evidence_needed=True), Advice.LOOK, ""),
    (facts(is_appeal=True, dispute_type="duplicate"), policy(), Advice.LOOK, ""),
    (facts(days_without_answer=7), policy(), Advice.REJECT, "no_evidence"),
    (facts(days_without_answer=7), policy(evidence_needed=True), Advice.REJECT, "no_evidence"),
    (facts(days_without_answer=7, is_appeal=True), policy(), Advice.REJECT, "no_evidence"),
    (facts(days_without_answer=7, refunded=COST), policy(), Advice.LOOK, ""),
])  # fmt: skip
def test_otherwise_it_says_what_speaks_against_it_or_leaves_it_to_a_person(
    case: CaseFacts, terms: DisputePolicy | None, advice: Advice, code: str
) -> None:
    suggestion = suggest(case, terms)
    assert (suggestion.advice, suggestion.amount, suggestion.reason_code) == (advice, None, code)
    assert suggestion.why
