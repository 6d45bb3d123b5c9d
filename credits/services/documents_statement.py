"""A statement as a PDF."""

from typing import Any, Final

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from clinics.models import Clinic
from clinics.states import STATES
from credits.services.documents import Document
from credits.services.statement_csv import closing_words, opening_words
from credits.services.statement_period import Statement
from credits.services.statement_words import title_of
from credits.written import exact, money, signed

MOST_ROWS: Final = 3000  # a file of 3 MB; setting it takes a second and 300 MB of memory, and grows with it


class TooManyRows(Exception):
    """More movements than a PDF takes; a CSV takes any number."""


def statement_document(statement: Statement, *, or_without_rows: bool = False) -> Document:
    """Raises TooManyRows, unless `or_without_rows`: then the document says that the rows are in the CSV."""
    is_too_long = statement.count > MOST_ROWS
    if is_too_long and not or_without_rows:
        raise TooManyRows
    as_of = statement.period.as_of
    data = {
        **page_data(_("Statement of credits"), statement.clinic),
        "footer": _("As of %(moment)s IST") % {"moment": exact(as_of)},
        "facts": [
            [_("From"), date_format(statement.period.first, "DATE_FORMAT")],
            [_("To"), date_format(statement.period.last, "DATE_FORMAT")],
            [_("As of"), _("%(moment)s IST") % {"moment": exact(as_of)}],
        ],
        "figures": [
            [_("Opening balance"), rupees(money(statement.opening))],
            [_("Came in"), signed(statement.came_in)],
            [_("Went out"), signed(statement.went_out)],
            [_("Closing balance"), rupees(money(statement.closing))],
        ],
        **_totals(statement),
        **_rows(statement, is_elsewhere=is_too_long),
    }
    return Document("statement.typ", int(as_of.timestamp()), data)


def page_data(title: str, clinic: Clinic) -> dict[str, Any]:
    """What every document for a clinic says."""
    place = " ".join(part for part in (clinic.city, clinic.pincode) if part)
    parts = (*clinic.address.splitlines(), place, STATES.get(clinic.state, ""))
    return {
        "title": title,
        "language": get_language() or "en",
        "clinic": clinic.name,
        "address": ", ".join(part.strip().rstrip(",") for part in parts if part.strip()),
        "page_words": _("Page {page} of {pages}"),
    }


def rupees(amount: str) -> str:
    return f"₹{amount}"


def _totals(statement: Statement) -> dict[str, Any]:
    return {
        "totals_title": _("Totals"),
        "totals_head": [_("Type"), _("Number"), _("Credits")],
        "totals": [[total.label, str(total.count), signed(total.amount)] for total in statement.totals],
    }


def _rows(statement: Statement, *, is_elsewhere: bool) -> dict[str, Any]:
    elsewhere = _("There are %(count)s movements: you find them in the CSV of this statement.")
    return {
        "rows_title": _("Movements"),
        "rows_elsewhere": elsewhere % {"count": statement.count} if is_elsewhere else "",
        "rows_head": [_("Number"), _("Time (IST)"), _("What"), _("Credits"), _("Balance after")],
        "opening": [opening_words(statement), money(statement.opening)],
        "closing": [closing_words(statement), money(statement.closing)],
        "rows": [
            [
                str(row.sequence),
                date_format(localtime(row.created_at), "DATETIME_FORMAT"),
                title_of(row),
                signed(row.amount),
                money(row.balance_after),
            ]
            for row in (statement.rows().none() if is_elsewhere else statement.rows())
        ],
    }
