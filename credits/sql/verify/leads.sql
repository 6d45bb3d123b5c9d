-- Each lead against its charge, its refunds and its price.
-- Amounts are compared by their difference: NaN equals itself, but less itself it is not nothing.
WITH charge AS (
  SELECT lead_id, count(*) AS times, sum(amount) AS total, min(clinic_id) AS lowest_clinic,
         max(clinic_id) AS highest_clinic
    FROM credit_transactions WHERE transaction_type = 'deduction' GROUP BY lead_id
), refund AS (
  SELECT lead_id, sum(amount) AS total, min(clinic_id) AS lowest_clinic, max(clinic_id) AS highest_clinic
    FROM credit_transactions WHERE transaction_type = 'refund' GROUP BY lead_id
)
SELECT lead.id AS lead,
       lead.delivery_state <> 'delivered' OR coalesce(charge.times, 0) = 1 AS delivered_leads_are_charged_once,
       lead.delivery_state = 'delivered' OR (charge.lead_id IS NULL AND refund.lead_id IS NULL)
         AS other_leads_are_never_charged,
       charge.lead_id IS NULL OR charge.total + lead.cost * charge.times = 0 AS leads_are_charged_their_cost,
       (charge.lead_id IS NULL OR (charge.lowest_clinic = lead.clinic_id AND charge.highest_clinic = lead.clinic_id))
         AND (refund.lead_id IS NULL OR (refund.lowest_clinic = lead.clinic_id AND refund.highest_clinic = lead.clinic_id))
         AS leads_are_charged_at_their_clinic,
       lead.refunded_total - coalesce(refund.total, 0) = 0 AS refunded_total_is_the_sum_of_refunds,
       coalesce(refund.total, 0) <= lead.cost AS refunds_are_within_the_cost,
       tier.credits - lead.cost = 0 AS lead_costs_what_its_tier_says
  FROM leads lead
  LEFT JOIN charge ON charge.lead_id = lead.id
  LEFT JOIN refund ON refund.lead_id = lead.id
  LEFT JOIN lead_pricing_tiers tier ON tier.id = lead.tier_id
