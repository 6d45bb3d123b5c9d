-- Money that we asked the gateway to pay back was asked for by one and approved by another, and debited before.
SELECT refund.id AS gateway_refund,
       EXISTS (SELECT FROM staff_requests request
                WHERE request.kind = 'cash_refund' AND request.state = 'approved'
                  AND request.decided_by_id <> request.requested_by_id
                  AND request.outcome ->> 'receipt' = refund.receipt) AS cash_refund_was_approved_by_a_second_person,
       refund.reversal_key = '' AND refund.status = 'failed'
         OR EXISTS (SELECT FROM reversals WHERE key = refund.reversal_key) AS cash_refund_was_debited
  FROM gateway_refunds refund
 WHERE refund.receipt IS NOT NULL
