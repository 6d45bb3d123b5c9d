"""Statements as CSV: PostgreSQL writes the rows (COPY), we hand them on.

Movements never change, so a long statement is copied in portions, each in a short transaction of its own: nothing is
held open in the database while a slow line takes the file, and no more than one portion is in memory.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO, StringIO
from itertools import chain
from typing import Final

from django.db import connection, transaction
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from psycopg import sql

from credits.services.statement_period import Statement
from credits.services.statement_words import no_formula, title_in_sql, type_in_sql
from credits.written import exact
from leads.models import Lead

PORTION: Final = 50_000  # rows, about 4 MB
BYTE_ORDER_MARK: Final = "\ufeff"  # without it Excel takes UTF-8 for something else

# India's time by its offset, which has not changed since 1945: by its name it would cost a third of the whole export.
TIME: Final = "date_trunc('second', {0}created_at AT TIME ZONE interval '05:30')"
# Amounts are left as they are, minus included: what the database's numeric column holds is a number for every
# spreadsheet, never a formula, and must add up there.
# A movement of a lead is told by its type and the lead's number, without a text.
STATEMENT_ROWS: Final = """
SELECT sequence, {time}, {type}, CASE WHEN lead_id IS NULL THEN {title} END,
       lead_id, top_up_id, {payment}, amount, balance_after
  FROM credit_transactions WHERE clinic_id = {clinic} AND sequence > {after} AND sequence <= {up_to} ORDER BY sequence
"""
# Leads by the movement that charged them. No name, no contact: an accountant needs neither.
LEAD_ROWS: Final = """
SELECT charge.sequence, lead.id, {arrived}, {charged}, {treatment}, lead.package_price, -charge.amount,
       (SELECT coalesce(sum(amount), 0.00) FROM credit_transactions
         WHERE lead_id = lead.id AND transaction_type = 'refund' AND created_at <= {as_of}), {status}
  FROM credit_transactions charge
  JOIN leads lead ON lead.id = charge.lead_id
  LEFT JOIN LATERAL (SELECT coalesce((SELECT title FROM packages WHERE id = lead.package_id),
                                     (SELECT name FROM treatments WHERE id = lead.treatment_id)) AS treatment)
            AS wanted ON true
 WHERE charge.clinic_id = {clinic} AND charge.sequence > {after} AND charge.sequence <= {up_to}
   AND charge.transaction_type = 'deduction' ORDER BY charge.sequence
"""


def statement_csv(statement: Statement) -> Iterator[bytes]:
    """Opening balance, every movement, a total for each type, closing balance; a line each.

    The words are those of the moment it is called in; the rows are read as they are taken.
    """
    head = _lines(
        [_("Number"), _("Time (IST)"), _("Type"), _("What"), _("Lead"), _("Top-up"), _("Payment"), _("Credits"),
         _("Balance after")],
        ["", str(statement.period.first), "", opening_words(statement), "", "", "", "", statement.opening],
        mark=BYTE_ORDER_MARK,
    )  # fmt: skip
    words = {
        "time": sql.SQL(TIME.format("")),
        "type": type_in_sql(),
        "title": title_in_sql(),
        "payment": no_formula("payment_id"),
    }
    totals = [
        ["", "", total.label, total_words(total.count), "", "", "", total.amount, ""]
        for total in statement.totals
    ]
    closing = [
        "",
        str(statement.period.last),
        "",
        closing_words(statement),
        "",
        "",
        "",
        "",
        statement.closing,
    ]
    return chain([head], copied(STATEMENT_ROWS, statement, words), [_lines(*totals, closing)])


def leads_csv(statement: Statement) -> Iterator[bytes]:
    """The leads charged in the period: what each cost, what came back by the statement's instant, its status now."""
    head = _lines(
        [_("Statement number"), _("Lead"), _("Arrived (IST)"), _("Charged (IST)"), _("Treatment"),
         _("Treatment price, ₹"), _("Cost, credits"), _("Refunded, credits"), _("Status now")],
        mark=BYTE_ORDER_MARK,
    )  # fmt: skip
    words = {
        "arrived": sql.SQL(TIME.format("lead.")),
        "charged": sql.SQL(TIME.format("charge.")),
        "treatment": no_formula("treatment"),
        "status": _status_in_sql(),
    }
    return chain([head], copied(LEAD_ROWS, statement, words))


def copied(query: str, statement: Statement, words: Mapping[str, sql.Composable]) -> Iterator[bytes]:
    """The answer to `query` over the statement's rows as CSV, portion by portion."""
    facts = {"clinic": sql.Literal(statement.clinic.pk), "as_of": sql.Literal(statement.period.as_of)}
    for after in range(statement.after, statement.up_to, PORTION):
        numbers = {
            "after": sql.Literal(after),
            "up_to": sql.Literal(min(after + PORTION, statement.up_to)),
        }
        rows = sql.SQL(query).format(**facts, **numbers, **words)
        portion = BytesIO()
        command = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(rows)
        with transaction.atomic(), connection.cursor() as cursor:
            # In the index's order from the first row on, not sorted before anything is sent: both then work at once.
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            with cursor.copy(command) as copy:
                for row in copy:
                    portion.write(row)
        yield portion.getvalue()


def opening_words(statement: Statement) -> str:
    day = date_format(statement.period.first, "DATE_FORMAT")
    return _("Opening balance on %(day)s") % {"day": day}


def closing_words(statement: Statement) -> str:
    """Names the instant where the period was not over yet."""
    if statement.period.is_over:
        day = date_format(statement.period.last, "DATE_FORMAT")
        return _("Closing balance on %(day)s") % {"day": day}
    moment = exact(statement.period.as_of)
    return _("Balance on %(moment)s IST") % {"moment": moment}


def total_words(count: int) -> str:
    return _("Total of %(count)s") % {"count": count}


def _lines(*rows: Iterable[object], mark: str = "") -> bytes:
    text = StringIO()
    text.write(mark)
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _status_in_sql() -> sql.Composable:
    arms = [
        sql.SQL("WHEN {} THEN {}").format(sql.Literal(value), sql.Literal(str(label)))
        for value, label in Lead.Status.choices
    ]
    return sql.SQL("CASE lead.status {} END").format(sql.SQL(" ").join(arms))
