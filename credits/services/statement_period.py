"""The statement of a period: opening balance, movements, closing balance, as of an instant.

Movements never change, their stamps never run backwards within an account, and their numbers have no gap. So «as of
an instant» is a range of numbers, and once it is known, nothing has to be locked or held open to read it.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db import connection
from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from clinics.days import start_of
from clinics.models import Clinic
from clinics.read_only import skipped_while_read_only
from credits.models import CreditTransaction
from credits.models.ledger import TransactionQuerySet

NOTHING: Final = Decimal("0.00")
LEDGER_S_NOW: Final = (
    "SELECT greatest(ledger_clock(), last_posted_at) FROM credit_accounts WHERE clinic_id = %s"
)


@dataclass(frozen=True, slots=True)
class Period:
    """Two days in India, both included. What was stamped later than `as_of` is not there, inside them either."""

    first: date
    last: date
    as_of: datetime

    @property
    def starts_at(self) -> datetime:
        return start_of(self.first)

    @property
    def ends_at(self) -> datetime:
        """The midnight that no longer belongs to it."""
        return start_of(self.last + timedelta(days=1))

    @property
    def is_over(self) -> bool:
        return self.as_of >= self.ends_at


@dataclass(frozen=True, slots=True)
class Total:
    """What moved of one type. Some types have both signs: `amount` is the sum of `came_in` and `went_out`."""

    transaction_type: str
    count: int
    amount: Decimal
    came_in: Decimal
    went_out: Decimal

    @property
    def label(self) -> str:
        return str(CreditTransaction.Type(self.transaction_type).label)


@dataclass(frozen=True, slots=True)
class Statement:
    """`opening` + Σ totals = `closing`. Its rows are those numbered above `after`, up to `up_to`."""

    clinic: Clinic
    period: Period
    after: int
    up_to: int
    opening: Decimal
    closing: Decimal
    totals: tuple[Total, ...]

    @property
    def count(self) -> int:
        return self.up_to - self.after

    @property
    def came_in(self) -> Decimal:
        return sum((total.came_in for total in self.totals), NOTHING)

    @property
    def went_out(self) -> Decimal:
        return sum((total.went_out for total in self.totals), NOTHING)

    def rows(self) -> TransactionQuerySet:
        return _rows_between(self.clinic, self.after, self.up_to).order_by("sequence")


def settled_moment(clinic: Clinic) -> datetime:
    """Now, by the ledger's clock: nothing that is posted to this account from here on is stamped earlier.

    Whoever is posting at this moment is waited for. Without that, a movement stamped a moment ago could come to light
    after a statement was read, and the same statement would say something else tomorrow. While the database is
    read-only there is nobody to wait for, and no lock to be had.
    """
    with skipped_while_read_only():
        return _moment(clinic, f"{LEDGER_S_NOW} FOR SHARE")
    return _moment(clinic, LEDGER_S_NOW)


def read_statement(clinic: Clinic, period: Period) -> Statement:
    """The statement, without its rows. `period.as_of` is not later than `settled_moment` said."""
    known = CreditTransaction.objects.filter(clinic=clinic, created_at__lte=period.as_of)
    after, opening = _newest(known.filter(created_at__lt=period.starts_at))
    up_to, closing = _newest(known.filter(created_at__lt=period.ends_at))
    sums = (
        _rows_between(clinic, after, up_to)
        .values("transaction_type")
        .annotate(
            count=Count("pk"),
            came_in=Sum("amount", filter=Q(amount__gt=0), default=NOTHING),
            went_out=Sum("amount", filter=Q(amount__lt=0), default=NOTHING),
        )
        .annotate(amount=F("came_in") + F("went_out"))
    )
    found = {line["transaction_type"]: line for line in sums}
    totals = tuple(Total(**found[kind]) for kind in CreditTransaction.Type.values if kind in found)
    return Statement(clinic, period, after, up_to, opening, closing, totals)


def month_of(day: date) -> tuple[date, date]:
    """Its first and its last day."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def latest_months(at: datetime, since: datetime, most: int) -> list[date]:
    """First days of the months up to that of `at`, newest first, none before the one of `since`."""
    months: list[date] = []
    first = timezone.localdate(at).replace(day=1)
    earliest = timezone.localdate(since).replace(day=1)
    while len(months) < most and (first >= earliest or not months):
        months.append(first)
        first = (first - timedelta(days=1)).replace(day=1)
    return months


def _moment(clinic: Clinic, statement: str) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute(statement, [clinic.pk])
        moment: datetime = cursor.fetchone()[0]
    return moment


def _newest(rows: TransactionQuerySet) -> tuple[int, Decimal]:
    """Number and balance of the last of them; the index by clinic and time finds it at once."""
    row = rows.order_by("-created_at", "-sequence").values_list("sequence", "balance_after").first()
    return row or (0, NOTHING)


def _rows_between(clinic: Clinic, after: int, up_to: int) -> TransactionQuerySet:
    return CreditTransaction.objects.filter(clinic=clinic, sequence__gt=after, sequence__lte=up_to)
