"""One violation for each check of `verify_ledger`, as a superuser could make it behind the guards' back.

Ids in braces are those of `rich_history.History`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plant:
    """Statements a superuser runs with all triggers off, and the checks that must name what they did."""

    statements: tuple[str, ...]
    checks: frozenset[str]


def plant(*statements: str, finds: str) -> Plant:
    return Plant(statements, frozenset(finds.split()))


SETTLING_GRANT = (
    "transaction_id = (SELECT id FROM credit_transactions WHERE clinic_id = {indebted} AND sequence = 14)"
)


def row(sequence: int, change: str) -> str:
    return f"UPDATE credit_transactions SET {change} WHERE clinic_id = {{clinic}} AND sequence = {sequence}"


def unchecked(table: str, constraint: str) -> str:
    return f"ALTER TABLE {table} DROP CONSTRAINT {constraint}"


PLANTS = {
    "an account is missing": plant(
        "DELETE FROM credit_accounts WHERE clinic_id = {quiet}", finds="every_clinic_has_an_account"
    ),
    "a balance is too high": plant(
        "UPDATE credit_accounts SET balance = balance + 1 WHERE clinic_id = {clinic}",
        finds="balance_is_the_sum_of_all_movements balance_is_what_remains_of_grants"
        " credits_neither_appear_nor_vanish",
    ),
    "less than nothing is owed": plant(
        unchecked("credit_accounts", "account_owed_not_negative"),
        "UPDATE credit_accounts SET owed = -1 WHERE clinic_id = {quiet}",
        finds="balance_and_owed_are_not_negative owed_is_the_sum_of_open_losses",
    ),
    "the account's number is ahead": plant(
        "UPDATE credit_accounts SET last_sequence = last_sequence + 1 WHERE clinic_id = {clinic}",
        finds="last_number_is_the_count_of_movements",
    ),
    "the account is older than its last movement": plant(
        "UPDATE credit_accounts SET last_posted_at = '2020-01-01' WHERE clinic_id = {clinic}",
        finds="account_is_no_older_than_its_movements",
    ),
    "the account owes too much": plant(
        "UPDATE credit_accounts SET owed = owed + 1 WHERE clinic_id = {indebted}",
        finds="owed_is_the_sum_of_open_losses",
    ),
    "an account owes beside a balance": plant(
        unchecked("credit_accounts", "account_owes_only_at_balance_zero"),
        "UPDATE credit_accounts SET balance = 5 WHERE clinic_id = {indebted}",
        finds="nothing_is_owed_beside_a_balance balance_is_the_sum_of_all_movements"
        " balance_is_what_remains_of_grants credits_neither_appear_nor_vanish",
    ),
    "the day's counter forgot a charge": plant(
        "UPDATE credit_accounts SET charged_today = 0 WHERE clinic_id = {clinic}",
        finds="charged_today_is_what_its_day_was_charged",
    ),
    "the month's counter forgot a charge": plant(
        "UPDATE credit_accounts SET charged_this_month = 0 WHERE clinic_id = {clinic}",
        finds="charged_this_month_is_what_its_month_was_charged",
    ),
    "a balance was negative once": plant(
        unchecked("credit_transactions", "ledger_balance_never_negative"),
        row(5, "balance_after = -1"),
        finds="balance_was_never_negative balance_after_is_unbroken",
    ),
    "a number is left out": plant(
        row(17, "sequence = 18"), finds="numbers_run_without_a_gap last_number_is_the_count_of_movements"
    ),
    "a number is used twice": plant(
        "DROP INDEX idx_credit_transactions_clinic_id",
        row(6, "sequence = 5"),
        finds="numbers_run_without_a_gap",
    ),
    "a balance after a movement is wrong": plant(
        row(8, "balance_after = balance_after + 1"), finds="balance_after_is_unbroken"
    ),
    "an amount is edited": plant(
        row(14, "amount = -10"),
        finds="balance_after_is_unbroken balance_is_the_sum_of_all_movements"
        " negative_movements_are_explained_by_consumptions credits_neither_appear_nor_vanish"
        " adjustment_was_approved_by_a_second_person",
    ),
    "an amount leaps over zero": plant(  # the balance before it would be that of the row before, were it not negative
        row(6, "amount = 2 * balance_after - amount"),
        finds="balance_after_is_unbroken balance_is_the_sum_of_all_movements"
        " positive_movements_are_explained_by_grants credits_neither_appear_nor_vanish",
    ),
    "a movement is dated back": plant(
        row(7, "created_at = created_at - interval '1 year'"), finds="time_never_runs_backwards"
    ),
    "a loss is called a bonus": plant(
        unchecked("credit_transactions", "ledger_sign_fits_the_type"),
        row(15, "transaction_type = 'bonus'"),
        finds="sign_fits_the_type",
    ),
    "a consumption hangs on another movement": plant(
        "UPDATE grant_consumptions SET transaction_id = (SELECT id FROM credit_transactions"
        " WHERE clinic_id = {clinic} AND sequence = 17) WHERE transaction_id = (SELECT id FROM"
        " credit_transactions WHERE clinic_id = {clinic} AND sequence = 14)",
        finds="negative_movements_are_explained_by_consumptions",
    ),
    "a consumption hangs on a movement that is not there, of the same hash": plant(
        "UPDATE grant_consumptions SET transaction_id = (transaction_id # 1) + 4294967296 WHERE transaction_id ="
        " (SELECT id FROM credit_transactions WHERE clinic_id = {clinic} AND sequence = 14)",
        finds="negative_movements_are_explained_by_consumptions",
    ),
    "a grant hangs on another movement": plant(
        "UPDATE credit_grants SET transaction_id = (SELECT id FROM credit_transactions WHERE clinic_id = {clinic}"
        " AND sequence = 10) WHERE transaction_id = (SELECT id FROM credit_transactions WHERE"
        " clinic_id = {clinic} AND sequence = 9)",
        finds="positive_movements_are_explained_by_grants",
    ),
    "two clinics paid for each other": plant(
        "UPDATE grant_consumptions SET grant_id = CASE id WHEN {used_100} THEN (SELECT grant_id FROM"
        " grant_consumptions WHERE id = {others_100}) ELSE (SELECT grant_id FROM grant_consumptions"
        " WHERE id = {used_100}) END WHERE id IN ({used_100}, {others_100})",
        finds="movements_use_grants_of_their_clinic",
    ),
    "a grant brought more than its movement": plant(
        "UPDATE credit_grants SET amount = amount + 1 WHERE " + SETTLING_GRANT,
        finds="grant_is_what_remains_and_what_was_used positive_movements_are_explained_by_grants",
    ),
    "more remains of a grant than it brought": plant(
        unchecked("credit_grants", "grant_remaining_within_amount"),
        "UPDATE credit_grants SET remaining = amount + 1 WHERE " + SETTLING_GRANT,
        finds="grant_remaining_is_within_its_amount grant_is_what_remains_and_what_was_used"
        " balance_is_what_remains_of_grants",
    ),
    "paid credits expire": plant(
        unchecked("credit_grants", "grant_paid_iff_it_never_expires"),
        "UPDATE credit_grants SET expires_at = created_at WHERE kind = 'paid' AND origin_id IS NULL",
        finds="grant_expires_iff_it_is_not_paid",
    ),
    "a grant is given to another clinic": plant(
        "UPDATE credit_grants SET clinic_id = {quiet} WHERE " + SETTLING_GRANT,
        finds="grant_is_of_one_clinic movements_use_grants_of_their_clinic",
    ),
    "goodwill is called a bonus": plant(
        "UPDATE credit_grants SET kind = 'bonus' WHERE " + SETTLING_GRANT,
        finds="grant_is_of_the_kind_its_movement_brings",
    ),
    "goodwill came back as bonus": plant(
        "UPDATE credit_grants SET kind = 'bonus' WHERE kind = 'goodwill' AND origin_id IS NOT NULL",
        finds="returned_grant_is_like_the_one_it_was",
    ),
    "a consumption forgot what came back": plant(
        "UPDATE grant_consumptions SET returned = returned - 0.01 WHERE returned > 0",
        finds="returned_is_the_sum_of_returned_grants",
    ),
    "more came back than was used": plant(
        unchecked("grant_consumptions", "consumption_returned_within_amount"),
        "UPDATE grant_consumptions SET returned = amount + 1 WHERE id = {used_100}",
        finds="no_more_is_returned_than_was_used returned_is_the_sum_of_returned_grants",
    ),
    "a credited top-up is open again": plant(
        "UPDATE top_ups SET state = 'open', paid_at = NULL, razorpay_payment_id = NULL WHERE id = {purchase}",
        finds="top_up_is_paid_iff_it_was_credited_once credits_neither_appear_nor_vanish",
    ),
    "a top-up is paid and not credited": plant(
        "UPDATE top_ups SET state = 'paid', paid_at = now(), razorpay_payment_id = 'pay_x' WHERE id = {draft}",
        finds="top_up_is_paid_iff_it_was_credited_once credits_neither_appear_nor_vanish",
    ),
    "a top-up was credited without its bonus": plant(
        "UPDATE top_ups SET bonus = bonus + 1 WHERE id = {purchase}", finds="top_up_was_credited_as_sold"
    ),
    "a top-up was credited for another payment": plant(
        "UPDATE top_ups SET razorpay_payment_id = 'pay_x' WHERE id = {purchase}",
        finds="top_up_was_credited_for_its_payment",
    ),
    "a top-up was credited to another clinic": plant(
        "UPDATE top_ups SET clinic_id = {quiet} WHERE id = {purchase}",
        finds="top_up_was_credited_to_its_clinic grant_is_of_one_clinic a_loss_is_taken_from_its_clinic",
    ),
    "losses took more than was bought": plant(
        "UPDATE reversals SET paid_share = 1001 WHERE key = 'rfnd_part'",
        finds="losses_are_within_the_purchase losses_take_their_share_of_the_purchase reversal_is_exact"
        " credits_neither_appear_nor_vanish",
    ),
    "a loss took another share": plant(
        "UPDATE reversals SET loss_paise = loss_paise + 1000 WHERE key = 'rfnd_part'",
        finds="losses_take_their_share_of_the_purchase",
    ),
    "a lead was delivered and not charged": plant(
        "UPDATE leads SET delivery_state = 'delivered', held_reason = '', delivered_at = now() WHERE id = {held}",
        finds="delivered_leads_are_charged_once credits_neither_appear_nor_vanish",
    ),
    "a lead was charged twice": plant(
        "DROP INDEX ledger_one_deduction_per_lead",
        row(17, "lead_id = {charged}"),
        finds="delivered_leads_are_charged_once leads_are_charged_their_cost",
    ),
    "a held lead was charged": plant(
        "UPDATE leads SET delivery_state = 'held', held_reason = 'budget', delivered_at = NULL WHERE id = {charged}",
        finds="other_leads_are_never_charged credits_neither_appear_nor_vanish",
    ),
    "a lead's cost was edited": plant(
        "UPDATE leads SET cost = cost + 1 WHERE id = {charged}",
        finds="leads_are_charged_their_cost lead_costs_what_its_tier_says credits_neither_appear_nor_vanish",
    ),
    "a lead was charged at another clinic": plant(
        "UPDATE leads SET clinic_id = {quiet} WHERE id = {charged}",
        finds="leads_are_charged_at_their_clinic contact_is_of_the_clinic_of_its_lead",
    ),
    "a lead says more was refunded": plant(
        "UPDATE leads SET refunded_total = refunded_total + 1 WHERE id = {refunded}",
        finds="refunded_total_is_the_sum_of_refunds credits_neither_appear_nor_vanish",
    ),
    "more was refunded than a lead cost": plant(
        unchecked("leads", "lead_refunds_within_its_cost"),
        "UPDATE leads SET cost = 100, tier_id = (SELECT min(id) FROM lead_pricing_tiers WHERE credits = 100)"
        " WHERE id = {refunded}",
        finds="refunds_are_within_the_cost leads_are_charged_their_cost credits_neither_appear_nor_vanish",
    ),
    "a lead names a tier that is not there": plant(
        "UPDATE leads SET tier_id = 0 WHERE id = {held}", finds="lead_costs_what_its_tier_says"
    ),
    "a refund came before the charge": plant(
        row(9, "lead_id = {charged}"),
        finds="refunds_come_after_the_charge refunded_total_is_the_sum_of_refunds refund_is_that_of_its_dispute",
    ),
    "a free lead repeats one that was never charged": plant(
        "UPDATE leads SET repeat_of_id = {held} WHERE id = {free}", finds="free_leads_repeat_a_charged_one"
    ),
    "a contact stands at another clinic": plant(
        "UPDATE lead_contacts SET clinic_id = {quiet} WHERE lead_id = {held}",
        finds="contact_is_of_the_clinic_of_its_lead",
    ),
    "an approved dispute has no refund": plant(
        unchecked("lead_disputes", "dispute_approved_iff_refunded"),
        "UPDATE lead_disputes SET refund_transaction_id = NULL WHERE lead_id = {waiting}",
        finds="dispute_approved_iff_refunded_by_the_ledger refund_belongs_to_a_dispute",
    ),
    "a rejected dispute was refunded": plant(
        unchecked("lead_disputes", "dispute_approved_iff_refunded"),
        "UPDATE lead_disputes SET status = 'rejected' WHERE lead_id = {waiting}",
        finds="dispute_approved_iff_refunded_by_the_ledger refund_belongs_to_a_dispute",
    ),
    "a dispute says another amount came back": plant(
        "UPDATE lead_disputes SET refund_amount = 179 WHERE lead_id = {waiting}",
        finds="refund_is_that_of_its_dispute",
    ),
    "a dispute stands at another clinic": plant(
        "UPDATE lead_disputes SET clinic_id = {quiet} WHERE lead_id = {waiting}",
        finds="dispute_is_of_its_clinics_lead refund_is_that_of_its_dispute",
    ),
    "somebody decided their own dispute": plant(
        unchecked("lead_disputes", "dispute_resolver_is_not_the_filer"),
        "UPDATE lead_disputes SET resolved_by_id = filed_by_id WHERE lead_id = {waiting}",
        finds="resolver_is_not_the_filer",
    ),
    "the second person was the first": plant(
        unchecked("lead_disputes", "dispute_second_person_is_another"),
        "UPDATE lead_disputes SET approved_by_id = resolved_by_id WHERE lead_id = {waiting}",
        finds="second_person_is_another",
    ),
    "an adjustment was approved by who asked": plant(
        unchecked("staff_requests", "request_is_decided_by_another"),
        "UPDATE staff_requests SET decided_by_id = requested_by_id WHERE details ->> 'amount' = '25.50'",
        finds="adjustment_was_approved_by_a_second_person",
    ),
    "a cash refund that nobody asked for": plant(
        "INSERT INTO gateway_payments (id, payment_id, order_id, status, captured, amount_paise, currency,"
        " amount_refunded_paise, method, error_reason, carries_our_notes, first_source)"
        " VALUES (1, 'pay_mine', '', 'captured', true, 100, 'INR', 0, '', '', false, 'psql')",
        "INSERT INTO gateway_refunds (receipt, payment_id, amount_paise, status, reversal_key)"
        " VALUES ('own-mine', 1, 100, 'requested', 'own:own-mine')",
        finds="cash_refund_was_approved_by_a_second_person cash_refund_was_debited",
    ),
    "a loss forgave what it took": plant(
        "UPDATE reversals SET bonus_forgiven = bonus_forgiven + 1 WHERE key = 'rfnd_part'",
        finds="reversal_is_exact credits_neither_appear_nor_vanish",
    ),
    "a restored loss is owed": plant(
        unchecked("reversals", "reversal_restored_owes_nothing"),
        "UPDATE reversals SET owed_open = 5 WHERE key = 'disp_won:1'",
        finds="a_loss_owes_at_most_its_paid_share owed_is_the_sum_of_open_losses",
    ),
    "a charge for a lead that is not there": plant(
        "INSERT INTO credit_transactions (id, clinic_id, sequence, amount, balance_after, transaction_type,"
        " description, lead_id, created_at) SELECT 0, clinic_id, last_sequence + 1, -1, balance - 1, 'deduction',"
        " '', 0, last_posted_at FROM credit_accounts WHERE clinic_id = {clinic}",
        "INSERT INTO grant_consumptions (grant_id, transaction_id, amount) SELECT min(id), 0, 1 FROM credit_grants"
        " WHERE clinic_id = {clinic} AND open",
        "UPDATE credit_grants SET remaining = remaining - 1 WHERE id = (SELECT grant_id FROM grant_consumptions"
        " WHERE transaction_id = 0)",
        "UPDATE credit_accounts SET balance = balance - 1, last_sequence = last_sequence + 1,"
        " charged_today = charged_today + 1, charged_this_month = charged_this_month + 1"
        " WHERE clinic_id = {clinic}",
        finds="credits_neither_appear_nor_vanish",
    ),
    "a balance went below zero and came back": plant(
        unchecked("credit_transactions", "ledger_balance_never_negative"),
        "UPDATE credit_transactions SET balance_after = -1, amount = amount - balance_after - 1"
        " WHERE clinic_id = {clinic} AND sequence = 8",
        row(9, "amount = balance_after + 1"),
        finds="balance_was_never_negative leads_are_charged_their_cost refunds_are_within_the_cost"
        " negative_movements_are_explained_by_consumptions positive_movements_are_explained_by_grants"
        " refund_is_that_of_its_dispute refunded_total_is_the_sum_of_refunds",
    ),
    "a movement of nothing": plant(
        unchecked("credit_transactions", "ledger_amount_is_not_zero"),
        unchecked("credit_transactions", "ledger_sign_fits_the_type"),
        "INSERT INTO credit_transactions (id, clinic_id, sequence, amount, balance_after, transaction_type,"
        " description, created_at) SELECT 0, clinic_id, last_sequence + 1, 0, balance, 'bonus', '', last_posted_at"
        " FROM credit_accounts WHERE clinic_id = {clinic}",
        "UPDATE credit_accounts SET last_sequence = last_sequence + 1 WHERE clinic_id = {clinic}",
        finds="sign_fits_the_type",
    ),
    "goodwill is called an expiry": plant(
        unchecked("credit_transactions", "ledger_sign_fits_the_type"),
        row(7, "transaction_type = 'expiry'"),
        finds="sign_fits_the_type grant_is_of_the_kind_its_movement_brings",
    ),
    "a loss is owed beside a balance": plant(
        unchecked("credit_accounts", "account_owes_only_at_balance_zero"),
        "UPDATE reversals SET owed_open = 5 WHERE key = 'rfnd_part'",
        "UPDATE credit_accounts SET owed = 5 WHERE clinic_id = {clinic}",
        finds="nothing_is_owed_beside_a_balance reversal_is_exact credits_neither_appear_nor_vanish",
    ),
    "less than nothing of a loss is owed": plant(
        unchecked("credit_accounts", "account_owes_only_at_balance_zero"),
        unchecked("credit_accounts", "account_owed_not_negative"),
        unchecked("reversals", "reversal_shares_are_bounded"),
        unchecked("reversals", "reversal_restored_owes_nothing"),
        "UPDATE reversals SET owed_open = -1 WHERE key = 'disp_won:1'",
        "UPDATE credit_accounts SET owed = owed - 1 - (SELECT owed FROM credit_accounts WHERE clinic_id = {indebted})"
        " WHERE clinic_id = {indebted}",
        "UPDATE reversals SET owed_open = 0 WHERE key = 'rfnd_all'",
        finds="balance_and_owed_are_not_negative a_loss_owes_at_most_its_paid_share reversal_is_exact"
        " credits_neither_appear_nor_vanish",
    ),
    "a refund changed places with its charge": plant(
        "DROP INDEX idx_credit_transactions_clinic_id",
        "UPDATE credit_transactions this SET sequence = other.sequence, created_at = other.created_at,"
        " balance_after = CASE this.sequence WHEN 8 THEN other.balance_after"
        " ELSE this.amount + other.balance_after - other.amount END FROM credit_transactions other"
        " WHERE this.clinic_id = {clinic} AND other.clinic_id = {clinic} AND this.sequence IN (8, 9)"
        " AND other.sequence = 17 - this.sequence",
        finds="refunds_come_after_the_charge",
    ),
    "less was used than came back": plant(
        unchecked("grant_consumptions", "consumption_returned_within_amount"),
        "UPDATE grant_consumptions SET amount = returned - 1"
        " WHERE id = (SELECT min(id) FROM grant_consumptions WHERE returned > 1)",
        finds="no_more_is_returned_than_was_used grant_is_what_remains_and_what_was_used"
        " negative_movements_are_explained_by_consumptions",
    ),
    "a lead was free before the one it repeats was charged": plant(
        "UPDATE leads SET delivered_at = delivered_at - interval '1 year' WHERE id = {free}",
        finds="free_leads_repeat_a_charged_one",
    ),
    "a refund and its lead both say too much": plant(
        unchecked("leads", "lead_refunds_within_its_cost"),
        row(9, "amount = amount + 300"),
        "UPDATE leads SET refunded_total = refunded_total + 300 WHERE id = {refunded}",
        finds="refunds_are_within_the_cost balance_after_is_unbroken balance_is_the_sum_of_all_movements"
        " positive_movements_are_explained_by_grants refund_is_that_of_its_dispute credits_neither_appear_nor_vanish",
    ),
    "the last charge took more than there was": plant(
        unchecked("credit_transactions", "ledger_balance_never_negative"),
        unchecked("credit_accounts", "account_balance_not_negative"),
        row(17, "amount = amount - balance_after - 1, balance_after = -1"),
        "UPDATE credit_accounts SET balance = -1 WHERE clinic_id = {clinic}",
        finds="balance_was_never_negative balance_and_owed_are_not_negative balance_is_what_remains_of_grants"
        " charged_today_is_what_its_day_was_charged charged_this_month_is_what_its_month_was_charged"
        " leads_are_charged_their_cost negative_movements_are_explained_by_consumptions"
        " credits_neither_appear_nor_vanish",
    ),
}
