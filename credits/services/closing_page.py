"""The page of a closed day, as text: for the terminal, the printer and the back office."""

import json
from collections.abc import Iterator
from decimal import Decimal
from textwrap import wrap
from typing import Any, Final

from django.utils import timezone
from django.utils.formats import date_format, number_format

from credits.models import CreditGrant, CreditTransaction, DayClosing

WIDTH: Final = 92  # of its table


def page_of(closing: DayClosing) -> list[str]:
    """One line after another. `closing` is closed."""
    when = date_format(timezone.localtime(closing.closed_at), "j M Y H:i")
    return [
        f"Day {date_format(closing.day, 'j M Y')}, closed {when}"
        f" by {closing.closed_by.email if closing.closed_by else 'the worker'}",
        "",
        *_figures(closing.figures or {}),
        f"Seal {closing.seal_number}: {closing.seal_digest}",
        "",
        *_unexplained(closing.unexplained or []),
        *_signature(closing),
    ]


def _figures(figures: dict[str, Any]) -> list[str]:
    try:
        return [
            *_unspent(figures["unspent"]),
            "",
            *_movements(figures["movements"]),
            "",
            *_payments(figures["payments"]),
            *_waiting(figures["waiting"]),
            *(f"{name}: {number}" for name, number in sorted(figures["reconciliation"].items())),
            "",
            *_checks(figures["checks"]),
        ]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return ["Not figures that close_day writes; see verify_ledger:", json.dumps(figures)]


def _amount(text: str) -> str:
    return f"{number_format(Decimal(text), 2):>18}"


def _unspent(unspent: dict[str, list[str]]) -> Iterator[str]:
    yield f"{'Unspent credits':<20}" + "".join(
        f"{head:>18}" for head in ("Opening", "Came", "Went", "Closing")
    )
    for kind in CreditGrant.Kind:
        yield f"{kind.value.capitalize():<20}" + "".join(map(_amount, unspent[kind]))
    totals = [str(sum(map(Decimal, column), Decimal(0))) for column in zip(*unspent.values(), strict=True)]
    yield f"{'In all':<20}" + "".join(map(_amount, totals))


def _movements(movements: dict[str, list[Any]]) -> Iterator[str]:
    yield f"{'Movements':<20}{'Number':>18}{'Credits':>18}"
    for kind in CreditTransaction.Type:
        if kind in movements:
            number, amount = movements[kind]
            yield f"{kind.value.capitalize():<20}{number:>18}{_amount(amount)}"
    if not movements:
        yield "None"


def _payments(payments: dict[str, list[Any]]) -> Iterator[str]:
    for name, words in (("credited", "Payments credited"), ("captured", "Captured by gateway")):
        number, gross = payments[name]
        yield f"{words:<20}{number:>18}{_amount(gross)}"


def _waiting(waiting: dict[str, Any]) -> Iterator[str]:
    yield f"{'Owed by clinics':<20}{'':>18}{_amount(waiting['owed'])}"
    yield f"{'Review items open':<20}{waiting['review_items']:>18}"
    yield f"{'Leads held':<20}{waiting['held_leads']:>18}"


def _checks(checks: list[list[Any]]) -> Iterator[str]:
    broken = [(name, number) for name, number in checks if number]
    yield f"{len(checks)} checks, {len(broken)} with violations"
    yield from (f"  {name:<60}{number:>8}" for name, number in broken)


def _unexplained(unexplained: list[str]) -> Iterator[str]:
    yield f"Unexplained: {len(unexplained) or 'nothing'}"
    for line in unexplained:
        yield from wrap(line, WIDTH, initial_indent="  - ", subsequent_indent="    ", break_long_words=False)


def _signature(closing: DayClosing) -> Iterator[str]:
    if closing.signed_off_by is None:
        yield "Not signed off yet"
        return
    when = date_format(timezone.localtime(closing.signed_off_at), "j M Y H:i")
    yield f"Signed off by {closing.signed_off_by.email}, {when}: {closing.note}"
