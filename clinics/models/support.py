"""What a clinic asks of staff."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from clinics.models.clinics import Clinic
from clinics.models.people import User
from clinics.trail import tracked


@tracked("support-request", conceals=("message", "answer"))
class SupportRequest(models.Model):
    """A clinic asks for its unspent money back, for its account to be closed, or for something else.

    Nothing happens by it: staff read it, do what is right by their own means, and answer here.
    """

    class Kind(models.TextChoices):
        REFUND = "refund", _("Money back")
        CLOSURE = "closure", _("Close the account")
        OTHER = "other", _("Something else")

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="support_requests")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    message = models.TextField()
    made_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    answer = models.TextField(blank=True)
    answered_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "support_requests"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["id"], name="support_requests_open", condition=Q(answered_at__isnull=True)),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["clinic", "kind"],
                name="support_request_open_once_per_clinic_and_kind",
                condition=Q(answered_at__isnull=True),
            ),
            models.CheckConstraint(
                name="support_request_kind_is_known", condition=Q(kind__in=["refund", "closure", "other"])
            ),
            models.CheckConstraint(name="support_request_says_something", condition=~Q(message="")),
            models.CheckConstraint(
                name="support_request_answered_iff_by_somebody",
                condition=Q(answered_at__isnull=True, answered_by__isnull=True, answer="")
                | (Q(answered_at__isnull=False, answered_by__isnull=False) & ~Q(answer="")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} request {self.pk} of clinic {self.clinic_id}"
