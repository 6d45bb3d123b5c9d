"""What takes two people."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from clinics.models.clinics import Clinic
from clinics.models.people import User
from clinics.trail import tracked


@tracked("request", leaves_out=("details", "shown", "reason", "decision_note"))
class StaffRequest(models.Model):
    """Something that takes two people (rule 7): asked for by one, approved by another, carried out at that moment.

    `details` is what will be done, `shown` what the page said of it when it was asked for, as [label, before, after]:
    both are decided on as they are and never change. What approving does is SQL, one function for each kind
    (`carry_out_<kind>`), so that no single person and no bug of a page can do it alone.
    """

    class Kind(models.TextChoices):
        ADJUSTMENT = "adjustment", "Adjustment of credits"
        CASH_REFUND = "cash_refund", "Cash refund"
        DISPUTE_REFUND = "dispute_refund", "Refund of a dispute"
        PRICE_LIST = "price_list", "Price list of leads"
        CREDIT_PACKAGE = "credit_package", "Credit package"
        PROMO_CODE = "promo_code", "Promo code"
        BILLING_RULES = "billing_rules", "Billing rules"
        DISPUTE_POLICY = "dispute_policy", "Dispute policy"
        STAFF_RIGHTS = "staff_rights", "Rights of staff"

    class State(models.TextChoices):
        PENDING = "pending", "Waits for a second person"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"
        EXPIRED = "expired", "Expired"
        VOID = "void", "Void"

    class Reason(models.TextChoices):
        OUR_MISTAKE = "our_mistake", "A mistake of ours"
        GOODWILL = "goodwill", "Goodwill"
        ASKED_BY_CLINIC = "asked_by_clinic", "The clinic asked for it"
        REVIEW_ITEM = "review_item", "A review item"
        ABOVE_LIMIT = "above_limit", "Above one person's daily limit"
        COMMERCIAL = "commercial", "Commercial decision"
        STAFFING = "staffing", "Change of staff or duties"

    kind = models.CharField(max_length=20, choices=Kind.choices)
    object_key = models.CharField(max_length=60, help_text="What it is about: «clinic:7», «dispute:12».")
    clinic = models.ForeignKey(
        Clinic, on_delete=models.PROTECT, null=True, blank=True, related_name="staff_requests"
    )
    details = models.JSONField()
    shown = models.JSONField()
    reason_code = models.CharField("reason", max_length=20, choices=Reason.choices)
    reason = models.TextField("in words", max_length=2000)
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=10, choices=State.choices, db_default=State.PENDING)
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_note = models.TextField(blank=True, max_length=2000)
    outcome = models.JSONField(default=dict, help_text="What came of it: ids of the rows it made.")

    class Meta:
        db_table = "staff_requests"
        permissions = [  # noqa: RUF012  (Django's own type)
            ("request_money", "Can ask for what moves money"),
            ("approve_money", "Can approve what moves money"),
            ("request_rights", "Can ask for rights of staff"),
            ("approve_rights", "Can approve rights of staff"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["requested_at"], name="requests_pending", condition=Q(state="pending")),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="request_kind_is_known",
                condition=Q(
                    kind__in=[
                        "adjustment",
                        "cash_refund",
                        "dispute_refund",
                        "price_list",
                        "credit_package",
                        "promo_code",
                        "billing_rules",
                        "dispute_policy",
                        "staff_rights",
                    ]
                ),
            ),
            models.CheckConstraint(
                name="request_is_decided_by_another",
                condition=Q(decided_by__isnull=True)
                | Q(state="withdrawn", decided_by=F("requested_by"))
                | (Q(state__in=["approved", "rejected"]) & ~Q(decided_by=F("requested_by"))),
            ),
            models.CheckConstraint(
                name="request_pending_iff_undecided",
                condition=Q(state="pending", decided_at__isnull=True, decided_by__isnull=True)
                | Q(state__in=["expired", "void"], decided_at__isnull=False, decided_by__isnull=True)
                | Q(
                    state__in=["approved", "rejected", "withdrawn"],
                    decided_at__isnull=False,
                    decided_by__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="request_gives_a_reason", condition=~Q(reason="") & ~Q(reason_code="")
            ),
            models.UniqueConstraint(
                fields=["object_key"], name="request_one_pending_per_object", condition=Q(state="pending")
            ),
        ]

    def __str__(self) -> str:
        return f"Request {self.pk}"
