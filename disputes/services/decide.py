"""One decision about one dispute, as a person in the back office makes it."""

from decimal import Decimal
from enum import StrEnum

from clinics import audit
from clinics.models import StaffRequest, User
from credits.services.ledger import SecondPersonNeeded
from disputes.models import LeadDispute
from disputes.services import cases


class Action(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    ASK = "ask"


def decide(
    *, dispute: LeadDispute, action: Action, amount: Decimal | None, reason_code: str, notes: str, by: User
) -> StaffRequest | None:
    """Approves (`amount` credits), rejects, or asks the clinic. `notes` is what the clinic reads.

    Returns None when that is done, and a request where it takes a second person: then the dispute stays pending.
    Raises what the steps in `cases` raise, RequestPendingAlready among them.
    """
    if action is Action.ASK:
        with audit.because("The clinic was asked"):
            cases.ask_clinic(dispute=dispute, text=notes, by=by)
    elif action is Action.REJECT:
        reject(dispute=dispute, reason_code=reason_code, notes=notes, by=by)
    else:
        assert amount is not None
        try:
            approve(dispute=dispute, amount=amount, reason_code=reason_code, notes=notes, by=by)
        except SecondPersonNeeded:
            with audit.because(str(LeadDispute.ReasonCode(reason_code).label)):
                return cases.request_approval(
                    dispute=dispute, amount=amount, reason_code=reason_code, notes=notes, by=by
                )
    return None


def approve(*, dispute: LeadDispute, amount: Decimal, reason_code: str, notes: str, by: User) -> None:
    """`cases.approve`, with its reason in the audit trail."""
    with audit.because(str(LeadDispute.ReasonCode(reason_code).label)):
        cases.approve(dispute=dispute, amount=amount, reason_code=reason_code, notes=notes, by=by)


def reject(*, dispute: LeadDispute, reason_code: str, notes: str, by: User) -> None:
    """`cases.reject`, with its reason in the audit trail."""
    with audit.because(str(LeadDispute.ReasonCode(reason_code).label)):
        cases.reject(dispute=dispute, reason_code=reason_code, notes=notes, by=by)
