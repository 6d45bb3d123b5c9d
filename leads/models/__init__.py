"""What is sold, by noun: `catalogue` (treatments, packages, prices), `lead`, `contact` (personal data)."""

from leads.models.catalogue import PricingTier, PricingVersion, Treatment, TreatmentPackage
from leads.models.contact import ContactAttempt, ContactView, EnquiryHit, LeadContact
from leads.models.lead import ConsentNotice, Lead, LeadStatusChange

__all__ = [
    "ConsentNotice",
    "ContactAttempt",
    "ContactView",
    "EnquiryHit",
    "Lead",
    "LeadContact",
    "LeadStatusChange",
    "PricingTier",
    "PricingVersion",
    "Treatment",
    "TreatmentPackage",
]
