"""What clinics buy: credit packages and top-ups."""

import secrets
from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from clinics.models import Clinic
from clinics.trail import tracked


@tracked("credit-package")
class CreditPackage(models.Model):
    """What the top-up page sells: price in whole rupees before tax → credits; the surplus is a bonus."""

    name = models.CharField(max_length=60)
    price = models.DecimalField("price before tax, ₹", max_digits=12, decimal_places=2)
    credits = models.DecimalField("credits in all", max_digits=12, decimal_places=2)
    is_active = models.BooleanField("on sale", default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "credit_packages"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["price"], name="credit_package_on_sale_once_per_price", condition=Q(is_active=True)
            ),
            models.CheckConstraint(name="credit_package_price_is_positive", condition=Q(price__gt=0)),
            models.CheckConstraint(
                name="credit_package_gives_its_price", condition=Q(credits__gte=F("price"))
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def bonus(self) -> Decimal:
        return self.credits - self.price


def new_receipt() -> str:
    """Our own name for a purchase at the gateway: never used twice, also not by another database of ours."""
    return f"tu-{secrets.token_hex(8)}"


class TopUp(models.Model):
    """One intention to buy. Price, bonus and tax are frozen when the order is made; at most one payment counts.

    What is credited is `price` (paid) and `bonus + promo_bonus` (bonus grants); the payment must equal `gross`.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Being prepared"
        OPEN = "open", "Waiting for payment"
        PAID = "paid", "Paid"
        ABANDONED = "abandoned", "Abandoned"

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="top_ups")
    package = models.ForeignKey(
        CreditPackage, on_delete=models.PROTECT, null=True, blank=True, related_name="top_ups"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    state = models.CharField(max_length=10, choices=State.choices, db_default=State.DRAFT)
    price = models.DecimalField("price before tax, ₹", max_digits=12, decimal_places=2)
    bonus = models.DecimalField(max_digits=12, decimal_places=2, db_default=Decimal("0.00"))
    promo_bonus = models.DecimalField(max_digits=12, decimal_places=2, db_default=Decimal("0.00"))
    tax = models.DecimalField(max_digits=12, decimal_places=2, db_default=Decimal("0.00"))
    gross = models.DecimalField("to pay, ₹", max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3, db_default="INR")
    receipt = models.CharField(max_length=40, unique=True, default=new_receipt, editable=False)
    razorpay_order_id = models.CharField(max_length=40, null=True, blank=True, unique=True)
    razorpay_payment_id = models.CharField(max_length=40, null=True, blank=True, unique=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    ordered_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    last_attempt_error = models.CharField(
        max_length=80, blank=True, help_text="Why the last attempt to pay failed."
    )
    next_check_at = models.DateTimeField(
        null=True, blank=True, help_text="When reconciliation asks the gateway."
    )
    checks = models.PositiveSmallIntegerField(default=0)

    class Meta:
        db_table = "top_ups"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="top_up_state_is_known", condition=Q(state__in=["draft", "open", "paid", "abandoned"])
            ),
            models.CheckConstraint(name="top_up_price_is_positive", condition=Q(price__gt=0)),
            models.CheckConstraint(
                name="top_up_amounts_not_negative", condition=Q(bonus__gte=0, promo_bonus__gte=0, tax__gte=0)
            ),
            models.CheckConstraint(
                name="top_up_gross_is_price_and_tax", condition=Q(gross=F("price") + F("tax"))
            ),
            models.CheckConstraint(
                name="top_up_paid_iff_it_has_a_payment",
                condition=Q(state="paid", paid_at__isnull=False, razorpay_payment_id__isnull=False)
                | (~Q(state="paid") & Q(paid_at__isnull=True, razorpay_payment_id__isnull=True)),
            ),
        ]

    def __str__(self) -> str:
        return f"Top-up {self.pk}"

    @property
    def gross_paise(self) -> int:
        """What the payment must be, to the paisa."""
        return int(self.gross * 100)

    @property
    def credits(self) -> Decimal:
        """What is credited in all when it is paid."""
        return self.price + self.bonus + self.promo_bonus
