-- What a clinic hears of its money (rule 10): outbox rows, written in the transaction that makes them true. Ids and amounts
-- only (amounts as text: JSON has no decimals); `unique_key` names the fact, so that it is told once.

-- Low balance: once for each fall below a threshold. `low_balance_told` is the lowest threshold that was told; it and those
-- above it rest until the balance has recovered to 120 % of them, so that one that swings around a threshold is not told of
-- each swing. Of several thresholds crossed at once the lowest is told.
CREATE OR REPLACE FUNCTION low_balance_watch(a credit_accounts) RETURNS credit_accounts LANGUAGE plpgsql AS $$
DECLARE
  v_crossed numeric;
BEGIN
  a := low_balance_recovered(a, 1.2);
  SELECT min(t) INTO v_crossed FROM unnest(a.low_balance_thresholds) AS t
   WHERE t > a.balance AND (a.low_balance_told IS NULL OR t < a.low_balance_told);
  IF v_crossed IS NOT NULL THEN
    a.low_balance_told := v_crossed;
    INSERT INTO notices (clinic_id, kind, unique_key, data, created_at)
    VALUES (a.clinic_id, 'low_balance', 'low_balance:' || a.clinic_id || ':' || a.last_sequence,
            jsonb_build_object('threshold', v_crossed::text, 'balance', a.balance::text), a.last_posted_at)
    ON CONFLICT (unique_key) DO NOTHING;
  END IF;
  RETURN a;
END $$;

-- Thresholds that the balance is above again, `p_factor` times, may be told again.
CREATE OR REPLACE FUNCTION low_balance_recovered(a credit_accounts, p_factor numeric) RETURNS credit_accounts
LANGUAGE plpgsql AS $$
BEGIN
  a.low_balance_told := (SELECT min(t) FROM unnest(a.low_balance_thresholds) AS t
                          WHERE t >= a.low_balance_told AND a.balance < t * p_factor);
  RETURN a;
END $$;

-- A payment's credits are there. Whoever pays has acted on what they were told: any threshold reached again counts anew.
CREATE OR REPLACE FUNCTION ledger_paid(a credit_accounts, p_top_up_id bigint, p_amount numeric, p_bonus numeric)
RETURNS credit_accounts LANGUAGE plpgsql AS $$
BEGIN
  IF p_top_up_id IS NOT NULL THEN
    INSERT INTO notices (clinic_id, kind, unique_key, data, created_at)
    VALUES (a.clinic_id, 'payment_credited', 'payment:' || p_top_up_id,
            jsonb_build_object('top_up_id', p_top_up_id, 'amount', p_amount::text, 'bonus', p_bonus::text), a.last_posted_at)
    ON CONFLICT (unique_key) DO NOTHING;
  END IF;
  RETURN low_balance_recovered(a, 1);
END $$;

-- The caps of the day and month in India that hold a lead of this cost.
CREATE OR REPLACE FUNCTION budget_reached(a credit_accounts, p_cost numeric) RETURNS TABLE (unique_key text, data jsonb)
LANGUAGE sql STABLE AS $$
  SELECT 'budget:' || a.clinic_id || ':' || since,
         jsonb_build_object('period', period, 'since', since, 'cap', cap::text)
    FROM (VALUES ('day', a.charged_on::text, a.charged_today, a.daily_cap),
                 ('month', to_char(a.charged_on, 'YYYY-MM'), a.charged_this_month, a.monthly_cap)
         ) AS budget (period, since, charged, cap)
   WHERE charged + p_cost > cap
$$;

-- A cap holds its first lead of the day or month.
CREATE OR REPLACE FUNCTION budget_notice(a credit_accounts, l leads) RETURNS void LANGUAGE sql AS $$
  INSERT INTO notices (clinic_id, kind, unique_key, data, created_at)
  SELECT a.clinic_id, 'budget_reached', unique_key, data, a.last_posted_at FROM budget_reached(a, l.cost)
  ON CONFLICT (unique_key) DO NOTHING
$$;

-- Credits that expire within 30 days, and again within 7: one notice for what a clinic loses on one day in India. Without a
-- lock: it says what was there a moment ago. Returns how many notices it wrote; of one clinic only with `p_clinic_id`.
CREATE OR REPLACE FUNCTION tell_of_expiring_credits(p_clinic_id bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_now timestamptz := ledger_clock();
  v_told integer;
BEGIN
  INSERT INTO notices (clinic_id, kind, unique_key, data, created_at)
  SELECT clinic_id, 'credits_expiring', 'expiring:' || clinic_id || ':' || expires_on || ':' || days,
         jsonb_build_object('days', days, 'on', expires_on, 'amount', amount::text), v_now
    FROM (SELECT g.clinic_id, ist_date(g.expires_at) AS expires_on, sum(g.remaining) AS amount,
                 CASE WHEN ist_date(g.expires_at) - ist_date(v_now) <= 7 THEN 7 ELSE 30 END AS days
            FROM credit_grants g
           WHERE g.open AND g.expires_at > v_now AND ist_date(g.expires_at) <= ist_date(v_now) + 30
             AND (p_clinic_id IS NULL OR g.clinic_id = p_clinic_id)
           GROUP BY g.clinic_id, ist_date(g.expires_at)) AS expiring
   ORDER BY clinic_id, expires_on
  ON CONFLICT (unique_key) DO NOTHING;
  GET DIAGNOSTICS v_told = ROW_COUNT;
  RETURN v_told;
END $$;
