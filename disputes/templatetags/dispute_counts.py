"""The number beside «Disputes» in the portal's navigation, on every page of it."""

from typing import Any

from django import template

from clinics.models import Clinic
from disputes.services.counts import pending_count

register = template.Library()


@register.simple_tag
def pending_disputes(clinic: Clinic, account: Any) -> int:
    """How many of the clinic's disputes wait for a decision: as the page has read it along with the account, else at
    most 10 minutes old."""
    read: int | None = getattr(account, "pending_disputes", None)
    return pending_count(clinic.pk) if read is None else read
