-- A refund gives back a charge made before it.
SELECT refund.id AS transaction,
       charge.sequence < refund.sequence AND charge.clinic_id = refund.clinic_id AS refunds_come_after_the_charge
  FROM credit_transactions refund
  LEFT JOIN credit_transactions charge ON charge.lead_id = refund.lead_id AND charge.transaction_type = 'deduction'
 WHERE refund.transaction_type = 'refund'
