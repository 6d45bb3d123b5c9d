"""Who released or refused a held lead."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from leads.models import Lead


class HeldLeadDecision(models.Model):
    """A person's decision about one held lead: what it waited for, and what came of it. Never changed.

    Written by the SQL functions of `credits/sql/held.sql` alone, in the transaction that delivers or refuses the
    lead. A release that left a lead waiting for credits or limits decided nothing and
    has no row.
    """

    class Action(models.TextChoices):
        RELEASE = "release", _("Released")
        REFUSE = "refuse", _("Refused")

    class Reason(models.TextChoices):
        """Why staff released or refused one in review; a clinic gives no reason for what is its own."""

        GENUINE = "genuine", "Reads like a patient's own enquiry"
        SHARED_ADDRESS = "shared_address", "Many people share the address"
        CLINIC_ASKED = "clinic_asked", "The clinic asked for it"
        SCRIPTED = "scripted", "Sent by a script"
        NONSENSE = "nonsense", "Nonsense or advertising"
        REPEATED = "repeated", "The same enquiry again"
        TEST = "test", "Somebody's test"

    lead = models.ForeignKey(Lead, on_delete=models.PROTECT, related_name="held_decisions")
    action = models.CharField(max_length=10, choices=Action.choices)
    held_reason = models.CharField(max_length=12, choices=Lead.HeldReason.choices)
    delivery_state = models.CharField(max_length=10, choices=Lead.DeliveryState.choices)
    still_held_reason = models.CharField(max_length=12, choices=Lead.HeldReason.choices, blank=True)
    reason_code = models.CharField(
        "why",
        max_length=20,
        choices=Reason.choices,
        blank=True,
        db_default="",
        help_text="Given by staff alone.",
    )
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()

    class Meta:
        db_table = "held_lead_decisions"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="held_decision_action_is_known", condition=Q(action__in=["release", "refuse"])
            ),
            models.CheckConstraint(
                name="held_decision_fits_its_outcome",
                condition=Q(action="refuse", delivery_state="expired")
                | Q(action="release", delivery_state__in=["delivered", "free", "held"]),
            ),
            models.CheckConstraint(
                name="held_decision_reason_fits_its_action",
                condition=Q(reason_code="")
                | Q(action="release", reason_code__in=["genuine", "shared_address", "clinic_asked"])
                | Q(
                    action="refuse",
                    reason_code__in=["scripted", "nonsense", "repeated", "test", "clinic_asked"],
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} of lead {self.lead_id}"
