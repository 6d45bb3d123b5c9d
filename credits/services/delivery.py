"""Delivery of enquiries: charge, hold, release, expire. Decided in `credits/sql/delivery.sql`."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from django.db import OperationalError

from clinics import door
from credits.services.ledger import REFUSALS, BillingError, BillingService, Delivery, Enquiry

logger = logging.getLogger(__name__)
# How long many wait for an account: live enquiries of the accounts they have already wait as long.
PATIENCE_MS = 300
TIMED_OUT = frozenset({"55P03", "57014", "40P01"})  # a lock, a statement, a lock that waited for ours


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


# Said once for all of them, or of browsers alone.
NOT_OF_EACH: Final = frozenset({"caller", "route", "address_hmac", "per_hour_limit", "per_minute_limit"})
OF_EACH: Final = tuple(each.name for each in fields(Enquiry) if each.name not in NOT_OF_EACH)


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of one of many: its delivery as it stands after all of them, or why it was refused."""

    clinic_id: int
    delivery: Delivery | None
    is_new: bool = False
    refusal: type[BillingError] | None = None


@dataclass(frozen=True, slots=True)
class Together:
    """Enquiries as the database takes them."""

    caller: str
    route: str
    enquiries: str


def put_together(enquiries: Sequence[Enquiry]) -> Together:
    """At least one; of one caller and route, and of no browser."""
    return Together(
        enquiries[0].caller,
        enquiries[0].route,
        json.dumps(
            [{name: value for name in OF_EACH if _is_said(value := getattr(one, name))} for one in enquiries],
            default=_told,
        ),
    )


def deliver_many(together: Together) -> list[Arrival]:
    """What `BillingService.deliver_lead` does, for each in their order, in one transaction and by sets where it can
    (`credits/sql/delivery_many.sql`). Accounts are locked until all are written: a thousand take a fifth of a second.

    The caller has them logged by `log_charges`. Raises OperationalError where an account can't be had in PATIENCE_MS;
    then none of them is stored.
    """
    rows = door.rows(
        "deliver_leads",
        p_caller=together.caller,
        p_route=together.route,
        p_enquiries=together.enquiries,
        p_patience_ms=PATIENCE_MS,
    )
    return [_arrival(row) for row in rows]


def _is_said(value: Any) -> bool:
    """What is empty or false need not be; a price of 0 is neither."""
    return value is not None and value is not False and value != ""


def _told(value: Any) -> str:
    """Amounts, dates and digests as PostgreSQL reads them."""
    return value.hex() if isinstance(value, bytes) else str(value)


def _arrival(row: Any) -> Arrival:
    if row.refusal is not None:
        return Arrival(row.clinic_id, None, refusal=REFUSALS[row.refusal])
    return Arrival(
        row.clinic_id, Delivery(row.lead_id, row.delivery_state, row.held_reason, row.cost), row.is_new
    )


def log_charges(arrivals: Sequence[Arrival]) -> None:
    for one in arrivals:
        if one.is_new and one.delivery is not None and one.delivery.delivery_state == "delivered":
            logger.info(f"Credit deduction: Clinic {one.clinic_id}, Amount {one.delivery.cost}")
