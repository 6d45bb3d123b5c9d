-- Delivery: what happens to an enquiry is decided here, under the account's lock, and nowhere else (PRODUCT,
-- «Lead» and rules 1, 2, 8). First match wins:
--   spam limits → held «review» · freeze, debt or charging stopped → held «frozen» · paused → held «paused»
--   repeat → free, or held with the one it repeats · cost or cap → held «budget» · too little → held «no_credits»
--   else delivered and charged.

-- Opens the account of a lead's clinic.
CREATE OR REPLACE FUNCTION delivery_open(p_lead_id bigint) RETURNS credit_accounts LANGUAGE plpgsql AS $$
DECLARE
  v_clinic_id bigint;
BEGIN
  SELECT clinic_id INTO v_clinic_id FROM leads WHERE id = p_lead_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'lead % does not exist', p_lead_id USING ERRCODE = 'CC004';
  END IF;
  RETURN ledger_open(v_clinic_id);
END $$;

-- Why a clinic gets no lead at all; NULL when it does.
CREATE OR REPLACE FUNCTION delivery_stopped(a credit_accounts, p_charging_stopped_at timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN a.frozen_at IS NOT NULL OR a.owed > 0 OR p_charging_stopped_at IS NOT NULL THEN 'frozen'
              WHEN a.paused_at IS NOT NULL AND (a.paused_until IS NULL OR a.paused_until > a.last_posted_at) THEN 'paused'
         END
$$;

-- Why it gets none at this cost; NULL when it can be charged. `p_in_all` is its cost with that of leads which are charged
-- before it and which the account doesn't show yet.
CREATE OR REPLACE FUNCTION delivery_unpayable_in_all(a credit_accounts, p_cost numeric, p_in_all numeric) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN p_cost > a.highest_cost OR a.charged_today + p_in_all > a.daily_cap
                   OR a.charged_this_month + p_in_all > a.monthly_cap THEN 'budget'
              WHEN p_in_all > a.balance THEN 'no_credits'
         END
$$;

CREATE OR REPLACE FUNCTION delivery_unpayable(a credit_accounts, p_cost numeric) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT delivery_unpayable_in_all(a, p_cost, p_cost)
$$;

-- The lead with its fate filled in; nothing is written.
CREATE OR REPLACE FUNCTION delivery_decide(a credit_accounts, l leads, p_phone text) RETURNS leads LANGUAGE plpgsql AS $$
DECLARE
  rules billing_rules;
  v_reason text;
BEGIN
  SELECT * INTO rules FROM billing_rules;
  v_reason := delivery_stopped(a, rules.charging_stopped_at);
  IF v_reason IS NULL AND p_phone <> '' THEN
    -- Rule 2: a charged lead of this phone within the window, before or after this one, makes it free.
    SELECT other.id INTO l.repeat_of_id
      FROM lead_contacts contact JOIN leads other ON other.id = contact.lead_id
     WHERE contact.clinic_id = l.clinic_id AND contact.phone = p_phone AND other.id <> l.id
       AND other.delivery_state = 'delivered' AND other.refunded_total < other.cost
       AND other.created_at BETWEEN l.created_at - make_interval(days => rules.repeat_window_days)
                                AND l.created_at + make_interval(days => rules.repeat_window_days)
     ORDER BY other.created_at DESC, other.id DESC LIMIT 1;
    IF FOUND THEN
      l.delivery_state := 'free';
      l.held_reason := '';
      l.delivered_at := a.last_posted_at;
      RETURN l;
    END IF;
    -- While an earlier one of this phone stays held, this one waits with it and is decided after it.
    SELECT other.held_reason INTO v_reason
      FROM lead_contacts contact JOIN leads other ON other.id = contact.lead_id
     WHERE contact.clinic_id = l.clinic_id AND contact.phone = p_phone
       AND other.delivery_state = 'held' AND other.held_reason <> 'review'
       AND (other.created_at, other.id) < (l.created_at, l.id)
     ORDER BY other.created_at, other.id LIMIT 1;
  END IF;
  v_reason := coalesce(v_reason, delivery_unpayable(a, l.cost));
  l.delivery_state := CASE WHEN v_reason IS NULL THEN 'delivered' ELSE 'held' END;
  l.held_reason := coalesce(v_reason, '');
  l.delivered_at := CASE WHEN v_reason IS NULL THEN a.last_posted_at END;
  RETURN l;
END $$;

-- The charge of a delivered lead, and its place in the day's and month's budget.
CREATE OR REPLACE FUNCTION delivery_charge(a credit_accounts, p_lead_id bigint, p_cost numeric) RETURNS credit_accounts
LANGUAGE plpgsql AS $$
DECLARE
  v_id bigint := ledger_new_id();
BEGIN
  PERFORM ledger_consume_all(a.clinic_id, v_id, p_cost);
  a := ledger_post(a, v_id, 'deduction', -p_cost, format('Lead %s', p_lead_id), p_lead_id => p_lead_id);
  a.charged_today := a.charged_today + p_cost;
  a.charged_this_month := a.charged_this_month + p_cost;
  RETURN a;
END $$;

-- What a clinic is told of a lead: ids only, once per lead and occasion.
CREATE OR REPLACE FUNCTION delivery_told(p_lead_id bigint, p_state text, p_occasion text)
RETURNS TABLE (kind text, unique_key text, data jsonb) LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN p_occasion = 'withdrawn' THEN 'lead_withdrawn'
              WHEN p_state = 'held' THEN 'lead_held' ELSE 'lead_delivered' END,
         'lead:' || p_lead_id || ':' || p_occasion,
         jsonb_build_object('lead_id', p_lead_id, 'state', p_state)
$$;

-- The outbox row. Of those held for review the first of an hour is told at each clinic: whoever sends a thousand of them
-- must not send the clinic a thousand mails.
CREATE OR REPLACE FUNCTION delivery_notice(l leads, p_occasion text, p_at timestamptz) RETURNS void LANGUAGE sql AS $$
  INSERT INTO notices (clinic_id, kind, unique_key, data, created_at)
  SELECT l.clinic_id, kind,
         CASE WHEN l.held_reason = 'review'
              THEN format('review:%s:%s', l.clinic_id, to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24'))
              ELSE unique_key END,
         data, p_at
    FROM delivery_told(l.id, l.delivery_state, p_occasion)
  ON CONFLICT (unique_key) DO NOTHING
$$;

-- A lead with its contact takes its turn, under the account's lock, at the account's moment: price list, earlier ones of its
-- phone, decision, rows, charge and notices. `p_held` is why it is not decided now, or NULL.
CREATE OR REPLACE FUNCTION delivery_arrive(INOUT a credit_accounts, INOUT l leads, c lead_contacts, p_held text)
LANGUAGE plpgsql AS $$
DECLARE
  v_tier lead_pricing_tiers := tier_for_price(l.package_price, a.last_posted_at);
BEGIN
  l.tier_id := v_tier.id;
  l.cost := v_tier.credits;
  l.refunded_total := 0;
  l.status := 'new';
  l.expired_reason := '';
  l.consented_at := a.last_posted_at;
  l.created_at := a.last_posted_at;
  IF p_held IS NOT NULL THEN
    l.delivery_state := 'held';
    l.held_reason := p_held;
  ELSE
    a := delivery_retry_earlier(a, c.phone, l.created_at, l.id, false);
    l := delivery_decide(a, l, c.phone);
  END IF;
  c.lead_id := l.id;
  c.clinic_id := l.clinic_id;
  INSERT INTO leads VALUES (l.*);
  INSERT INTO lead_contacts VALUES (c.*);
  IF l.delivery_state = 'delivered' THEN
    a := delivery_charge(a, l.id, l.cost);
  END IF;
  PERFORM delivery_notice(l, 'arrived', a.last_posted_at);
  IF l.held_reason = 'budget' THEN
    PERFORM budget_notice(a, l);
  END IF;
END $$;

-- An enquiry arrives: idempotency, price, decision, lead, contact, charge and notice in one call.
-- Returns the lead; a repeat under the same key returns the first one and writes nothing.
-- `p_without_account` stores it as held «busy» without touching the account, for when its lock can't be had in time.
CREATE OR REPLACE FUNCTION deliver_lead(
  p_caller text, p_route text, p_key text, p_body_hmac bytea,
  p_clinic_id bigint, p_package_id bigint, p_treatment_id bigint, p_partner_id bigint, p_package_price numeric,
  p_source text, p_contact_intent text, p_city text, p_preferred_date date, p_is_minor boolean,
  p_consent_notice_id bigint, p_phone text, p_name text, p_email text, p_procedure_name text, p_message text,
  p_guardian_name text, p_hold_for_review boolean, p_address_hmac bytea, p_per_hour_limit integer,
  p_per_minute_limit integer, p_without_account boolean
) RETURNS leads
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  a credit_accounts;
  l leads;
  c lead_contacts;
  arrived record;
  v_first idempotency_keys;
  v_hits record;
  v_in_last_hour integer;
  v_hold_for_review boolean := p_hold_for_review;
BEGIN
  l.id := nextval('leads_id_seq');
  IF p_key IS NOT NULL THEN
    INSERT INTO idempotency_keys (caller, route, key, body_hmac, status_code, answer, created_at)
    VALUES (p_caller, p_route, p_key, p_body_hmac, 201,
            jsonb_build_object('status', 'success', 'lead_id', l.id), ledger_clock())
    ON CONFLICT (caller, route, key) DO NOTHING;
    IF NOT FOUND THEN
      SELECT * INTO STRICT v_first FROM idempotency_keys WHERE caller = p_caller AND route = p_route AND key = p_key;
      IF v_first.body_hmac <> p_body_hmac THEN
        RAISE EXCEPTION 'this key was used for another request' USING ERRCODE = 'CC007';
      END IF;
      SELECT * INTO STRICT l FROM leads WHERE id = (v_first.answer ->> 'lead_id')::bigint;
      RETURN l;
    END IF;
  END IF;
  PERFORM 1 FROM clinics WHERE id = p_clinic_id AND is_active;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'clinic % takes no enquiries', p_clinic_id USING ERRCODE = 'CC002';
  END IF;
  l.treatment_id := p_treatment_id;
  l.package_price := p_package_price;
  IF p_package_id IS NOT NULL THEN
    SELECT treatment_id, price INTO l.treatment_id, l.package_price
      FROM packages WHERE id = p_package_id AND clinic_id = p_clinic_id AND is_active;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'clinic % does not offer package %', p_clinic_id, p_package_id USING ERRCODE = 'CC013';
    END IF;
  ELSIF p_package_price IS NULL AND p_treatment_id IS NOT NULL THEN
    SELECT min_price INTO l.package_price FROM treatments WHERE id = p_treatment_id;
  END IF;

  IF p_without_account THEN
    a.last_posted_at := ledger_clock();
  ELSE
    a := ledger_open(p_clinic_id);
  END IF;
  -- Rule 9: past the hourly number a person looks at it first; only a flood is turned away. Its refusal rolls the
  -- count back, so that a flood which ends is let in again a minute later. Counted after the account is locked: one
  -- that is stuck must not make everybody behind the same address wait.
  IF p_address_hmac IS NOT NULL THEN
    v_hits := count_enquiry(p_address_hmac, NOT p_without_account);
    IF v_hits.in_last_minute > p_per_minute_limit THEN
      RAISE EXCEPTION 'too many enquiries from one address' USING ERRCODE = 'CC014';
    END IF;
    v_in_last_hour := v_hits.in_last_hour;
    v_hold_for_review := p_hold_for_review OR coalesce(v_in_last_hour > p_per_hour_limit, true);
  END IF;

  l.clinic_id := p_clinic_id;
  l.package_id := p_package_id;
  l.partner_id := p_partner_id;
  l.contact_intent := p_contact_intent;
  l.source := p_source;
  l.city := p_city;
  l.preferred_date := p_preferred_date;
  l.is_minor := p_is_minor;
  l.consent_notice_id := p_consent_notice_id;
  c.phone := p_phone;
  c.name := p_name;
  c.email := p_email;
  c.procedure_name := p_procedure_name;
  c.message := p_message;
  c.guardian_name := p_guardian_name;
  arrived := delivery_arrive(a, l, c, CASE WHEN v_hold_for_review THEN 'review' WHEN p_without_account THEN 'busy' END);
  a := arrived.a;
  l := arrived.l;
  IF v_hold_for_review THEN
    INSERT INTO lead_review_facts (lead_id, address_hmac, in_last_hour, honeypot_filled)
    VALUES (l.id, p_address_hmac, v_in_last_hour, p_hold_for_review);
  END IF;
  IF NOT p_without_account THEN
    PERFORM ledger_close(a);
  END IF;
  RETURN l;
END $$;

-- `BillingService.deduct_credits_for_lead`: delivers a held lead or says why not; a repeat returns the first charge.
CREATE OR REPLACE FUNCTION deduct_credits_for_lead(p_clinic_id bigint, p_cost numeric, p_lead_id bigint)
RETURNS credit_transactions
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  l leads;
  t credit_transactions;
BEGIN
  PERFORM 1 FROM credit_accounts WHERE clinic_id = p_clinic_id FOR NO KEY UPDATE;
  SELECT * INTO l FROM leads WHERE id = p_lead_id AND clinic_id = p_clinic_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'clinic % has no lead %', p_clinic_id, p_lead_id USING ERRCODE = 'CC004';
  END IF;
  IF p_cost IS DISTINCT FROM l.cost THEN
    RAISE EXCEPTION 'lead % costs %, not %', p_lead_id, l.cost, p_cost USING ERRCODE = 'CC005';
  END IF;
  IF l.delivery_state = 'held' AND l.held_reason <> 'review' THEN
    l := release_lead(p_lead_id);
  END IF;
  IF l.delivery_state = 'held' AND l.held_reason = 'no_credits' THEN
    RAISE EXCEPTION 'lead % costs % credits, which clinic % does not have', p_lead_id, l.cost, p_clinic_id
      USING ERRCODE = 'CC003';
  ELSIF l.delivery_state <> 'delivered' THEN
    RAISE EXCEPTION 'lead % is %', p_lead_id, trim(l.delivery_state || ' ' || l.held_reason) USING ERRCODE = 'CC006';
  END IF;
  SELECT * INTO STRICT t FROM credit_transactions WHERE lead_id = p_lead_id AND transaction_type = 'deduction';
  RETURN t;
END $$;

-- Held leads of one clinic that have waited too long are expired; says how many.
CREATE OR REPLACE FUNCTION expire_leads(p_clinic_id bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  a credit_accounts;
  v_expired integer;
BEGIN
  a := ledger_open(p_clinic_id);
  UPDATE leads SET delivery_state = 'expired', held_reason = '', expired_reason = 'too_old', expired_at = a.last_posted_at
   WHERE clinic_id = p_clinic_id AND delivery_state = 'held'
     AND created_at < a.last_posted_at - make_interval(days => (SELECT held_valid_days FROM billing_rules));
  GET DIAGNOSTICS v_expired = ROW_COUNT;
  PERFORM ledger_close(a);
  RETURN v_expired;
END $$;

-- The patient withdraws: the contact is erased; a held lead expires; a charge already made stays (rule 1). A clinic that
-- could see the contact (leads/models/lead.py: visible_contact) is told, so that it calls nobody any more and erases it in
-- its own systems too. Of one that it never saw it is not: whoever sends many and withdraws them must not flood it.
CREATE OR REPLACE FUNCTION withdraw_lead(p_lead_id bigint) RETURNS leads
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  a credit_accounts;
  l leads;
  v_is_first boolean;
BEGIN
  a := delivery_open(p_lead_id);
  UPDATE leads SET delivery_state = 'expired', held_reason = '', expired_reason = 'withdrawn', expired_at = a.last_posted_at
   WHERE id = p_lead_id AND delivery_state = 'held';
  UPDATE lead_contacts SET phone = '', name = '', email = '', procedure_name = '', message = '', guardian_name = '',
                           erased_at = a.last_posted_at
   WHERE lead_id = p_lead_id AND erased_at IS NULL;
  v_is_first := FOUND;
  PERFORM ledger_close(a);
  SELECT * INTO l FROM leads WHERE id = p_lead_id;
  IF v_is_first AND l.delivered_at IS NOT NULL THEN
    PERFORM delivery_notice(l, 'withdrawn', a.last_posted_at);
  END IF;
  RETURN l;
END $$;
