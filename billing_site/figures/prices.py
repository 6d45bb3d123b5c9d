"""What last month's leads would have cost by another price list: a sum over what was delivered, nothing is changed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from django import forms

from clinics.days import day_of, ledger_now, start_of
from leads.services.price_lists import Tier

MOST_TIERS: Final = 40
SPARE_ROWS: Final = 2
FIELD: Final = re.compile(r"(?:from|credits)-([0-9]{1,9})")

IN_FORCE: Final = """
SELECT tier.price_from, tier.price_below, tier.credits
  FROM lead_pricing_tiers tier
 WHERE tier.version_id = (SELECT id FROM lead_pricing_versions
                           WHERE effective_at <= %s ORDER BY effective_at DESC LIMIT 1)
 ORDER BY tier.price_from
"""
# An unknown price is charged by the lowest tier, as `tier_for_price` does.
LEADS_BY_TIER: Final = """
SELECT width_bucket(coalesce(package_price, 0), %(bounds)s::numeric[]), count(*), sum(cost)
  FROM leads
 WHERE created_at >= %(since)s AND created_at < %(until)s AND delivery_state = 'delivered'
 GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class TierChange:
    """Last month's leads in one tier of the list tried out: what they cost, and would have."""

    tier: Tier
    leads: int
    before: Decimal

    @property
    def after(self) -> Decimal:
        return self.leads * self.tier.credits

    @property
    def difference(self) -> Decimal:
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class PriceChange:
    month: date
    tiers: list[TierChange]

    @property
    def leads(self) -> int:
        return sum(one.leads for one in self.tiers)

    @property
    def before(self) -> Decimal:
        return sum((one.before for one in self.tiers), Decimal("0.00"))

    @property
    def after(self) -> Decimal:
        return sum((one.after for one in self.tiers), Decimal("0.00"))

    @property
    def difference(self) -> Decimal:
        return self.after - self.before


class PriceListForm(forms.Form):
    """A price list as rows of «from ₹» and «credits»: each row ends where the next begins, an empty one is none."""

    def __init__(self, rows: int, data: Mapping[str, Any] | None = None, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        self.row_numbers = range(rows)
        for number in self.row_numbers:
            name = f"of row {number + 1}"
            self.fields[f"from-{number}"] = _amount(f"Price from, ₹, {name}", Decimal(0))
            self.fields[f"credits-{number}"] = _amount(f"Credits {name}", Decimal("0.01"))

    @property
    def rows(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        return [(self[f"from-{number}"], self[f"credits-{number}"]) for number in self.row_numbers]

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        filled: list[tuple[Decimal, Decimal]] = []
        for number in self.row_numbers:
            if self.errors.keys() & {f"from-{number}", f"credits-{number}"}:
                continue
            start, each = data.get(f"from-{number}"), data.get(f"credits-{number}")
            if (start is None) != (each is None):
                self.add_error(f"{'from' if start is None else 'credits'}-{number}", "This is missing.")
            elif start is not None and each is not None:
                filled.append((start, each))
        starts = [start for start, _ in filled]
        if not self.errors:
            self._check_prices(starts)
        ends: list[Decimal | None] = [*starts[1:], *([None] if starts else [])]
        return {"tiers": [Tier(start, end, each) for (start, each), end in zip(filled, ends, strict=True)]}

    def _check_prices(self, starts: Sequence[Decimal]) -> None:
        """As the database wants a list: every price from 0 upwards in exactly one tier."""
        if not starts or starts[0] != 0:
            raise forms.ValidationError("The first tier begins at ₹0, or prices below it would have none.")
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise forms.ValidationError("Each tier begins above the one before it, or they would overlap.")


def _amount(label: str, least: Decimal) -> forms.DecimalField:
    widget = forms.NumberInput(attrs={"aria-label": label, "inputmode": "decimal"})
    return forms.DecimalField(
        label=label, required=False, max_digits=12, decimal_places=2, min_value=least, widget=widget
    )


def asked_form(query: Mapping[str, Any]) -> PriceListForm | None:
    """The form a query string fills, or None where it holds none of its fields. Rows past the most are an error."""
    numbers = [int(match[1]) for name in query if (match := FIELD.fullmatch(name))]
    if not numbers:
        return None
    form = PriceListForm(min(max(numbers) + 1, MOST_TIERS), query)
    if max(numbers) >= MOST_TIERS:
        form.add_error(None, f"At most {MOST_TIERS} tiers can be tried out.")
    return form


def in_force(cursor: Any, at: datetime) -> list[Tier]:
    """The price list of that moment."""
    cursor.execute(IN_FORCE, [at])
    return [Tier(*row) for row in cursor.fetchall()]


def form_to_change(tiers: Sequence[Tier]) -> PriceListForm:
    """A list to try changes on, with room for two tiers more."""
    initial: dict[str, Decimal] = {}
    for number, tier in enumerate(tiers[:MOST_TIERS]):
        initial |= {f"from-{number}": tier.price_from, f"credits-{number}": tier.credits}
    return PriceListForm(min(len(tiers) + SPARE_ROWS, MOST_TIERS), initial=initial)


def rehearse(cursor: Any, tiers: Sequence[Tier]) -> PriceChange:
    """The leads that arrived last month (India) and were delivered; refunds are left out on both sides."""
    this_month = day_of(ledger_now(cursor)).replace(day=1)
    month = (this_month - timedelta(days=1)).replace(day=1)
    bounds = [tier.price_from for tier in tiers]
    cursor.execute(LEADS_BY_TIER, {"bounds": bounds, "since": start_of(month), "until": start_of(this_month)})
    found = {row[0]: row[1:] for row in cursor.fetchall()}
    return PriceChange(
        month,
        [
            TierChange(tier, *found.get(number, (0, Decimal("0.00"))))
            for number, tier in enumerate(tiers, start=1)
        ],
    )
