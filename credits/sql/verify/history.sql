-- Each movement against the one before it: one sort by clinic and number, one pass.
-- Amounts are compared by their difference: NaN equals itself, but less itself it is not nothing.
SELECT id AS transaction,
       balance_after >= 0 AS balance_was_never_negative,
       sequence = lag(sequence, 1, 0::bigint) OVER earlier + 1 AS numbers_run_without_a_gap,
       balance_after - lag(balance_after, 1, 0::numeric) OVER earlier - amount = 0 AS balance_after_is_unbroken,
       created_at >= lag(created_at, 1, created_at) OVER earlier AS time_never_runs_backwards,
       CASE transaction_type
         WHEN 'credit' THEN amount > 0 WHEN 'bonus' THEN amount > 0 WHEN 'refund' THEN amount > 0
         WHEN 'deduction' THEN amount < 0 WHEN 'expiry' THEN amount < 0
         WHEN 'adjustment' THEN amount <> 0 WHEN 'reversal' THEN amount <> 0
       END AS sign_fits_the_type
  FROM credit_transactions
WINDOW earlier AS (PARTITION BY clinic_id ORDER BY sequence, id)
