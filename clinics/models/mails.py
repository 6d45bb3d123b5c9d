"""Mails that wait to be sent. Each is written when it leaves: no row holds a patient's data or a plain address."""

from typing import Any, ClassVar, Final
from uuid import uuid4

import pgtrigger
from django.db import models
from django.db.models import Q

from clinics.models.clinics import Clinic, Membership
from clinics.models.errands import Errand, ErrandQuerySet
from clinics.models.outbox import Notice
from clinics.trail import tracked

NOT_TO_MEMBERS: Final = ("patient_waiting", "invitation", "sign_in")


# That somebody has one sent again; that it comes about, is tried and leaves is the program's work.
@tracked(
    "mail",
    leaves_out=("kind", "unique_key", "data", "sealed", "message_id", "notice", "created_at", "due_at"),
    only_where=pgtrigger.Q(
        old__given_up_at__isnull=False, new__given_up_at__isnull=True, new__done_at__isnull=True
    ),
)
class OutgoingMail(Errand):
    """One mail to one person about one thing, which `unique_key` names: it is written once, however often asked for.

    `message_id` is the same at each try, so that a mail which left twice is one to those who sort by it. `sealed` is
    what can't be read from other rows when it leaves: encrypted, and forgotten with the mail's end.
    """

    class Kind(models.TextChoices):
        NOTICE = "notice", "Notice to a member"
        DIGEST = "digest", "Daily digest to a member"
        PATIENT_WAITING = "patient_waiting", "To a patient whose enquiry is held"
        INVITATION = "invitation", "Invitation to work for a clinic"
        NEW_OWNER = "new_owner", "To who was made an owner by staff"
        ANSWERED = "answered", "To who asked staff, who have answered"
        SIGN_IN = "sign_in", "About signing in, to who asked for it"

    kind = models.CharField(max_length=20, choices=Kind.choices)
    unique_key = models.CharField(max_length=100, unique=True)
    clinic = models.ForeignKey(
        Clinic, on_delete=models.PROTECT, null=True, blank=True, related_name="mails", db_index=False
    )
    membership = models.ForeignKey(
        Membership, on_delete=models.PROTECT, null=True, blank=True, related_name="mails"
    )
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True, blank=True, related_name="mails")
    data = models.JSONField(default=dict, help_text="Ids, dates and a language only.")
    sealed = models.TextField(blank=True, db_default="", editable=False)
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
                name="mail_has_a_member_iff_it_is_for_one",
                condition=Q(kind__in=NOT_TO_MEMBERS, membership=None)
                | (~Q(kind__in=NOT_TO_MEMBERS) & Q(membership__isnull=False)),
            ),
            models.CheckConstraint(
                name="mail_has_a_clinic_iff_it_is_of_one",
                condition=Q(kind="sign_in", clinic=None) | (~Q(kind="sign_in") & Q(clinic__isnull=False)),
            ),
            models.CheckConstraint(
                name="mail_is_sealed_until_it_ends",
                condition=Q(sealed="") | Q(kind="sign_in", done_at=None, given_up_at=None),
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

    def _outcome(self, still: Q, **values: Any) -> None:
        if values.get("done_at") or values.get("given_up_at"):
            values["sealed"] = ""
        super()._outcome(still, **values)
