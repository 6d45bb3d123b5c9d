"""Who was asked to become a member of a clinic."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from clinics.models.clinics import Clinic, Membership
from clinics.models.people import LowercaseEmailField, User
from clinics.trail import tracked


@tracked("invitation", conceals=("email",))
class Invitation(models.Model):
    """An owner asks somebody by e-mail to work for their clinic; the link in the mail is what proves the address.

    It ends in one of three ways: accepted, revoked, or past `expires_at`. The link is a signed id, so that nothing in
    this table opens a door.
    """

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="invitations")
    email = LowercaseEmailField()
    role = models.CharField(max_length=20, choices=Membership.Role.choices)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "clinic_invitations"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["clinic", "email"],
                name="invitation_open_once_per_clinic_and_address",
                condition=Q(accepted_at__isnull=True, revoked_at__isnull=True),
            ),
            models.CheckConstraint(
                name="invitation_role_is_known", condition=Q(role__in=["owner", "billing", "front_desk"])
            ),
            models.CheckConstraint(
                name="invitation_accepted_iff_by_somebody",
                condition=Q(accepted_at__isnull=True, accepted_by__isnull=True)
                | Q(accepted_at__isnull=False, accepted_by__isnull=False, revoked_at__isnull=True),
            ),
            models.CheckConstraint(
                name="invitation_expires_after_it_is_made", condition=Q(expires_at__gt=F("created_at"))
            ),
        ]

    def __str__(self) -> str:
        return f"Invitation {self.pk} to clinic {self.clinic_id}"
