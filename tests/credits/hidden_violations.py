"""Violations which sums of hashes could let pass in some runs, or in all: see `planted_violations`."""

from tests.credits.planted_violations import plant, row


def raised(sequences: str, account: str = "0") -> tuple[str, ...]:
    """`steady` had 1000 at first: that times 10 000 has the same digits, and so nearly the same hash."""
    return (
        "UPDATE credit_transactions SET balance_after = balance_after + 9999 * 1000"
        f" WHERE clinic_id = {{steady}} AND sequence IN ({sequences})",
        f"UPDATE credit_accounts SET balance = balance + {account} WHERE clinic_id = {{steady}}",
    )


WELL_HIDDEN = {
    "balances leap between two that are the same": plant(*raised("2, 3"), finds="balance_after_is_unbroken"),
    "a balance leaps and another clinic's credits are no number": plant(
        *raised("2, 3, 4", account="9999 * 1000"),
        "INSERT INTO credit_transactions (id, clinic_id, sequence, amount, balance_after, transaction_type,"
        " description, created_at) SELECT 0, clinic_id, 1, 'NaN', 'NaN', 'credit', '', last_posted_at"
        " FROM credit_accounts WHERE clinic_id = {quiet}",
        "INSERT INTO credit_grants (id, clinic_id, transaction_id, kind, amount, remaining, expires_at, created_at)"
        " VALUES (0, {quiet}, 0, 'goodwill', 'NaN', 'NaN', now(), now())",
        "UPDATE credit_accounts SET balance = 'NaN', last_sequence = 1 WHERE clinic_id = {quiet}",
        finds="balance_after_is_unbroken balance_is_the_sum_of_all_movements balance_is_what_remains_of_grants"
        " negative_movements_are_explained_by_consumptions positive_movements_are_explained_by_grants"
        " grant_is_what_remains_and_what_was_used"
        " credits_neither_appear_nor_vanish",
    ),
    "a lead's cost is no number, as its tier says": plant(
        "UPDATE lead_pricing_tiers SET credits = 'NaN' WHERE credits = 500",
        "UPDATE leads SET cost = 'NaN', tier_id = (SELECT id FROM lead_pricing_tiers WHERE credits = 'NaN')"
        " WHERE id = {held}",
        finds="lead_costs_what_its_tier_says",
    ),
    "time runs backwards by a step that its hash does not see": plant(
        # A hash of 64 bits begins with the exclusive or of their halves: one bit turned in both leaves it what it was.
        "UPDATE credit_transactions SET created_at = CASE sequence WHEN 13 THEN greatest(at, twin)"
        " ELSE least(at, twin) END FROM (SELECT at, at + ((us # 4294967297) - us) * interval '1 microsecond' AS twin"
        " FROM (SELECT created_at AS at, (extract(epoch FROM created_at - timestamptz '2000-01-01 00:00+00')"
        " * 1000000)::bigint AS us FROM credit_transactions WHERE clinic_id = {clinic} AND sequence = 14) AS time)"
        " AS times WHERE clinic_id = {clinic} AND sequence IN (13, 14)",
        finds="time_never_runs_backwards",
    ),
}

LATEST = "(SELECT lead_id FROM credit_transactions WHERE clinic_id = {clinic} AND sequence = 17)"

# What adds up, if one part of a key, the counting or the amount is left out of a sum.
BALANCED = {
    "numbers are left out where the balance was nothing": plant(
        "UPDATE credit_transactions SET sequence = sequence + 2 WHERE clinic_id = {indebted} AND sequence >= 14",
        "UPDATE credit_accounts SET last_sequence = last_sequence + 2 WHERE clinic_id = {indebted}",
        finds="numbers_run_without_a_gap last_number_is_the_count_of_movements",
    ),
    "a balance is too high where another clinic's is too low": plant(
        "UPDATE credit_transactions SET balance_after = balance_after"
        " + CASE clinic_id WHEN {clinic} THEN 5 ELSE -5 END WHERE sequence = 2 AND clinic_id IN ({clinic}, {steady})",
        finds="balance_after_is_unbroken",
    ),
    "a lead was charged for two": plant(
        "UPDATE leads SET delivery_state = 'held', held_reason = 'budget', delivered_at = NULL WHERE id = "
        + LATEST,
        "DROP INDEX ledger_one_deduction_per_lead",
        row(17, "lead_id = {charged}"),
        "UPDATE leads SET cost = 500, tier_id = (SELECT id FROM lead_pricing_tiers WHERE credits = 500)"
        " WHERE id = {charged}",
        finds="delivered_leads_are_charged_once leads_are_charged_their_cost",
    ),
    "two leads were charged each other's cost": plant(
        "UPDATE leads SET cost = 500 - cost, tier_id = (SELECT id FROM lead_pricing_tiers WHERE credits = 500 - cost)"
        " WHERE id IN ({charged}, " + LATEST + ")",
        finds="leads_are_charged_their_cost",
    ),
}
