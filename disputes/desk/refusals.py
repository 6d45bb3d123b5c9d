"""How a refused decision is told: the status of the answer, a code for programs, and words for people."""

from typing import Final

from django.template.defaultfilters import date as date_words
from django.utils import timezone
from django.utils.formats import number_format

from clinics.requests import RequestPendingAlready
from credits.services.ledger import (
    DisputeAlreadyDecided,
    DisputeNotFound,
    InvalidAmount,
    LeadNotChargeable,
    RefundExceedsCost,
    SamePerson,
)
from disputes.models import LeadDispute

SAME_PERSON: Final = (
    "You filed this dispute or decided the first one: another person has to decide it. It was left as it is."
)
REFUSED: Final[dict[type[Exception], tuple[int, str, str]]] = {
    SamePerson: (403, "same_person", SAME_PERSON),
    RequestPendingAlready: (
        409,
        "request_pending",
        "A second person has been asked already; their answer is awaited.",
    ),
    LeadNotChargeable: (409, "lead_not_refundable", "This lead can no longer be refunded."),
    RefundExceedsCost: (400, "exceeds_cost", "More than what is left of this lead's cost."),
    InvalidAmount: (400, "invalid_amount", "This is not an amount that can come back."),
}
REFUSALS: Final[tuple[type[Exception], ...]] = (DisputeAlreadyDecided, DisputeNotFound, *REFUSED)


def explain(refusal: Exception, dispute_id: int) -> tuple[int, str, str]:
    """Status, code and words."""
    told = REFUSED.get(type(refusal))
    if told is not None:
        return told
    people = ("resolved_by", "clinic")
    dispute = LeadDispute.objects.filter(pk=dispute_id).select_related(*people).first()
    if dispute is None:
        return 404, "not_found", "There is no such dispute."
    return 409, "already_decided", how_it_ended(dispute)


def how_it_ended(dispute: LeadDispute) -> str:
    """By whom, when and how; what was just sent changed nothing."""
    at = date_words(timezone.localtime(dispute.resolved_at), "j M Y, g:i A") if dispute.resolved_at else ""
    by = dispute.resolved_by.email if dispute.resolved_by else "the books themselves"
    if dispute.status == LeadDispute.Status.CANCELLED:
        return f"The clinic cancelled this dispute on {at}. Nothing was changed by you."
    if dispute.status == LeadDispute.Status.REJECTED:
        return f"Rejected already by {by} on {at}. Nothing was changed by you."
    amount = number_format(dispute.refund_amount or 0, 2)
    return f"Approved already by {by} on {at}: ₹{amount} came back. Nothing was changed by you."
