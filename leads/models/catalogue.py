"""The treatment catalogue, clinics' packages, and what a lead costs."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from clinics.models import Clinic
from clinics.trail import tracked


@tracked("treatment")
class Treatment(models.Model):
    """One line of the catalogue. An empty least price means «unknown»."""

    category = models.CharField(max_length=120)
    name = models.CharField(max_length=200)
    duration = models.CharField(max_length=80, blank=True, help_text="As people write it: «1–2 hours».")
    min_price = models.DecimalField("least price, ₹", max_digits=12, decimal_places=2, null=True, blank=True)
    max_price = models.DecimalField(
        "highest price, ₹", max_digits=12, decimal_places=2, null=True, blank=True
    )

    class Meta:
        db_table = "treatments"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["category", "name"], name="treatment_once_per_category"),
            models.CheckConstraint(
                name="treatment_prices_are_ordered",
                condition=(Q(min_price__isnull=True) | Q(min_price__gte=0))
                & (Q(max_price__isnull=True) | Q(min_price__isnull=True) | Q(max_price__gte=F("min_price"))),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PackageQuerySet(models.QuerySet["TreatmentPackage"]):
    def offered(self) -> "PackageQuerySet":
        """What a patient can choose, cheapest first."""
        return self.filter(is_active=True).order_by("price", "pk")


@tracked("package")
class TreatmentPackage(models.Model):
    """A clinic's offer at a price; its price decides what a lead for it costs."""

    clinic = models.ForeignKey(Clinic, on_delete=models.PROTECT, related_name="packages")
    treatment = models.ForeignKey(Treatment, on_delete=models.PROTECT, related_name="packages")
    title = models.CharField(max_length=200)
    price = models.DecimalField("price, ₹", max_digits=12, decimal_places=2)
    is_active = models.BooleanField("offered", default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = PackageQuerySet.as_manager()

    class Meta:
        db_table = "packages"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="package_price_not_negative", condition=Q(price__gte=0)),
        ]

    def __str__(self) -> str:
        return self.title


@tracked("price-list")
class PricingVersion(models.Model):
    """One edition of the price list. Never edited: a change is a new version with all its tiers."""

    note = models.CharField(max_length=200)
    effective_at = models.DateTimeField(db_default=Now(), unique=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "lead_pricing_versions"

    def __str__(self) -> str:
        return f"Price list {self.pk}"


@tracked("tier")
class PricingTier(models.Model):
    """Price range → credits: from `price_from` (inclusive) to below `price_below` (empty: no upper end).

    The tiers of a version cover every price from 0 exactly once, and never change: triggers in
    leads/sql/pricing.sql refuse a gap, an overlap, an edit and a deletion.
    """

    version = models.ForeignKey(PricingVersion, on_delete=models.PROTECT, related_name="tiers")
    price_from = models.DecimalField(max_digits=12, decimal_places=2)
    price_below = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    credits = models.DecimalField(max_digits=12, decimal_places=2)

    class Meta:
        db_table = "lead_pricing_tiers"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["version", "price_from"], name="tier_once_per_version_and_price"),
            models.CheckConstraint(
                name="tier_range_is_not_empty",
                condition=Q(price_from__gte=0)
                & (Q(price_below__isnull=True) | Q(price_below__gt=F("price_from"))),
            ),
            models.CheckConstraint(name="tier_credits_are_positive", condition=Q(credits__gt=0)),
        ]

    def __str__(self) -> str:
        return f"from ₹{self.price_from} → {self.credits} credits"
