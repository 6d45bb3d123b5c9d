"""Who: users, clinics and their members, partners, API tokens; and the two tables every app writes to,
the outbox (`notices`) and the idempotency keys.

Nothing here points at leads or money; those point here.
"""

from typing import Any, ClassVar, Final

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now, Substr
from django.utils import timezone
from knox.models import AbstractAuthToken, AuthTokenManager
from phonenumber_field.modelfields import PhoneNumberField

from clinics.gstin import GSTIN_PATTERN, validate_gstin
from clinics.states import STATES


class LowercaseEmailField(models.EmailField[str, str]):
    """An address that is compared and stored in lower case, so that «unique» means what people mean by it."""

    def get_prep_value(self, value: Any) -> Any:
        prepared = super().get_prep_value(value)
        return prepared.lower() if isinstance(prepared, str) else prepared


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A user who signs in by e-mail; without a password they must set one by «forgot password»."""
        if not email:
            raise ValueError("A user needs an e-mail address")
        user = self.model(email=email.lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in: a member of clinics, or staff. Deactivated, never deleted (rule 12)."""

    email = LowercaseEmailField(unique=True)
    full_name = models.CharField(max_length=150, blank=True)
    is_staff = models.BooleanField("staff", default=False, help_text="May open the back office.")
    is_active = models.BooleanField("active", default=True, help_text="Untick instead of deleting.")
    date_joined = models.DateTimeField(default=timezone.now)

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        db_table = "users"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="user_email_is_lower_case", condition=Q(email=Lower("email"))),
        ]

    def __str__(self) -> str:
        return f"User {self.pk}"  # not the e-mail: this string ends up in logs

    def get_full_name(self) -> str:
        return self.full_name or self.email

    def get_short_name(self) -> str:
        return self.full_name.split(" ")[0] or self.email


class ClinicQuerySet(models.QuerySet["Clinic"]):
    def active(self) -> "ClinicQuerySet":
        return self.filter(is_active=True)

    def of_member(self, user: User) -> "ClinicQuerySet":
        """Clinics where this user has a membership in force, by name."""
        return self.filter(memberships__user=user, memberships__is_active=True).order_by("name", "pk")


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


class Membership(models.Model):
    """What a user may do at one clinic. Ended by unticking `is_active`, so that the past keeps its names."""

    class Role(models.TextChoices):
        OWNER = "owner", "Owner"
        BILLING = "billing", "Billing"
        FRONT_DESK = "front_desk", "Front desk"

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices)
    is_active = models.BooleanField("active", default=True)
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


class Partner(models.Model):
    """A site that hands over leads by program, signed in as its service user."""

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=40, unique=True, help_text="Stands as the source of its leads.")
    service_user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="partner")
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "partners"

    def __str__(self) -> str:
        return self.name


class Scope(models.TextChoices):
    LEADS_WRITE = "leads:write", "Hand over leads"
    LEADS_READ = "leads:read", "Read leads"
    CREDITS_READ = "credits:read", "Read balance and history"
    CREDITS_TOPUP = "credits:topup", "Start top-ups"


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


class Notice(models.Model):
    """One thing a clinic should hear of, written in the transaction that makes it true (the outbox).

    `data` holds ids and amounts only, never a patient's name or number. The same fact is told once:
    `unique_key` names it.
    """

    class Kind(models.TextChoices):
        LEAD_DELIVERED = "lead_delivered", "Lead delivered"
        LEAD_HELD = "lead_held", "Lead held"

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=40, choices=Kind.choices)
    unique_key = models.CharField(max_length=100, unique=True)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "notices"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["id"], name="notices_unsent", condition=Q(sent_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} notice {self.pk}"


IDEMPOTENCY_KEY_MAX_LENGTH: Final = 100


class IdempotencyKey(models.Model):
    """The first answer to a caller's key on one route, kept 30 days: a repeat gets it again (PRODUCT, routes).

    The body is kept as an HMAC only, to tell a repeat from another request under the same key (409).
    """

    caller = models.CharField(
        max_length=40, help_text="token:<key>, user:<id>, or clinic:<id> for the anonymous"
    )
    route = models.CharField(max_length=60)
    key = models.CharField(max_length=IDEMPOTENCY_KEY_MAX_LENGTH)
    body_hmac = models.BinaryField(max_length=32)
    status_code = models.PositiveSmallIntegerField(null=True)
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "idempotency_keys"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["caller", "route", "key"], name="idempotency_key_once_per_caller_and_route"
            ),
            models.CheckConstraint(name="idempotency_key_is_not_empty", condition=~Q(key="")),
        ]

    def __str__(self) -> str:
        return f"{self.route} key {self.pk}"
