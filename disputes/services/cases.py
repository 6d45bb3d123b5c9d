"""The life of a dispute. What may happen is decided in `disputes/sql/cases.sql`, under its locks; this is its door."""

import logging
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from clinics import door, requests
from clinics.models import Clinic, StaffRequest, User
from credits.services.ledger import (
    BillingService,
    DisputeAlreadyDecided,
    DisputeNotFound,
    LeadNotFound,
    SamePerson,
)
from disputes.models import DisputeEntry, LeadDispute
from disputes.services.counts import forget_counts
from leads.models import Lead

logger = logging.getLogger(__name__)


class DisputeRefused(Exception):
    """A lead can't be disputed, or a decision not appealed, now; `code` says why (see `REFUSAL_TEXTS`)."""

    @property
    def code(self) -> str:
        return str(self)


# What the clinic reads for each code of `dispute_refusal` and `appeal_refusal`.
REFUSAL_TEXTS: Final[Mapping[str, StrOrPromise]] = {
    "not_charged": _("You were not charged for this lead."),
    "refunded": _("All credits for this lead have come back already."),
    "converted": _("This lead is set to «converted»: it became a patient."),
    "pending": _("This lead is being disputed already."),
    "decided": _("This lead's dispute was decided. You can appeal the decision."),
    "not_accepted": _("This reason is not accepted."),
    "too_late": _("The time for this reason is over."),
    "attempts": _("Please try to reach the patient first: no call or message has been recorded."),
    "not_decided": _("Only a decided dispute can be appealed."),
    "is_an_appeal": _("An appeal is final."),
    "appealed": _("This decision has been appealed already."),
}

REFUSALS: Final[dict[str, type[Exception]]] = {
    "CC004": LeadNotFound,
    "CC015": DisputeAlreadyDecided,
    "CC016": DisputeRefused,
    "CC017": SamePerson,
    "CC022": DisputeNotFound,
}


def refusals(lead: Lead) -> dict[str, str | None]:
    """For each reason, in order, why this lead can't be disputed for it now (a code), or None."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT dispute_type, refusal FROM dispute_refusals(%s)", [lead.pk])
        return dict(cursor.fetchall())


def appeal_refusal(dispute: LeadDispute) -> str | None:
    """Why this decision can't be appealed now (a code), or None."""
    code: str | None = door.call("appeal_refusal", p_dispute_id=dispute.pk).appeal_refusal
    return code


def file_dispute(*, clinic: Clinic, lead: Lead, dispute_type: str, description: str, by: User) -> LeadDispute:
    """A clinic disputes a lead; a duplicate that the books prove comes back approved.

    Raises LeadNotFound, DisputeRefused.
    """
    return _file(clinic, lead.pk, dispute_type, description, by)


def appeal(*, dispute: LeadDispute, description: str, by: User) -> LeadDispute:
    """The clinic appeals a decision: a new dispute, for another person to decide. Raises DisputeRefused."""
    return _file(dispute.clinic, dispute.lead_id, dispute.dispute_type, description, by, appeal_of=dispute.pk)


def cancel(*, dispute: LeadDispute, by: User) -> LeadDispute:
    """The clinic takes it back; a request about it is void. Raises DisputeAlreadyDecided."""
    return _call("cancel_dispute", p_dispute_id=dispute.pk, p_by=by.pk)


def ask_clinic(*, dispute: LeadDispute, text: str, by: User) -> LeadDispute:
    """Staff ask back; the time to answer stands still until the clinic does. Raises DisputeAlreadyDecided."""
    return _call("ask_clinic", p_dispute_id=dispute.pk, p_by=by.pk, p_text=text)


def answer(*, dispute: LeadDispute, text: str, by: User) -> LeadDispute:
    """The clinic says more. Raises DisputeAlreadyDecided."""
    return _call("answer_dispute", p_dispute_id=dispute.pk, p_by=by.pk, p_text=text)


def reject(*, dispute: LeadDispute, reason_code: str, notes: str, by: User) -> LeadDispute:
    """Nothing comes back; `notes` is what the clinic reads. Raises DisputeAlreadyDecided, SamePerson."""
    decided = _call(
        "reject_dispute", p_dispute_id=dispute.pk, p_by=by.pk, p_reason_code=reason_code, p_notes=notes
    )
    logger.info(f"Dispute resolved: {decided.pk}, Refund 0")
    return decided


def approve(*, dispute: LeadDispute, amount: Decimal, reason_code: str, notes: str, by: User) -> LeadDispute:
    """`amount` credits come back; `notes` is what the clinic reads.

    Raises what `BillingService.approve_dispute` raises: SecondPersonNeeded says that it takes a request
    (`request_approval`).
    """
    BillingService.approve_dispute(dispute.pk, amount, by=by.pk, reason_code=reason_code, notes=notes)
    logger.info(f"Dispute resolved: {dispute.pk}, Refund {amount}")
    return _fresh(dispute.pk)


@transaction.atomic
def request_approval(
    *, dispute: LeadDispute, amount: Decimal, reason_code: str, notes: str, by: User
) -> StaffRequest:
    """An approval above one person's limit: it waits, pending, for a second person.

    Raises RequestPendingAlready, DisputeAlreadyDecided.
    """
    request = requests.ask(
        kind=StaffRequest.Kind.DISPUTE_REFUND,
        object_key=f"dispute:{dispute.pk}",
        details={
            "dispute_id": dispute.pk,
            "amount": str(amount),
            "reason_code": reason_code,
            "notes": notes,
        },
        shown=[
            ("Dispute", str(dispute.pk), dispute.get_dispute_type_display()),
            ("Lead", str(dispute.lead_id), f"cost {dispute.lead.cost}"),
            ("Refund", str(dispute.lead.refunded_total), f"{dispute.lead.refunded_total + amount}"),
            ("Reason for the clinic", "", notes),
        ],
        reason_code=StaffRequest.Reason.ABOVE_LIMIT,
        reason=notes,
        by=by,
        clinic=dispute.clinic,
    )
    # After the request, as locks go everywhere: whoever decides the dispute meanwhile voids it.
    locked = LeadDispute.objects.select_for_update(no_key=True).pending().filter(pk=dispute.pk).first()
    if locked is None:
        raise DisputeAlreadyDecided(f"dispute {dispute.pk} was decided")
    _entry(dispute, DisputeEntry.Kind.REQUESTED, f"Refund of {amount} credits", by)
    return request


def note(*, dispute: LeadDispute, text: str, by: User) -> DisputeEntry:
    """A remark among staff, also on a decided dispute."""
    return _entry(dispute, DisputeEntry.Kind.NOTE, text, by)


def assign(*, dispute: LeadDispute, to: User | None) -> None:
    """Says who works on it, or that nobody does. Raises DisputeAlreadyDecided."""
    if not LeadDispute.objects.filter(pk=dispute.pk).pending().update(assigned_to=to):
        raise DisputeAlreadyDecided(f"dispute {dispute.pk} was decided")


def _entry(dispute: LeadDispute, kind: str, text: str, by: User) -> DisputeEntry:
    return DisputeEntry.objects.create(dispute=dispute, kind=kind, text=text, author=by, is_internal=True)


def _file(
    clinic: Clinic,
    lead_id: int,
    dispute_type: str,
    description: str,
    by: User,
    *,
    appeal_of: int | None = None,
) -> LeadDispute:
    dispute = _call(
        "file_dispute",
        p_clinic_id=clinic.pk,
        p_lead_id=lead_id,
        p_type=dispute_type,
        p_description=description,
        p_filed_by=by.pk,
        p_appeal_of=appeal_of,
    )
    logger.info(f"Dispute created: Lead {lead_id}, Type {dispute.dispute_type}")
    if dispute.is_automatic:
        logger.info(f"Dispute resolved: {dispute.pk}, Refund {dispute.refund_amount}")
    return dispute


def _call(function: str, /, **arguments: Any) -> LeadDispute:
    return _fresh(door.call_or_refuse(function, REFUSALS, **arguments).id)


def _fresh(dispute_id: int) -> LeadDispute:
    dispute = LeadDispute.objects.select_related("lead", "clinic").get(pk=dispute_id)
    forget_counts(dispute.clinic_id)
    return dispute
