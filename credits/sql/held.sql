-- Held leads, decided by a person: released (whatever their age) or refused in review. Who did so is kept.

-- Keeps that a person's decision took a lead out of the queue or out of review; others have no row. `p_by` is NULL for a
-- command, `p_reason_code` empty for a clinic.
CREATE OR REPLACE FUNCTION held_lead_decided(
  p_before leads, p_action text, p_by bigint, p_reason_code text, p_at timestamptz
) RETURNS leads LANGUAGE plpgsql AS $$
DECLARE
  l leads;
BEGIN
  SELECT * INTO l FROM leads WHERE id = p_before.id;
  IF p_by IS NOT NULL
     AND p_before.delivery_state = 'held'
     AND (l.delivery_state <> 'held' OR (p_before.held_reason = 'review' AND l.held_reason <> 'review')) THEN
    INSERT INTO held_lead_decisions (lead_id, action, held_reason, delivery_state, still_held_reason, reason_code,
                                     decided_by_id, decided_at)
    VALUES (l.id, p_action, p_before.held_reason, l.delivery_state, l.held_reason, p_reason_code, p_by, p_at);
  END IF;
  RETURN l;
END $$;

-- A person releases one held lead, of any age and also from review; the rules are checked anew. Returns it as it is now.
CREATE OR REPLACE FUNCTION release_lead(p_lead_id bigint, p_by bigint DEFAULT NULL, p_reason_code text DEFAULT '')
RETURNS leads LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  a credit_accounts;
  l leads;
BEGIN
  a := delivery_open(p_lead_id);
  SELECT * INTO l FROM leads WHERE id = p_lead_id;
  IF l.delivery_state = 'held' THEN
    a := delivery_retry_earlier(a, (SELECT phone FROM lead_contacts WHERE lead_id = l.id), l.created_at, l.id, true);
    a := delivery_retry(a, l.id);
    l := held_lead_decided(l, 'release', p_by, p_reason_code, a.last_posted_at);
  END IF;
  PERFORM ledger_close(a);
  RETURN l;
END $$;

-- A person releases up to `p_limit` of a clinic's held leads, oldest first, skipping those that can't be delivered and
-- those in review. Returns how many left the queue.
CREATE OR REPLACE FUNCTION release_held_leads(p_clinic_id bigint, p_limit integer, p_by bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  a credit_accounts;
  v_ids bigint[];
  v_reasons text[];
  v_released integer;
BEGIN
  a := ledger_open(p_clinic_id);
  SELECT array_agg(id), array_agg(held_reason) INTO v_ids, v_reasons
    FROM leads WHERE clinic_id = p_clinic_id AND delivery_state = 'held' AND held_reason <> 'review';
  a := delivery_release(a, p_limit, true);
  WITH released AS (
    SELECT l.id, l.delivery_state, before.reason
      FROM unnest(v_ids, v_reasons) AS before (id, reason) JOIN leads l ON l.id = before.id
     WHERE l.delivery_state <> 'held'
  ), kept AS (
    INSERT INTO held_lead_decisions (lead_id, action, held_reason, delivery_state, still_held_reason, decided_by_id,
                                     decided_at)
    SELECT id, 'release', reason, delivery_state, '', p_by, a.last_posted_at FROM released ORDER BY id
  )
  SELECT count(*) INTO v_released FROM released;
  PERFORM ledger_close(a);
  RETURN v_released;
END $$;

-- A person refuses a lead that waits for review. Returns it as it is now.
CREATE OR REPLACE FUNCTION refuse_lead(p_lead_id bigint, p_by bigint DEFAULT NULL, p_reason_code text DEFAULT '')
RETURNS leads LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  a credit_accounts;
  l leads;
BEGIN
  a := delivery_open(p_lead_id);
  SELECT * INTO l FROM leads WHERE id = p_lead_id;
  UPDATE leads SET delivery_state = 'expired', held_reason = '', expired_reason = 'refused', expired_at = a.last_posted_at
   WHERE id = p_lead_id AND delivery_state = 'held' AND held_reason = 'review';
  l := held_lead_decided(l, 'refuse', p_by, p_reason_code, a.last_posted_at);
  PERFORM ledger_close(a);
  RETURN l;
END $$;

-- Staff release or refuse a lead in review, with a reason, and never for a clinic they belong or did belong to. Unlike the
-- clinic's own decision it is refused where somebody was quicker: of two people each knows who decided.
CREATE OR REPLACE FUNCTION review_lead(p_lead_id bigint, p_action text, p_reason_code text, p_by bigint) RETURNS leads
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  l leads;
  v_clinic_id bigint;
BEGIN
  SELECT clinic_id INTO v_clinic_id FROM leads WHERE id = p_lead_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'lead % does not exist', p_lead_id USING ERRCODE = 'CC004';
  END IF;
  PERFORM 1 FROM credit_accounts WHERE clinic_id = v_clinic_id FOR NO KEY UPDATE;
  SELECT * INTO l FROM leads WHERE id = p_lead_id;
  IF l.delivery_state <> 'held' OR l.held_reason <> 'review' THEN
    RAISE EXCEPTION 'lead % does not wait for review any more', p_lead_id USING ERRCODE = 'CC033';
  END IF;
  PERFORM 1 FROM clinic_memberships WHERE user_id = p_by AND clinic_id = v_clinic_id;
  IF FOUND THEN
    RAISE EXCEPTION 'lead % is of a clinic this person belongs to or did', p_lead_id USING ERRCODE = 'CC017';
  END IF;
  IF p_action = 'refuse' THEN
    RETURN refuse_lead(p_lead_id, p_by, p_reason_code);
  END IF;
  RETURN release_lead(p_lead_id, p_by, p_reason_code);
END $$;

-- What somebody decided stays written.
CREATE OR REPLACE TRIGGER held_decisions_never_change BEFORE UPDATE OR DELETE ON held_lead_decisions
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER held_decisions_never_truncated BEFORE TRUNCATE ON held_lead_decisions
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
