"""Clinics and their members."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now, Substr
from django.utils.translation import gettext_lazy as _
from phonenumber_field.modelfields import PhoneNumberField

from clinics.gstin import GSTIN_PATTERN, validate_gstin
from clinics.models.people import User
from clinics.states import STATES
from clinics.trail import tracked


class ClinicQuerySet(models.QuerySet["Clinic"]):
    def active(self) -> "ClinicQuerySet":
        return self.filter(is_active=True)

    def of_member(self, user: User) -> "ClinicQuerySet":
        """Clinics where this user has a membership in force, by name."""
        return self.filter(memberships__user=user, memberships__is_active=True).order_by("name", "pk")


@tracked("clinic", conceals=("phone", "email"))
class Clinic(models.Model):
    """A clinic that buys leads. Its credit account is made with it, by a trigger in the database.

    Pause, budget and freeze live on the credit account, under the lock they are checked under.
    """

    slug = models.SlugField(max_length=160, unique=True, help_text="Its page is /clinics/ and this word.")
    name = models.CharField(max_length=200)
    address = models.TextField(blank=True)
    city = models.CharField(max_length=80, blank=True)
    state = models.CharField(max_length=2, choices=list(STATES.items()), help_text="GST state code.")
    pincode = models.CharField(max_length=6, blank=True)
    gstin = models.CharField("GSTIN", max_length=15, blank=True, validators=[validate_gstin])
    phone = PhoneNumberField(blank=True)
    email = models.EmailField(blank=True)
    website_url = models.URLField(max_length=500, blank=True)
    specialties = ArrayField(models.CharField(max_length=120), default=list, blank=True)
    operating_hours = models.JSONField(
        default=dict, blank=True, help_text="Weekday → hours as the clinic writes them."
    )
    latitude = models.DecimalField(max_digits=10, decimal_places=7, null=True, blank=True)
    longitude = models.DecimalField(max_digits=10, decimal_places=7, null=True, blank=True)
    google_rating = models.DecimalField(max_digits=2, decimal_places=1, null=True, blank=True)
    google_review_count = models.PositiveIntegerField(null=True, blank=True)
    is_active = models.BooleanField(
        "active", default=False, help_text="Takes enquiries. Set when the first owner is invited."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = ClinicQuerySet.as_manager()

    class Meta:
        db_table = "clinics"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="clinic_pincode_is_six_digits",
                condition=Q(pincode="") | Q(pincode__regex=r"^[1-9][0-9]{5}$"),
            ),
            models.CheckConstraint(
                name="clinic_gstin_is_well_formed", condition=Q(gstin="") | Q(gstin__regex=GSTIN_PATTERN)
            ),
            # GST_DPDP: the first two digits of a GSTIN are the state of its address.
            models.CheckConstraint(
                name="clinic_gstin_is_of_its_state", condition=Q(gstin="") | Q(state=Substr(F("gstin"), 1, 2))
            ),
        ]

    def __str__(self) -> str:
        return self.name


@tracked("membership", leaves_out=("notices_seen_up_to",))
class Membership(models.Model):
    """What a user may do at one clinic. Ended by unticking `is_active`, so that the past keeps its names."""

    class Role(models.TextChoices):
        OWNER = "owner", _("Owner")
        BILLING = "billing", _("Billing")
        FRONT_DESK = "front_desk", _("Front desk")

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)
    is_active = models.BooleanField("active", default=True)
    notices_seen_up_to = models.BigIntegerField(
        db_default=0, editable=False, help_text="Notices with a greater id are new to this member."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "clinic_memberships"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "clinic"], name="membership_once_per_user_and_clinic"),
            models.CheckConstraint(
                name="membership_role_is_known", condition=Q(role__in=["owner", "billing", "front_desk"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} {self.user_id} of clinic {self.clinic_id}"
