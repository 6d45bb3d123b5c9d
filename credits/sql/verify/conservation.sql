-- Credits neither appear nor vanish: all balances together are what purchases, leads and losses say by themselves, with
-- what came and went without any of these. It also sees a movement whose top-up or lead does not exist.
-- Amounts are compared by their difference: NaN equals itself, but less itself it is not nothing.
SELECT 1 AS ledger,
       (SELECT coalesce(sum(balance), 0) FROM credit_accounts)
       - (SELECT coalesce(sum(price), 0) FROM top_ups WHERE state = 'paid')
       - (SELECT coalesce(sum(amount), 0) FROM credit_transactions
           WHERE (transaction_type = 'credit' AND top_up_id IS NULL)
              OR transaction_type IN ('bonus', 'adjustment', 'expiry')
              OR (transaction_type = 'reversal' AND reversal_id IS NULL))
       + (SELECT coalesce(sum(cost - refunded_total), 0) FROM leads WHERE delivery_state = 'delivered')
       + (SELECT coalesce(sum(paid_share + bonus_share - bonus_forgiven - owed_open), 0) FROM reversals
           WHERE state = 'taken')
       = 0 AS credits_neither_appear_nor_vanish
