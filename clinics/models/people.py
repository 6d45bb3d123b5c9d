"""Who signs in."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from clinics.trail import tracked


class LowercaseEmailField(models.EmailField[str, str]):
    """An address that is compared and stored in lower case, so that «unique» means what people mean by it."""

    def get_prep_value(self, value: Any) -> Any:
        prepared = super().get_prep_value(value)
        return prepared.lower() if isinstance(prepared, str) else prepared


class Language(models.TextChoices):
    """What pages and mails are written in. Each in its own words: it is read by those who can't read the other."""

    ENGLISH = "en", "English"
    HINDI = "hi", "हिन्दी"


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


@tracked("user", conceals=("email", "full_name", "password"), leaves_out=("last_login", "language"))
class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in: a member of clinics, or staff. Deactivated, never deleted (rule 12)."""

    email = LowercaseEmailField(unique=True)
    full_name = models.CharField(max_length=150, blank=True)
    is_staff = models.BooleanField("staff", default=False, help_text="May open the back office.")
    is_active = models.BooleanField("active", default=True, help_text="Untick instead of deleting.")
    date_joined = models.DateTimeField(default=timezone.now)
    language = models.CharField(
        max_length=2,
        choices=Language.choices,
        blank=True,
        default="",
        help_text="Empty: as the browser says.",
    )

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        db_table = "users"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="user_email_is_lower_case", condition=Q(email=Lower("email"))),
            models.CheckConstraint(name="user_language_is_known", condition=Q(language__in=["", "en", "hi"])),
        ]

    def __str__(self) -> str:
        return f"User {self.pk}"  # not the e-mail: this string ends up in logs

    def get_full_name(self) -> str:
        return self.full_name or self.email

    def get_short_name(self) -> str:
        return self.full_name.split(" ")[0] or self.email
