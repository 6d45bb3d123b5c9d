"""Sentences for the clinic, ready to be used: one for each reason of a decision, and questions to ask back.

They never promise what the page does not do, and name no patient.
"""

from typing import Final

from credits.models import BillingRules
from disputes.models import DisputeType, LeadDispute
from disputes.services.decide import Action

Code = LeadDispute.ReasonCode

APPROVAL_CODES: Final = (Code.CONFIRMED, Code.PARTLY_CONFIRMED, Code.GOODWILL)
REJECTION_CODES: Final = (Code.NOT_CONFIRMED, Code.NO_EVIDENCE, Code.LEAD_WAS_GOOD, Code.NOT_COVERED)

CONFIRMED_BY_TYPE: Final[dict[str, str]] = {
    DisputeType.INVALID_CONTACT: "We could not reach the patient at this number either. Your credits are back.",
    DisputeType.DUPLICATE: "You had been charged for the same person before. Your credits are back.",
    DisputeType.SPAM: "This was not a patient's enquiry. Your credits are back.",
    DisputeType.OUTSIDE_AREA: "The patient lives too far from your clinic. Your credits are back.",
    DisputeType.WRONG_TREATMENT: "The patient asked for something you do not offer.",
    DisputeType.TECHNICAL_ERROR: "The enquiry reached you damaged by a fault of ours. Your credits are back.",
}
BY_CODE: Final[dict[str, tuple[str, ...]]] = {
    Code.CONFIRMED: ("We checked the enquiry and confirm what you wrote. Your credits are back.",),
    Code.PARTLY_CONFIRMED: (
        "We confirm what you wrote in part, so a part of the credits is back, as our policy says.",
    ),
    Code.GOODWILL: (
        "Our policy does not cover this case, but we would like to meet you: your credits are back.",
    ),
    Code.NOT_CONFIRMED: (
        "We checked the enquiry and could not confirm the reason you gave.{appeal}",
        "Our books show no other charged enquiry of this number within {window}.",
    ),
    Code.NO_EVIDENCE: ("We asked for something that supports the reason, and nothing came.{appeal}",),
    Code.LEAD_WAS_GOOD: ("The patient confirmed to us that they asked for a call about this treatment.",),
    Code.NOT_COVERED: (
        "Our dispute policy does not cover this reason. It is shown beside each reason on the form.",
    ),
}
QUESTIONS: Final = (
    "When and how did you try to reach the patient, and what happened?",
    "Please send a screenshot of your calls or messages to this number.",
    "What did the patient ask for, in their words?",
)


def ready_texts(dispute: LeadDispute, rules: BillingRules) -> list[tuple[str, str, str]]:
    """Action, reason code (empty for questions) and sentence, the fittest first."""
    numbers = {"appeal": _appeal(dispute, rules.appeal_days), "window": _days(rules.repeat_window_days)}
    offered: list[tuple[str, str, str]] = []
    for action, codes in ((Action.APPROVE, APPROVAL_CODES), (Action.REJECT, REJECTION_CODES)):
        for code in codes:
            own = CONFIRMED_BY_TYPE.get(dispute.dispute_type) if code == Code.CONFIRMED else None
            sentences = (own, *BY_CODE[code]) if own else BY_CODE[code]
            offered += [(action.value, code.value, sentence.format(**numbers)) for sentence in sentences]
    return offered + [(Action.ASK.value, "", question) for question in QUESTIONS]


def _appeal(dispute: LeadDispute, days: int) -> str:
    """What the clinic can do then: nothing, where this is the appeal already."""
    if dispute.appeal_of_id is not None:
        return " This decision is final."
    return f" You can appeal within {_days(days)}." if days else " You can appeal today."


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"
