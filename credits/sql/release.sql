-- Releasing held leads (rules 1 and 2): by themselves, with a repeat of their phone, or by a person. Each is decided anew by
-- `delivery_decide`, under the account's lock.

-- Decides a held lead anew, at the price of its arrival, and writes what came of it.
CREATE OR REPLACE FUNCTION delivery_retry(a credit_accounts, p_lead_id bigint) RETURNS credit_accounts LANGUAGE plpgsql AS $$
DECLARE
  l leads;
  v_phone text;
  v_reason text;
BEGIN
  SELECT * INTO l FROM leads WHERE id = p_lead_id AND delivery_state = 'held' FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN a;
  END IF;
  SELECT phone INTO v_phone FROM lead_contacts WHERE lead_id = l.id;
  v_reason := l.held_reason;
  l := delivery_decide(a, l, v_phone);
  IF l.delivery_state = 'held' AND l.held_reason = v_reason THEN
    RETURN a;  -- nothing to write: a long queue that can't be paid costs its reading alone
  END IF;
  UPDATE leads SET delivery_state = l.delivery_state, held_reason = l.held_reason, repeat_of_id = l.repeat_of_id,
                   delivered_at = l.delivered_at
   WHERE id = l.id;
  IF l.delivery_state = 'delivered' THEN
    a := delivery_charge(a, l.id, l.cost);
  END IF;
  IF l.delivery_state <> 'held' THEN
    PERFORM delivery_notice(l, 'released', a.last_posted_at);
  ELSIF l.held_reason = 'budget' THEN
    PERFORM budget_notice(a, l);
  END IF;
  RETURN a;
END $$;

-- A repeat first retries the held leads of its phone that came before it, whatever their age: oldest first.
-- Where the clinic releases by hand only a person's release does so (`p_by_hand`), or a lead that is merely «busy».
CREATE OR REPLACE FUNCTION delivery_retry_earlier(
  a credit_accounts, p_phone text, p_created_at timestamptz, p_lead_id bigint, p_by_hand boolean
) RETURNS credit_accounts LANGUAGE plpgsql AS $$
DECLARE
  v_earlier bigint;
  v_reason text;
BEGIN
  FOR v_earlier IN
    SELECT other.id
      FROM lead_contacts contact JOIN leads other ON other.id = contact.lead_id
     WHERE contact.clinic_id = a.clinic_id AND contact.phone = p_phone AND p_phone <> ''
       AND other.delivery_state = 'held' AND other.held_reason <> 'review'
       AND (a.auto_release OR p_by_hand OR other.held_reason = 'busy')
       AND (other.created_at, other.id) < (p_created_at, p_lead_id)
     ORDER BY other.created_at, other.id LOOP
    a := delivery_retry(a, v_earlier);
    -- While one stays held, those after it wait with it, for its reason: no need to ask for each of them.
    SELECT held_reason INTO v_reason FROM leads WHERE id = v_earlier AND delivery_state = 'held';
    IF FOUND THEN
      UPDATE leads other SET held_reason = v_reason
        FROM lead_contacts contact
       WHERE contact.lead_id = other.id AND contact.clinic_id = a.clinic_id AND contact.phone = p_phone
         AND other.delivery_state = 'held' AND other.held_reason NOT IN ('review', v_reason)
         AND (a.auto_release OR p_by_hand OR other.held_reason = 'busy')
         AND (other.created_at, other.id) < (p_created_at, p_lead_id);
      EXIT;
    END IF;
  END LOOP;
  RETURN a;
END $$;

-- Releases up to `p_limit` held leads of an opened account, oldest first, skipping those that still can't be. By itself
-- only young ones, and where the clinic wants it; `p_by_hand` those of any age. Never from review: a person looks at each.
-- A long queue that can't be paid is read once: what would stay is not decided one by one, and not touched where its reason
-- stays too.
CREATE OR REPLACE FUNCTION delivery_release(a credit_accounts, p_limit integer, p_by_hand boolean) RETURNS credit_accounts
LANGUAGE plpgsql AS $$
DECLARE
  l record;
  v_lead leads;
  rules billing_rules;
  v_ids bigint[] := '{}';  -- those that stay for another reason than before, and that reason
  v_reasons text[] := '{}';
  v_released integer := 0;
  v_stopped text;
  v_reason text;
BEGIN
  SELECT * INTO rules FROM billing_rules;
  v_stopped := delivery_stopped(a, rules.charging_stopped_at);
  FOR l IN
    -- `earlier`: the one before it of its phone in this round; `is_alone`: no other of its phone is held at all.
    SELECT held.*, lag(id) OVER (PARTITION BY phone, nobody ORDER BY created_at, id) AS earlier,
           EXISTS (SELECT FROM lead_contacts contact JOIN leads other ON other.id = contact.lead_id
                    WHERE contact.clinic_id = a.clinic_id AND contact.phone = held.phone AND held.phone <> ''
                      AND other.delivery_state = 'delivered' AND other.refunded_total < other.cost) AS may_be_free
      FROM (SELECT lead.id, lead.created_at, lead.cost, lead.held_reason, contact.phone,
                   CASE WHEN contact.phone = '' THEN lead.id END AS nobody,
                   contact.phone = '' OR count(*) OVER (PARTITION BY contact.phone) = 1 AS is_alone
              FROM leads lead JOIN lead_contacts contact ON contact.lead_id = lead.id
             WHERE lead.clinic_id = a.clinic_id AND lead.delivery_state = 'held' AND lead.held_reason <> 'review') AS held
     WHERE p_by_hand OR ((a.auto_release OR held_reason = 'busy')
                         AND created_at >= a.last_posted_at - make_interval(hours => rules.auto_release_hours))
     ORDER BY created_at, id LOOP
    EXIT WHEN v_released >= p_limit;
    IF (v_stopped IS NOT NULL AND (l.is_alone OR p_by_hand)) OR (l.is_alone AND NOT l.may_be_free) THEN
      v_reason := coalesce(v_stopped, delivery_unpayable(a, l.cost));
      CONTINUE WHEN v_reason = l.held_reason;
      IF v_reason IS NOT NULL THEN
        v_ids := v_ids || l.id;
        v_reasons := v_reasons || v_reason;
        CONTINUE;
      END IF;
    END IF;
    -- While an earlier one stays held, it waits with it, for its reason.
    IF l.earlier IS NOT NULL THEN
      SELECT held_reason INTO v_reason FROM leads WHERE id = l.earlier AND delivery_state = 'held';
      IF FOUND THEN
        UPDATE leads SET held_reason = v_reason WHERE id = l.id AND l.held_reason <> v_reason;
        CONTINUE;
      END IF;
    END IF;
    IF l.earlier IS NULL AND NOT l.is_alone THEN
      a := delivery_retry_earlier(a, l.phone, l.created_at, l.id, p_by_hand);
    END IF;
    a := delivery_retry(a, l.id);
    PERFORM FROM leads WHERE id = l.id AND delivery_state = 'held';
    IF NOT FOUND THEN
      v_released := v_released + 1;
    END IF;
  END LOOP;
  -- All at once: a statement for each would be most of the work.
  FOR v_lead IN
    UPDATE leads SET held_reason = stays.reason FROM unnest(v_ids, v_reasons) AS stays (id, reason)
     WHERE leads.id = stays.id RETURNING leads.* LOOP
    IF v_lead.held_reason = 'budget' THEN
      PERFORM budget_notice(a, v_lead);
    END IF;
  END LOOP;
  RETURN a;
END $$;

-- Releases what it can of one clinic's held leads; says how many.
CREATE OR REPLACE FUNCTION release_leads(p_clinic_id bigint, p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  a credit_accounts;
  v_before integer;
BEGIN
  a := ledger_open(p_clinic_id);
  SELECT count(*) INTO v_before FROM leads WHERE clinic_id = p_clinic_id AND delivery_state = 'held';
  a := delivery_release(a, p_limit, false);
  PERFORM ledger_close(a);
  RETURN v_before - (SELECT count(*) FROM leads WHERE clinic_id = p_clinic_id AND delivery_state = 'held');
END $$;
