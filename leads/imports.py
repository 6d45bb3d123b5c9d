"""`import_treatments`: the treatment catalogue, with prices as people write them.

A row's key is category and name. An import updates duration and prices; an empty cell says nothing and erases
nothing, and an empty price of a new treatment means «unknown».
"""

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final

from clinics.table_import import Difference, Entry, Key, RowRefused, TableImport, at_most, quoted, stated
from leads.models import Treatment

# «1,50,000», «₹24,000», «Rs. 500/-», «12000.50». Commas anywhere but between groups of 2 or 3 are a mistake.
PRICE: Final = re.compile(
    r"(?:₹|rs\.?|inr)?\s*(?P<rupees>[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}|[0-9]+)(?P<paise>\.[0-9]{1,2})?\s*(?:/-)?",
    re.IGNORECASE,
)
HIGHEST_PRICE: Final = Decimal(10) ** 10  # what numeric(12, 2) holds


class TreatmentImport(TableImport[Treatment]):
    model = Treatment
    columns: ClassVar = ("category_name", "procedure_name", "procedure_duration", "min_cost", "max_cost")

    def read(self, cells: Mapping[str, str]) -> Entry:
        key = (
            at_most(cells["category_name"], 120, "category_name"),
            at_most(cells["procedure_name"], 200, "procedure_name"),
        )
        if not all(key):
            raise RowRefused("a treatment needs a category and a name")
        facts = stated(
            {
                "duration": at_most(cells["procedure_duration"], 80, "procedure_duration"),
                "min_price": price(cells["min_cost"]),
                "max_price": price(cells["max_cost"]),
            }
        )
        refuse_disorder(facts)
        return Entry(key, facts)

    def stored(self, keys: Collection[Key]) -> Mapping[Key, Treatment]:
        treatments = Treatment.objects.filter(
            category__in={key[0] for key in keys}, name__in={key[1] for key in keys}
        )
        return {
            (treatment.category, treatment.name): treatment
            for treatment in treatments.select_for_update(no_key=True)
        }

    def difference(self, stored: Treatment, facts: Mapping[str, Any]) -> Difference:
        refuse_disorder({"min_price": stored.min_price, "max_price": stored.max_price, **facts})
        return Difference({name: value for name, value in facts.items() if getattr(stored, name) != value})

    def build(self, entry: Entry) -> Treatment:
        return Treatment(category=entry.key[0], name=entry.key[1], **entry.facts)

    def name_of(self, thing: Treatment) -> str:
        return f"{thing.category} / {thing.name}"


def price(cell: str) -> Decimal | None:
    """Rupees as people in India write them; None for an empty cell. Raises RowRefused on anything else."""
    if not cell:
        return None
    match = PRICE.fullmatch(cell)
    if match is None:
        raise RowRefused(f"{quoted(cell)} is not a price")
    rupees = Decimal(match["rupees"].replace(",", "") + (match["paise"] or ""))
    if rupees >= HIGHEST_PRICE:
        raise RowRefused(f"{quoted(cell)} is more than any treatment costs")
    return rupees


def refuse_disorder(facts: Mapping[str, Any]) -> None:
    least, highest = facts.get("min_price"), facts.get("max_price")
    if least is not None and highest is not None and least > highest:
        raise RowRefused(f"the least price ₹{least} is above the highest, ₹{highest}")
