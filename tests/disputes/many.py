"""Pending disputes by the thousand, made by the owner in a few statements; and pictures of every state of one."""

from datetime import timedelta
from typing import Any, Final

from django.db import connections
from django.utils import timezone

from clinics.models import Clinic
from leads.models import Lead
from tests import factories

TYPES: Final = [
    "invalid_contact",
    "duplicate",
    "spam",
    "outside_area",
    "wrong_treatment",
    "technical_error",
    "other",
]

# Copies of one delivered lead, each with a number of its own, and a dispute of each: filed a minute after another.
MANY: Final = """
WITH copied AS (
  INSERT INTO leads (clinic_id, package_id, treatment_id, partner_id, package_price, tier_id, cost, refunded_total,
                     delivery_state, held_reason, expired_reason, status, contact_intent, source, city,
                     is_minor, consent_notice_id, consented_at, created_at, delivered_at)
  SELECT clinic_id, package_id, treatment_id, partner_id, package_price, tier_id, cost, 0, 'delivered', '', '', 'new',
         contact_intent, source, city, is_minor, consent_notice_id, consented_at,
         %(newest)s - number * %(apart)s, %(newest)s - number * %(apart)s
    FROM leads, generate_series(1, %(count)s) AS number WHERE id = %(lead)s
  RETURNING id, clinic_id, created_at
), contacts AS (
  INSERT INTO lead_contacts (lead_id, clinic_id, phone, name, email, procedure_name, message, guardian_name)
  SELECT id, clinic_id, '+9198' || lpad((10000000 + id)::text, 8, '0'), 'Asha Patel', '', '', '', '' FROM copied
  RETURNING lead_id
)
SELECT count(*) FROM copied JOIN contacts ON lead_id = id
"""
DISPUTES: Final = """
INSERT INTO lead_disputes (lead_id, clinic_id, dispute_type, description, filed_by_id, created_at, due_at)
SELECT id, clinic_id, (%(types)s::text[])[1 + id %% cardinality(%(types)s::text[])], 'It was no patient', %(filer)s,
       created_at, created_at + interval '48 hours'
  FROM leads WHERE clinic_id = %(clinic)s AND NOT EXISTS (SELECT FROM lead_disputes WHERE lead_id = leads.id)
"""


def file_many(
    clinic: Clinic, count: int, *, leads: int | None = None, apart: timedelta = timedelta(minutes=1)
) -> Lead:
    """`count` pending disputes of `clinic`, and as many undisputed leads as make `leads`; returns the lead they copy.

    Needs real commits (`transaction=True`): the owner's connection is another one.
    """
    factories.give_credits(clinic, 1000)
    lead = factories.deliver(clinic, price=7000)
    factories.dispute(lead)
    filer = factories.member_of(clinic, "owner", password=None)
    newest = timezone.now() - timedelta(minutes=1)
    with connections["owner"].cursor() as cursor:
        facts: dict[str, Any] = {"lead": lead.pk, "newest": newest, "apart": apart, "count": count - 1}
        cursor.execute(MANY, facts)
        cursor.execute(DISPUTES, {"types": TYPES, "filer": filer.pk, "clinic": clinic.pk})
        if leads:
            cursor.execute(MANY, {**facts, "count": leads - count})
    connections["owner"].close()  # a browser test waits until nobody else is connected
    return lead
