-- A dispute is approved if and only if the credits of exactly its refund came back, for its lead, at its clinic.
SELECT dispute.id AS dispute,
       (dispute.status = 'approved') = (refund.id IS NOT NULL) AS dispute_approved_iff_refunded_by_the_ledger,
       refund.id IS NULL
         OR (refund.transaction_type = 'refund' AND refund.amount = dispute.refund_amount
             AND refund.lead_id = dispute.lead_id AND refund.clinic_id = dispute.clinic_id)
         AS refund_is_that_of_its_dispute,
       lead.clinic_id = dispute.clinic_id AS dispute_is_of_its_clinics_lead,
       dispute.status = 'cancelled'
         OR dispute.filed_by_id IS DISTINCT FROM dispute.resolved_by_id AS resolver_is_not_the_filer,
       dispute.approved_by_id IS NULL OR dispute.approved_by_id <> dispute.resolved_by_id
         AS second_person_is_another
  FROM lead_disputes dispute
  JOIN leads lead ON lead.id = dispute.lead_id
  LEFT JOIN credit_transactions refund ON refund.id = dispute.refund_transaction_id
