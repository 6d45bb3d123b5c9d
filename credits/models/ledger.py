"""The ledger: accounts, immutable transactions, grants and what consumed them, and money taken back.

Written by the SQL functions in `credits/sql/` alone (one door); the web's role may only read these tables.
Reading is plain ORM. docs/accounts.md shows which rows each event writes.
"""

from decimal import Decimal
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from clinics.models import Clinic
from clinics.trail import tracked
from credits.models.topups import TopUp
from leads.models import Lead


class SeedBrinIndex(BrinIndex):
    """An index under a name that is given to us and longer than Django's own limit; PostgreSQL's is 63."""

    max_name_length = 63


class SeedIndex(models.Index):
    """The same for a plain index."""

    max_name_length = 63


# What every movement writes is left out: the trigger then costs a charge nothing, and the ledger says it itself.
@tracked(
    "account",
    leaves_out=(
        "balance",
        "owed",
        "last_sequence",
        "last_posted_at",
        "charged_on",
        "charged_today",
        "charged_this_month",
        "low_balance_told",
    ),
)
class CreditAccount(models.Model):
    """A clinic's account: one row, locked by every movement. Made by a trigger when the clinic is made.

    Amounts in credits (1 credit = ₹1). Budgets, pause and freeze stand here because they are checked
    under the same lock; `charged_today` and `charged_this_month` count gross charges of the IST day
    `charged_on` and its month.
    """

    clinic = models.OneToOneField(
        Clinic, on_delete=models.PROTECT, primary_key=True, related_name="credit_account"
    )
    balance = models.DecimalField(max_digits=12, decimal_places=2, db_default=0)
    owed = models.DecimalField(max_digits=12, decimal_places=2, db_default=0)
    last_sequence = models.BigIntegerField(db_default=0)
    last_posted_at = models.DateTimeField(db_default=Now())
    charged_on = models.DateField()
    charged_today = models.DecimalField(max_digits=12, decimal_places=2, db_default=0)
    charged_this_month = models.DecimalField(max_digits=12, decimal_places=2, db_default=0)
    daily_cap = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    monthly_cap = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    highest_cost = models.DecimalField(
        "highest cost per lead", max_digits=12, decimal_places=2, null=True, blank=True
    )
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    auto_release = models.BooleanField("release held leads by itself", db_default=True)
    low_balance_thresholds = ArrayField(
        models.DecimalField(max_digits=12, decimal_places=2),
        db_default=[Decimal("1000.00"), Decimal("300.00")],
        help_text="A notice each time the balance falls below one of these.",
    )
    low_balance_told = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        db_default=Decimal("300.00"),
        editable=False,
        help_text="This threshold and those above it are told and rest until the balance has recovered.",
    )
    frozen_at = models.DateTimeField("frozen by staff at", null=True, blank=True)
    frozen_reason = models.CharField(max_length=200, blank=True, db_default="")

    class Meta:
        db_table = "credit_accounts"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="account_balance_not_negative", condition=Q(balance__gte=0)),
            models.CheckConstraint(name="account_owed_not_negative", condition=Q(owed__gte=0)),
            models.CheckConstraint(
                name="account_owes_only_at_balance_zero", condition=Q(owed=0) | Q(balance=0)
            ),
            models.CheckConstraint(
                name="account_limits_not_negative",
                condition=(Q(daily_cap__isnull=True) | Q(daily_cap__gte=0))
                & (Q(monthly_cap__isnull=True) | Q(monthly_cap__gte=0))
                & (Q(highest_cost__isnull=True) | Q(highest_cost__gte=0)),
            ),
            models.CheckConstraint(
                name="account_has_few_low_balance_thresholds",
                condition=Q(low_balance_thresholds__len__lte=5),
            ),
            models.CheckConstraint(
                name="account_pause_ends_after_it_starts",
                condition=Q(paused_until__isnull=True)
                | Q(paused_at__isnull=False, paused_until__gt=F("paused_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"Account of clinic {self.pk}"


class Reversal(models.Model):
    """Money the gateway took back (a refund or a chargeback): what it cost the clinic and what is still owed.

    One row per loss (`key`: `rfnd_…` or `disp_…:<cycle>`), also when nothing could be taken at balance 0.
    """

    class State(models.TextChoices):
        TAKEN = "taken", "Taken"
        RESTORED = "restored", "Restored"

    key = models.CharField(max_length=80, unique=True)
    top_up = models.ForeignKey(TopUp, on_delete=models.PROTECT, related_name="reversals")
    state = models.CharField(max_length=10, choices=State.choices, db_default=State.TAKEN)
    loss_paise = models.BigIntegerField(help_text="What the gateway took of the gross amount.")
    paid_share = models.DecimalField(max_digits=12, decimal_places=2)
    bonus_share = models.DecimalField(max_digits=12, decimal_places=2)
    bonus_forgiven = models.DecimalField(max_digits=12, decimal_places=2)
    owed_open = models.DecimalField(max_digits=12, decimal_places=2)
    created_at = models.DateTimeField()
    restored_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "reversals"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="reversal_state_is_known", condition=Q(state__in=["taken", "restored"])
            ),
            models.CheckConstraint(name="reversal_loss_is_positive", condition=Q(loss_paise__gt=0)),
            models.CheckConstraint(
                name="reversal_shares_are_bounded",
                condition=Q(
                    paid_share__gte=0,
                    bonus_share__gte=0,
                    bonus_forgiven__gte=0,
                    bonus_forgiven__lte=F("bonus_share"),
                    owed_open__gte=0,
                    owed_open__lte=F("paid_share"),
                ),
            ),
            models.CheckConstraint(
                name="reversal_restored_owes_nothing",
                condition=Q(state="taken", restored_at__isnull=True)
                | Q(state="restored", restored_at__isnull=False, owed_open=0),
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["id"], name="reversals_open", condition=Q(owed_open__gt=0)),
        ]

    def __str__(self) -> str:
        return f"Reversal {self.key}"


class TransactionQuerySet(models.QuerySet["CreditTransaction"]):
    def newest_first(self) -> "TransactionQuerySet":
        """By the account's own sequence: use on the rows of one clinic (one index, any page as fast)."""
        return self.order_by("-sequence")


class CreditTransaction(models.Model):
    """One signed, immutable movement, with the balance after it and its number within the account."""

    class Type(models.TextChoices):
        CREDIT = "credit", _("Credits bought")
        BONUS = "bonus", _("Bonus")
        DEDUCTION = "deduction", _("Lead")
        REFUND = "refund", _("Refund for a lead")
        ADJUSTMENT = "adjustment", _("Adjustment")
        EXPIRY = "expiry", _("Expired")
        REVERSAL = "reversal", _("Reversal")

    clinic = models.ForeignKey(
        Clinic, on_delete=models.PROTECT, related_name="credit_transactions", db_index=False
    )
    sequence = models.BigIntegerField()
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    balance_after = models.DecimalField(max_digits=12, decimal_places=2)
    transaction_type = models.CharField(max_length=20, choices=Type.choices)
    description = models.TextField()
    lead = models.ForeignKey(
        Lead, on_delete=models.PROTECT, null=True, related_name="credit_transactions", db_index=False
    )
    top_up = models.ForeignKey(
        TopUp, on_delete=models.PROTECT, null=True, related_name="credit_transactions", db_index=False
    )
    reversal = models.ForeignKey(
        Reversal, on_delete=models.PROTECT, null=True, related_name="credit_transactions", db_index=False
    )
    payment_id = models.CharField(max_length=100, null=True)
    idempotency_key = models.CharField(max_length=100, null=True)
    status = models.CharField(max_length=20, db_default="completed")
    created_at = models.DateTimeField()

    objects = TransactionQuerySet.as_manager()

    class Meta:
        db_table = "credit_transactions"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # The seed's idx_credit_transactions_clinic_id, widened: serves a clinic's newest rows and keeps the
            # account's numbers unique. id and sequence order a clinic's rows alike.
            models.UniqueConstraint(
                F("clinic"), F("sequence").desc(), name="idx_credit_transactions_clinic_id"
            ),
            models.UniqueConstraint(
                fields=["lead"],
                name="ledger_one_deduction_per_lead",
                condition=Q(transaction_type="deduction"),
            ),
            models.UniqueConstraint(
                fields=["top_up"], name="ledger_one_credit_per_top_up", condition=Q(transaction_type="credit")
            ),
            models.UniqueConstraint(
                fields=["payment_id"],
                name="ledger_one_credit_per_payment",
                condition=Q(transaction_type="credit"),
            ),
            models.UniqueConstraint(
                fields=["clinic", "idempotency_key"],
                name="ledger_one_row_per_idempotency_key",
                condition=Q(idempotency_key__isnull=False),
            ),
            models.CheckConstraint(name="ledger_amount_is_not_zero", condition=~Q(amount=0)),
            models.CheckConstraint(name="ledger_balance_never_negative", condition=Q(balance_after__gte=0)),
            models.CheckConstraint(name="ledger_sequence_is_positive", condition=Q(sequence__gt=0)),
            models.CheckConstraint(name="ledger_status_is_completed", condition=Q(status="completed")),
            models.CheckConstraint(
                name="ledger_sign_fits_the_type",
                condition=Q(transaction_type__in=["credit", "bonus", "refund"], amount__gt=0)
                | Q(transaction_type__in=["deduction", "expiry"], amount__lt=0)
                | Q(transaction_type__in=["adjustment", "reversal"]),
            ),
            models.CheckConstraint(
                name="ledger_lead_rows_name_their_lead",
                condition=Q(transaction_type__in=["deduction", "refund"], lead__isnull=False)
                | (~Q(transaction_type__in=["deduction", "refund"]) & Q(lead__isnull=True)),
            ),
            models.CheckConstraint(
                name="ledger_reversal_rows_name_their_loss",
                condition=Q(transaction_type="reversal") | Q(reversal__isnull=True),
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # Rows only ever come at the end, in time order: a block-range index serves the seed's reads by date
            # at a thousandth of a B-tree's size and next to no cost per row.
            SeedBrinIndex(F("created_at"), name="idx_credit_transactions_created_at", autosummarize=True),
            SeedIndex(F("clinic"), F("created_at").desc(), name="idx_credit_transactions_clinic_created"),
            models.Index(
                fields=["lead"], name="ledger_refunds_of_lead", condition=Q(transaction_type="refund")
            ),
            models.Index(
                fields=["top_up"], name="ledger_bonus_of_top_up", condition=Q(transaction_type="bonus")
            ),
            models.Index(
                fields=["reversal"], name="ledger_rows_of_reversal", condition=Q(reversal__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"Transaction {self.pk}"


class CreditGrant(models.Model):
    """What one incoming row brought, and how much of it is left. Σ remaining = the account's balance."""

    class Kind(models.TextChoices):
        PAID = "paid", _("Paid")
        BONUS = "bonus", _("Bonus")
        GOODWILL = "goodwill", _("Goodwill")

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="credit_grants", db_index=False)
    transaction = models.ForeignKey(CreditTransaction, on_delete=models.PROTECT, related_name="grants")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    remaining = models.DecimalField(max_digits=12, decimal_places=2)
    expires_at = models.DateTimeField(null=True, help_text="Paid credits never expire.")
    origin = models.ForeignKey(
        "GrantConsumption",
        on_delete=models.PROTECT,
        null=True,
        related_name="returned_as",
        help_text="For credits that came back: the consumption they undo.",
    )
    purchase = models.ForeignKey(
        TopUp,
        on_delete=models.PROTECT,
        null=True,
        related_name="grants",
        help_text="The payment it came from.",
    )
    created_at = models.DateTimeField()
    # The partial index hangs on this column, not on `remaining`: spending from a grant that stays open then
    # touches no indexed column and PostgreSQL updates the row in place (HOT).
    open = models.GeneratedField(
        expression=models.Case(models.When(remaining__gt=0, then=True), default=False),
        output_field=models.BooleanField(),
        db_persist=True,
    )

    class Meta:
        db_table = "credit_grants"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="grant_kind_is_known", condition=Q(kind__in=["paid", "bonus", "goodwill"])
            ),
            models.CheckConstraint(name="grant_amount_is_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="grant_remaining_within_amount",
                condition=Q(remaining__gte=0, remaining__lte=F("amount")),
            ),
            models.CheckConstraint(
                name="grant_paid_iff_it_never_expires",
                condition=Q(kind="paid", expires_at__isnull=True)
                | (~Q(kind="paid") & Q(expires_at__isnull=False)),
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # The order of spending: expiring soonest, then bonus before paid, then oldest.
            models.Index(fields=["clinic", "expires_at", "id"], name="grants_open", condition=Q(open=True)),
        ]

    def __str__(self) -> str:
        return f"Grant {self.pk}"


class GrantConsumption(models.Model):
    """How much of a grant one negative row used, and how much of that has come back since."""

    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="consumptions")
    transaction = models.ForeignKey(CreditTransaction, on_delete=models.PROTECT, related_name="consumptions")
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    returned = models.DecimalField(max_digits=12, decimal_places=2, db_default=0)

    class Meta:
        db_table = "grant_consumptions"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="consumption_amount_is_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="consumption_returned_within_amount",
                condition=Q(returned__gte=0, returned__lte=F("amount")),
            ),
        ]

    def __str__(self) -> str:
        return f"Consumption {self.pk}"
