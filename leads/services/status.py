"""The clinic's own working status of a lead."""

from typing import Final

from django.db import DatabaseError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clinics import door
from clinics.models import User
from leads.models import Lead, LeadStatusChange
from leads.services.openings import open_lead


class LeadNotReceived(Exception):
    """The lead is held or expired: there is nothing for the clinic to work on."""


class LeadFullyRefunded(Exception):
    """All credits for the lead came back, so it cannot have become a patient."""


class LeadInDispute(Exception):
    """The clinic wants its credits back for this lead, so it does not say that it became a patient."""


# What a person is told.
REFUSAL_TEXTS: Final = {
    LeadNotReceived: _("This lead has not been delivered, so it has no status to change."),
    LeadFullyRefunded: _("This lead was refunded in full and can't be set to converted."),
    LeadInDispute: _("This lead is being disputed and can't be set to converted."),
}
IN_DISPUTE: Final = "CC021"  # raised by `disputed_lead_is_not_converted`, a trigger on leads


def change_status(*, lead: Lead, status: Lead.Status, by: User) -> Lead:
    """Sets the working status, from any to any, and keeps the change; the same status again keeps nothing.

    Either way the lead counts as opened. Raises LeadNotReceived, LeadFullyRefunded, LeadInDispute.
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
    if not lead.is_received:
        raise LeadNotReceived(f"lead {lead.pk} is {lead.delivery_state}")
    if status == Lead.Status.CONVERTED and lead.refunded_total >= lead.cost:
        raise LeadFullyRefunded(f"lead {lead.pk} was refunded in full")
    open_lead(lead=lead, by=by, at=timezone.now())
    if status != lead.status:
        LeadStatusChange.objects.create(lead=lead, from_status=lead.status, to_status=status, changed_by=by)
        lead.status = status
        lead.save(update_fields=["status"])
    return lead
