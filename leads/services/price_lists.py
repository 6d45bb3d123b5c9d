"""A new price list (rule 7): asked for by one, approved by another, carried out in `leads/sql/requests.sql`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from clinics import requests
from clinics.models import StaffRequest
from clinics.requests import NO_VALUE, Why, as_text
from leads.models import PricingVersion


@dataclass(frozen=True, slots=True)
class Tier:
    """Prices (₹) from `price_from` to below `price_below` (None: without end) cost so many credits."""

    price_from: Decimal
    price_below: Decimal | None
    credits: Decimal

    @property
    def range(self) -> str:
        end = "and above" if self.price_below is None else f"to below ₹{as_text(self.price_below)}"
        return f"₹{as_text(self.price_from)} {end}"


def newest_version() -> PricingVersion:
    """The list that was made last; it may come into force later."""
    return PricingVersion.objects.order_by("-pk")[0]


def tiers_of(version: PricingVersion) -> list[Tier]:
    rows = version.tiers.order_by("price_from")
    return [Tier(row.price_from, row.price_below, row.credits) for row in rows]


def ask_price_list(
    *, note: str, effective_at: datetime | None, tiers: Sequence[Tier], why: Why
) -> StaffRequest:
    """Asks for a new list, in force from its approval or a later time. Raises what `requests.ask` raises; a gap or an
    overlap is a RequestImpossible."""
    newest = newest_version()
    return requests.ask(
        kind=StaffRequest.Kind.PRICE_LIST,
        object_key="price_list",
        details={
            "version_id": newest.pk,
            "note": note,
            "effective_at": effective_at and effective_at.isoformat(),
            "tiers": [
                {
                    "price_from": str(tier.price_from),
                    "price_below": None if tier.price_below is None else str(tier.price_below),
                    "credits": str(tier.credits),
                }
                for tier in tiers
            ],
        },
        shown=[
            ("Name", newest.note, note),
            ("In force from", as_text(newest.effective_at), in_force_from(effective_at)),
            *_shown_tiers(tiers_of(newest), tiers),
        ],
        reason_code=why.reason_code,
        reason=why.reason,
        by=why.by,
    )


def in_force_from(effective_at: datetime | None) -> str:
    return "its approval" if effective_at is None else f"{as_text(effective_at)}, or its approval if later"


def _shown_tiers(before: Sequence[Tier], after: Sequence[Tier]) -> list[tuple[str, str, str]]:
    """A line for each range of either list, from the lowest price; its credits before and after."""
    old = {tier.range: tier for tier in before}
    new = {tier.range: tier for tier in after}
    ranges = sorted(
        {**old, **new}.values(), key=lambda tier: (tier.price_from, tier.price_below or Decimal("Infinity"))
    )
    return [
        (
            tier.range,
            as_text(old[tier.range].credits) if tier.range in old else NO_VALUE,
            as_text(new[tier.range].credits) if tier.range in new else NO_VALUE,
        )
        for tier in ranges
    ]


def _from_below(tier: Tier) -> tuple[Decimal, Decimal]:
    return tier.price_from, Decimal("Infinity") if tier.price_below is None else tier.price_below
