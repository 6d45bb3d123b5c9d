"""What a clinic should hear of."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from clinics.models.clinics import Clinic


class Notice(models.Model):
    """One thing a clinic should hear of, written in the transaction that makes it true (the outbox).

    `data` holds ids and amounts only, never a patient's name or number. The same fact is told once:
    `unique_key` names it.
    """

    class Kind(models.TextChoices):
        LEAD_DELIVERED = "lead_delivered", "Lead delivered"
        LEAD_HELD = "lead_held", "Lead held"
        DISPUTE_ASKED = "dispute_asked", "Question about a dispute"
        DISPUTE_DECIDED = "dispute_decided", "Dispute decided"

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=40, choices=Kind.choices)
    unique_key = models.CharField(max_length=100, unique=True)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "notices"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["id"], name="notices_unsent", condition=Q(sent_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} notice {self.pk}"
