-- Proves the long tables by sums instead of joins, in one pass over each: what belongs together on two sides is made into
-- a random number by PostgreSQL's hash functions (of an id and an amount, or of an id, times the amount where several
-- rows make up one) and added up by clinic. Sides that agree row by row have equal sums; sides that don't have equal
-- sums with a chance of about 1 in 2^64. Nothing is sorted, memory does not grow with the rows.
-- A column per statement of this folder: that one need not be run where the column holds for every clinic.
WITH movement AS (
  SELECT clinic_id, count(*) AS movements, sum(amount) AS total, min(balance_after) AS lowest_balance,
         -- A chain: number and balance after each row are number and balance before the next one.
         sum(hash_numeric_extended(balance_after, sequence)) AS ends,
         sum(hash_numeric_extended(balance_after - amount, sequence - 1)) AS beginnings,
         sum(timestamptz_hash_extended(created_at, account.last_sequence - sequence)) AS times,
         bool_and(CASE WHEN amount > 0 THEN transaction_type IN ('credit', 'bonus', 'refund', 'adjustment', 'reversal')
                       ELSE amount < 0 AND transaction_type IN ('deduction', 'expiry', 'adjustment', 'reversal') END)
           AS signs_fit,
         sum(hashint8extended(id, 0) * -amount) FILTER (WHERE amount < 0) AS used,
         sum(hashint8extended(id, 0) * amount) FILTER (WHERE amount > 0) AS brought,
         sum(hash_numeric_extended(-amount, lead_id)) FILTER (WHERE transaction_type = 'deduction') AS charged,
         sum(hashint8extended(lead_id, 0) * amount) FILTER (WHERE transaction_type = 'refund') AS refunded
    FROM credit_transactions JOIN credit_accounts account USING (clinic_id)
   GROUP BY clinic_id
), in_order_of_time AS (
  -- The times again, numbered by time instead of sequence; from the index on (clinic, time), which holds no more.
  SELECT clinic_id, sum(timestamptz_hash_extended(created_at, newer)) AS times
    FROM (
      SELECT clinic_id, created_at, row_number() OVER (PARTITION BY clinic_id ORDER BY created_at DESC) - 1 AS newer
        FROM credit_transactions
    ) AS numbered
   GROUP BY clinic_id
), brought AS (
  SELECT clinic_id, sum(hashint8extended(transaction_id, 0) * amount) AS brought,
         sum(hashint8extended(origin_id, 0) * amount) FILTER (WHERE origin_id IS NOT NULL) AS returned
    FROM credit_grants GROUP BY clinic_id
), used AS (
  SELECT source.clinic_id, sum(hashint8extended(consumption.transaction_id, 0) * consumption.amount) AS used,
         sum(hashint8extended(consumption.id, 0) * consumption.returned)
           FILTER (WHERE consumption.returned <> 0) AS returned,
         bool_and(consumption.returned BETWEEN 0 AND consumption.amount) AS returned_within_amount
    FROM grant_consumptions consumption JOIN credit_grants source ON source.id = consumption.grant_id
   GROUP BY source.clinic_id
), lead AS (
  SELECT lead.clinic_id, sum(hashint8extended(lead.id, 0)) AS leads,
         sum(hash_numeric_extended(lead.cost, lead.id)) FILTER (WHERE lead.delivery_state = 'delivered') AS charged,
         sum(hashint8extended(lead.id, 0) * lead.refunded_total) FILTER (WHERE lead.refunded_total <> 0) AS refunded,
         bool_and(lead.refunded_total BETWEEN 0 AND lead.cost
                  AND (lead.delivery_state = 'delivered' OR lead.refunded_total = 0)) AS refunded_within_cost,
         bool_and(lead.cost IS NOT DISTINCT FROM tier.credits) AS priced
    FROM leads lead LEFT JOIN lead_pricing_tiers tier ON tier.id = lead.tier_id
   GROUP BY lead.clinic_id
), contact AS (
  SELECT clinic_id, sum(hashint8extended(lead_id, 0)) AS leads FROM lead_contacts GROUP BY clinic_id
)
SELECT coalesce(movement.ends - hash_numeric_extended(movement.total, movement.movements)
                  = movement.beginnings - hash_numeric_extended(0, 0)
                AND movement.times = in_order_of_time.times
                AND movement.lowest_balance >= 0 AND movement.signs_fit, movement.clinic_id IS NULL) AS history,
       movement.used IS NOT DISTINCT FROM used.used
         AND movement.brought IS NOT DISTINCT FROM brought.brought AS movements,
       used.returned IS NOT DISTINCT FROM brought.returned AND coalesce(used.returned_within_amount, true)
         AS consumptions,
       movement.charged IS NOT DISTINCT FROM lead.charged
         AND movement.refunded IS NOT DISTINCT FROM lead.refunded
         AND coalesce(lead.refunded_within_cost AND lead.priced, true) AS leads,
       lead.leads IS NOT DISTINCT FROM contact.leads AS contacts
  FROM credit_accounts account
  LEFT JOIN movement USING (clinic_id)
  LEFT JOIN in_order_of_time USING (clinic_id)
  LEFT JOIN brought USING (clinic_id)
  LEFT JOIN used USING (clinic_id)
  LEFT JOIN lead USING (clinic_id)
  LEFT JOIN contact USING (clinic_id)
