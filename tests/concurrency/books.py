"""What must hold of the books after any race, whichever way it went: asked of the whole database at once."""

from typing import Final

from django.db import connection

from credits.services import verification
from tests.steps import STEPS_LEAVE

# Each query finds what must not be.
CHECKS: Final = {
    "balance is the sum of the rows, and their number the last sequence": """
        SELECT account.clinic_id FROM credit_accounts account LEFT JOIN credit_transactions row USING (clinic_id)
         GROUP BY account.clinic_id
        HAVING account.balance <> coalesce(sum(row.amount), 0) OR account.last_sequence <> count(row.id)
            OR account.last_sequence <> coalesce(max(row.sequence), 0)""",
    "never negative, owed only at balance 0": """
        SELECT clinic_id FROM credit_accounts
         WHERE balance < 0 OR owed < 0 OR (owed > 0 AND balance > 0)""",
    "balance_after follows from the row before, time never runs backwards": """
        SELECT id FROM (
          SELECT id, balance_after, created_at,
                 sum(amount) OVER (PARTITION BY clinic_id ORDER BY sequence) AS reached,
                 lag(created_at) OVER (PARTITION BY clinic_id ORDER BY sequence) AS before
            FROM credit_transactions) AS row
         WHERE balance_after <> reached OR balance_after < 0 OR created_at < before""",
    "what is left of the grants is the balance": """
        SELECT account.clinic_id FROM credit_accounts account LEFT JOIN credit_grants USING (clinic_id)
         GROUP BY account.clinic_id HAVING account.balance <> coalesce(sum(remaining), 0)""",
    "a grant is what remains of it and what was consumed": """
        SELECT source.id FROM credit_grants source LEFT JOIN grant_consumptions part ON part.grant_id = source.id
         GROUP BY source.id HAVING source.amount <> source.remaining + coalesce(sum(part.amount), 0)""",
    "a positive row is its grants, a negative one its consumptions": """
        SELECT id FROM credit_transactions row
         WHERE coalesce((SELECT sum(amount) FROM credit_grants WHERE transaction_id = row.id), 0)
               <> amount + coalesce((SELECT sum(amount) FROM grant_consumptions WHERE transaction_id = row.id), 0)""",
    "what came back of a consumption are the grants that say so": """
        SELECT part.id FROM grant_consumptions part LEFT JOIN credit_grants back ON back.origin_id = part.id
         GROUP BY part.id HAVING part.returned <> coalesce(sum(back.amount), 0)""",
    "a lead is delivered if and only if it was charged its cost, once, at its clinic": """
        SELECT lead.id FROM leads lead
          LEFT JOIN credit_transactions charge ON charge.lead_id = lead.id AND charge.transaction_type = 'deduction'
         GROUP BY lead.id
        HAVING count(charge.id) <> (lead.delivery_state = 'delivered')::integer
            OR bool_or(charge.amount <> -lead.cost OR charge.clinic_id <> lead.clinic_id)""",
    "refunds of a lead are what it says, and never above its cost": """
        SELECT lead.id FROM leads lead
          LEFT JOIN credit_transactions back ON back.lead_id = lead.id AND back.transaction_type = 'refund'
         GROUP BY lead.id
        HAVING lead.refunded_total <> coalesce(sum(back.amount), 0) OR lead.refunded_total > lead.cost""",
    "a phone is charged once within the window": """
        SELECT one.id FROM leads one JOIN lead_contacts mine ON mine.lead_id = one.id
          JOIN lead_contacts theirs ON theirs.clinic_id = mine.clinic_id AND theirs.phone = mine.phone
          JOIN leads other ON other.id = theirs.lead_id AND other.id > one.id
         WHERE mine.phone <> '' AND one.delivery_state = 'delivered' AND other.delivery_state = 'delivered'
           AND one.refunded_total < one.cost AND other.refunded_total < other.cost
           AND other.created_at - one.created_at BETWEEN '-30 days' AND '30 days'""",
    "a top-up is paid if and only if its price was credited, once": """
        SELECT purchase.id FROM top_ups purchase
          LEFT JOIN credit_transactions row ON row.top_up_id = purchase.id AND row.transaction_type = 'credit'
         GROUP BY purchase.id
        HAVING count(row.id) <> (purchase.state = 'paid')::integer
            OR bool_or(row.amount <> purchase.price OR row.clinic_id <> purchase.clinic_id)""",
    "what is owed is what is open of the losses": """
        SELECT account.clinic_id FROM credit_accounts account
          LEFT JOIN top_ups purchase USING (clinic_id) LEFT JOIN reversals loss ON loss.top_up_id = purchase.id
         GROUP BY account.clinic_id HAVING account.owed <> coalesce(sum(loss.owed_open), 0)""",
}


def assert_books_are_right() -> None:
    """Our own questions, then those of `verify_ledger`."""
    with connection.cursor() as cursor:
        for name, query in CHECKS.items():
            cursor.execute(query)
            assert cursor.fetchall() == [], name
    with verification.snapshot() as cursor:
        found = list(verification.verify(cursor))
    assert [one for one in found if one.violations and one.check not in STEPS_LEAVE] == []
