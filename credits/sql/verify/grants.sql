-- Each grant against what used it, the movement that brought it, and, if it came back, the grant it once was.
-- Amounts are compared by their difference: NaN equals itself, but less itself it is not nothing.
WITH used AS (
  SELECT grant_id, sum(amount) AS credits FROM grant_consumptions GROUP BY grant_id
)
SELECT this.id AS grant,
       this.amount - this.remaining - coalesce(used.credits, 0) = 0 AS grant_is_what_remains_and_what_was_used,
       this.remaining BETWEEN 0 AND this.amount AS grant_remaining_is_within_its_amount,
       (this.expires_at IS NULL) = (this.kind = 'paid') AS grant_expires_iff_it_is_not_paid,
       brought_by.clinic_id = this.clinic_id AND (this.purchase_id IS NULL OR purchase.clinic_id = this.clinic_id)
         AS grant_is_of_one_clinic,
       CASE brought_by.transaction_type
         WHEN 'credit' THEN this.origin_id IS NULL AND this.purchase_id IS NOT DISTINCT FROM brought_by.top_up_id
           AND (this.kind = 'paid') = (brought_by.top_up_id IS NOT NULL OR brought_by.payment_id IS NOT NULL)
           AND this.kind <> 'bonus'
         WHEN 'bonus' THEN this.origin_id IS NULL AND this.kind = 'bonus'
           AND this.purchase_id IS NOT DISTINCT FROM brought_by.top_up_id
         WHEN 'adjustment' THEN this.origin_id IS NULL AND this.kind = 'goodwill' AND this.purchase_id IS NULL
         ELSE this.origin_id IS NOT NULL
       END AS grant_is_of_the_kind_its_movement_brings,
       this.origin_id IS NULL
         OR (source.kind = this.kind AND source.clinic_id = this.clinic_id
             AND source.purchase_id IS NOT DISTINCT FROM this.purchase_id) AS returned_grant_is_like_the_one_it_was
  FROM credit_grants this
  LEFT JOIN used ON used.grant_id = this.id
  LEFT JOIN credit_transactions brought_by ON brought_by.id = this.transaction_id
  LEFT JOIN top_ups purchase ON purchase.id = this.purchase_id
  LEFT JOIN grant_consumptions origin ON origin.id = this.origin_id
  LEFT JOIN credit_grants source ON source.id = origin.grant_id
