-- No credits come back for a lead but by a dispute.
SELECT refund.id AS transaction, dispute.id IS NOT NULL AS refund_belongs_to_a_dispute
  FROM credit_transactions refund
  LEFT JOIN lead_disputes dispute ON dispute.refund_transaction_id = refund.id AND dispute.status = 'approved'
 WHERE refund.transaction_type = 'refund'
