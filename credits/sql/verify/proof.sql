-- Proves the books by sums instead of joins, in one pass over each table: what belongs together on two sides is made into
-- a number, and added up. A number is h(key), which counts the rows of a key, or h(key) times the amount, which adds up its
-- amounts; the key is all else that must be the same on both sides: an id, the clinic, a kind. h is PostgreSQL's own hash of
-- whole numbers, 64 bits, under {seed}, another one in each run. Sides that agree key by key have equal sums. Of sides that
-- don't, the sums differ by h(key) times what is wrong at the key, over all such keys; to whoever does not know the seed
-- each h is any number, so that this is nothing with a chance of about 1 in 2^60. An amount goes in by its value, never by
-- a hash of it: what two hashes differ by may be known.
-- Sums are compared by their difference: NaN equals itself, but less itself it is not nothing.
-- Nothing is sorted, memory does not grow with the ledger, and workers share the passes.
-- A column per statement of this folder: that one need not be run where the column holds.
WITH account AS (
  SELECT -- Where the chain of each account begins and ends.
         sum(hashint8extended(0, clinic_id # {seed})) AS beginnings,
         sum(hashint8extended(last_sequence, clinic_id # {seed})
             + hashint8extended(last_sequence, ~(clinic_id # {seed})) / 2 * balance) AS ends,
         sum(hashint8extended(clinic_id, {seed}) / 2 * balance) AS unspent,
         sum(hashint8extended(clinic_id, {seed}) / 2 * owed) AS owed,
         sum(hashint8extended(clinic_id, {seed}) / 2 * charged_today) AS charged_today,
         sum(hashint8extended(clinic_id, {seed}) / 2 * charged_this_month) AS charged_this_month,
         bool_and(balance >= 0 AND owed >= 0 AND (owed = 0 OR balance = 0) AND (clinic_id | last_sequence) >> 32 = 0)
           AS well_formed, sum(balance) AS balance
    FROM credit_accounts
), movement AS (
  SELECT -- A chain: number and balance after each row are number and balance before the next one. Numbers only rise along
         -- it, so that it has no loops: there is one way from the account's beginning to its end, through every row. That
         -- each number is there once is proven first (h), the balance at it beside that (h times the balance).
         sum(hashint8extended(sequence, movement.clinic_id # {seed})
             + hashint8extended(sequence, ~(movement.clinic_id # {seed})) / 2 * balance_after) AS ends,
         sum(hashint8extended(sequence - 1, movement.clinic_id # {seed})
             + hashint8extended(sequence - 1, ~(movement.clinic_id # {seed})) / 2 * (balance_after - amount)) AS beginnings,
         sum(hashint8extended(last_sequence - sequence, movement.clinic_id # {seed}) / 2 * extract(epoch FROM created_at))
           AS times,
         bool_and(created_at <= last_posted_at) AS no_younger_than_its_account,
         -- The hash of an id does not tell what it has above 32 bits from what it has below.
         bool_and(account.clinic_id IS NOT NULL AND balance_after >= 0
           AND (id | sequence | coalesce(movement.lead_id, 0) | coalesce(top_up_id, 0)) >> 32 = 0 AND CASE
           WHEN amount < 0 THEN transaction_type IN ('deduction', 'expiry', 'adjustment', 'reversal')
           ELSE amount > 0 AND transaction_type IN ('credit', 'bonus', 'refund', 'adjustment', 'reversal') END)
           AS well_formed,
         -- Used up by consumptions, or brought as grants: of the kind and the purchase that such a movement brings.
         sum(hashint8extended(id, movement.clinic_id # CASE WHEN amount < 0 THEN {seed} ELSE hashtextextended(
           CASE transaction_type
             WHEN 'credit' THEN CASE WHEN top_up_id IS NULL AND payment_id IS NULL THEN 'goodwill' ELSE 'paid' END
             WHEN 'bonus' THEN 'bonus' WHEN 'adjustment' THEN 'goodwill' ELSE 'returned' END,
           CASE WHEN transaction_type IN ('credit', 'bonus') THEN coalesce(top_up_id, 0) ELSE 0 END # {seed}) END)
             / 2 * amount) AS explained,
         sum(hashint8extended(movement.lead_id, movement.clinic_id # {seed})
             + hashint8extended(movement.lead_id, ~(movement.clinic_id # {seed})) / 2 * -amount)
           FILTER (WHERE transaction_type = 'deduction') AS charged,
         sum(hashint8extended(movement.lead_id, movement.clinic_id # {seed}) / 2 * amount)
           FILTER (WHERE transaction_type = 'refund') AS refunded,
         sum(hashint8extended(movement.clinic_id, {seed}) / 2 * -amount)
           FILTER (WHERE created_at >= account.today AND created_at < account.tomorrow AND transaction_type = 'deduction')
           AS charged_today,
         sum(hashint8extended(movement.clinic_id, {seed}) / 2 * -amount)
           FILTER (WHERE created_at >= this_month AND created_at < next_month AND transaction_type = 'deduction')
           AS charged_this_month,
         -- What came and went without a purchase, a lead or a loss.
         sum(amount) FILTER (WHERE transaction_type NOT IN ('deduction', 'refund')
           AND (transaction_type <> 'credit' OR top_up_id IS NULL)
           AND (transaction_type <> 'reversal' OR reversal_id IS NULL)) AS by_itself,
         count(*) FILTER (WHERE transaction_type = 'refund') AS refunds
    FROM credit_transactions movement
    LEFT JOIN (
      SELECT clinic_id, last_sequence, last_posted_at,
             charged_on::timestamp AT TIME ZONE 'Asia/Kolkata' AS today,
             (charged_on + 1)::timestamp AT TIME ZONE 'Asia/Kolkata' AS tomorrow,
             date_trunc('month', charged_on::timestamp) AT TIME ZONE 'Asia/Kolkata' AS this_month,
             (date_trunc('month', charged_on::timestamp) + interval '1 month') AT TIME ZONE 'Asia/Kolkata' AS next_month
        FROM credit_accounts GROUP BY clinic_id  -- so that all this is made once for each account, not for each movement
    ) AS account ON account.clinic_id = movement.clinic_id
), in_order_of_time AS (
  -- The times again, numbered by time instead of sequence; from the index on (clinic, time), which holds no more.
  SELECT sum(hashint8extended(newer - 1, clinic_id # {seed}) / 2 * extract(epoch FROM created_at)) AS times
    FROM (
      SELECT clinic_id, created_at, row_number() OVER (PARTITION BY clinic_id ORDER BY created_at DESC) AS newer
        FROM credit_transactions
    ) AS numbered
), brought AS (
  SELECT sum(hashint8extended(transaction_id, this.clinic_id # hashtextextended(
           CASE WHEN origin_id IS NOT NULL THEN 'returned' ELSE kind END,
           CASE WHEN origin_id IS NOT NULL THEN 0 ELSE coalesce(purchase_id, 0) END # {seed})) / 2 * amount) AS brought,
         sum(hashint8extended(this.id, ~{seed}) / 2 * (amount - remaining)) AS used_up,
         sum(hashint8extended(origin_id,
               hashtextextended(kind, coalesce(hashint8extended(purchase_id, {seed}), {seed}) # this.clinic_id))
             / 2 * amount) FILTER (WHERE origin_id IS NOT NULL) AS returned,
         sum(hashint8extended(this.clinic_id, {seed}) / 2 * remaining) FILTER (WHERE open) AS unspent,
         bool_and((this.id | transaction_id | coalesce(origin_id, 0) | coalesce(purchase_id, 0)) >> 32 = 0
                  AND amount > 0 AND remaining BETWEEN 0 AND amount AND (expires_at IS NULL) = (kind = 'paid')
                  AND (purchase_id IS NULL OR coalesce(purchase.clinic_id = this.clinic_id, false))) AS well_formed
    FROM credit_grants this LEFT JOIN top_ups purchase ON purchase.id = this.purchase_id
), used AS (
  SELECT sum((hashint8extended(consumption.transaction_id, source.clinic_id # {seed}) / 2
              + hashint8extended(grant_id, ~{seed}) / 2) * consumption.amount) AS used,
         sum(hashint8extended(consumption.id,
               hashtextextended(kind, coalesce(hashint8extended(purchase_id, {seed}), {seed}) # source.clinic_id))
             / 2 * returned) FILTER (WHERE returned <> 0) AS returned,
         bool_and((consumption.id | consumption.transaction_id | grant_id) >> 32 = 0
                  AND consumption.amount > 0 AND returned BETWEEN 0 AND consumption.amount AND source.id IS NOT NULL)
           AS well_formed
    FROM grant_consumptions consumption
    LEFT JOIN credit_grants source ON source.id = consumption.grant_id
), lead AS (
  SELECT sum(hashint8extended(lead.id, clinic_id # {seed})) AS leads,
         sum(hashint8extended(lead.id, clinic_id # {seed}) + hashint8extended(lead.id, ~(clinic_id # {seed})) / 2 * cost)
           FILTER (WHERE delivery_state = 'delivered') AS charged,
         sum(hashint8extended(lead.id, clinic_id # {seed}) / 2 * refunded_total)
           FILTER (WHERE refunded_total <> 0) AS refunded,
         sum(cost) FILTER (WHERE delivery_state = 'delivered') AS cost,
         sum(refunded_total) FILTER (WHERE refunded_total <> 0) AS given_back,
         count(*) FILTER (WHERE delivery_state = 'free') AS free_leads,
         bool_and(CASE WHEN delivery_state = 'delivered' THEN refunded_total BETWEEN 0 AND cost ELSE refunded_total = 0 END
                  AND cost > 0 AND coalesce(cost - tier.credits = 0, false) AND lead.id >> 32 = 0) AS well_formed
    FROM leads lead LEFT JOIN lead_pricing_tiers tier ON tier.id = lead.tier_id
), contact AS (
  SELECT sum(hashint8extended(lead_id, clinic_id # {seed})) AS leads, bool_and(lead_id >> 32 = 0) AS well_formed
    FROM lead_contacts
), lost AS (
  SELECT sum(hashint8extended(purchase.clinic_id, {seed}) / 2 * owed_open) AS owed,
         sum(paid_share + bonus_share - bonus_forgiven - owed_open) FILTER (WHERE loss.state = 'taken') AS taken
    FROM reversals loss LEFT JOIN top_ups purchase ON purchase.id = loss.top_up_id
), sold AS (
  SELECT sum(price) AS credits FROM top_ups WHERE state = 'paid'
), refunds_beside_charges AS (
  -- Counted, not asked for the others: a lead has one charge where all sums about leads agree.
  SELECT count(*) AS refunds, bool_and(charge.clinic_id = refund.clinic_id AND charge.sequence < refund.sequence) AS in_turn
    FROM credit_transactions refund
    JOIN credit_transactions charge ON charge.lead_id = refund.lead_id AND charge.transaction_type = 'deduction'
   WHERE refund.transaction_type = 'refund'
), repeats_beside_charges AS (
  SELECT count(*) AS free_leads,
         bool_and(charge.clinic_id = repeat.clinic_id AND coalesce(charge.created_at <= repeat.delivered_at, false))
           AS in_turn
    FROM leads repeat
    JOIN credit_transactions charge ON charge.lead_id = repeat.repeat_of_id AND charge.transaction_type = 'deduction'
   WHERE repeat.delivery_state = 'free' AND repeat.repeat_of_id IS NOT NULL
)
SELECT sides.chain AND coalesce(account.well_formed, true) AND coalesce(movement.no_younger_than_its_account, true)
         AND coalesce(account.unspent, 0) - coalesce(brought.unspent, 0) = 0
         AND coalesce(account.owed, 0) - coalesce(lost.owed, 0) = 0
         AND coalesce(account.charged_today, 0) - coalesce(movement.charged_today, 0) = 0
         AND coalesce(account.charged_this_month, 0) - coalesce(movement.charged_this_month, 0) = 0 AS accounts,
       sides.chain AND coalesce(movement.times, 0) - coalesce(in_order_of_time.times, 0) = 0 AS history,
       sides.explained AS movements,
       sides.explained AND sides.returned AS grants,
       sides.returned AS consumptions,
       sides.charged AS leads,
       sides.charged AND refunds_beside_charges.refunds = movement.refunds
         AND coalesce(refunds_beside_charges.in_turn, true) AS refunds,
       sides.charged AND repeats_beside_charges.free_leads = lead.free_leads
         AND coalesce(repeats_beside_charges.in_turn, true) AS free_leads,
       lead.leads IS NOT DISTINCT FROM contact.leads AND coalesce(lead.well_formed AND contact.well_formed, true) AS contacts,
       sides.charged AND coalesce(account.balance, 0)
         - (coalesce(sold.credits, 0) + coalesce(movement.by_itself, 0)
            - coalesce(lead.cost, 0) + coalesce(lead.given_back, 0) - coalesce(lost.taken, 0)) = 0 AS conservation
  FROM account, movement, in_order_of_time, brought, used, lead, contact, lost, sold, refunds_beside_charges,
       repeats_beside_charges, LATERAL (
    SELECT coalesce(account.ends, 0) + coalesce(movement.beginnings, 0)
             - coalesce(account.beginnings, 0) - coalesce(movement.ends, 0) = 0
             AND coalesce(movement.well_formed, true) AS chain,
           coalesce(movement.explained, 0)
             - (coalesce(brought.brought, 0) + coalesce(brought.used_up, 0) - coalesce(used.used, 0)) = 0
             AND coalesce(movement.well_formed, true) AND coalesce(brought.well_formed, true)
             AND coalesce(used.well_formed, true) AS explained,
           coalesce(brought.returned, 0) - coalesce(used.returned, 0) = 0
             AND coalesce(brought.well_formed, true) AND coalesce(used.well_formed, true) AS returned,
           coalesce(movement.charged, 0) - coalesce(lead.charged, 0) = 0
             AND coalesce(movement.refunded, 0) - coalesce(lead.refunded, 0) = 0
             AND coalesce(lead.well_formed, true) AND coalesce(movement.well_formed, true) AS charged
  ) AS sides
