"""Steps of the ledger that only an approved dispute or request takes, for tests that try a step by itself.

The suite's role may call them (tests/database.py), the product's may not. Books in which they were called have refunds
without a dispute and adjustments without a request: `STEPS_LEAVE` names the checks that say so.
"""

from decimal import Decimal
from typing import Final

from credits.models import CreditTransaction
from credits.services.ledger import _amount, _call, _transaction

STEPS_LEAVE: Final = frozenset({"refund_belongs_to_a_dispute", "adjustment_was_approved_by_a_second_person"})


def refund_lead(lead_id: int, amount: Decimal, description: str) -> CreditTransaction:
    """Credits back for a lead, as grants of the kinds they came from. Raises what the step refuses with."""
    return _transaction(
        _call("refund_lead", p_lead_id=lead_id, p_amount=_amount(amount), p_description=description)
    )


def adjust_credits(
    clinic_id: int, amount: Decimal, description: str, *, idempotency_key: str
) -> CreditTransaction:
    """A correction: positive as goodwill, negative never below zero; a repeat returns the first."""
    return _transaction(
        _call(
            "adjust_credits",
            p_clinic_id=clinic_id,
            p_amount=_amount(amount),
            p_description=description,
            p_idempotency_key=idempotency_key,
        )
    )
