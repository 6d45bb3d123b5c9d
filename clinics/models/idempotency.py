"""What was answered before, by key."""

from typing import ClassVar, Final

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

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
