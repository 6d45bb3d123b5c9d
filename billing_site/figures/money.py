"""Credits sold, spent, given back and expired; what is still owed to clinics, and by them. All in credits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from billing_site.figures.rates import Rate
from credits.models import CreditGrant

DAYS: Final = 30
TOP: Final = 10
ZERO: Final = Decimal("0.00")

# The block-range index on created_at reads these days alone. What was given by hand is no sale.
BY_DAY: Final = """
SELECT ist_date(created_at),
       coalesce(sum(amount) FILTER (WHERE transaction_type = 'credit'
                                      AND (top_up_id IS NOT NULL OR payment_id IS NOT NULL)), 0),
       -coalesce(sum(amount) FILTER (WHERE transaction_type = 'deduction'), 0),
       coalesce(sum(amount) FILTER (WHERE transaction_type = 'refund'), 0),
       -coalesce(sum(amount) FILTER (WHERE transaction_type = 'expiry'), 0)
  FROM credit_transactions
 WHERE created_at >= %s
 GROUP BY 1
"""
TOP_CLINICS: Final = """
SELECT clinic_id, name, spent, leads
  FROM (SELECT clinic_id, -sum(amount) AS spent, count(*) AS leads
          FROM credit_transactions
         WHERE created_at >= %s AND transaction_type = 'deduction'
         GROUP BY clinic_id
         ORDER BY spent DESC, clinic_id
         LIMIT %s) AS top
  JOIN clinics ON clinics.id = clinic_id
 ORDER BY spent DESC, clinic_id
"""
DISPUTED_AT: Final = """
SELECT clinic_id, count(*)
  FROM lead_disputes
 WHERE clinic_id = ANY(%s) AND created_at >= %s AND appeal_of_id IS NULL
 GROUP BY clinic_id
"""
UNSPENT: Final = """
SELECT kind, sum(remaining),
       coalesce(sum(remaining) FILTER (WHERE expires_at < %(at)s + interval '7 days'), 0),
       coalesce(sum(remaining) FILTER (WHERE expires_at < %(at)s + interval '30 days'), 0),
       coalesce(sum(remaining) FILTER (WHERE expires_at < %(at)s + interval '90 days'), 0)
  FROM credit_grants
 WHERE open
 GROUP BY kind
"""
OWED: Final = """
SELECT coalesce(sum(owed_open), 0), count(DISTINCT top_ups.clinic_id)
  FROM reversals JOIN top_ups ON top_ups.id = top_up_id
 WHERE owed_open > 0
"""


@dataclass(frozen=True, slots=True)
class Day:
    """One day in India. `sold` is what was paid for (bonus not counted); all are positive."""

    day: date
    sold: Decimal = ZERO
    spent: Decimal = ZERO
    refunded: Decimal = ZERO
    expired: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Unspent:
    """What clinics can still spend of one kind, and what of it expires soon (each within the next, too)."""

    kind: str
    label: str
    amount: Decimal = ZERO
    within_7_days: Decimal = ZERO
    within_30_days: Decimal = ZERO
    within_90_days: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Owed:
    amount: Decimal
    clinics: int


@dataclass(frozen=True, slots=True)
class TopClinic:
    """`disputes` is empty for those who may not see disputes."""

    clinic_id: int
    name: str
    spent: Decimal
    leads: int
    disputes: Rate | None = None


def days(cursor: Any, since: datetime, today: date) -> list[Day]:
    """The last 30 days in India, today the last; those on which nothing moved too."""
    cursor.execute(BY_DAY, [since])
    moved = {row[0]: Day(*row) for row in cursor.fetchall()}
    wanted = (today - timedelta(days=back) for back in reversed(range(DAYS)))
    return [moved.get(day) or Day(day) for day in wanted]


def total(of: Sequence[Day]) -> Day:
    """The sum over these days, under the date of the last."""
    return Day(
        of[-1].day,
        sold=sum((day.sold for day in of), ZERO),
        spent=sum((day.spent for day in of), ZERO),
        refunded=sum((day.refunded for day in of), ZERO),
        expired=sum((day.expired for day in of), ZERO),
    )


def top_clinics(cursor: Any, since: datetime) -> list[TopClinic]:
    """Those that spent most on leads, refunds not taken off."""
    cursor.execute(TOP_CLINICS, [since, TOP])
    return [TopClinic(*row) for row in cursor.fetchall()]


def with_dispute_rates(cursor: Any, clinics: list[TopClinic], since: datetime) -> list[TopClinic]:
    cursor.execute(DISPUTED_AT, [[clinic.clinic_id for clinic in clinics], since])
    disputes = dict(cursor.fetchall())
    return [
        replace(clinic, disputes=Rate(clinic.leads, disputes.get(clinic.clinic_id, 0))) for clinic in clinics
    ]


def unspent(cursor: Any, at: datetime) -> list[Unspent]:
    """By kind; the sum of all is the sum of all balances."""
    cursor.execute(UNSPENT, {"at": at})
    found = {row[0]: row[1:] for row in cursor.fetchall()}
    return [Unspent(kind, str(label), *found.get(kind, ())) for kind, label in CreditGrant.Kind.choices]


def owed(cursor: Any) -> Owed:
    cursor.execute(OWED)
    return Owed(*cursor.fetchone())
