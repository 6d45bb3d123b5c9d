"""The figures of a closed day: what was unspent at both ends of it, what moved, what was paid and what waits.

Amounts are texts with two places, in credits (paid and captured money in ₹), so that the page keeps them as they were.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, Sum

from clinics.days import start_of
from credits.models import CreditAccount, CreditTransaction, ReviewItem
from credits.services.snapshot import one_snapshot
from leads.models import Lead

# What remains now, less what came and more what went since: rows of the past days are read, not those of all times.
UNSPENT = """
WITH recent AS (SELECT id, created_at < %(end)s AS in_day FROM credit_transactions WHERE created_at >= %(start)s),
now AS (SELECT kind, sum(remaining) AS credits FROM credit_grants WHERE open GROUP BY kind),
came AS (
  SELECT kind, sum(amount) FILTER (WHERE in_day) AS in_day, sum(amount) FILTER (WHERE NOT in_day) AS later
    FROM recent JOIN credit_grants ON transaction_id = recent.id GROUP BY kind
), went AS (
  SELECT kind, sum(used.amount) FILTER (WHERE in_day) AS in_day, sum(used.amount) FILTER (WHERE NOT in_day) AS later
    FROM recent JOIN grant_consumptions used ON used.transaction_id = recent.id
         JOIN credit_grants source ON source.id = used.grant_id GROUP BY kind
)
SELECT kind, closing - came_in_day + went_in_day, came_in_day, went_in_day, closing
  FROM unnest(ARRAY['paid', 'bonus', 'goodwill']) AS kinds (kind)
  LEFT JOIN now USING (kind) LEFT JOIN came USING (kind) LEFT JOIN went USING (kind)
  CROSS JOIN LATERAL (
    SELECT coalesce(came.in_day, 0.00) AS came_in_day, coalesce(went.in_day, 0.00) AS went_in_day,
           coalesce(now.credits, 0.00) - coalesce(came.later, 0) + coalesce(went.later, 0) AS closing
  ) AS sums
"""
# Money of the day on both sides, each matched with the other by the payment's id, whichever day that one bears.
CREDITED = """
SELECT top_up.id, gross, razorpay_payment_id, payment.captured IS TRUE FROM top_ups top_up
  LEFT JOIN gateway_payments payment ON payment.payment_id = razorpay_payment_id
 WHERE state = 'paid' AND paid_at >= %(start)s AND paid_at < %(end)s ORDER BY top_up.id
"""
CAPTURED = """
SELECT payment_id, amount_paise, paid.id IS NOT NULL FROM gateway_payments payment
  LEFT JOIN top_ups paid ON paid.razorpay_payment_id = payment_id
 WHERE captured AND coalesce(made_at, first_seen_at) >= %(start)s AND coalesce(made_at, first_seen_at) < %(end)s
   AND (paid.id IS NOT NULL OR payment.top_up_id IS NOT NULL OR carries_our_notes) ORDER BY payment.id
"""


def bounds(day: date) -> tuple[datetime, datetime]:
    """The instants between which a day of India lies."""
    return start_of(day), start_of(day + timedelta(days=1))


def figures_of(day: date) -> tuple[dict[str, Any], list[str]]:
    """The figures, in one snapshot, and what of them nothing explains."""
    start, end = bounds(day)
    with one_snapshot():
        unspent = {
            kind: [str(amount) for amount in amounts]
            for kind, *amounts in rows(UNSPENT, start=start, end=end)
        }
        movements = {
            line["transaction_type"]: [line["rows"], str(line["credits"])]
            for line in CreditTransaction.objects.filter(created_at__gte=start, created_at__lt=end)
            .values("transaction_type").annotate(rows=Count("pk"), credits=Sum("amount")).order_by("transaction_type")
        }  # fmt: skip
        payments, unmatched = payments_of(start, end)
        waiting = {
            "review_items": ReviewItem.objects.filter(state=ReviewItem.State.OPEN).count(),
            "held_leads": Lead.objects.held().count(),
            "owed": str(CreditAccount.objects.aggregate(owed=Sum("owed"))["owed"] or Decimal("0.00")),
        }
    figures = {"unspent": unspent, "movements": movements, "payments": payments, "waiting": waiting}
    return figures, [*difference(unspent, movements), *unmatched]


def difference(unspent: dict[str, list[str]], movements: dict[str, list[Any]]) -> list[str]:
    """The movements of the day must lead from what was unspent in the morning to what was in the evening."""
    opening = sum((Decimal(amounts[0]) for amounts in unspent.values()), Decimal(0))
    closing = sum((Decimal(amounts[3]) for amounts in unspent.values()), Decimal(0))
    moved = sum((Decimal(amount) for _, amount in movements.values()), Decimal(0))
    if opening + moved == closing:
        return []
    return [f"{opening} in the morning and {moved} moved do not make {closing} in the evening."]


def payments_of(start: datetime, end: datetime) -> tuple[dict[str, Any], list[str]]:
    credited = rows(CREDITED, start=start, end=end)
    captured = rows(CAPTURED, start=start, end=end)
    unmatched = [
        f"Top-up {number} was credited for {payment}, which the gateway has not captured as far as we know."
        for number, _, payment, is_captured in credited
        if not is_captured
    ]
    unmatched += [
        f"Payment {payment} was captured and not credited."
        for payment, _, is_credited in captured
        if not is_credited
    ]
    return {
        "credited": [len(credited), str(sum((gross for _, gross, *_ in credited), Decimal("0.00")))],
        "captured": [len(captured), str(Decimal(sum(paise for _, paise, _ in captured)) / 100)],
    }, unmatched


def rows(query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())
