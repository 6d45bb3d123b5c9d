"""Delivery of enquiries: charge, hold, release, expire. Decided in `credits/sql/delivery.sql`."""

import logging
from collections.abc import Iterable

from django.db import OperationalError

from clinics import door
from credits.services.ledger import ENQUIRY_ARGUMENTS, REFUSALS, BillingService, Delivery, Enquiry

logger = logging.getLogger(__name__)
TIMED_OUT = frozenset({"55P03", "57014"})  # a lock, a statement


def deliver(enquiry: Enquiry) -> Delivery:
    """Stores the enquiry and charges, frees or holds it; it is never lost (rule 1).

    If the account can't be had in time it is stored by itself as held «busy», under the same key, and tried
    again with the next release. Raises ClinicInactive, ClinicNotFound, PackageNotOffered, KeyReused,
    TooManyEnquiries.
    """
    try:
        return BillingService.deliver_lead(enquiry)
    except OperationalError as error:
        if door.refusal_of(error) not in TIMED_OUT:
            raise
        return BillingService.deliver_lead(enquiry, without_account=True)


def deliver_many(enquiries: Iterable[Enquiry]) -> list[Delivery]:
    """`BillingService.deliver_lead` for each, in their order, in one transaction: all of them, or none.

    Raises what it raises, and OperationalError where an account can't be had in time.
    """
    calls = [
        {argument: getattr(one, name) for name, argument in ENQUIRY_ARGUMENTS} | {"p_without_account": False}
        for one in enquiries
    ]
    rows = door.call_many("deliver_lead", REFUSALS, calls)
    for row in rows:
        if row.delivery_state == "delivered":
            logger.info(f"Credit deduction: Clinic {row.clinic_id}, Amount {row.cost}")
    return [Delivery(row.id, row.delivery_state, row.held_reason, row.cost) for row in rows]
