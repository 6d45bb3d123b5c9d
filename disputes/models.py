"""What went wrong: disputed leads, the policy they are judged by, their timeline and evidence.

States and refunds are written by the SQL functions in `disputes/sql/` alone; the web's role may only read
`lead_disputes` and say who works on one.
"""

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from clinics.models import Clinic
from clinics.trail import tracked
from credits.models import CreditTransaction
from leads.models import Lead

MOST_FILES = 5


class DisputeType(models.TextChoices):
    """Why a clinic disputes a lead (PRODUCT rule 6)."""

    INVALID_CONTACT = "invalid_contact", _("Invalid contact")
    DUPLICATE = "duplicate", _("Duplicate")
    SPAM = "spam", _("Spam")
    OUTSIDE_AREA = "outside_area", _("Outside our service area")
    WRONG_TREATMENT = "wrong_treatment", _("Wrong treatment")
    TECHNICAL_ERROR = "technical_error", _("Technical error")
    NOT_INTERESTED = "not_interested", _("Patient not interested")
    PRICE_ONLY = "price_only", _("Asked for the price only")
    OTHER = "other", _("Something else")


@tracked("dispute-policy", leaves_out=("updated_at",))
class DisputePolicy(models.Model):
    """What holds for one reason: data, changed by two people (rule 7), read by the form before anything is filed.

    `window_days` are days in India after the day of delivery. Percentages are of the lead's cost; empty: none.
    """

    dispute_type = models.CharField("reason", max_length=50, choices=DisputeType.choices, unique=True)
    position = models.PositiveSmallIntegerField(help_text="Its place in the list of reasons.")
    is_accepted = models.BooleanField("accepted", default=True)
    window_days = models.PositiveSmallIntegerField("days from delivery", default=7)
    evidence_needed = models.BooleanField(default=False, help_text="At least one file.")
    least_contact_attempts = models.PositiveSmallIntegerField(default=0)
    suggested_percent = models.PositiveSmallIntegerField("suggested, per cent", null=True, blank=True)
    partner_percent = models.PositiveSmallIntegerField(
        "suggested where a partner sent the lead, per cent", null=True, blank=True
    )
    is_automatic = models.BooleanField(
        "approved by itself", default=False, help_text="Where the books themselves prove the reason."
    )
    guidance = models.CharField(max_length=300, help_text="What the clinic reads beside the reason.")
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "dispute_policies"
        verbose_name_plural = "dispute policy"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="policy_percentages_are_percentages",
                condition=(Q(suggested_percent__isnull=True) | Q(suggested_percent__lte=100))
                & (Q(partner_percent__isnull=True) | Q(partner_percent__lte=100)),
            ),
            # Only what the books can prove may be decided without a person.
            models.CheckConstraint(
                name="policy_automatic_for_duplicates_only",
                condition=Q(is_automatic=False) | Q(dispute_type="duplicate", suggested_percent__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return self.get_dispute_type_display()

    def percent_for(self, *, from_partner: bool) -> int | None:
        """What is suggested of the lead's cost; None: nothing, a person decides."""
        has_own = from_partner and self.partner_percent is not None
        return self.partner_percent if has_own else self.suggested_percent


class DisputeQuerySet(models.QuerySet["LeadDispute"]):
    def pending(self) -> "DisputeQuerySet":
        return self.filter(status=LeadDispute.Status.PENDING)

    def most_urgent_first(self) -> "DisputeQuerySet":
        """By the time an answer is due; one that waits for the clinic comes last."""
        return self.order_by(F("awaiting_clinic_since").asc(nulls_first=True), "due_at", "pk")


@tracked("dispute", conceals=("admin_notes",), leaves_out=("description",))
class LeadDispute(models.Model):
    """A clinic wants credits back for a lead. Decided once; `admin_notes` is the reason the clinic reads.

    An appeal is a row of its own (`appeal_of`), decided by another person.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")
        CANCELLED = "cancelled", _("Cancelled")

    class ReasonCode(models.TextChoices):
        """Why it was decided so: the closed list staff choose from."""

        CONFIRMED = "confirmed", _("The reason is confirmed")
        PARTLY_CONFIRMED = "partly_confirmed", _("The reason is confirmed in part")
        AUTOMATIC_DUPLICATE = "automatic_duplicate", _("The books show a repeat")
        GOODWILL = "goodwill", _("Goodwill beyond the policy")
        NOT_CONFIRMED = "not_confirmed", _("The reason is not confirmed")
        NO_EVIDENCE = "no_evidence", _("Nothing supports it")
        LEAD_WAS_GOOD = "lead_was_good", _("The lead was good")
        NOT_COVERED = "not_covered", _("The policy does not cover it")

    lead = models.ForeignKey(Lead, on_delete=models.PROTECT, related_name="disputes", db_index=False)
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="disputes", db_index=False)
    dispute_type = models.CharField("reason", max_length=50, choices=DisputeType.choices)
    description = models.TextField()
    status = models.CharField(max_length=20, choices=Status.choices, db_default=Status.PENDING)
    admin_notes = models.TextField("reason of the decision", blank=True, db_default="")
    refund_amount = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    created_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    appeal_of = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="appeal"
    )
    filed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    due_at = models.DateTimeField(help_text="When it should be answered.")
    awaiting_clinic_since = models.DateTimeField(null=True, blank=True)
    reason_code = models.CharField(max_length=30, choices=ReasonCode.choices, blank=True, db_default="")
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The second person, where one was needed.",
    )
    is_automatic = models.BooleanField("decided by itself", db_default=False)
    refund_transaction = models.OneToOneField(
        CreditTransaction, on_delete=models.PROTECT, null=True, blank=True, related_name="dispute"
    )

    objects = DisputeQuerySet.as_manager()

    class Meta:
        db_table = "lead_disputes"
        permissions = [  # noqa: RUF012  (Django's own type)
            ("decide_leaddispute", "Can decide disputes"),
            ("comment_leaddispute", "Can comment disputes"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(F("clinic"), F("id").desc(), name="idx_lead_disputes_clinic_id"),
            # The queue itself, and what the seed's plain index on the state was for.
            models.Index(fields=["status", "due_at", "id"], name="idx_lead_disputes_status"),
            models.Index(F("status"), F("created_at").desc(), name="idx_disputes_status_created"),
            models.Index(
                fields=["assigned_to", "due_at"], name="disputes_assigned", condition=Q(status="pending")
            ),
            # The day's refunds of one member of staff to one clinic (rule 7).
            models.Index(
                fields=["resolved_by", "clinic", "resolved_at"],
                name="disputes_approved_by",
                condition=Q(status="approved"),
            ),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="dispute_status_is_known",
                condition=Q(status__in=["pending", "approved", "rejected", "cancelled"]),
            ),
            models.CheckConstraint(
                name="dispute_type_is_known", condition=Q(dispute_type__in=DisputeType.values)
            ),
            models.CheckConstraint(
                name="dispute_pending_iff_not_resolved",
                condition=Q(status="pending", resolved_at__isnull=True)
                | (~Q(status="pending") & Q(resolved_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="dispute_approved_iff_refunded",
                condition=Q(status="approved", refund_amount__gt=0, refund_transaction__isnull=False)
                | (~Q(status="approved") & Q(refund_amount__isnull=True, refund_transaction__isnull=True)),
            ),
            models.CheckConstraint(
                name="dispute_decided_iff_reason_given",
                condition=(Q(status__in=["approved", "rejected"]) & ~Q(reason_code="") & ~Q(admin_notes=""))
                | (Q(status__in=["pending", "cancelled"]) & Q(reason_code="", admin_notes="")),
            ),
            models.CheckConstraint(
                name="dispute_decided_by_a_person_or_itself",
                condition=Q(status="pending", resolved_by__isnull=True, is_automatic=False)
                | Q(status="approved", resolved_by__isnull=True, is_automatic=True)
                | (~Q(status="pending") & Q(resolved_by__isnull=False, is_automatic=False)),
            ),
            models.CheckConstraint(
                name="dispute_resolver_is_not_the_filer",
                condition=Q(status="cancelled") | Q(resolved_by__isnull=True) | ~Q(resolved_by=F("filed_by")),
            ),
            models.CheckConstraint(
                name="dispute_second_person_is_another",
                condition=Q(approved_by__isnull=True)
                | (Q(status="approved") & ~Q(approved_by=F("resolved_by")) & ~Q(approved_by=F("filed_by"))),
            ),
            models.CheckConstraint(
                name="dispute_asks_the_clinic_while_pending",
                condition=Q(awaiting_clinic_since__isnull=True) | Q(status="pending"),
            ),
            models.CheckConstraint(
                name="dispute_appeals_another", condition=Q(appeal_of__isnull=True) | ~Q(appeal_of=F("id"))
            ),
            models.UniqueConstraint(
                fields=["lead"], name="dispute_one_pending_per_lead", condition=Q(status="pending")
            ),
            # After a decision only an appeal remains; after a cancel it may be filed again.
            models.UniqueConstraint(
                fields=["lead"],
                name="dispute_once_per_lead_unless_cancelled",
                condition=Q(appeal_of__isnull=True) & ~Q(status="cancelled"),
            ),
        ]

    def __str__(self) -> str:
        return f"Dispute {self.pk}"

    @property
    def is_decided(self) -> bool:
        """By staff or by itself; a cancelled one never was."""
        return self.status in {self.Status.APPROVED, self.Status.REJECTED}

    def time_left(self, at: datetime) -> timedelta:
        """Until an answer is due; negative when it is overdue. It stands still while the clinic is asked."""
        return self.due_at - (self.awaiting_clinic_since or at)


class DisputeEntry(models.Model):
    """One line of a dispute's timeline: what happened, who said what. Never changed."""

    class Kind(models.TextChoices):
        FILED = "filed", "Filed"
        ASKED = "asked", "Question to the clinic"
        ANSWERED = "answered", "Answer of the clinic"
        NOTE = "note", "Note among staff"
        REQUESTED = "requested", "Sent to a second person"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        CANCELLED = "cancelled", "Cancelled by the clinic"

    dispute = models.ForeignKey(LeadDispute, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    text = models.TextField(blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    is_internal = models.BooleanField("for staff only", default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "dispute_entries"
        verbose_name_plural = "dispute entries"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="entry_notes_are_for_staff_only",
                condition=Q(kind__in=["note", "requested"], is_internal=True)
                | (~Q(kind__in=["note", "requested"]) & Q(is_internal=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of dispute {self.dispute_id}"


class DisputeReader(models.Model):
    """How far a member has read what was said in a dispute: up to which of its entries."""

    dispute = models.ForeignKey(LeadDispute, on_delete=models.PROTECT, related_name="readers")
    member = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    read_up_to = models.BigIntegerField()

    class Meta:
        db_table = "dispute_readers"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["dispute", "member"], name="reader_once_per_dispute_and_member"),
        ]

    def __str__(self) -> str:
        return f"Reader {self.member_id} of dispute {self.dispute_id}"


class Evidence(models.Model):
    """A file a clinic sent with a dispute: checked by its content, images re-encoded, stored outside every web root.

    `stored_name` is random; `original_name` is what people see, its place: the sender's own name is not kept.
    """

    class MediaType(models.TextChoices):
        JPEG = "image/jpeg", "JPEG"
        PNG = "image/png", "PNG"
        WEBP = "image/webp", "WebP"
        PDF = "application/pdf", "PDF"

    dispute = models.ForeignKey(LeadDispute, on_delete=models.PROTECT, related_name="evidence")
    position = models.PositiveSmallIntegerField()
    stored_name = models.CharField(max_length=60, unique=True)
    original_name = models.CharField(max_length=120)
    media_type = models.CharField(max_length=20, choices=MediaType.choices)
    byte_size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "dispute_evidence"
        verbose_name_plural = "evidence"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["dispute", "position"], name="evidence_once_per_dispute_and_place"
            ),
            models.CheckConstraint(
                name="evidence_at_most_five_files", condition=Q(position__gte=1, position__lte=MOST_FILES)
            ),
            models.CheckConstraint(
                name="evidence_type_is_known",
                condition=Q(media_type__in=["image/jpeg", "image/png", "image/webp", "application/pdf"]),
            ),
            models.CheckConstraint(
                name="evidence_size_is_bounded",
                condition=Q(byte_size__gt=0, byte_size__lte=5 * 1024 * 1024),
            ),
            models.CheckConstraint(
                name="evidence_stored_name_is_no_path",
                condition=Q(stored_name__regex=r"^[a-f0-9]{32}\.(jpg|png|webp|pdf)$"),
            ),
        ]

    def __str__(self) -> str:
        return f"Evidence {self.pk}"
