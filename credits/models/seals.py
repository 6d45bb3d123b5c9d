"""Day seals: what the books said when a day was closed, so that an edit behind the triggers' back is found.

Written by the SQL functions of `credits/sql/seals.sql` alone; the web's role may only read these tables. What is
sealed and how: docs/decisions/0018-day-seals.md.
"""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from clinics.trail import tracked


# Figures and words of people stay out of the trail: it keeps their digests, so that an edit of either is found.
@tracked("closing", conceals=("note",), leaves_out=("figures",))
class DayClosing(models.Model):
    """The page of one IST day: up to where it was sealed, its figures, what stayed unexplained, who signed it off."""

    day = models.DateField(primary_key=True)
    opened_at = models.DateTimeField(help_text="When posting was locked out and the last rows were noted.")
    ledger_up_to = models.BigIntegerField("ledger sealed up to")
    trail_up_to = models.BigIntegerField("trail sealed up to")
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Empty: the worker.",
    )
    seal_number = models.BigIntegerField(null=True, help_text="The last seal of this day.")
    seal_digest = models.CharField(max_length=64, blank=True, db_default="")
    figures = models.JSONField(null=True)
    figures_digest = models.CharField(max_length=64, blank=True, db_default="")
    unexplained = models.JSONField(null=True)
    signed_off_at = models.DateTimeField(null=True)
    signed_off_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    note = models.TextField(blank=True, db_default="")
    note_digest = models.CharField(max_length=64, blank=True, db_default="")

    class Meta:
        db_table = "day_closings"
        verbose_name = "closed day"
        default_permissions = ("view", "change")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="closing_is_closed_with_its_page_and_seal",
                condition=Q(closed_at__isnull=True, seal_number__isnull=True, figures__isnull=True)
                | Q(
                    closed_at__isnull=False,
                    seal_number__isnull=False,
                    figures__isnull=False,
                    unexplained__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="closing_is_signed_off_by_somebody_once_closed",
                condition=Q(signed_off_at__isnull=True, signed_off_by__isnull=True)
                | Q(signed_off_at__isnull=False, signed_off_by__isnull=False, closed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day:%-d %b %Y}"


class DaySeal(models.Model):
    """A keyed digest over rows of the ledger or of the trail, by their ids, and over the seal before it.

    `tags` holds 8 bytes of HMAC for each row, in order of `ids` («1:500,502»), so that a changed row can be named;
    `whole` is one over all of them, which is looked at first; `digest` is over everything in this row. A day has
    one of each source, or several where it has many rows.
    """

    class Source(models.TextChoices):
        LEDGER = "ledger", "Ledger"
        TRAIL = "trail", "Trail"

    number = models.BigIntegerField(primary_key=True)
    closing = models.ForeignKey(
        DayClosing, on_delete=models.PROTECT, related_name="seals", db_column="day", db_index=False
    )
    source = models.CharField(max_length=6, choices=Source.choices)
    after_id = models.BigIntegerField()
    up_to_id = models.BigIntegerField()
    rows = models.IntegerField()
    ids = models.TextField(blank=True)
    tags = models.BinaryField()
    whole = models.BinaryField(db_default=b"")
    key_id = models.CharField(max_length=16)
    previous = models.BinaryField()
    digest = models.BinaryField()

    class Meta:
        db_table = "day_seals"
        default_permissions = ()
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="seal_source_is_known", condition=Q(source__in=["ledger", "trail"])),
            models.CheckConstraint(name="seal_is_of_rows_in_order", condition=Q(up_to_id__gte=F("after_id"))),
        ]

    def __str__(self) -> str:
        return f"Seal {self.number}"
