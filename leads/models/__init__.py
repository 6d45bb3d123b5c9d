"""What is sold, by noun: `catalogue` (treatments, packages, prices), `lead`, `contact` (personal data), `review`."""

from leads.models.catalogue import PricingTier, PricingVersion, Treatment, TreatmentPackage
from leads.models.contact import ContactAttempt, ContactView, EnquiryHit, LeadContact
from leads.models.lead import ConsentNotice, Lead, LeadQuerySet, LeadStatusChange
from leads.models.review import ReviewFacts

__all__ = [
    "ConsentNotice",
    "ContactAttempt",
    "ContactView",
    "EnquiryHit",
    "Lead",
    "LeadContact",
    "LeadQuerySet",
    "LeadStatusChange",
    "PricingTier",
    "PricingVersion",
    "ReviewFacts",
    "Treatment",
    "TreatmentPackage",
]
