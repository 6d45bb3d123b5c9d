"""The clinic's own working status of a lead."""

from typing import Final

from django.db import DatabaseError, transaction

from clinics import door
from clinics.models import User
from leads.models import Lead, LeadStatusChange


class LeadNotReceived(Exception):
    """The lead is held or expired: there is nothing for the clinic to work on."""


class LeadFullyRefunded(Exception):
    """All credits for the lead came back, so it cannot have become a patient."""


class LeadInDispute(Exception):
    """The clinic wants its credits back for this lead, so it does not say that it became a patient."""


IN_DISPUTE: Final = "CC021"  # raised by `disputed_lead_is_not_converted`, a trigger on leads


def change_status(*, lead: Lead, status: Lead.Status, by: User) -> Lead:
    """Sets the working status, from any to any, and keeps the change; the same status again keeps nothing.

    Raises LeadNotReceived, LeadFullyRefunded, LeadInDispute.
    """
    try:
        return _change_status(lead, status, by)
    except DatabaseError as error:
        if door.refusal_of(error) != IN_DISPUTE:
            raise
        raise LeadInDispute(f"lead {lead.pk} is disputed") from error


@transaction.atomic
def _change_status(lead: Lead, status: Lead.Status, by: User) -> Lead:
    lead = Lead.objects.select_for_update(of=("self",), no_key=True).get(pk=lead.pk)
    if lead.delivery_state not in (Lead.DeliveryState.DELIVERED, Lead.DeliveryState.FREE):
        raise LeadNotReceived(f"lead {lead.pk} is {lead.delivery_state}")
    if status == Lead.Status.CONVERTED and lead.refunded_total >= lead.cost:
        raise LeadFullyRefunded(f"lead {lead.pk} was refunded in full")
    if status != lead.status:
        LeadStatusChange.objects.create(lead=lead, from_status=lead.status, to_status=status, changed_by=by)
        lead.status = status
        lead.save(update_fields=["status"])
    return lead
