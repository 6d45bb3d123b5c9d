-- A change of the dispute policy that two people decided, carried out (see clinics/sql/requests.sql).

-- {"dispute_type": "spam", "before": {…}, "after": {…}}. Disputes filed before keep the time they have.
CREATE OR REPLACE FUNCTION carry_out_dispute_policy(r staff_requests) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  c_columns CONSTANT text[] := ARRAY['is_accepted', 'window_days', 'evidence_needed', 'least_contact_attempts',
                                     'suggested_percent', 'partner_percent', 'is_automatic', 'guidance'];
  v_after jsonb := r.details -> 'after';
  p dispute_policies;
BEGIN
  PERFORM request_check_names(r.details, 'dispute_type', 'before', 'after');
  PERFORM request_check_names(v_after, VARIADIC c_columns);
  PERFORM request_check(r.object_key = 'policy:' || (r.details ->> 'dispute_type'), 'the request is about another reason');
  SELECT * INTO p FROM dispute_policies WHERE dispute_type = r.details ->> 'dispute_type' FOR UPDATE;
  PERFORM request_check(FOUND, 'there is no such reason');
  PERFORM request_check_unchanged(
    request_same(to_jsonb(p), to_jsonb(jsonb_populate_record(NULL::dispute_policies, r.details -> 'before')),
                 VARIADIC c_columns), 'this policy');
  p := jsonb_populate_record(p, v_after);
  PERFORM request_check(coalesce(p.suggested_percent, 0) <= 100 AND coalesce(p.partner_percent, 0) <= 100,
                        'a percentage is at most 100');
  PERFORM request_check(p.window_days BETWEEN 0 AND 365, 'a window has 0 to 365 days');
  PERFORM request_check(length(trim(p.guidance)) > 0, 'the clinic reads something beside each reason');
  PERFORM request_check(NOT p.is_automatic OR (p.dispute_type = 'duplicate' AND p.suggested_percent > 0),
                        'only duplicates can be approved by themselves');
  UPDATE dispute_policies
     SET (is_accepted, window_days, evidence_needed, least_contact_attempts, suggested_percent, partner_percent,
          is_automatic, guidance, updated_at)
       = (p.is_accepted, p.window_days, p.evidence_needed, p.least_contact_attempts, p.suggested_percent,
          p.partner_percent, p.is_automatic, p.guidance, ledger_clock())
   WHERE id = p.id;
  RETURN jsonb_build_object('policy', p.id);
END $$;
