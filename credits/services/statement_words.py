"""What each movement is called, in words: one table for pages, CSV and PDF alike.

The description stored with a movement is English data of its time. People read these instead: made from what the
movement points at, in their own language; a stored text shows only where a person wrote it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from psycopg import sql

from credits.models import CreditTransaction

# What a title may name, and the column it stands in.
FACTS: Final = {
    "lead": "lead_id",
    "top_up": "top_up_id",
    "payment": "payment_id",
    "description": "description",
}
# Text from outside, which a spreadsheet must not take for a formula.
WRITTEN_BY_PEOPLE: Final = frozenset({"payment", "description"})
FORMULA: Final = r"^\s*[=+\-@\t\r＝＋－＠]"  # OWASP's list, with the full-width twins some programs accept


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of movement: its title, and how to tell it, of a row in Python and of the same row in SQL."""

    name: str
    title: Promise
    holds: Callable[[CreditTransaction], bool]
    condition: str


# The first that holds; the commonest stands first. The ledger's own descriptions tell only what no column says.
KINDS: Final = (
    Kind(
        "lead",
        _("Lead %(lead)s"),
        lambda row: row.transaction_type == "deduction",
        "transaction_type = 'deduction'",
    ),
    Kind(
        "refund",
        _("Refund for lead %(lead)s"),
        lambda row: row.transaction_type == "refund",
        "transaction_type = 'refund'",
    ),
    Kind(
        "payment",
        _("Payment of top-up %(top_up)s"),
        lambda row: row.transaction_type == "credit" and row.top_up_id is not None,
        "transaction_type = 'credit' AND top_up_id IS NOT NULL",
    ),
    Kind(
        "payment_by_hand",
        _("Payment %(payment)s, entered by hand"),
        lambda row: row.transaction_type == "credit" and row.payment_id is not None,
        "transaction_type = 'credit' AND payment_id IS NOT NULL",
    ),
    Kind(
        "goodwill",
        _("Credits given: %(description)s"),
        lambda row: row.transaction_type == "credit",
        "transaction_type = 'credit'",
    ),
    Kind(
        "promo_bonus",
        _("Promo bonus of top-up %(top_up)s"),
        lambda row: row.transaction_type == "bonus" and row.description.startswith("Promo"),
        "transaction_type = 'bonus' AND starts_with(description, 'Promo')",
    ),
    Kind(
        "bonus",
        _("Bonus of top-up %(top_up)s"),
        lambda row: row.transaction_type == "bonus",
        "transaction_type = 'bonus'",
    ),
    Kind(
        "expired_bonus",
        _("Unused bonus credits expired"),
        lambda row: row.transaction_type == "expiry" and row.description.startswith("Unused bonus"),
        "transaction_type = 'expiry' AND starts_with(description, 'Unused bonus')",
    ),
    Kind(
        "expired_goodwill",
        _("Unused goodwill credits expired"),
        lambda row: row.transaction_type == "expiry",
        "transaction_type = 'expiry'",
    ),
    Kind(
        "adjustment",
        _("Adjusted by us: %(description)s"),
        lambda row: row.transaction_type == "adjustment",
        "transaction_type = 'adjustment'",
    ),
    Kind(
        "settled",
        _("Settles what was owed for a payment taken back"),
        lambda row: row.top_up_id is None,
        "top_up_id IS NULL",
    ),
    Kind(
        "taken_back", _("Payment of top-up %(top_up)s taken back"), lambda row: row.amount < 0, "amount < 0"
    ),
    Kind("given_back", _("Payment of top-up %(top_up)s given back"), lambda _row: True, "true"),
)


def kind_of(row: CreditTransaction) -> Kind:
    return next(kind for kind in KINDS if kind.holds(row))


def title_of(row: CreditTransaction) -> str:
    """In the language of the moment; needs no query."""
    return str(kind_of(row).title) % {name: getattr(row, column) for name, column in FACTS.items()}


def title_in_sql() -> sql.Composable:
    """`title_of` as an expression over credit_transactions, in the language of the moment."""
    arms = [
        sql.SQL("WHEN {} THEN {}").format(sql.SQL(kind.condition), _concatenated(str(kind.title)))
        for kind in KINDS
    ]
    return sql.SQL("CASE {} END").format(sql.SQL(" ").join(arms))


def type_in_sql() -> sql.Composable:
    """The type's label, in the language of the moment; the commonest is asked first."""
    arms = [
        sql.SQL("WHEN {} THEN {}").format(sql.Literal(value), sql.Literal(str(label)))
        for value, label in sorted(
            CreditTransaction.Type.choices, key=lambda choice: choice[0] != "deduction"
        )
    ]
    return sql.SQL("CASE transaction_type {} END").format(sql.SQL(" ").join(arms))


def no_formula(column: str) -> sql.Composable:
    """The text of a column, with an apostrophe before what a spreadsheet would run as a formula."""
    return sql.SQL("CASE WHEN {0} ~ {1} THEN '''' || {0} ELSE {0} END").format(
        sql.Identifier(column), sql.Literal(FORMULA)
    )


def _fact(name: str) -> sql.Composable:
    column = FACTS[name]
    return no_formula(column) if name in WRITTEN_BY_PEOPLE else sql.Identifier(column)


def _concatenated(template: str) -> sql.Composable:
    """«Lead %(lead)s» → 'Lead ' || lead_id."""
    parts: list[sql.Composable] = []
    rest = template
    while "%(" in rest:
        before, _sign, rest = rest.partition("%(")
        name, _sign, rest = rest.partition(")s")
        parts += [sql.Literal(before), _fact(name)]
    return sql.SQL(" || ").join(part for part in [*parts, sql.Literal(rest)] if part != sql.Literal(""))
