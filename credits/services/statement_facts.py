"""What stands behind movements: for each the grants it brought or used, down to the payment. Ids and amounts only.

As many statements for a hundred rows as for one.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db import connection

from credits.models import CreditGrant, CreditTransaction, GrantConsumption
from credits.models.ledger import TransactionQuerySet

# Credits that came back stand for the grant they were taken from, which may have come back itself.
ROOTS: Final = """
WITH RECURSIVE step (asked, grant_id) AS (
  SELECT id, id FROM credit_grants WHERE id = ANY (%s)
  UNION ALL
  SELECT step.asked, consumption.grant_id FROM step
    JOIN credit_grants came ON came.id = step.grant_id
    JOIN grant_consumptions consumption ON consumption.id = came.origin_id
)
SELECT step.asked, root.kind, root.purchase_id, purchase.razorpay_payment_id, movement.payment_id,
       movement.sequence, movement.created_at
  FROM step
  JOIN credit_grants root ON root.id = step.grant_id AND root.origin_id IS NULL
  JOIN credit_transactions movement ON movement.id = root.transaction_id
  LEFT JOIN top_ups purchase ON purchase.id = root.purchase_id
"""


@dataclass(frozen=True, slots=True)
class Source:
    """Where credits came from at first: a purchase, a payment entered by hand, or a movement that gave them."""

    kind: str
    top_up_id: int | None
    payment_id: str | None
    sequence: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """Some credits of a movement, and their source. `left`: of what came in, how much is there now."""

    amount: Decimal
    kind: str
    source: Source
    expires_at: datetime | None
    left: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    """A row with what is behind it: `parts` are what it brought or what it used, in the ledger's order."""

    row: CreditTransaction
    parts: tuple[Part, ...]


def with_subjects(rows: TransactionQuerySet) -> TransactionQuerySet:
    """Along with what each is about, in the same statement: lead, top-up, loss, decided dispute."""
    return rows.select_related(
        "lead__package", "lead__treatment", "lead__tier", "top_up", "reversal__top_up", "dispute"
    )


def movements_of(rows: Sequence[CreditTransaction]) -> list[Movement]:
    """The rows, in their order, each with its parts."""
    ids = [row.pk for row in rows]
    brought = list(CreditGrant.objects.filter(transaction__in=ids).order_by("pk"))
    used = list(GrantConsumption.objects.filter(transaction__in=ids).select_related("grant").order_by("pk"))
    sources = sources_of([grant.pk for grant in brought] + [part.grant_id for part in used])
    parts: dict[int, list[Part]] = defaultdict(list)
    for grant in brought:
        parts[grant.transaction_id].append(
            Part(grant.amount, grant.kind, sources[grant.pk], grant.expires_at, grant.remaining)
        )
    for part in used:
        parts[part.transaction_id].append(
            Part(part.amount, part.grant.kind, sources[part.grant_id], part.grant.expires_at)
        )
    return [Movement(row, tuple(_together(parts[row.pk]))) for row in rows]


def sources_of(grant_ids: Iterable[int]) -> Mapping[int, Source]:
    """Each grant's source, also of one that came back, however often it did."""
    ids = sorted(set(grant_ids))
    if not ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(ROOTS, [ids])
        return {
            asked: Source(kind, top_up_id, purchase_payment or payment_id, sequence, at)
            for asked, kind, top_up_id, purchase_payment, payment_id, sequence, at in cursor.fetchall()
        }


def _together(parts: Iterable[Part]) -> Iterable[Part]:
    """Credits of one source and one end are one part: they may have come back in several pieces."""
    found: dict[tuple[str, Source, datetime | None], Part] = {}
    for part in parts:
        key = (part.kind, part.source, part.expires_at)
        before = found.get(key)
        if before is not None:
            left = None if part.left is None else part.left + (before.left or 0)
            part = Part(part.amount + before.amount, part.kind, part.source, part.expires_at, left)  # noqa: PLW2901
        found[key] = part
    return found.values()
