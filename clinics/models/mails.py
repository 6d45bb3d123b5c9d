"""Mails that wait to be sent. Each is written when it leaves: no row holds an address or a patient's data."""

from typing import ClassVar
from uuid import uuid4

import pgtrigger
from django.db import models
from django.db.models import Q

from clinics.models.clinics import Clinic, Membership
from clinics.models.errands import Errand, ErrandQuerySet
from clinics.models.outbox import Notice
from clinics.trail import tracked


# That somebody has one sent again; that it comes about, is tried and leaves is the program's work.
@tracked(
    "mail",
    leaves_out=("kind", "unique_key", "data", "message_id", "notice", "created_at", "due_at"),
    only_where=pgtrigger.Q(
        old__given_up_at__isnull=False, new__given_up_at__isnull=True, new__done_at__isnull=True
    ),
)
class OutgoingMail(Errand):
    """One mail to one person about one thing, which `unique_key` names: it is written once, however often asked for.

    `message_id` is the same at each try, so that a mail which left twice is one to those who sort by it.
    """

    class Kind(models.TextChoices):
        NOTICE = "notice", "Notice to a member"
        DIGEST = "digest", "Daily digest to a member"
        PATIENT_WAITING = "patient_waiting", "To a patient whose enquiry is held"

    kind = models.CharField(max_length=20, choices=Kind.choices)
    unique_key = models.CharField(max_length=100, unique=True)
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="mails", db_index=False)
    membership = models.ForeignKey(
        Membership, on_delete=models.PROTECT, null=True, blank=True, related_name="mails"
    )
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True, blank=True, related_name="mails")
    data = models.JSONField(default=dict, help_text="Ids and dates only.")
    message_id = models.UUIDField(default=uuid4, editable=False)

    objects = ErrandQuerySet["OutgoingMail"].as_manager()

    class Meta:
        db_table = "outgoing_mails"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="mail_is_done_or_given_up", condition=Q(done_at=None) | Q(given_up_at=None)
            ),
            models.CheckConstraint(
                name="mail_of_a_notice_has_one",
                condition=Q(kind="notice", notice__isnull=False) | (~Q(kind="notice") & Q(notice=None)),
            ),
            models.CheckConstraint(
                name="mail_to_a_member_or_a_patient",
                condition=Q(kind="patient_waiting", membership=None)
                | (~Q(kind="patient_waiting") & Q(membership__isnull=False)),
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["due_at", "id"], name="mails_due", condition=Q(done_at=None, given_up_at=None)
            ),
            models.Index(fields=["id"], name="mails_given_up", condition=Q(given_up_at__isnull=False)),
            models.Index(fields=["done_at"], name="mails_done", condition=Q(done_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"
