"""Who comes by program: partners, and the tokens of clinics and partners."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken, AuthTokenManager

from clinics.models.clinics import Clinic
from clinics.models.people import User
from clinics.trail import tracked


@tracked("partner")
class Partner(models.Model):
    """A site that hands over leads by program, signed in as its service user."""

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=40, unique=True, help_text="Stands as the source of its leads.")
    service_user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="partner")
    is_active = models.BooleanField("active", default=True)
    requests_per_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Of all its tokens together. Empty: what every program may send.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "partners"

    def __str__(self) -> str:
        return self.name


class RequestRate(models.Model):
    """How much somebody has asked for lately: a bucket that leaks evenly and is empty again at `empty_at`.

    The table is unlogged: a crash of the database forgets it, and nobody waits for a disk to count a request.
    """

    key = models.CharField(max_length=80, primary_key=True, help_text="token:<digest>, partner:<id>, …")
    empty_at = models.DateTimeField()

    class Meta:
        db_table = "request_rates"

    def __str__(self) -> str:
        return "Request rate"


class Scope(models.TextChoices):
    LEADS_WRITE = "leads:write", "Hand over leads"
    LEADS_READ = "leads:read", _("Read leads")
    CREDITS_READ = "credits:read", _("Read balance and history")
    CREDITS_TOPUP = "credits:topup", _("Start top-ups")


@tracked("token", conceals=("digest", "token_key"), leaves_out=("last_used_at",))
class ApiToken(AbstractAuthToken):
    """A bearer token of one clinic or one partner; only its hash is stored, it is shown once."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="auth_token_set")
    name = models.CharField(max_length=80)
    clinic = models.ForeignKey(
        Clinic, on_delete=models.PROTECT, null=True, blank=True, related_name="api_tokens"
    )
    partner = models.ForeignKey(
        Partner, on_delete=models.PROTECT, null=True, blank=True, related_name="api_tokens"
    )
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope.choices))
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[AuthTokenManager] = AuthTokenManager()

    class Meta:
        db_table = "api_tokens"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="token_is_of_a_clinic_or_a_partner",
                condition=Q(clinic__isnull=False, partner__isnull=True)
                | Q(clinic__isnull=True, partner__isnull=False),
            ),
            models.CheckConstraint(
                name="token_scopes_are_known",
                condition=Q(
                    scopes__contained_by=["leads:write", "leads:read", "credits:read", "credits:topup"]
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.name
