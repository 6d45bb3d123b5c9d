-- The life of a dispute: pending → approved | rejected | cancelled, each once (rules 5 and 6).
-- Locks, as everywhere: request → dispute → account → lead.

-- Why a lead can't be disputed for this reason now, or NULL: the form says it beforehand, filing asks again under the
-- locks. Days are days in India: the last one is day of delivery + window, to its end.
CREATE OR REPLACE FUNCTION dispute_refusal(p_lead_id bigint, p_type text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  l leads;
  policy dispute_policies;
  v_attempts integer;
BEGIN
  SELECT * INTO l FROM leads WHERE id = p_lead_id;
  SELECT * INTO policy FROM dispute_policies WHERE dispute_type = p_type;
  IF l.delivery_state <> 'delivered' THEN
    RETURN 'not_charged';
  ELSIF l.refunded_total >= l.cost THEN
    RETURN 'refunded';
  ELSIF l.status = 'converted' THEN
    RETURN 'converted';
  ELSIF EXISTS (SELECT FROM lead_disputes WHERE lead_id = l.id AND status = 'pending') THEN
    RETURN 'pending';
  ELSIF EXISTS (SELECT FROM lead_disputes WHERE lead_id = l.id AND appeal_of_id IS NULL AND status <> 'cancelled') THEN
    RETURN 'decided';
  ELSIF policy.id IS NULL OR NOT policy.is_accepted THEN
    RETURN 'not_accepted';
  ELSIF ist_date(ledger_clock()) > ist_date(l.delivered_at) + policy.window_days::integer THEN
    RETURN 'too_late';
  END IF;
  IF policy.least_contact_attempts > 0 THEN
    SELECT count(*) INTO v_attempts FROM contact_attempts WHERE lead_id = l.id;
    IF v_attempts < policy.least_contact_attempts THEN
      RETURN 'attempts';
    END IF;
  END IF;
  RETURN NULL;
END $$;

-- The same for every reason, in their order.
CREATE OR REPLACE FUNCTION dispute_refusals(p_lead_id bigint, OUT dispute_type text, OUT refusal text)
RETURNS SETOF record LANGUAGE sql STABLE AS $$
  SELECT policy.dispute_type, dispute_refusal(p_lead_id, policy.dispute_type)
    FROM dispute_policies policy ORDER BY policy.position
$$;

-- Why a decision can't be appealed now, or NULL.
CREATE OR REPLACE FUNCTION appeal_refusal(p_dispute_id bigint) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  d lead_disputes;
  l leads;
BEGIN
  SELECT * INTO d FROM lead_disputes WHERE id = p_dispute_id;
  SELECT * INTO l FROM leads WHERE id = d.lead_id;
  IF d.status NOT IN ('approved', 'rejected') THEN
    RETURN 'not_decided';
  ELSIF d.appeal_of_id IS NOT NULL THEN
    RETURN 'is_an_appeal';
  ELSIF EXISTS (SELECT FROM lead_disputes WHERE appeal_of_id = d.id) THEN
    RETURN 'appealed';
  ELSIF l.refunded_total >= l.cost THEN
    RETURN 'refunded';
  ELSIF l.status = 'converted' THEN
    RETURN 'converted';
  ELSIF ist_date(ledger_clock()) > ist_date(d.resolved_at) + (SELECT appeal_days::integer FROM billing_rules) THEN
    RETURN 'too_late';
  END IF;
  RETURN NULL;
END $$;

-- The books prove a duplicate: rule 2 would make this lead free, since another of its phone is charged within the window.
CREATE OR REPLACE FUNCTION lead_repeats_a_charged_one(l leads) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT FROM lead_contacts mine
      JOIN lead_contacts contact ON contact.clinic_id = mine.clinic_id AND contact.phone = mine.phone
      JOIN leads other ON other.id = contact.lead_id
     WHERE mine.lead_id = l.id AND mine.phone <> '' AND other.id <> l.id
       AND other.delivery_state = 'delivered' AND other.refunded_total < other.cost
       AND abs(extract(epoch FROM other.created_at - l.created_at))
           <= (SELECT repeat_window_days FROM billing_rules) * 86400)
$$;

-- The same for staff to see beforehand.
CREATE OR REPLACE FUNCTION repeats_a_charged_lead(p_lead_id bigint) RETURNS boolean LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT lead_repeats_a_charged_one(l) FROM leads l WHERE id = p_lead_id
$$;

-- A clinic disputes a lead, or appeals (`p_appeal_of`; the reason is then the first one's). A duplicate that the books
-- prove is approved at once, where the policy says so.
CREATE OR REPLACE FUNCTION file_dispute(
  p_clinic_id bigint, p_lead_id bigint, p_type text, p_description text, p_filed_by bigint, p_appeal_of bigint
) RETURNS lead_disputes
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  d lead_disputes;
  l leads;
  policy dispute_policies;
  v_refusal text;
BEGIN
  PERFORM 1 FROM credit_accounts WHERE clinic_id = p_clinic_id FOR NO KEY UPDATE;
  SELECT * INTO l FROM leads WHERE id = p_lead_id AND clinic_id = p_clinic_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'clinic % has no lead %', p_clinic_id, p_lead_id USING ERRCODE = 'CC004';
  END IF;
  IF p_appeal_of IS NULL THEN
    v_refusal := dispute_refusal(p_lead_id, p_type);
  ELSE
    SELECT dispute_type INTO p_type FROM lead_disputes WHERE id = p_appeal_of AND lead_id = p_lead_id;
    v_refusal := CASE WHEN FOUND THEN appeal_refusal(p_appeal_of) ELSE 'not_decided' END;
  END IF;
  IF v_refusal IS NOT NULL THEN
    RAISE EXCEPTION '%', v_refusal USING ERRCODE = 'CC016';
  END IF;
  INSERT INTO lead_disputes (lead_id, clinic_id, dispute_type, description, filed_by_id, appeal_of_id, created_at, due_at)
  SELECT p_lead_id, p_clinic_id, p_type, p_description, p_filed_by, p_appeal_of, at, at + make_interval(hours => dispute_hours)
    FROM billing_rules, ledger_clock() AS at
  RETURNING * INTO d;
  PERFORM dispute_entry(d.id, 'filed', '', p_filed_by);
  SELECT * INTO policy FROM dispute_policies WHERE dispute_type = p_type;
  IF p_appeal_of IS NULL AND policy.is_automatic AND lead_repeats_a_charged_one(l) THEN
    d := dispute_approve(d, round(l.cost * policy.suggested_percent / 100, 2), NULL, NULL, 'automatic_duplicate',
                         'Our books show another charged enquiry of this number within the window.');
  END IF;
  RETURN d;
END $$;

CREATE OR REPLACE FUNCTION dispute_entry(p_dispute_id bigint, p_kind text, p_text text, p_author bigint) RETURNS bigint
LANGUAGE sql AS $$
  INSERT INTO dispute_entries (dispute_id, kind, text, author_id, is_internal, created_at)
  VALUES (p_dispute_id, p_kind, p_text, p_author, p_kind IN ('note', 'requested'), ledger_clock())
  RETURNING id
$$;

-- The dispute, locked, if it is still to be decided. A request about it is locked first, then the dispute.
CREATE OR REPLACE FUNCTION dispute_open(p_dispute_id bigint) RETURNS lead_disputes LANGUAGE plpgsql AS $$
DECLARE
  d lead_disputes;
  v_request bigint;
BEGIN
  SELECT id INTO v_request FROM staff_requests
   WHERE object_key = 'dispute:' || p_dispute_id AND state = 'pending' FOR NO KEY UPDATE;
  SELECT * INTO d FROM lead_disputes WHERE id = p_dispute_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no dispute %', p_dispute_id USING ERRCODE = 'CC022';
  ELSIF d.status <> 'pending' THEN
    RAISE EXCEPTION 'dispute % is %', d.id, d.status USING ERRCODE = 'CC015';
  END IF;
  -- One that was made between the two locks would be locked in the wrong order: not waited for, tried again instead.
  PERFORM 1 FROM staff_requests
   WHERE object_key = 'dispute:' || p_dispute_id AND state = 'pending' AND id IS DISTINCT FROM v_request
     FOR NO KEY UPDATE NOWAIT;
  RETURN d;
END $$;

-- Nobody decides what they or their own clinic filed, and an appeal is decided by another person than the decision it is
-- about.
CREATE OR REPLACE FUNCTION dispute_check_person(d lead_disputes, p_by bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF p_by = d.filed_by_id THEN
    RAISE EXCEPTION 'dispute % was filed by the same person', d.id USING ERRCODE = 'CC017';
  END IF;
  PERFORM 1 FROM clinic_memberships WHERE user_id = p_by AND clinic_id = d.clinic_id;
  IF FOUND THEN
    RAISE EXCEPTION 'dispute % is of a clinic this person belongs to or did', d.id USING ERRCODE = 'CC017';
  END IF;
  PERFORM 1 FROM lead_disputes WHERE id = d.appeal_of_id AND p_by IN (resolved_by_id, approved_by_id);
  IF FOUND THEN
    RAISE EXCEPTION 'dispute % appeals a decision of the same person', d.id USING ERRCODE = 'CC017';
  END IF;
END $$;

-- The refund and the decision, of a locked dispute. `p_by` is NULL where the books decide by themselves.
CREATE OR REPLACE FUNCTION dispute_approve(
  d lead_disputes, p_amount numeric, p_by bigint, p_second bigint, p_reason_code text, p_notes text
) RETURNS lead_disputes LANGUAGE plpgsql AS $$
DECLARE
  t credit_transactions;
BEGIN
  t := refund_lead(d.lead_id, p_amount, format('Refund for lead %s, dispute %s', d.lead_id, d.id));
  UPDATE lead_disputes
     SET status = 'approved', refund_amount = p_amount, refund_transaction_id = t.id, resolved_at = t.created_at,
         resolved_by_id = p_by, approved_by_id = p_second, is_automatic = p_by IS NULL, reason_code = p_reason_code,
         admin_notes = p_notes, awaiting_clinic_since = NULL
   WHERE id = d.id RETURNING * INTO d;
  PERFORM dispute_entry(d.id, 'approved', p_notes, p_by);
  PERFORM dispute_notice(d);
  RETURN d;
END $$;

CREATE OR REPLACE FUNCTION dispute_notice(d lead_disputes) RETURNS void LANGUAGE sql AS $$
  INSERT INTO notices (clinic_id, kind, unique_key, data, created_at)
  VALUES (d.clinic_id, 'dispute_decided', 'dispute:' || d.id,
          jsonb_build_object('dispute_id', d.id, 'lead_id', d.lead_id, 'status', d.status), d.resolved_at)
$$;

-- One person approves, in full or part. Refused (CC018) where it would bring what they refunded to this clinic on this
-- day in India above the limit: then it takes a request and a second person.
CREATE OR REPLACE FUNCTION approve_dispute(
  p_dispute_id bigint, p_amount numeric, p_by bigint, p_reason_code text, p_notes text
) RETURNS lead_disputes
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  d lead_disputes := dispute_open(p_dispute_id);
  v_today numeric;
  v_limit numeric := (SELECT staff_refund_limit FROM billing_rules);
BEGIN
  PERFORM ledger_check_amount(p_amount);
  PERFORM dispute_check_person(d, p_by);
  -- Under the account's lock, so that two approvals at once see each other.
  PERFORM 1 FROM credit_accounts WHERE clinic_id = d.clinic_id FOR NO KEY UPDATE;
  SELECT coalesce(sum(refund_amount), 0) INTO v_today FROM lead_disputes
   WHERE resolved_by_id = p_by AND clinic_id = d.clinic_id AND status = 'approved'
     AND resolved_at >= ist_date(ledger_clock())::timestamp AT TIME ZONE 'Asia/Kolkata';
  IF v_today + p_amount > v_limit THEN
    RAISE EXCEPTION 'refunds of % to clinic % today', v_today, d.clinic_id USING ERRCODE = 'CC018';
  END IF;
  d := dispute_approve(d, p_amount, p_by, NULL, p_reason_code, p_notes);
  PERFORM void_request('dispute:' || d.id);
  RETURN d;
END $$;

-- The same with a second person: {"dispute_id": 1, "amount": "250.00", "reason_code": "…", "notes": "…"}.
CREATE OR REPLACE FUNCTION carry_out_dispute_refund(r staff_requests) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  d lead_disputes := dispute_open((r.details ->> 'dispute_id')::bigint);
BEGIN
  PERFORM request_check(r.object_key = 'dispute:' || d.id AND r.clinic_id = d.clinic_id,
                        'the request is about another dispute');
  PERFORM ledger_check_amount((r.details ->> 'amount')::numeric);
  PERFORM dispute_check_person(d, r.requested_by_id);
  PERFORM dispute_check_person(d, r.decided_by_id);
  d := dispute_approve(d, (r.details ->> 'amount')::numeric, r.requested_by_id, r.decided_by_id,
                       r.details ->> 'reason_code', r.details ->> 'notes');
  RETURN jsonb_build_object('dispute', d.id, 'transaction', d.refund_transaction_id);
END $$;

CREATE OR REPLACE FUNCTION reject_dispute(p_dispute_id bigint, p_by bigint, p_reason_code text, p_notes text)
RETURNS lead_disputes
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  d lead_disputes := dispute_open(p_dispute_id);
BEGIN
  PERFORM dispute_check_person(d, p_by);
  UPDATE lead_disputes
     SET status = 'rejected', resolved_at = ledger_clock(), resolved_by_id = p_by, reason_code = p_reason_code,
         admin_notes = p_notes, awaiting_clinic_since = NULL
   WHERE id = d.id RETURNING * INTO d;
  PERFORM dispute_entry(d.id, 'rejected', p_notes, p_by);
  PERFORM dispute_notice(d);
  PERFORM void_request('dispute:' || d.id);
  RETURN d;
END $$;

CREATE OR REPLACE FUNCTION cancel_dispute(p_dispute_id bigint, p_by bigint) RETURNS lead_disputes
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  d lead_disputes := dispute_open(p_dispute_id);
BEGIN
  UPDATE lead_disputes
     SET status = 'cancelled', resolved_at = ledger_clock(), resolved_by_id = p_by, awaiting_clinic_since = NULL
   WHERE id = d.id RETURNING * INTO d;
  PERFORM dispute_entry(d.id, 'cancelled', '', p_by);
  PERFORM void_request('dispute:' || d.id);
  RETURN d;
END $$;

-- Staff ask the clinic: the time to answer stands still until it does.
CREATE OR REPLACE FUNCTION ask_clinic(p_dispute_id bigint, p_by bigint, p_text text) RETURNS lead_disputes
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  d lead_disputes := dispute_open(p_dispute_id);
  v_entry bigint;
BEGIN
  UPDATE lead_disputes SET awaiting_clinic_since = coalesce(awaiting_clinic_since, ledger_clock())
   WHERE id = d.id RETURNING * INTO d;
  v_entry := dispute_entry(d.id, 'asked', p_text, p_by);
  INSERT INTO notices (clinic_id, kind, unique_key, data, created_at)
  VALUES (d.clinic_id, 'dispute_asked', 'dispute:' || d.id || ':asked:' || v_entry,
          jsonb_build_object('dispute_id', d.id, 'lead_id', d.lead_id), ledger_clock());
  RETURN d;
END $$;

-- The clinic answers, asked or not; if it was, the time stood still meanwhile.
CREATE OR REPLACE FUNCTION answer_dispute(p_dispute_id bigint, p_by bigint, p_text text) RETURNS lead_disputes
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  d lead_disputes := dispute_open(p_dispute_id);
BEGIN
  UPDATE lead_disputes
     SET due_at = due_at + coalesce(ledger_clock() - awaiting_clinic_since, interval '0'), awaiting_clinic_since = NULL
   WHERE id = d.id RETURNING * INTO d;
  PERFORM dispute_entry(d.id, 'answered', p_text, p_by);
  RETURN d;
END $$;
