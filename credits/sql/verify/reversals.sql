-- Each loss against the movements it caused: what it took, what settled it, what was given back.
WITH caused AS (
  SELECT reversal_id, sum(amount) AS total, min(clinic_id) AS lowest_clinic, max(clinic_id) AS highest_clinic
    FROM credit_transactions WHERE reversal_id IS NOT NULL GROUP BY reversal_id
)
SELECT loss.id AS reversal,
       -coalesce(caused.total, 0) = CASE loss.state
         WHEN 'taken' THEN loss.paid_share + loss.bonus_share - loss.bonus_forgiven - loss.owed_open
         WHEN 'restored' THEN 0
       END AS reversal_is_exact,
       loss.owed_open BETWEEN 0 AND CASE loss.state WHEN 'taken' THEN loss.paid_share ELSE 0 END
         AS a_loss_owes_at_most_its_paid_share,
       caused.reversal_id IS NULL
         OR (caused.lowest_clinic = purchase.clinic_id AND caused.highest_clinic = purchase.clinic_id)
         AS a_loss_is_taken_from_its_clinic
  FROM reversals loss
  LEFT JOIN top_ups purchase ON purchase.id = loss.top_up_id
  LEFT JOIN caused ON caused.reversal_id = loss.id
