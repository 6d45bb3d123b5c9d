"""The lead: one patient enquiry at one clinic. No personal data here (see `contact`)."""

from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from clinics.models import Clinic, Partner
from leads.models.catalogue import PricingTier, Treatment, TreatmentPackage


class ConsentNotice(models.Model):
    """The text a patient agreed to (DPDP s.6, Rule 3). Never edited: a change is a new version."""

    version = models.CharField(max_length=20, unique=True)
    text = models.TextField()
    text_sha256 = models.CharField(max_length=64)
    published_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "consent_notices"

    def __str__(self) -> str:
        return f"Consent notice {self.version}"


class LeadQuerySet(models.QuerySet["Lead"]):
    def held(self) -> "LeadQuerySet":
        return self.filter(delivery_state=Lead.DeliveryState.HELD)

    def in_review(self) -> "LeadQuerySet":
        """Those that wait for a person to look at them: the index `leads_in_review`."""
        return self.held().filter(held_reason=Lead.HeldReason.REVIEW)

    def not_expired(self) -> "LeadQuerySet":
        return self.exclude(delivery_state=Lead.DeliveryState.EXPIRED)

    def received(self) -> "LeadQuerySet":
        """What the clinic got to see: delivered and free ones."""
        return self.filter(delivery_state__in=[Lead.DeliveryState.DELIVERED, Lead.DeliveryState.FREE])

    def unread(self) -> "LeadQuerySet":
        """Received, and nobody of the clinic has opened it or worked on it yet: the index `leads_unread`."""
        return self.received().filter(opened_at=None, status=Lead.Status.NEW)

    def newest_first(self) -> "LeadQuerySet":
        return self.order_by("-created_at", "-pk")


def visible_contact(prefix: str = "") -> Q:
    """Condition on a lead (reached by `prefix`): its contact may be shown to its clinic."""

    def charged(path: str) -> Q:
        return Q(**{f"{path}delivery_state": "delivered", f"{path}refunded_total__lt": F(f"{path}cost")})

    return charged(prefix) | (Q(**{f"{prefix}delivery_state": "free"}) & charged(f"{prefix}repeat_of__"))


class Lead(models.Model):
    """One patient enquiry at one clinic. What it cost is fixed at its arrival.

    `delivery_state` is decided by `credits/sql/delivery.sql` under the account's lock and by nothing else;
    `status` is the clinic's own working status.
    """

    class DeliveryState(models.TextChoices):
        DELIVERED = "delivered", _("Delivered")
        FREE = "free", pgettext_lazy("delivery of a lead", "Free")
        HELD = "held", _("Held")
        EXPIRED = "expired", _("Expired")

    class HeldReason(models.TextChoices):
        REVIEW = "review", _("Waits for a check")
        FROZEN = "frozen", _("Delivery is frozen")
        PAUSED = "paused", _("Delivery is paused")
        BUDGET = "budget", _("Above your budget")
        NO_CREDITS = "no_credits", _("Not enough credits")
        BUSY = "busy", _("Being processed")

    class ExpiredReason(models.TextChoices):
        TOO_OLD = "too_old", _("Held for 14 days")
        REFUSED = "refused", _("Refused in review")
        WITHDRAWN = "withdrawn", _("Withdrawn by the patient")

    class Status(models.TextChoices):
        NEW = "new", pgettext_lazy("status of a lead", "New")
        CONTACTED = "contacted", pgettext_lazy("status of a lead", "Contacted")
        CONVERTED = "converted", pgettext_lazy("status of a lead", "Converted")
        LOST = "lost", pgettext_lazy("status of a lead", "Lost")

    class Intent(models.TextChoices):
        CALL = "call", _("Call back")
        WHATSAPP = "whatsapp", _("WhatsApp")
        CHAT = "chat", _("Chat")
        INQUIRY = "inquiry", _("Question")

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="leads", db_index=False)
    # No page asks for the leads of a package or treatment across clinics, and neither is deleted: an index of each
    # would be written with every enquiry and read by nobody.
    package = models.ForeignKey(
        TreatmentPackage,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="leads",
        db_index=False,
    )
    treatment = models.ForeignKey(
        Treatment, on_delete=models.PROTECT, null=True, blank=True, related_name="leads", db_index=False
    )
    partner = models.ForeignKey(
        Partner, on_delete=models.PROTECT, null=True, blank=True, related_name="leads", db_index=False
    )
    package_price = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="Price that decided the cost; empty: unknown.",
    )
    # No foreign key in the database to tier and notice: both tables refuse UPDATE, DELETE and TRUNCATE, and
    # key-share locks of every delivery on the same few rows would make all clinics queue there.
    tier = models.ForeignKey(
        PricingTier, on_delete=models.PROTECT, related_name="leads", db_constraint=False, db_index=False
    )
    cost = models.DecimalField("cost, credits", max_digits=12, decimal_places=2)
    refunded_total = models.DecimalField(max_digits=12, decimal_places=2, db_default=Decimal("0.00"))
    delivery_state = models.CharField(max_length=10, choices=DeliveryState.choices)
    held_reason = models.CharField(max_length=12, choices=HeldReason.choices, blank=True)
    expired_reason = models.CharField(max_length=12, choices=ExpiredReason.choices, blank=True)
    repeat_of = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="repeats", db_index=False
    )
    status = models.CharField(max_length=10, choices=Status.choices, db_default=Status.NEW)
    contact_intent = models.CharField(max_length=10, choices=Intent.choices)
    source = models.SlugField(max_length=40, db_index=False)
    city = models.CharField(max_length=80, blank=True)
    preferred_date = models.DateField(null=True, blank=True)
    is_minor = models.BooleanField(default=False)
    consent_notice = models.ForeignKey(
        ConsentNotice, on_delete=models.PROTECT, related_name="leads", db_constraint=False, db_index=False
    )
    consented_at = models.DateTimeField()
    created_at = models.DateTimeField("arrived at")
    delivered_at = models.DateTimeField(null=True, blank=True)
    expired_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When somebody of the clinic first took it up."
    )
    # Without a constraint in the database, as above: every arriving enquiry would pay for its check.
    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )

    objects = LeadQuerySet.as_manager()

    class Meta:
        db_table = "leads"
        permissions = [("review_lead", "Can release or refuse enquiries held for review")]  # noqa: RUF012  (Django's own type)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                F("clinic"), F("created_at").desc(), F("id").desc(), name="idx_leads_clinic_created"
            ),
            models.Index(
                fields=["clinic", "created_at", "id"], name="leads_held", condition=Q(delivery_state="held")
            ),
            models.Index(
                fields=["clinic", "delivered_at", "id"],
                name="leads_by_delivery",
                condition=Q(delivery_state__in=["delivered", "free"]),
            ),
            models.Index(
                F("partner"), F("id").desc(), name="leads_of_partner", condition=Q(partner__isnull=False)
            ),
            models.Index(fields=["repeat_of"], name="leads_repeats", condition=Q(repeat_of__isnull=False)),
            # A clinic's leads that nobody has taken up, by when they came through: few, however many it has had.
            models.Index(
                F("clinic"),
                F("delivered_at").desc(),
                F("id").desc(),
                name="leads_unread",
                condition=Q(delivery_state__in=["delivered", "free"], opened_at=None, status="new"),
            ),
            # What waits for a look, across all clinics, by age: the staff's queue.
            models.Index(
                fields=["id"],
                name="leads_in_review",
                condition=Q(delivery_state="held", held_reason="review"),
            ),
            # Leads of a time across all clinics (the back office's figures): rows come in time order, and a
            # block-range index costs next to nothing per row.
            BrinIndex(F("created_at"), name="leads_by_time", autosummarize=True),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="lead_delivery_state_is_known",
                condition=Q(delivery_state__in=["delivered", "free", "held", "expired"]),
            ),
            models.CheckConstraint(
                name="lead_held_iff_it_has_a_reason",
                condition=Q(
                    delivery_state="held",
                    held_reason__in=["review", "frozen", "paused", "budget", "no_credits", "busy"],
                )
                | (~Q(delivery_state="held") & Q(held_reason="")),
            ),
            models.CheckConstraint(
                name="lead_expired_iff_it_has_a_reason",
                condition=Q(
                    delivery_state="expired",
                    expired_reason__in=["too_old", "refused", "withdrawn"],
                    expired_at__isnull=False,
                )
                | (~Q(delivery_state="expired") & Q(expired_reason="", expired_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="lead_free_iff_it_repeats_another",
                condition=Q(delivery_state="free", repeat_of__isnull=False)
                | (~Q(delivery_state="free") & Q(repeat_of__isnull=True)),
            ),
            models.CheckConstraint(
                name="lead_received_iff_it_has_a_time",
                condition=Q(delivery_state__in=["delivered", "free"], delivered_at__isnull=False)
                | (~Q(delivery_state__in=["delivered", "free"]) & Q(delivered_at__isnull=True)),
            ),
            models.CheckConstraint(name="lead_cost_is_positive", condition=Q(cost__gt=0)),
            models.CheckConstraint(
                name="lead_refunds_within_its_cost",
                condition=Q(refunded_total__gte=0, refunded_total__lte=F("cost"))
                & (Q(delivery_state="delivered") | Q(refunded_total=0)),
            ),
            models.CheckConstraint(
                name="lead_status_is_known", condition=Q(status__in=["new", "contacted", "converted", "lost"])
            ),
            models.CheckConstraint(
                name="lead_converted_is_not_fully_refunded",
                condition=~Q(status="converted") | Q(refunded_total__lt=F("cost")),
            ),
            models.CheckConstraint(
                name="lead_intent_is_known",
                condition=Q(contact_intent__in=["call", "whatsapp", "chat", "inquiry"]),
            ),
        ]

    def __str__(self) -> str:
        return f"Lead {self.pk}"

    @property
    def is_charged(self) -> bool:
        """Delivered, paid for, and not fully refunded."""
        return self.delivery_state == self.DeliveryState.DELIVERED and self.refunded_total < self.cost

    @property
    def wanted(self) -> str:
        """What the patient asked for: the package's name, else the treatment's, else nothing."""
        named = self.package or self.treatment
        return str(named) if named else ""

    @property
    def is_received(self) -> bool:
        """The clinic got it: it has a working status."""
        return self.delivery_state in (self.DeliveryState.DELIVERED, self.DeliveryState.FREE)

    @property
    def is_unread(self) -> bool:
        """The same rule as `unread`, on a loaded row."""
        return self.is_received and self.opened_at is None and self.status == self.Status.NEW

    @property
    def contact_is_visible(self) -> bool:
        """The same rule as `visible_contact`, on a loaded row (with `repeat_of` for free ones)."""
        if self.delivery_state == self.DeliveryState.FREE:
            return self.repeat_of is not None and self.repeat_of.is_charged
        return self.is_charged


class LeadStatusChange(models.Model):
    """Each change of a lead's working status, kept."""

    lead = models.ForeignKey(Lead, on_delete=models.PROTECT, related_name="status_changes")
    from_status = models.CharField(max_length=10, choices=Lead.Status.choices)
    to_status = models.CharField(max_length=10, choices=Lead.Status.choices)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "lead_status_changes"

    def __str__(self) -> str:
        return f"{self.from_status} → {self.to_status}"
