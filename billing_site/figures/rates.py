"""How good the leads are: disputes by source, partner and reason, and what a lead that was worth it cost."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from disputes.models import DisputeType

DAYS: Final = 90
MOST_SHOWN: Final = 10  # sources and partners by name; a browser may send any word as its source
OTHERS: Final = "all others"
DIRECT: Final = "no partner"

# Leads that arrived in these days and were delivered: in all, by source, by partner (its id, empty for none). Past the
# largest few of each they are summed up under NULL.
DELIVERED: Final = """
WITH counted AS (
  SELECT CASE GROUPING(source, partner_id) WHEN 3 THEN 'all' WHEN 1 THEN 'source' ELSE 'partner' END AS level,
         CASE GROUPING(source, partner_id) WHEN 1 THEN source ELSE coalesce(partner_id::text, '') END AS name,
         count(*) AS delivered, {net} AS net, {valid} AS valid
    FROM leads
   WHERE created_at >= %(since)s AND delivery_state = 'delivered'
   GROUP BY GROUPING SETS ((), (source), (partner_id))
), placed AS (
  SELECT level, delivered, net, valid,
         CASE WHEN row_number() OVER (PARTITION BY level ORDER BY delivered DESC, name) <= %(most)s
              THEN name END AS shown
    FROM counted
)
SELECT level, shown, sum(delivered)::bigint, sum(net), sum(valid)::bigint
  FROM placed
 GROUP BY level, shown
 ORDER BY level, shown IS NULL, sum(delivered) DESC, shown
"""
# Disputes filed in these days, an appeal not counted by itself: it can turn «rejected» into «approved». Leads
# before the first they are about need not be read.
DISPUTED: Final = """
WITH filed_about AS MATERIALIZED (SELECT min(lead_id) AS first_lead FROM lead_disputes WHERE created_at >= %(since)s)
SELECT CASE GROUPING(shown_source, shown_partner, dispute_type)
         WHEN 7 THEN 'all' WHEN 3 THEN 'source' WHEN 5 THEN 'partner' ELSE 'reason' END,
       coalesce(shown_source, shown_partner, dispute_type),
       count(*), count(*) FILTER (WHERE status IN ('approved', 'rejected')), count(*) FILTER (WHERE is_approved)
  FROM (
    SELECT CASE WHEN leads.source = ANY(%(sources)s) THEN leads.source END AS shown_source,
           CASE WHEN coalesce(leads.partner_id::text, '') = ANY(%(partners)s)
                THEN coalesce(leads.partner_id::text, '') END AS shown_partner,
           dispute.dispute_type, dispute.status,
           dispute.status = 'approved' OR appeal.id IS NOT NULL AS is_approved
      FROM lead_disputes dispute
      JOIN leads ON leads.id = dispute.lead_id AND leads.id >= (SELECT first_lead FROM filed_about)
      LEFT JOIN lead_disputes appeal ON appeal.appeal_of_id = dispute.id AND appeal.status = 'approved'
     WHERE dispute.created_at >= %(since)s AND dispute.appeal_of_id IS NULL
  ) AS filed
 GROUP BY GROUPING SETS ((), (shown_source), (shown_partner), (dispute_type))
"""
PARTNER_NAMES: Final = "SELECT id::text, name FROM partners WHERE id::text = ANY(%s)"


@dataclass(frozen=True, slots=True)
class Rate:
    """Disputes ÷ delivered leads; of the decided ones, how many were approved (also on appeal)."""

    delivered: int
    disputes: int
    decided: int = 0
    approved: int = 0

    @property
    def percent(self) -> Decimal | None:
        return _percent(self.disputes, self.delivered)

    @property
    def approved_percent(self) -> Decimal | None:
        return _percent(self.approved, self.decided)


@dataclass(frozen=True, slots=True)
class LeadCost:
    """What was charged and not given back, and how many leads it paid for."""

    net: Decimal
    valid: int

    @property
    def each(self) -> Decimal | None:
        if not self.valid:
            return None
        return (self.net / self.valid).quantize(Decimal("0.01"), ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Line:
    """One source, partner or reason. `rate` or `cost` is empty where the viewer may not see it."""

    label: str
    rate: Rate | None = None
    cost: LeadCost | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    everything: Line
    sources: list[Line]
    partners: list[Line]
    reasons: list[Line]


@dataclass(frozen=True, slots=True)
class _Delivered:
    level: str
    name: str | None  # None: all that have no line of their own
    delivered: int
    net: Decimal | None
    valid: int | None


def quality(cursor: Any, since: datetime, *, disputes: bool, costs: bool) -> Quality:
    """By what the viewer may see: `disputes` and `costs` are read only for those who may."""
    rows = _delivered(cursor, since, costs=costs)
    filed = _disputed(cursor, since, rows) if disputes else {}
    names = _partner_names(cursor, rows)
    labels = {"": DIRECT, **names, None: OTHERS}

    def line(row: _Delivered, label: str) -> Line:
        rate = Rate(row.delivered, *filed.get((row.level, row.name), (0, 0, 0))) if disputes else None
        cost = LeadCost(row.net or Decimal("0.00"), row.valid or 0) if costs else None
        return Line(label, rate, cost)

    [of_all] = [row for row in rows if row.level == "all"]
    reasons = [
        Line(str(label), Rate(of_all.delivered, *filed[("reason", value)]))
        for value, label in DisputeType.choices
        if ("reason", value) in filed
    ]
    return Quality(
        everything=line(of_all, "All"),
        sources=[line(row, row.name or OTHERS) for row in rows if row.level == "source"],
        partners=[line(row, labels[row.name]) for row in rows if row.level == "partner"] if disputes else [],
        reasons=sorted(reasons, key=lambda one: -one.rate.disputes if one.rate else 0),
    )


def _delivered(cursor: Any, since: datetime, *, costs: bool) -> list[_Delivered]:
    statement = DELIVERED.format(
        net="sum(cost - refunded_total)" if costs else "NULL::numeric",
        valid="count(*) FILTER (WHERE refunded_total < cost)" if costs else "NULL::bigint",
    )
    cursor.execute(statement, {"since": since, "most": MOST_SHOWN})
    return [_Delivered(*row) for row in cursor.fetchall()]


def _disputed(
    cursor: Any, since: datetime, rows: Iterable[_Delivered]
) -> dict[tuple[str, str | None], tuple[int, int, int]]:
    """(Level, name) → disputes, decided, approved."""

    def shown(level: str) -> list[str]:
        return [row.name for row in rows if row.level == level and row.name is not None]

    cursor.execute(DISPUTED, {"since": since, "sources": shown("source"), "partners": shown("partner")})
    found: dict[tuple[str, str | None], tuple[int, int, int]] = {}
    for level, name, *counts in cursor.fetchall():
        found[level, "" if level == "all" else name] = (counts[0], counts[1], counts[2])
    return found


def _partner_names(cursor: Any, rows: Iterable[_Delivered]) -> dict[str | None, str]:
    wanted = [row.name for row in rows if row.level == "partner" and row.name]
    if not wanted:
        return {}
    cursor.execute(PARTNER_NAMES, [wanted])
    return dict(cursor.fetchall())


def _percent(part: int, whole: int) -> Decimal | None:
    if not whole:
        return None
    return (Decimal(100) * part / whole).quantize(Decimal("0.1"), ROUND_HALF_UP)
