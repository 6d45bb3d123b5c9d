"""The numbers the ledger's SQL works with, and the switches staff may throw: one row, read by every delivery."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from clinics.trail import tracked


@tracked("rules", leaves_out=("updated_at",))
class BillingRules(models.Model):
    """The single row (id 1) of limits and switches. Defaults are the product's own rules."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    bonus_valid_days = models.PositiveSmallIntegerField(
        default=180, help_text="Bonus and goodwill expire after this."
    )
    returned_valid_days = models.PositiveSmallIntegerField(
        default=30, help_text="Credits that come back are valid at least this long."
    )
    repeat_window_days = models.PositiveSmallIntegerField(
        default=30, help_text="A second enquiry of one phone within this is free."
    )
    auto_release_hours = models.PositiveSmallIntegerField(
        default=72, help_text="Held leads up to this age are released by themselves."
    )
    release_batch = models.PositiveSmallIntegerField(
        default=200, help_text="How many a payment releases at once; the rest follow."
    )
    held_valid_days = models.PositiveSmallIntegerField(
        default=14, help_text="A held lead expires after this."
    )
    staff_refund_limit = models.DecimalField(
        "refunds of one member of staff to one clinic a day, credits",
        max_digits=12,
        decimal_places=2,
        db_default=2000,
        help_text="What goes above it needs a second person.",
    )
    appeal_days = models.PositiveSmallIntegerField(
        db_default=7, help_text="A decided dispute can be appealed for this long."
    )
    dispute_hours = models.PositiveSmallIntegerField(
        db_default=48, help_text="A dispute should be answered within this."
    )
    charging_stopped_at = models.DateTimeField(
        null=True, blank=True, help_text="While set, every lead is held and nothing is charged."
    )
    top_ups_stopped_at = models.DateTimeField(
        null=True, blank=True, help_text="While set, no top-up can be started."
    )
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "billing_rules"
        verbose_name = verbose_name_plural = "billing rules"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="billing_rules_are_one_row", condition=Q(id=1)),
        ]

    def __str__(self) -> str:
        return "Billing rules"
