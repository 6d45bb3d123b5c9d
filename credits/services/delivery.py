"""Delivery of enquiries: charge, hold, release, expire. Decided in `credits/sql/delivery.sql`."""

from django.db import OperationalError

from clinics import door
from credits.services.ledger import BillingService, Delivery, Enquiry

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
