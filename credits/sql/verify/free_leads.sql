-- A free lead repeats one that was charged before it was given away (PRODUCT rule 2).
SELECT lead.id AS lead,
       charge.clinic_id = lead.clinic_id AND charge.created_at <= lead.delivered_at AS free_leads_repeat_a_charged_one
  FROM leads lead
  LEFT JOIN credit_transactions charge ON charge.lead_id = lead.repeat_of_id AND charge.transaction_type = 'deduction'
 WHERE lead.delivery_state = 'free'
