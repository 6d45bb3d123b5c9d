"""Enquiries that wait for a look, across all clinics: what helps to judge each, and the decision of staff on several.

The patient stays masked, for staff too, while a lead is held (rule 1): what is shown are counts and lengths.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import OperationalError, connection
from django.db.models import F, Func, IntegerField, Value
from django.db.models.functions import Length

from clinics import audit
from clinics.models import User
from credits.services.ledger import (
    BillingService,
    LeadNotFound,
    ReviewAlreadyDecided,
    SamePerson,
)
from leads.models import Lead, LeadQuerySet, ReviewFacts

MOST_AT_ONCE: Final = 200
LOOKED_THROUGH: Final = 10_000
LINK: Final = r"\S*(https?:|www\.|\w\.(com|net|org|in|ru|xyz|top)\y)\S*"  # a word with one in it

# Of each lead of a page: others of its phone at its clinic, and others of its phone or address that wait with it.
# Counted among the oldest that wait, so that a campaign costs no more than this.
ALIKE: Final = """
WITH waiting AS MATERIALIZED (
  SELECT lead.id, contact.phone, facts.address_hmac
    FROM leads lead JOIN lead_contacts contact ON contact.lead_id = lead.id
         LEFT JOIN lead_review_facts facts ON facts.lead_id = lead.id
   WHERE lead.delivery_state = 'held' AND lead.held_reason = 'review' ORDER BY lead.id LIMIT %(most)s
), phones AS (SELECT phone, count(*) AS number FROM waiting WHERE phone <> '' GROUP BY phone),
addresses AS (SELECT address_hmac, count(*) AS number FROM waiting
               WHERE address_hmac IS NOT NULL GROUP BY address_hmac)
SELECT contact.lead_id,
       (SELECT count(*) FROM lead_contacts other
         WHERE other.clinic_id = contact.clinic_id AND other.phone = contact.phone AND other.phone <> ''
           AND other.lead_id <> contact.lead_id),
       greatest(coalesce(phones.number, 1) - 1, 0),
       greatest(coalesce(addresses.number, 1) - 1, 0)
  FROM lead_contacts contact
       LEFT JOIN lead_review_facts facts ON facts.lead_id = contact.lead_id
       LEFT JOIN phones ON phones.phone = contact.phone
       LEFT JOIN addresses ON addresses.address_hmac = facts.address_hmac
 WHERE contact.lead_id = ANY (%(leads)s)
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One enquiry of the queue. `lead` has its clinic, facts, `text_length` and `links`."""

    lead: Any
    same_phone_here: int
    same_phone_waiting: int
    same_address_waiting: int

    @property
    def facts(self) -> ReviewFacts | None:
        """None for one that was held before facts were kept."""
        return getattr(self.lead, "review_facts", None)


def queue(*, like: int | None = None, clinic: int | None = None) -> LeadQuerySet:
    """The leads that wait, oldest first; `like` narrows them to the address of that lead."""
    leads = Lead.objects.in_review().order_by("pk")
    if clinic is not None:
        leads = leads.filter(clinic=clinic)
    if like is not None:
        address = ReviewFacts.objects.filter(pk=like).values("address_hmac")[:1]
        leads = leads.filter(review_facts__address_hmac=address)
    return leads


def read(leads: LeadQuerySet, *, after: int, most: int) -> list[Waiting]:
    """Up to `most` of the queue behind the lead `after`: three statements at any size."""
    page = list(
        leads.filter(pk__gt=after)
        .select_related("clinic", "partner", "review_facts")
        .annotate(
            text_length=Length("contact__message") + Length("contact__procedure_name"),
            links=Func(
                F("contact__message"),
                Value(LINK),
                Value(1),
                Value("i"),
                function="regexp_count",
                output_field=IntegerField(),
            ),
        )[:most]
    )
    with connection.cursor() as cursor:
        cursor.execute(ALIKE, {"leads": [lead.pk for lead in page], "most": LOOKED_THROUGH})
        alike = {lead_id: counts for lead_id, *counts in cursor.fetchall()}
    return [Waiting(lead, *alike.get(lead.pk, (0, 0, 0))) for lead in page]


MEANWHILE: Final = "decided by somebody else meanwhile, or withdrawn by the patient"
BUSY: Final = "the clinic's account is busy: try again"
WHY_NOT: Final[dict[type[Exception], str]] = {
    ReviewAlreadyDecided: MEANWHILE,
    SamePerson: "of a clinic you belong to or did: another person decides it",
    LeadNotFound: "there is no such lead",
    OperationalError: BUSY,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one lead: its state and, where it is still held, why; `why_not` where nothing was decided."""

    lead_id: int
    delivery_state: str = ""
    held_reason: str = ""
    why_not: str = ""


def decide(*, lead_ids: Sequence[int], action: str, reason_code: str, by: User) -> list[Outcome]:
    """Releases or refuses each, in the order they came, each in a transaction of its own; one that fails harms no
    other. A clinic whose account is busy is waited for once."""
    chosen = sorted(set(lead_ids))[:MOST_AT_ONCE]
    clinics = dict(Lead.objects.filter(pk__in=chosen).values_list("pk", "clinic_id"))
    busy: set[int | None] = set()
    outcomes = []
    for lead_id in chosen:
        clinic = clinics.get(lead_id)
        if clinic in busy:
            outcomes.append(Outcome(lead_id, why_not=BUSY))
            continue
        outcome = _decide_one(lead_id, action, reason_code, by)
        if outcome.why_not == BUSY:
            busy.add(clinic)
        outcomes.append(outcome)
    return outcomes


def _decide_one(lead_id: int, action: str, reason_code: str, by: User) -> Outcome:
    try:
        with audit.because(f"Review: {action}, {reason_code}"):
            now = BillingService.review_lead(lead_id, action=action, reason_code=reason_code, by=by.pk)
    except tuple(WHY_NOT) as refusal:
        return Outcome(lead_id, why_not=WHY_NOT[type(refusal)])
    return Outcome(lead_id, now.delivery_state, now.held_reason)
