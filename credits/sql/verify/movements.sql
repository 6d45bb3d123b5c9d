-- Each movement is explained to the paisa: a negative one by the grants it used up, a positive one by those it brought.
-- Amounts are compared by their difference: NaN equals itself, but less itself it is not nothing.
WITH used AS (
  SELECT consumption.transaction_id, sum(consumption.amount) AS credits,
         min(source.clinic_id) AS lowest_clinic, max(source.clinic_id) AS highest_clinic
    FROM grant_consumptions consumption JOIN credit_grants source ON source.id = consumption.grant_id
   GROUP BY consumption.transaction_id
), brought AS (
  SELECT transaction_id, sum(amount) AS credits FROM credit_grants GROUP BY transaction_id
)
SELECT movement.id AS transaction,
       coalesce(used.credits, 0) - greatest(-movement.amount, 0) = 0 AS negative_movements_are_explained_by_consumptions,
       coalesce(brought.credits, 0) - greatest(movement.amount, 0) = 0 AS positive_movements_are_explained_by_grants,
       used.transaction_id IS NULL
         OR (used.lowest_clinic = movement.clinic_id AND used.highest_clinic = movement.clinic_id)
         AS movements_use_grants_of_their_clinic
  FROM credit_transactions movement
  LEFT JOIN used ON used.transaction_id = movement.id
  LEFT JOIN brought ON brought.transaction_id = movement.id
