"""Where a clinic's own systems listen, and what was sent there."""

from datetime import datetime, timedelta
from typing import ClassVar, Final

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from clinics.models.clinics import Clinic
from clinics.models.errands import Errand, ErrandQuerySet
from clinics.models.outbox import Notice
from clinics.models.people import User
from clinics.trail import tracked

MOST_ENDPOINTS_OF_A_CLINIC: Final = 5
# Events for programs: that an endpoint fails is for people, a webhook about it would be one more that fails.
KINDS_FOR_PROGRAMS: Final = [kind for kind in Notice.Kind.choices if kind[0] != Notice.Kind.WEBHOOK_FAILING]
# Of an endpoint that took nothing. Its first event has failed for a day (all its tries) when owners are told: a little
# less, since jitter shortens that day. It is stopped after five days, as others do who send by the same specification.
TELL_AFTER: Final = timedelta(hours=20)
STOP_AFTER_TELLING: Final = timedelta(days=4)
# Nothing can be signed until its owner makes a new secret; it fails, and is not blamed for it.
LACKS_SECRET: Final = Q(last_failure="secret_lost") & (
    Q(last_success_at=None) | Q(last_success_at__lt=F("last_failure_at"))
)
FAILING: Final = Q(failing_since__isnull=False) | LACKS_SECRET


@tracked(
    "webhook-endpoint",
    conceals=("secret", "previous_secret", "url"),  # an address may hold a key of the clinic's
    leaves_out=(
        "last_success_at", "last_failure_at", "last_failure", "last_failure_status", "rests_until", "failing_since",
        "failing_told_at",
    ),
)  # fmt: skip
class WebhookEndpoint(models.Model):
    """An address of a clinic's own system that hears of its events.

    Secrets are stored encrypted (`clinics.stored_secrets`); while a previous one is still good, each request is
    signed with both. `stopped_at`: nothing is sent for now; what happens meanwhile is not made up for, but that of a
    silent one is kept, to be sent again by hand. A removed one stays as a row: its log is the record of what was sent.
    The last success and failure are of deliveries alone; the trail leaves them out, each delivery has its own log.
    `rests_until`: it asked to be left alone until then. `failing_since`: it has taken nothing since, though it was
    tried; failures of our own don't count. What owners hear of that, and of a stop that was not theirs, is written by
    the database (clinics/sql/webhooks.sql).
    """

    class StoppedBecause(models.TextChoices):
        BY_HAND = "by_hand", _("Stopped by an owner")
        GONE = "gone", _("It answered 410: gone")
        OWNER_LEFT = "owner_left", _("Who added it is no longer an owner")
        SILENT = "silent", _("Nothing got through for days")

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="webhook_endpoints")
    url = models.URLField(max_length=500)
    kinds = ArrayField(models.CharField(max_length=40, choices=KINDS_FOR_PROGRAMS))
    secret = models.TextField(editable=False)
    previous_secret = models.TextField(editable=False, blank=True, default="")
    previous_secret_until = models.DateTimeField(null=True, blank=True, editable=False)
    made_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    stopped_at = models.DateTimeField(null=True, blank=True)
    stopped_because = models.CharField(
        max_length=10, choices=StoppedBecause.choices, blank=True, db_default=""
    )
    removed_at = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_failure_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_failure = models.CharField(max_length=30, blank=True, db_default="", editable=False)
    last_failure_status = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    rests_until = models.DateTimeField(null=True, blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    failing_told_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "webhook_endpoints"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["clinic", "url"],
                condition=Q(removed_at=None),
                name="webhook_endpoint_once_per_clinic_and_url",
            ),
            models.CheckConstraint(
                name="webhook_previous_secret_ends",
                condition=Q(previous_secret="", previous_secret_until=None)
                | (~Q(previous_secret="") & Q(previous_secret_until__isnull=False)),
            ),
            models.CheckConstraint(
                name="webhook_endpoint_stopped_for_a_reason",
                condition=Q(stopped_at=None, stopped_because="")
                | (Q(stopped_at__isnull=False) & ~Q(stopped_because="")),
            ),
            models.CheckConstraint(
                name="webhook_endpoint_silent_since_a_moment",
                condition=~Q(stopped_because="silent") | Q(failing_since__isnull=False),
            ),
            models.CheckConstraint(
                name="webhook_endpoint_hears_nothing_of_webhooks",
                condition=~Q(kinds__contains=[Notice.Kind.WEBHOOK_FAILING]),
            ),
        ]

    def __str__(self) -> str:
        return f"Webhook endpoint {self.pk}"

    @property
    def is_failing(self) -> bool:
        """What came last was a failure (FAILING, of a row at hand)."""
        return self.failing_since is not None or (self._failed_last and self.last_failure == "secret_lost")

    @property
    def listens_again(self) -> bool:
        """It was let listen again, and has not shown yet what it does."""
        return self._failed_last and not self.is_failing

    @property
    def _failed_last(self) -> bool:
        failed_at, took_at = self.last_failure_at, self.last_success_at
        return failed_at is not None and (took_at is None or took_at < failed_at)

    @property
    def stops_about(self) -> datetime | None:
        """When it is stopped if nothing gets through until then, once owners were told; not before something more was
        tried for its whole day."""
        return self.failing_told_at + STOP_AFTER_TELLING if self.failing_told_at else None


# As of mails: that it is sent again after it was given up; the rest is the program's work.
@tracked(
    "webhook-delivery",
    leaves_out=("notice", "lead_id", "created_at", "due_at"),
    only_where=pgtrigger.Q(
        old__given_up_at__isnull=False, new__given_up_at__isnull=True, new__done_at__isnull=True
    ),
)
class WebhookDelivery(Errand):
    """One event to one endpoint. Those of one lead go out in the order of their notices, one after the other.

    `lead_id` is a copy of what the notice is about, without a key of the database: clinics do not know leads.
    """

    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries", db_index=False
    )
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="webhook_deliveries")
    lead_id = models.BigIntegerField(null=True, blank=True)

    objects = ErrandQuerySet["WebhookDelivery"].as_manager()

    class Meta:
        db_table = "webhook_deliveries"
        verbose_name_plural = "webhook deliveries"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["endpoint", "notice"], name="webhook_delivery_once_per_endpoint_and_notice"
            ),
            models.CheckConstraint(
                name="webhook_delivery_is_done_or_given_up", condition=Q(done_at=None) | Q(given_up_at=None)
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["due_at", "id"], name="webhooks_due", condition=Q(done_at=None, given_up_at=None)
            ),
            models.Index(
                fields=["endpoint", "lead_id", "notice"],
                name="webhooks_open_of_lead",
                condition=Q(done_at=None, given_up_at=None),
            ),
            models.Index(
                fields=["endpoint", "due_at", "id"],
                name="webhooks_due_of_endpoint",
                condition=Q(done_at=None, given_up_at=None),
            ),
            models.Index(fields=["done_at"], name="webhooks_done", condition=Q(done_at__isnull=False)),
            models.Index(
                fields=["endpoint", "notice"],
                name="webhooks_given_up_of_endpoint",
                condition=Q(given_up_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"Webhook delivery {self.pk}"


class WebhookAttempt(models.Model):
    """One request to an endpoint and what came of it: the log that a clinic reads when its system heard nothing."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.PROTECT, related_name="attempts")
    started_at = models.DateTimeField()
    milliseconds = models.PositiveIntegerField()
    status_code = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Empty: there was no answer."
    )
    problem = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "webhook_attempts"

    def __str__(self) -> str:
        return f"Attempt {self.pk}"
