-- Each purchase against what was credited for it and what its losses took.
WITH credited AS (
  SELECT top_up_id, count(*) FILTER (WHERE transaction_type = 'credit') AS credits,
         sum(amount) FILTER (WHERE transaction_type = 'credit') AS paid,
         coalesce(sum(amount) FILTER (WHERE transaction_type = 'bonus'), 0) AS bonus,
         min(payment_id) FILTER (WHERE transaction_type = 'credit') AS payment_id,
         min(clinic_id) AS lowest_clinic, max(clinic_id) AS highest_clinic
    FROM credit_transactions WHERE top_up_id IS NOT NULL GROUP BY top_up_id
), lost AS (
  SELECT top_up_id, sum(loss_paise) FILTER (WHERE state = 'taken') AS paise,
         coalesce(sum(paid_share) FILTER (WHERE state = 'taken'), 0) AS paid,
         coalesce(sum(bonus_share) FILTER (WHERE state = 'taken'), 0) AS bonus,
         -- After a restore the shares of the others stay what they were when they were taken.
         bool_or(state = 'restored') AS some_restored
    FROM reversals GROUP BY top_up_id
)
SELECT purchase.id AS top_up,
       coalesce(credited.credits, 0) = CASE purchase.state WHEN 'paid' THEN 1 ELSE 0 END
         AS top_up_is_paid_iff_it_was_credited_once,
       -- Without the promo bonus where its code had no free use left at payment.
       credited.top_up_id IS NULL
         OR (coalesce(credited.paid, 0) = purchase.price * credited.credits
             AND credited.bonus IN (purchase.bonus, purchase.bonus + purchase.promo_bonus))
         AS top_up_was_credited_as_sold,
       coalesce(credited.credits, 0) = 0 OR purchase.state <> 'paid'
         OR credited.payment_id = purchase.razorpay_payment_id AS top_up_was_credited_for_its_payment,
       credited.top_up_id IS NULL
         OR (credited.lowest_clinic = purchase.clinic_id AND credited.highest_clinic = purchase.clinic_id)
         AS top_up_was_credited_to_its_clinic,
       lost.top_up_id IS NULL OR (lost.paid <= purchase.price AND lost.bonus <= coalesce(credited.bonus, 0))
         AS losses_are_within_the_purchase,
       lost.top_up_id IS NULL OR lost.some_restored
         OR (lost.paid = round(purchase.price * least(lost.paise, purchase.gross * 100) / (purchase.gross * 100), 2)
             AND lost.bonus = floor(credited.bonus * least(lost.paise, purchase.gross * 100) / (purchase.gross * 100)))
         AS losses_take_their_share_of_the_purchase
  FROM top_ups purchase
  LEFT JOIN credited ON credited.top_up_id = purchase.id
  LEFT JOIN lost ON lost.top_up_id = purchase.id
