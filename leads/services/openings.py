"""Unread leads: a lead stops being one when somebody of its clinic takes it up."""

from datetime import datetime

from clinics.models import User
from leads.models import Lead


def open_lead(*, lead: Lead, by: User, at: datetime) -> bool:
    """Notes who took a received lead up first; True for that first one. Later ones, and leads nobody got, change
    nothing."""
    if not lead.is_received or lead.opened_at is not None:
        return False
    unopened = Lead.objects.received().filter(pk=lead.pk, opened_at=None)
    is_first = bool(unopened.update(opened_at=at, opened_by=by))
    if is_first:
        lead.opened_at, lead.opened_by = at, by
    return is_first
