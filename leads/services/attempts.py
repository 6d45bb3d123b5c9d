"""Attempts to reach a patient: what a dispute counts, and what the clinic itself wants to remember."""

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from clinics.idempotency import body_digest, claim
from clinics.models import User
from leads.models import ContactAttempt, Lead, LeadContact
from leads.services.contacts import ContactNotVisible
from leads.services.openings import open_lead

ROUTE: Final = "/clinic/leads/attempts"
DOUBLE_TAP: Final = timedelta(seconds=10)  # taps of one person on one button within this are one attempt


class OutcomeIsSet(Exception):
    """What came of the attempt was said before; it is a fact now."""


@transaction.atomic
def record_attempt(
    *,
    lead: Lead,
    kind: ContactAttempt.Kind,
    by: User,
    outcome: ContactAttempt.Outcome = ContactAttempt.Outcome.OPENED,
    idempotency_key: str = "",
) -> ContactAttempt:
    """Keeps that the member tries, or tried, to reach the patient, and returns the attempt; a double tap is the first,
    and so is the same key of the member.

    The lead counts as opened. The caller has made sure that the lead is the member's clinic's own. Raises
    ContactNotVisible: nobody can be called whose number is hidden; and KeyUsedForAnother.
    """
    if not idempotency_key:
        return _record(lead, kind, by, outcome)
    row, is_new = claim(
        caller=f"user:{by.pk}",
        route=ROUTE,
        key=idempotency_key,
        body_hmac=body_digest({"lead": lead.pk, "kind": kind, "outcome": outcome}),
    )
    if not is_new:
        first: dict[str, int] = row.answer or {}  # written in the transaction that claimed the key
        return ContactAttempt.objects.get(pk=first["attempt_id"])
    made = _record(lead, kind, by, outcome)
    row.status_code, row.answer = 201, {"attempt_id": made.pk}
    row.save(update_fields=["status_code", "answer"])
    return made


def _record(
    lead: Lead, kind: ContactAttempt.Kind, by: User, outcome: ContactAttempt.Outcome
) -> ContactAttempt:
    lead = Lead.objects.select_for_update(of=("self",), no_key=True).get(pk=lead.pk)  # taps queue here
    if not LeadContact.objects.visible().filter(lead=lead, erased_at=None).exists():
        raise ContactNotVisible(f"lead {lead.pk}")
    now = timezone.now()
    open_lead(lead=lead, by=by, at=now)
    tapped = ContactAttempt.objects.filter(lead=lead, kind=kind, made_by=by, made_at__gt=now - DOUBLE_TAP)
    if outcome != ContactAttempt.Outcome.OPENED:
        tapped = tapped.filter(outcome=outcome)
    first = tapped.order_by("pk").first()
    return first or ContactAttempt.objects.create(
        lead=lead, kind=kind, made_by=by, outcome=outcome, made_at=now
    )


@transaction.atomic
def set_outcome(*, attempt: ContactAttempt, outcome: ContactAttempt.Outcome) -> ContactAttempt:
    """Says once how an attempt went; the same again changes nothing. Raises OutcomeIsSet."""
    attempt = ContactAttempt.objects.select_for_update(of=("self",), no_key=True).get(pk=attempt.pk)
    if attempt.outcome not in (ContactAttempt.Outcome.OPENED, outcome):
        raise OutcomeIsSet(f"attempt {attempt.pk} is {attempt.outcome}")
    if attempt.outcome != outcome:
        attempt.outcome = outcome
        attempt.save(update_fields=["outcome"])
    return attempt
