-- Each account against the sums of its movements, of what is left of its grants, and of its losses.
-- Amounts are compared by their difference: NaN equals itself, but less itself it is not nothing.
WITH moved AS (
  SELECT clinic_id, count(*) AS movements, max(sequence) AS last_sequence, sum(amount) AS total,
         max(created_at) AS latest
    FROM credit_transactions GROUP BY clinic_id
), unspent AS (
  SELECT clinic_id, sum(remaining) AS credits FROM credit_grants WHERE open GROUP BY clinic_id
), lost AS (
  SELECT purchase.clinic_id, sum(reversal.owed_open) AS owed
    FROM reversals reversal JOIN top_ups purchase ON purchase.id = reversal.top_up_id GROUP BY purchase.clinic_id
)
SELECT account.clinic_id AS clinic,
       account.balance - coalesce(moved.total, 0) = 0 AS balance_is_the_sum_of_all_movements,
       account.balance >= 0 AND account.owed >= 0 AS balance_and_owed_are_not_negative,
       account.last_sequence = coalesce(moved.movements, 0)
         AND account.last_sequence = coalesce(moved.last_sequence, 0) AS last_number_is_the_count_of_movements,
       moved.latest IS NULL OR moved.latest <= account.last_posted_at AS account_is_no_older_than_its_movements,
       account.balance - coalesce(unspent.credits, 0) = 0 AS balance_is_what_remains_of_grants,
       account.owed - coalesce(lost.owed, 0) = 0 AS owed_is_the_sum_of_open_losses,
       account.owed = 0 OR account.balance = 0 AS nothing_is_owed_beside_a_balance,
       account.charged_today - coalesce(charged.today, 0) = 0 AS charged_today_is_what_its_day_was_charged,
       account.charged_this_month - coalesce(charged.this_month, 0) = 0
         AS charged_this_month_is_what_its_month_was_charged
  FROM credit_accounts account
  LEFT JOIN moved USING (clinic_id)
  LEFT JOIN unspent USING (clinic_id)
  LEFT JOIN lost USING (clinic_id)
  CROSS JOIN LATERAL (
    -- The index on (clinic, time) finds the charges of one month in India.
    SELECT sum(-amount) FILTER (WHERE ist_date(created_at) = account.charged_on) AS today, sum(-amount) AS this_month
      FROM credit_transactions
     WHERE clinic_id = account.clinic_id AND transaction_type = 'deduction'
       AND created_at >= date_trunc('month', account.charged_on::timestamp) AT TIME ZONE 'Asia/Kolkata'
       AND created_at < (date_trunc('month', account.charged_on::timestamp) + interval '1 month')
                        AT TIME ZONE 'Asia/Kolkata'
  ) AS charged
