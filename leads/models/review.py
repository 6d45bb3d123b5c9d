"""What helps a person to judge an enquiry that waits for a look (rule 9). No personal data."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from leads.models.lead import Lead


class ReviewFactsQuerySet(models.QuerySet["ReviewFacts"]):
    def decided(self) -> "ReviewFactsQuerySet":
        """Those that still know their address, though nobody needs it any more: the lead left review."""
        in_review = Q(lead__delivery_state=Lead.DeliveryState.HELD, lead__held_reason=Lead.HeldReason.REVIEW)
        return self.filter(~in_review, address_hmac__isnull=False)


class ReviewFacts(models.Model):
    """Why an enquiry was held for review, as it was at its arrival. Written by `deliver_lead` alone.

    `address_hmac` tells which others came from the same address; it is forgotten when the lead has left review, a day
    after its arrival at the earliest (`manage.py forget_old_data`).
    """

    lead = models.OneToOneField(Lead, on_delete=models.PROTECT, primary_key=True, related_name="review_facts")
    address_hmac = models.BinaryField(max_length=32, null=True, blank=True)
    in_last_hour = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Enquiries from its address in the hour up to it; empty: not counted.",
    )
    honeypot_filled = models.BooleanField()

    objects = ReviewFactsQuerySet.as_manager()

    class Meta:
        db_table = "lead_review_facts"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["address_hmac"],
                name="review_facts_address",
                condition=Q(address_hmac__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"Why lead {self.pk} waits for review"
