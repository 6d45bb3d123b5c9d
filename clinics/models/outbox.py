"""What a clinic should hear of."""

from typing import ClassVar, Final
from uuid import UUID, uuid5

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from clinics.models.clinics import Clinic, Membership

EVENT_IDS: Final = UUID("5b0b6a0e-6f0c-4c0f-9d0d-0c6d3c7a4b11")  # a namespace of our own (RFC 9562)
NEWEST_LOOKED_THROUGH: Final = 200  # for what is new to a member


class NoticeQuerySet(models.QuerySet["Notice"]):
    def shown_to(self, membership: Membership) -> "NoticeQuerySet":
        """The clinic's notices of the kinds this member may and wants to see in the portal."""
        unwanted = AlertPreference.objects.filter(membership=membership, in_portal=False)
        hidden = () if membership.role == Membership.Role.OWNER else FOR_OWNERS
        mine = self.filter(clinic=membership.clinic_id).exclude(kind__in=hidden)
        return mine.exclude(kind__in=unwanted.values("kind"))

    def new_to(self, membership: Membership) -> "NoticeQuerySet":
        """Those that came since the member last looked at them, among the clinic's newest: who has long seen none, or
        hides a kind of which there are many, must not have them all walked through on every page."""
        newest = Notice.objects.filter(clinic=membership.clinic_id, pk__gt=membership.notices_seen_up_to)
        return self.shown_to(membership).filter(
            pk__in=newest.newest_first().values("pk")[:NEWEST_LOOKED_THROUGH]
        )

    def newest_first(self) -> "NoticeQuerySet":
        return self.order_by("-pk")


class Notice(models.Model):
    """One thing a clinic should hear of, written in the transaction that makes it true (the outbox).

    `data` holds ids and amounts only, never a patient's name or number. The same fact is told once:
    `unique_key` names it. `sent_at` is when it was handed on, as mails and webhooks of its own.
    """

    class Kind(models.TextChoices):
        LEAD_DELIVERED = "lead_delivered", _("Lead delivered")
        LEAD_HELD = "lead_held", _("Lead held")
        LEAD_WITHDRAWN = "lead_withdrawn", _("Patient withdrew")
        DISPUTE_ASKED = "dispute_asked", _("Question about a dispute")
        DISPUTE_DECIDED = "dispute_decided", _("Dispute decided")
        LOW_BALANCE = "low_balance", _("Low balance")
        BUDGET_REACHED = "budget_reached", _("Limit reached")
        PAYMENT_CREDITED = "payment_credited", _("Payment credited")
        CREDITS_EXPIRING = "credits_expiring", _("Credits expire soon")
        WEBHOOK_FAILING = "webhook_failing", _("Webhook fails")

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="notices", db_index=False)
    kind = models.CharField(max_length=40, choices=Kind.choices)
    unique_key = models.CharField(max_length=100)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        db_table = "notices"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["id"], name="notices_unsent", condition=Q(sent_at__isnull=True)),
            models.Index(F("clinic"), F("id").desc(), name="notices_newest_of_clinic"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # Not `unique=True`: that brings a second index, for LIKE, which each enquiry would write and nobody reads.
            models.UniqueConstraint(fields=["unique_key"], name="a_fact_is_told_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} notice {self.pk}"

    @property
    def event_id(self) -> UUID:
        """What programs know the fact by: the same for all who hear of it, at each try and replay."""
        return uuid5(EVENT_IDS, f"{self.unique_key} {self.created_at.isoformat()}")


FOR_OWNERS: Final = (Notice.Kind.WEBHOOK_FAILING.value,)  # of pages that nobody else of the clinic may open
DAILY_DIGEST: Final = "daily_digest"  # a mail that no single notice is behind; it is told in no other way


class AlertPreference(models.Model):
    """Where a member does not want to hear of one kind of notice. No row: everywhere.

    Members choose for themselves: the owner wants mails about money, the front desk those about leads.
    """

    membership = models.ForeignKey(Membership, on_delete=models.PROTECT, related_name="alert_preferences")
    kind = models.CharField(max_length=40, choices=[*Notice.Kind.choices, (DAILY_DIGEST, _("Daily summary"))])
    in_portal = models.BooleanField(default=True)
    by_email = models.BooleanField(default=True)

    class Meta:
        db_table = "alert_preferences"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["membership", "kind"], name="alert_preference_once_per_member_and_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for membership {self.membership_id}"
