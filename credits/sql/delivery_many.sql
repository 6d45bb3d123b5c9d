-- Many enquiries that programs hand over at once (`import_leads`): the same rules, rows and order as `deliver_lead` for one
-- after the other (tests/property/test_many_at_once.py holds the two side by side), in one transaction.
--
-- Most leads of a large file are alone: no other of their phone is at the clinic or earlier in the piece, so that nothing
-- decides about them but the account. A run of such leads that all end alike is written by sets. Every other lead takes its
-- turn by itself, by `delivery_arrive`, as one that comes alone.
-- Time: each lead is an event, a microsecond after the one before, as ledger_stamped has it of events at one instant.

-- What an enquiry asks for and its price: a package's own, a partner's, or the catalogue's least for the treatment. No row:
-- the clinic does not offer the package. `deliver_lead` has it in two statements, which for one lead are quicker.
CREATE OR REPLACE FUNCTION delivery_asked_for(
  p_clinic_id bigint, p_package_id bigint, p_treatment_id bigint, p_price numeric
) RETURNS TABLE (treatment_id bigint, price numeric) LANGUAGE sql STABLE AS $$
  SELECT package.treatment_id, package.price
    FROM packages package
   WHERE package.id = p_package_id AND package.clinic_id = p_clinic_id AND package.is_active
  UNION ALL
  SELECT p_treatment_id, coalesce(p_price, (SELECT min_price FROM treatments WHERE id = p_treatment_id))
   WHERE p_package_id IS NULL
$$;

-- Until when an account at its moment stays as it is by itself: its day turns, a grant expires, its pause ends.
CREATE OR REPLACE FUNCTION delivery_steady_until(a credit_accounts) RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT least((ist_date(a.last_posted_at) + 1)::timestamp AT TIME ZONE 'Asia/Kolkata',
               (SELECT min(expires_at) FROM credit_grants WHERE clinic_id = a.clinic_id AND open),
               CASE WHEN a.paused_until > a.last_posted_at THEN a.paused_until END)
$$;

-- How many leads, from the first of these costs on, end alike: all charged, or none. A run ends before `p_until`, and with
-- the lead that takes the balance below a threshold, so that the clinic is told of that at its moment.
CREATE OR REPLACE FUNCTION delivery_run_length(a credit_accounts, p_costs numeric[], p_stopped text, p_until timestamptz)
RETURNS integer LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_length integer;
  v_threshold numeric := (SELECT max(t) FROM unnest(a.low_balance_thresholds) AS t WHERE t <= a.balance);
BEGIN
  IF p_stopped IS NOT NULL OR delivery_unpayable(a, p_costs[1]) IS NOT NULL THEN
    SELECT min(place) - 1 INTO v_length FROM unnest(p_costs) WITH ORDINALITY AS lead (cost, place)
     WHERE a.last_posted_at + (place - 1) * interval '1 microsecond' >= p_until
        OR (p_stopped IS NULL AND delivery_unpayable(a, cost) IS NULL);
  ELSE
    SELECT min(place) - 1 INTO v_length
      FROM (SELECT cost, place, sum(cost) OVER (ORDER BY place) AS in_all
              FROM unnest(p_costs) WITH ORDINALITY AS lead (cost, place)) AS lead
     WHERE a.last_posted_at + (place - 1) * interval '1 microsecond' >= p_until
        OR delivery_unpayable_in_all(a, cost, in_all) IS NOT NULL
        OR a.balance - (in_all - cost) < v_threshold;
  END IF;
  RETURN coalesce(v_length, cardinality(p_costs));
END $$;

-- `delivery_charge` for many: their movements, and what each used up. Charges and open grants, in the order of
-- `ledger_consume`, lie along one line of credits; between two ends on it one charge uses one grant.
CREATE OR REPLACE FUNCTION delivery_charge_run(a credit_accounts, p_leads leads[], p_costs numeric[])
RETURNS credit_accounts LANGUAGE plpgsql AS $$
DECLARE
  v_total numeric := (SELECT sum(cost) FROM unnest(p_costs) AS cost);
  v_found numeric;
BEGIN
  WITH movement AS MATERIALIZED (
    SELECT ledger_new_id() AS id, charge.*
      FROM (SELECT lead.id AS lead_id, cost, ordinality AS place, sum(cost) OVER (ORDER BY ordinality) AS up_to
              FROM unnest(p_leads) WITH ORDINALITY AS lead ORDER BY ordinality) AS charge
  ), posted AS (
    INSERT INTO credit_transactions (id, clinic_id, sequence, amount, balance_after, transaction_type, description, lead_id,
                                     created_at)
    SELECT id, a.clinic_id, a.last_sequence + place, -cost, a.balance - up_to, 'deduction', format('Lead %s', lead_id),
           lead_id, a.last_posted_at + (place - 1) * interval '1 microsecond'
      FROM movement ORDER BY place
  ), source AS MATERIALIZED (
    SELECT id, row_number() OVER spending AS turn, sum(remaining) OVER spending AS up_to, remaining
      FROM credit_grants WHERE clinic_id = a.clinic_id AND open
    WINDOW spending AS (ORDER BY expires_at, id)
  ), part AS MATERIALIZED (
    SELECT min(transaction_id) OVER from_here AS transaction_id, min(turn) OVER from_here AS turn, up_to,
           up_to - lag(up_to, 1, 0::numeric) OVER (ORDER BY up_to) AS amount
      FROM (SELECT up_to, id AS transaction_id, NULL::bigint AS turn FROM movement
             UNION ALL
            SELECT up_to, NULL, turn FROM source WHERE up_to - remaining < v_total) AS ends
    WINDOW from_here AS (ORDER BY up_to DESC)
  ), used AS MATERIALIZED (
    SELECT (SELECT array_agg(id ORDER BY turn) FROM source)[turn] AS grant_id, transaction_id, amount, up_to
      FROM part WHERE transaction_id IS NOT NULL AND turn IS NOT NULL AND amount > 0
  ), consumed AS (
    INSERT INTO grant_consumptions (grant_id, transaction_id, amount)
    SELECT grant_id, transaction_id, amount FROM used ORDER BY up_to
  ), spent AS (
    UPDATE credit_grants SET remaining = source.up_to - least(source.up_to, v_total)
      FROM source WHERE credit_grants.id = source.id AND source.up_to - source.remaining < v_total
  )
  SELECT sum(amount) INTO v_found FROM used;
  IF v_found IS DISTINCT FROM v_total THEN
    RAISE EXCEPTION 'the grants of clinic % do not add up to its balance', a.clinic_id USING ERRCODE = 'data_corrupted';
  END IF;
  a.last_sequence := a.last_sequence + cardinality(p_costs);
  a.balance := a.balance - v_total;
  a.charged_today := a.charged_today + v_total;
  a.charged_this_month := a.charged_this_month + v_total;
  RETURN a;
END $$;

-- A run of leads that end alike, the first at the account's moment: what `delivery_arrive` writes for one that is alone.
CREATE OR REPLACE FUNCTION delivery_run(
  a credit_accounts, p_leads leads[], p_contacts lead_contacts[], p_costs numeric[], p_stopped text
) RETURNS credit_accounts LANGUAGE plpgsql AS $$
DECLARE
  v_is_held boolean := p_stopped IS NOT NULL OR delivery_unpayable(a, p_costs[1]) IS NOT NULL;
BEGIN
  WITH lead AS MATERIALIZED (
    SELECT l.*, a.last_posted_at + (l.ordinality - 1) * interval '1 microsecond' AS at,
           CASE WHEN v_is_held THEN coalesce(p_stopped, delivery_unpayable(a, l.cost)) ELSE '' END AS reason,
           CASE WHEN v_is_held THEN 'held' ELSE 'delivered' END AS state
      FROM unnest(p_leads) WITH ORDINALITY AS l
  ), told AS (
    INSERT INTO notices (clinic_id, kind, unique_key, data, created_at)
    SELECT clinic_id, kind, unique_key, data, at
      FROM (SELECT lead.*, 1 AS step, told.* FROM lead, delivery_told(lead.id, lead.state, 'arrived') AS told (kind, unique_key, data)
             UNION ALL
            SELECT lead.*, 2, 'budget_reached', reached.* FROM lead, budget_reached(a, lead.cost) AS reached
             WHERE lead.reason = 'budget') AS notice
     ORDER BY ordinality, step, data ->> 'period'
    ON CONFLICT (unique_key) DO NOTHING
  ), contact AS (
    INSERT INTO lead_contacts SELECT * FROM unnest(p_contacts)
  )
  INSERT INTO leads (id, clinic_id, package_id, treatment_id, partner_id, package_price, tier_id, cost, refunded_total,
                     delivery_state, held_reason, expired_reason, status, contact_intent, source, city, preferred_date,
                     is_minor, consent_notice_id, consented_at, created_at, delivered_at)
  SELECT id, clinic_id, package_id, treatment_id, partner_id, package_price, tier_id, cost, 0,
         state, reason, '', 'new', contact_intent, source, city, preferred_date,
         is_minor, consent_notice_id, at, at, CASE WHEN NOT v_is_held THEN at END
    FROM lead ORDER BY ordinality;
  IF NOT v_is_held THEN
    a := delivery_charge_run(a, p_leads, p_costs);
  END IF;
  a.last_posted_at := a.last_posted_at + (cardinality(p_leads) - 1) * interval '1 microsecond';
  RETURN a;
END $$;

-- The enquiries of one clinic, in their order, on its opened account; priced as it is until `p_until`. `p_alone` says which
-- are alone, `p_for_review` which are held for review. One plan for runs of any length: making one for each would cost more
-- than a short run.
CREATE OR REPLACE FUNCTION delivery_many(
  a credit_accounts, p_leads leads[], p_contacts lead_contacts[], p_costs numeric[], p_alone boolean[],
  p_for_review boolean[], p_until timestamptz
) RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  least_run CONSTANT integer := 6;  -- setting a set up costs as much as about so many leads by themselves
  v_stopped_at timestamptz := (SELECT charging_stopped_at FROM billing_rules);
  v_until timestamptz := least(p_until, delivery_steady_until(a));
  v_alone_to integer;
  v_length integer;
  -- Where thresholds wait to be told or to recover, the first goes by itself: they are settled with it.
  v_singly_to integer := CASE WHEN a.low_balance_told IS NULL AND a.balance >= ALL (a.low_balance_thresholds) THEN 0 ELSE 1 END;
  i integer := 1;
  arrived record;
BEGIN
  IF EXISTS (SELECT FROM unnest(p_leads) AS lead WHERE lead.clinic_id IS DISTINCT FROM a.clinic_id) THEN
    RAISE EXCEPTION 'leads of another clinic came to the account of clinic %', a.clinic_id USING ERRCODE = 'data_corrupted';
  END IF;
  WHILE i <= cardinality(p_leads) LOOP
    IF i > 1 THEN
      a := ledger_begin(a);
    END IF;
    v_length := 0;
    IF i > v_singly_to AND p_alone[i] AND a.last_posted_at < v_until THEN
      v_alone_to := coalesce(array_position(p_alone, false, i) - 1, cardinality(p_leads));
      v_length := delivery_run_length(a, p_costs[i:v_alone_to], delivery_stopped(a, v_stopped_at), v_until);
      v_singly_to := i + v_length - 1;
    END IF;
    IF v_length >= least_run THEN
      a := delivery_run(a, p_leads[i:v_singly_to], p_contacts[i:v_singly_to], p_costs[i:v_singly_to],
                        delivery_stopped(a, v_stopped_at));
      i := v_singly_to + 1;
    ELSE
      arrived := delivery_arrive(a, p_leads[i], p_contacts[i], CASE WHEN p_for_review[i] THEN 'review' END);
      a := arrived.a;
      IF p_for_review[i] THEN
        INSERT INTO lead_review_facts (lead_id, address_hmac, in_last_hour, honeypot_filled)
        VALUES ((p_leads[i]).id, NULL, NULL, true);
      END IF;
      i := i + 1;
    END IF;
    IF a.low_balance_told IS NOT NULL OR NOT a.balance >= ALL (a.low_balance_thresholds) THEN
      a := low_balance_watch(a);
    END IF;
  END LOOP;
  PERFORM ledger_close(a);
END $$;

-- Enquiries of one caller on one route: [{"clinic_id": 1, "key": "…", "body_hmac": "<hex>", "phone": "+91…", …}], the names as
-- in `deliver_lead`, without an address; what is empty or false need not be there. Returns what became of each, in their
-- order: its lead as it is now, whether it came now or under its key before, or the SQLSTATE `deliver_lead` refuses it with;
-- a refused one stops no other.
-- All keys are claimed before the first account is locked, and both in order: of two that bring the same, one waits. For an
-- account it waits `p_patience_ms` at most, since it holds those before it meanwhile.
CREATE OR REPLACE FUNCTION deliver_leads(p_caller text, p_route text, p_enquiries json, p_patience_ms integer)
RETURNS TABLE (lead_id bigint, is_new boolean, clinic_id bigint, delivery_state text, held_reason text, cost numeric, refusal text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
  v_priced_at timestamptz;
  v_until timestamptz;
  v_patience text := current_setting('lock_timeout');
  v_reserved bigint[] := ARRAY(SELECT nextval('leads_id_seq') FROM generate_series(1, json_array_length(p_enquiries)));
  v_ids bigint[];  -- of those that are new; NULL for others
  v_treatments bigint[];
  v_prices numeric[];
  v_clinics bigint[];
  v_keys text[];
  v_hmacs bytea[];
  v_refusals text[];
  v_opened bigint[];  -- clinics, and their accounts in the same order
  v_accounts credit_accounts[] := '{}';
  v_clinic_id bigint;
  v_stored integer := 0;
  l leads;
  c lead_contacts;
  e record;
  v_leads leads[] := '{}';
  v_contacts lead_contacts[] := '{}';
  v_costs numeric[] := '{}';
  v_alone boolean[] := '{}';
  v_for_review boolean[] := '{}';
BEGIN
  -- What each asks for is looked up here alone, as `deliver_lead` does before it waits for the account: a package that goes
  -- while others hold the account must not be there for the key and gone for the lead.
  WITH enquiry AS MATERIALIZED (
    SELECT e.clinic_id, e.key, e.body_hmac, e.id, e.place, asked.treatment_id, asked.price,
           CASE WHEN NOT EXISTS (SELECT FROM clinics WHERE id = e.clinic_id AND is_active) THEN 'CC002'
                WHEN asked.is_there IS NULL THEN 'CC013' END AS refusal
      FROM ROWS FROM (json_to_recordset(p_enquiries) AS (
                        clinic_id bigint, package_id bigint, treatment_id bigint, package_price numeric, key text,
                        body_hmac text),
                      unnest(v_reserved)) WITH ORDINALITY AS e (
                        clinic_id, package_id, treatment_id, package_price, key, body_hmac, id, place)
           LEFT JOIN LATERAL (
             SELECT true AS is_there, *
               FROM delivery_asked_for(e.clinic_id, e.package_id, e.treatment_id, e.package_price)
           ) AS asked ON true
  ), claimed AS (
    INSERT INTO idempotency_keys (caller, route, key, body_hmac, status_code, answer, created_at)
    SELECT p_caller, p_route, key, decode(body_hmac, 'hex'), 201, jsonb_build_object('status', 'success', 'lead_id', id),
           ledger_clock()
      FROM enquiry WHERE key IS NOT NULL AND refusal IS NULL ORDER BY key, place
    ON CONFLICT (caller, route, key) DO NOTHING
    RETURNING (answer ->> 'lead_id')::bigint AS id
  )
  SELECT array_agg(CASE WHEN claimed.id IS NOT NULL OR (key IS NULL AND refusal IS NULL) THEN enquiry.id END ORDER BY place),
         array_agg(clinic_id ORDER BY place), array_agg(key ORDER BY place),
         array_agg(decode(body_hmac, 'hex') ORDER BY place), array_agg(refusal ORDER BY place),
         array_agg(treatment_id ORDER BY place), array_agg(price ORDER BY place)
    INTO v_ids, v_clinics, v_keys, v_hmacs, v_refusals, v_treatments, v_prices
    FROM enquiry LEFT JOIN claimed ON claimed.id = enquiry.id;

  v_opened := ARRAY(SELECT DISTINCT clinic_id FROM unnest(v_clinics, v_ids) AS e (clinic_id, id)
                     WHERE id IS NOT NULL ORDER BY clinic_id);
  PERFORM set_config('lock_timeout', p_patience_ms || 'ms', true);
  FOREACH v_clinic_id IN ARRAY v_opened LOOP
    v_accounts := v_accounts || ledger_open(v_clinic_id);
  END LOOP;
  PERFORM set_config('lock_timeout', v_patience, true);
  -- Only now: a price list may have been approved while others held an account. Runs end before the next list.
  v_priced_at := (SELECT min(last_posted_at) FROM unnest(v_accounts));
  v_until := (SELECT min(effective_at) FROM lead_pricing_versions WHERE effective_at > v_priced_at);

  FOR e IN
    SELECT enquiry.*, (first_value(tier) OVER price).id AS tier_id, (first_value(tier) OVER price).credits AS credits
      FROM (
        SELECT e.*,
               hold_for_review IS NOT TRUE AND row_number() OVER (PARTITION BY clinic_id, phone ORDER BY place) = 1
                 -- As a subquery it is looked up in the index for each, whatever is guessed of how many they are.
                 AND (SELECT true FROM lead_contacts earlier
                       WHERE earlier.clinic_id = e.clinic_id AND earlier.phone = e.phone LIMIT 1) IS NULL AS is_alone,
               CASE WHEN row_number() OVER (PARTITION BY price ORDER BY place) = 1
                    THEN tier_for_price(price, v_priced_at) END AS tier
          FROM ROWS FROM (
                 json_to_recordset(p_enquiries) AS (
                   clinic_id bigint, package_id bigint, partner_id bigint, source text, contact_intent text, city text,
                   preferred_date date, is_minor boolean, consent_notice_id bigint, phone text, name text, email text,
                   procedure_name text, message text, guardian_name text, hold_for_review boolean),
                 unnest(v_ids, v_treatments, v_prices)) WITH ORDINALITY AS e (
                   clinic_id, package_id, partner_id, source, contact_intent, city, preferred_date, is_minor,
                   consent_notice_id, phone, name, email, procedure_name, message, guardian_name, hold_for_review,
                   id, treatment_id, price, place)
         WHERE e.id IS NOT NULL
      ) AS enquiry
    WINDOW price AS (PARTITION BY price ORDER BY place)
     ORDER BY clinic_id, place
  LOOP
    IF e.clinic_id <> l.clinic_id THEN
      PERFORM delivery_many(v_accounts[array_position(v_opened, l.clinic_id)], v_leads, v_contacts, v_costs, v_alone,
                            v_for_review, v_until);
      v_leads := '{}';
      v_contacts := '{}';
      v_costs := '{}';
      v_alone := '{}';
      v_for_review := '{}';
    END IF;
    l.id := e.id;
    l.clinic_id := e.clinic_id;
    l.package_id := e.package_id;
    l.treatment_id := e.treatment_id;
    l.partner_id := e.partner_id;
    l.package_price := e.price;
    l.tier_id := e.tier_id;
    l.cost := e.credits;
    l.source := coalesce(e.source, '');
    l.contact_intent := coalesce(e.contact_intent, '');
    l.city := coalesce(e.city, '');
    l.preferred_date := e.preferred_date;
    l.is_minor := coalesce(e.is_minor, false);
    l.consent_notice_id := e.consent_notice_id;
    c.lead_id := e.id;
    c.clinic_id := e.clinic_id;
    c.phone := e.phone;
    c.name := coalesce(e.name, '');
    c.email := coalesce(e.email, '');
    c.procedure_name := coalesce(e.procedure_name, '');
    c.message := coalesce(e.message, '');
    c.guardian_name := coalesce(e.guardian_name, '');
    v_leads := v_leads || l;
    v_contacts := v_contacts || c;
    v_costs := v_costs || e.credits;
    v_alone := v_alone || e.is_alone;
    v_for_review := v_for_review || coalesce(e.hold_for_review, false);
    v_stored := v_stored + 1;
  END LOOP;
  IF v_stored > 0 THEN
    PERFORM delivery_many(v_accounts[array_position(v_opened, l.clinic_id)], v_leads, v_contacts, v_costs, v_alone,
                          v_for_review, v_until);
  END IF;
  IF v_stored <> cardinality(array_remove(v_ids, NULL)) THEN
    RAISE EXCEPTION 'of % enquiries % were stored', cardinality(array_remove(v_ids, NULL)), v_stored
      USING ERRCODE = 'data_corrupted';
  END IF;

  RETURN QUERY
  SELECT lead.id, e.id IS NOT NULL, e.clinic_id, lead.delivery_state::text, lead.held_reason::text, lead.cost,
         CASE WHEN e.id IS NULL THEN
           CASE WHEN first.id IS NULL THEN e.refusal WHEN first.body_hmac <> e.body_hmac THEN 'CC007' END END
    FROM unnest(v_ids, v_reserved, v_clinics, v_keys, v_hmacs, v_refusals) WITH ORDINALITY
           AS e (id, reserved, clinic_id, key, body_hmac, refusal, place)
         -- One that is refused did not have its key claimed by a later one of these when its turn came.
         LEFT JOIN idempotency_keys first
           ON e.id IS NULL AND first.caller = p_caller AND first.route = p_route AND first.key = e.key
              AND (e.refusal IS NULL OR (first.answer ->> 'lead_id')::bigint < e.reserved)
         LEFT JOIN leads lead
           ON lead.id = coalesce(e.id, CASE WHEN first.body_hmac = e.body_hmac THEN (first.answer ->> 'lead_id')::bigint END)
   ORDER BY place;
END $$;
