"""What the payment gateway told us: events, payments, refunds, disputes; and what people must look at.

Amounts here are `int` paise, as the gateway speaks. What clinics were credited is in the ledger alone.
"""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from clinics.trail import tracked
from credits.models.topups import TopUp


class GatewayEvent(models.Model):
    """One webhook event, stored as it came before anything is done about it.

    `event_id` is the gateway's header, else the digest of the body: retries carry the same bytes. The raw bytes
    are dropped after 90 days (retention); what they led to stays.
    """

    class Outcome(models.TextChoices):
        APPLIED = "applied", "Applied"
        IGNORED = "ignored", "Nothing to do"
        REVIEW = "review", "Needs a look"
        FAILED = "failed", "Failed, tried again"

    event_id = models.CharField(max_length=100, unique=True)
    event = models.CharField(max_length=60, help_text="payment.captured, refund.processed, …")
    raw = models.BinaryField(null=True)
    received_at = models.DateTimeField(db_default=Now())
    deliveries = models.PositiveIntegerField(db_default=1)
    processed_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "gateway_events"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="event_processed_iff_it_has_an_outcome",
                condition=Q(processed_at__isnull=False, outcome__in=["applied", "ignored", "review"])
                | Q(processed_at__isnull=True, outcome__in=["", "failed"]),
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["received_at"], name="gateway_events_open", condition=Q(processed_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.pk}"


class GatewayPayment(models.Model):
    """One payment, moved forward by rank only: created < failed < authorized < captured < refunded."""

    class Status(models.TextChoices):
        CREATED = "created", "Created"
        FAILED = "failed", "Failed"
        AUTHORIZED = "authorized", "Authorised"
        CAPTURED = "captured", "Captured"
        REFUNDED = "refunded", "Refunded"

    RANKS: ClassVar[dict[str, int]] = {
        "created": 0,
        "failed": 1,
        "authorized": 2,
        "captured": 3,
        "refunded": 4,
    }
    MONEY_IN: ClassVar[frozenset[str]] = frozenset({"captured", "refunded"})

    payment_id = models.CharField(max_length=40, unique=True)
    order_id = models.CharField(max_length=40, blank=True, db_index=True)
    top_up = models.ForeignKey(
        TopUp, on_delete=models.PROTECT, null=True, blank=True, related_name="gateway_payments"
    )
    status = models.CharField(max_length=12, choices=Status.choices)
    captured = models.BooleanField(default=False)
    amount_paise = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    amount_refunded_paise = models.BigIntegerField(default=0)
    fee_paise = models.BigIntegerField(
        null=True, blank=True, help_text="The gateway's fee, its tax included."
    )
    tax_paise = models.BigIntegerField(null=True, blank=True)
    method = models.CharField(max_length=20, blank=True)
    error_reason = models.CharField(max_length=80, blank=True)
    carries_our_notes = models.BooleanField(default=False)
    first_source = models.CharField(max_length=20, help_text="Which path told us first.")
    made_at = models.DateTimeField(null=True, blank=True, help_text="By the gateway's clock.")
    first_seen_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "gateway_payments"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="payment_status_is_known",
                condition=Q(status__in=["created", "failed", "authorized", "captured", "refunded"]),
            ),
            models.CheckConstraint(
                name="payment_amounts_not_negative",
                condition=Q(amount_paise__gte=0, amount_refunded_paise__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return self.payment_id

    @property
    def rank(self) -> int:
        return self.RANKS[self.status]

    @property
    def is_money_in(self) -> bool:
        """The gateway has the money (or had, and refunded it): the only ground for credits."""
        return self.captured and self.status in self.MONEY_IN


class GatewayRefund(models.Model):
    """Money back to the payer. One we asked for has our `receipt` before it has an id."""

    class Status(models.TextChoices):
        REQUESTED = "requested", "Asked for"
        PENDING = "pending", "Pending"
        PROCESSED = "processed", "Processed"
        FAILED = "failed", "Failed"

    RANKS: ClassVar[dict[str, int]] = {"requested": 0, "pending": 1, "processed": 2, "failed": 3}

    refund_id = models.CharField(max_length=40, unique=True, null=True, blank=True)
    receipt = models.CharField(
        max_length=40, unique=True, null=True, blank=True, help_text="Ours; empty for others'."
    )
    payment = models.ForeignKey(GatewayPayment, on_delete=models.PROTECT, related_name="refunds")
    amount_paise = models.BigIntegerField()
    status = models.CharField(max_length=10, choices=Status.choices)
    reversal_key = models.CharField(
        max_length=80, blank=True, help_text="What it was taken back under, if it was."
    )
    paired_dispute = models.OneToOneField(
        "GatewayDispute",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="paired_refund",
        help_text="The dispute whose loss this refund records: the two count once.",
    )
    first_seen_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "gateway_refunds"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="refund_amount_is_positive", condition=Q(amount_paise__gt=0)),
            models.CheckConstraint(
                name="refund_status_is_known",
                condition=Q(status__in=["requested", "pending", "processed", "failed"]),
            ),
            models.CheckConstraint(
                name="refund_has_an_id_or_a_receipt",
                condition=Q(refund_id__isnull=False) | Q(receipt__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.refund_id or f"refund {self.receipt}"

    @property
    def is_live(self) -> bool:
        """A loss as far as we know; a failed one never was."""
        return self.status != self.Status.FAILED

    @property
    def loss_key(self) -> str:
        return str(self.refund_id)


class GatewayDispute(models.Model):
    """A payer's bank disputes a payment. Phases only rise; a won one may be reopened by a later phase."""

    PHASES: ClassVar[dict[str, int]] = {
        "fraud": 0,
        "retrieval": 0,
        "chargeback": 1,
        "pre_arbitration": 2,
        "arbitration": 3,
    }

    dispute_id = models.CharField(max_length=40, unique=True)
    payment = models.ForeignKey(GatewayPayment, on_delete=models.PROTECT, related_name="disputes")
    amount_paise = models.BigIntegerField()
    phase = models.CharField(max_length=20)
    status = models.CharField(max_length=20)
    highest_phase = models.PositiveSmallIntegerField(
        default=0, help_text="Rank of the highest phase seen undecided."
    )
    won_phase = models.PositiveSmallIntegerField(
        default=0, help_text="Rank of the highest phase that was won."
    )
    reversal_key = models.CharField(
        max_length=80, blank=True, help_text="What is taken back under it now, if anything."
    )
    first_seen_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "gateway_disputes"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="dispute_amount_is_positive", condition=Q(amount_paise__gt=0)),
        ]

    def __str__(self) -> str:
        return self.dispute_id

    @property
    def is_live(self) -> bool:
        """A loss as far as we know: seen undecided or lost in a phase that takes money and was not won."""
        return self.highest_phase >= self.PHASES["chargeback"] and self.highest_phase > self.won_phase

    @property
    def loss_key(self) -> str:
        """By the phase it stands in: one above a phase that was won is a loss of its own."""
        return f"{self.dispute_id}:{self.highest_phase}"


@tracked("review-item", conceals=("note",), leaves_out=("facts",))
class ReviewItem(models.Model):
    """Something about a payment that no rule decides: finance does, with the facts beside it.

    `key` names the matter, so that the same one is raised once.
    """

    class Kind(models.TextChoices):
        AMOUNT = "amount", "Amount or currency differs"
        SECOND_PAYMENT = "second_payment", "Second payment on one order"
        UNKNOWN_ORDER = "unknown_order", "Payment for an unknown order"
        PROMO = "promo", "Promo code could not be honoured"
        REFUND = "refund", "Refund needs a look"
        DISPUTE = "dispute", "Dispute needs a look"
        EVENT = "event", "Event could not be read"
        SETTLEMENT = "settlement", "Settlement differs from our books"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        CLOSED = "closed", "Closed"

    class Resolution(models.TextChoices):
        REFUNDED_AT_GATEWAY = "refunded_at_gateway", "Refunded at the gateway"
        CREDITED_BY_REQUEST = "credited_by_request", "Credited by an approved request"
        EXPLAINED = "explained", "Explained, nothing to do"
        NOT_OURS = "not_ours", "Not ours"

    key = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    facts = models.JSONField(default=dict, help_text="Ids and amounts; no personal data.")
    top_up = models.ForeignKey(
        TopUp, on_delete=models.PROTECT, null=True, blank=True, related_name="review_items"
    )
    payment = models.ForeignKey(
        GatewayPayment, on_delete=models.PROTECT, null=True, blank=True, related_name="review_items"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    raised_at = models.DateTimeField(db_default=Now())
    resolution = models.CharField(max_length=30, choices=Resolution.choices, blank=True)
    note = models.TextField(blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "review_items"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="review_closed_iff_somebody_said_how",
                condition=Q(state="open", closed_at__isnull=True, closed_by__isnull=True, resolution="")
                | (Q(state="closed", closed_at__isnull=False, closed_by__isnull=False) & ~Q(resolution="")),
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["raised_at"], name="review_items_open", condition=Q(state="open")),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"


@tracked("promo-code")
class PromoCode(models.Model):
    """Extra bonus on a top-up: per cent of the price or fixed credits, on top of the package's own bonus."""

    code = models.CharField(max_length=30, unique=True, help_text="Capital letters and digits.")
    percent = models.DecimalField(
        "per cent of the price", max_digits=5, decimal_places=2, null=True, blank=True
    )
    fixed_bonus = models.DecimalField(
        "fixed bonus credits", max_digits=12, decimal_places=2, null=True, blank=True
    )
    least_price = models.DecimalField("least price, ₹", max_digits=12, decimal_places=2, default=0)
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True)
    max_uses = models.PositiveIntegerField("uses in all", null=True, blank=True)
    max_uses_per_clinic = models.PositiveIntegerField("uses per clinic", null=True, blank=True)
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "promo_codes"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="promo_code_is_capitals_and_digits", condition=Q(code__regex=r"^[A-Z0-9]{3,30}$")
            ),
            models.CheckConstraint(
                name="promo_is_percent_or_fixed",
                condition=Q(percent__gt=0, percent__lte=100, fixed_bonus__isnull=True)
                | Q(percent__isnull=True, fixed_bonus__gt=0),
            ),
            models.CheckConstraint(
                name="promo_ends_after_it_starts",
                condition=Q(valid_from__isnull=True)
                | Q(valid_until__isnull=True)
                | Q(valid_until__gt=F("valid_from")),
            ),
        ]

    def __str__(self) -> str:
        return self.code


class PromoUse(models.Model):
    """A code held for one top-up: reserved for 30 minutes when it starts, used when it is paid."""

    class State(models.TextChoices):
        RESERVED = "reserved", "Reserved"
        USED = "used", "Used"
        FORFEITED = "forfeited", "Lost"

    promo_code = models.ForeignKey(PromoCode, on_delete=models.PROTECT, related_name="uses")
    top_up = models.OneToOneField(TopUp, on_delete=models.PROTECT, related_name="promo_use")
    state = models.CharField(max_length=10, choices=State.choices, default=State.RESERVED)
    reserved_until = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "promo_uses"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="promo_use_decided_iff_not_reserved",
                condition=Q(state="reserved", decided_at__isnull=True)
                | Q(state__in=["used", "forfeited"], decided_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"Use {self.pk} of a promo code"
