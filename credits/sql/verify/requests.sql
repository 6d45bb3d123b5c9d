-- Credits given or taken by hand were asked for by one and approved by another.
SELECT row.id AS transaction,
       request.id IS NOT NULL AND request.decided_by_id <> request.requested_by_id
         AND (request.details ->> 'amount')::numeric = row.amount AS adjustment_was_approved_by_a_second_person
  FROM credit_transactions row
  LEFT JOIN staff_requests request
    ON request.state = 'approved' AND request.kind = 'adjustment' AND request.clinic_id = row.clinic_id
       AND row.idempotency_key = 'request:' || request.id
 WHERE row.transaction_type = 'adjustment'
