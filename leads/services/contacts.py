"""Showing a patient's contact: what may be seen, and who saw it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from clinics.models import User
from leads.models import ContactView, Lead, LeadContact


def show_contacts(leads: Iterable[Lead], viewer: User, at: datetime) -> dict[int, LeadContact]:
    """The contacts of those leads that may be shown now, by lead id; the only way a page gets one.

    Looking is logged once per lead, member and day in India (rule 12), before anything is shown. `at` is the moment
    of looking. The caller has made sure that the leads are the viewer's clinic's own.
    """
    day = timezone.localdate(at)
    seen_today = ContactView.objects.filter(viewer=viewer, lead=OuterRef("lead"), seen_on=day, reason="")
    visible = LeadContact.objects.visible().filter(lead__in=[lead.pk for lead in leads])
    contacts: Iterable[Any] = visible.annotate(is_logged=Exists(seen_today))
    shown: dict[int, LeadContact] = {}
    unlogged: list[ContactView] = []
    for contact in contacts:
        shown[contact.pk] = contact
        if contact.erased_at is None and not contact.is_logged:
            unlogged.append(ContactView(lead_id=contact.pk, viewer=viewer, seen_on=day, seen_at=at))
    # One statement; another tab of the same person may have been quicker.
    ContactView.objects.bulk_create(unlogged, ignore_conflicts=True)
    return shown


class ContactNotVisible(Exception):
    """The contact is erased, or masked for everybody: the lead is not charged (any more)."""


@transaction.atomic
def show_contact_to_staff(*, lead: Lead, viewer: User, reason: str, at: datetime) -> LeadContact:
    """One lead's contact, for staff who said why; each look is logged, before anything is shown (rule 12).

    The caller has made sure that the viewer may. Raises ContactNotVisible, also for an erased contact.
    """
    if not reason.strip():
        raise ValueError("staff say why they look")
    contact = LeadContact.objects.visible().filter(lead=lead, erased_at=None).first()
    if contact is None:
        raise ContactNotVisible(f"lead {lead.pk}")
    log_look(lead=lead, viewer=viewer, reason=reason, at=at)
    return contact


def log_look(*, lead: Lead, viewer: User, reason: str, at: datetime) -> None:
    """Staff look at something that may show the patient: each time a row, with why (rule 12)."""
    ContactView.objects.create(
        lead=lead, viewer=viewer, reason=reason, seen_on=timezone.localdate(at), seen_at=at
    )
