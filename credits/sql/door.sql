-- The one door to the ledger: small internal steps, used by the events in events.sql and delivery.sql.
--
-- An event is   account := ledger_open(clinic)   … steps that take the account and give it back …
--               PERFORM ledger_close(account).
-- The account travels as one value and is written once, at the end. `ledger_open` takes its row lock, so that
-- of two events on one clinic one waits; nothing here can be called by the web's role directly.
-- Amounts are credits (1 credit = ₹1), numeric with two places.

-- The account as an event at that moment finds it: stamped, its counters those of its day and month in India.
CREATE OR REPLACE FUNCTION ledger_stamped(a credit_accounts, p_now timestamptz) RETURNS credit_accounts
LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_today date;
BEGIN
  -- Time never stands still or runs backwards within an account, whatever the server's clock does: what was posted up to
  -- an instant stays what it was.
  a.last_posted_at := greatest(p_now, a.last_posted_at + interval '1 microsecond');
  v_today := ist_date(a.last_posted_at);
  IF v_today <> a.charged_on THEN
    IF date_trunc('month', v_today) <> date_trunc('month', a.charged_on) THEN
      a.charged_this_month := 0;
    END IF;
    a.charged_today := 0;
    a.charged_on := v_today;
  END IF;
  RETURN a;
END $$;

-- Locks the account and begins its event.
CREATE OR REPLACE FUNCTION ledger_open(p_clinic_id bigint) RETURNS credit_accounts LANGUAGE plpgsql AS $$
DECLARE
  a credit_accounts;
BEGIN
  -- NO KEY UPDATE: foreign keys to the account may still be checked by others meanwhile.
  SELECT * INTO a FROM credit_accounts WHERE clinic_id = p_clinic_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'clinic % does not exist', p_clinic_id USING ERRCODE = 'CC001';
  END IF;
  RETURN ledger_begin(a);
END $$;

-- Begins an event of a locked account: stamps it, starts a new day or month of its counters, posts what has expired.
CREATE OR REPLACE FUNCTION ledger_begin(a credit_accounts) RETURNS credit_accounts LANGUAGE plpgsql AS $$
DECLARE
  g record;
BEGIN
  a := ledger_stamped(a, ledger_clock());
  FOR g IN SELECT id, kind, remaining FROM credit_grants
            WHERE clinic_id = a.clinic_id AND open AND expires_at <= a.last_posted_at
            ORDER BY expires_at, id LOOP
    a := ledger_expire(a, g.id, g.kind, g.remaining);
  END LOOP;
  RETURN a;
END $$;

-- Writes the account: once per event. An account with enough credits pays two comparisons for its low-balance alerts.
CREATE OR REPLACE FUNCTION ledger_close(a credit_accounts) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF a.low_balance_told IS NOT NULL OR NOT a.balance >= ALL (a.low_balance_thresholds) THEN
    a := low_balance_watch(a);
  END IF;
  UPDATE credit_accounts
     SET balance = a.balance, owed = a.owed, last_sequence = a.last_sequence, last_posted_at = a.last_posted_at,
         charged_on = a.charged_on, charged_today = a.charged_today, charged_this_month = a.charged_this_month,
         low_balance_told = a.low_balance_told
   WHERE clinic_id = a.clinic_id;
END $$;

CREATE OR REPLACE FUNCTION ledger_new_id() RETURNS bigint LANGUAGE sql AS $$
  SELECT nextval('credit_transactions_id_seq')
$$;

-- One row of the ledger; the account's number and balance move with it.
CREATE OR REPLACE FUNCTION ledger_post(
  a credit_accounts, p_id bigint, p_type text, p_amount numeric, p_description text,
  p_lead_id bigint DEFAULT NULL, p_top_up_id bigint DEFAULT NULL, p_reversal_id bigint DEFAULT NULL,
  p_payment_id text DEFAULT NULL, p_idempotency_key text DEFAULT NULL
) RETURNS credit_accounts LANGUAGE plpgsql AS $$
BEGIN
  a.last_sequence := a.last_sequence + 1;
  a.balance := a.balance + p_amount;
  INSERT INTO credit_transactions (id, clinic_id, sequence, amount, balance_after, transaction_type, description,
                                   lead_id, top_up_id, reversal_id, payment_id, idempotency_key, created_at)
  VALUES (p_id, a.clinic_id, a.last_sequence, p_amount, a.balance, p_type, p_description,
          p_lead_id, p_top_up_id, p_reversal_id, p_payment_id, p_idempotency_key, a.last_posted_at);
  RETURN a;
END $$;

-- What an incoming row brought. Paid credits never expire; others after the days of billing_rules.
CREATE OR REPLACE FUNCTION ledger_grant(
  a credit_accounts, p_transaction_id bigint, p_kind text, p_amount numeric, p_purchase_id bigint DEFAULT NULL
) RETURNS void LANGUAGE sql AS $$
  INSERT INTO credit_grants (clinic_id, transaction_id, kind, amount, remaining, expires_at, purchase_id, created_at)
  SELECT a.clinic_id, p_transaction_id, p_kind, p_amount, p_amount,
         CASE WHEN p_kind <> 'paid' THEN a.last_posted_at + make_interval(days => bonus_valid_days) END,
         p_purchase_id, a.last_posted_at
    FROM billing_rules
$$;

-- Uses up to `p_amount` of the open grants for a negative row and says how much it found. Order: expiring soonest,
-- then bonus before paid (paid never expires, so it comes last by itself), then oldest. `p_purchase_id` and `p_kind`
-- narrow it to the grants of one payment.
CREATE OR REPLACE FUNCTION ledger_consume(
  p_clinic_id bigint, p_transaction_id bigint, p_amount numeric,
  p_purchase_id bigint DEFAULT NULL, p_kind text DEFAULT NULL
) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
  g record;
  v_part numeric;
  v_left numeric := p_amount;
BEGIN
  IF v_left <= 0 THEN
    RETURN 0;
  END IF;
  FOR g IN SELECT id, remaining FROM credit_grants
            WHERE clinic_id = p_clinic_id AND open
              AND (p_purchase_id IS NULL OR purchase_id = p_purchase_id)
              AND (p_kind IS NULL OR kind = p_kind)
            ORDER BY expires_at, id LOOP
    v_part := least(g.remaining, v_left);
    UPDATE credit_grants SET remaining = remaining - v_part WHERE id = g.id;
    INSERT INTO grant_consumptions (grant_id, transaction_id, amount) VALUES (g.id, p_transaction_id, v_part);
    v_left := v_left - v_part;
    EXIT WHEN v_left = 0;
  END LOOP;
  RETURN p_amount - v_left;
END $$;

-- The same for an amount that must be there: the balance said so, and Σ remaining of the grants is the balance.
CREATE OR REPLACE FUNCTION ledger_consume_all(p_clinic_id bigint, p_transaction_id bigint, p_amount numeric)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF ledger_consume(p_clinic_id, p_transaction_id, p_amount) <> p_amount THEN
    RAISE EXCEPTION 'the grants of clinic % do not add up to its balance', p_clinic_id USING ERRCODE = 'data_corrupted';
  END IF;
END $$;

-- A grant that has run out of time: one row for each.
CREATE OR REPLACE FUNCTION ledger_expire(a credit_accounts, p_grant_id bigint, p_kind text, p_remaining numeric)
RETURNS credit_accounts LANGUAGE plpgsql AS $$
DECLARE
  v_id bigint := ledger_new_id();
BEGIN
  a := ledger_post(a, v_id, 'expiry', -p_remaining, format('Unused %s credits expired', p_kind));
  UPDATE credit_grants SET remaining = 0 WHERE id = p_grant_id;
  INSERT INTO grant_consumptions (grant_id, transaction_id, amount) VALUES (p_grant_id, v_id, p_remaining);
  RETURN a;
END $$;

-- Gives back `p_amount` of what some earlier rows consumed, for the incoming row `p_transaction_id`: new grants of the
-- same kinds, in proportion to what each consumption has not yet given back. Shares are differences of rounded
-- running sums, so that they add up to the paisa, the last takes the rest and none gets more than it gave.
-- A returned grant lives as long as was left when it was spent, but at least `returned_valid_days`.
CREATE OR REPLACE FUNCTION ledger_give_back(
  a credit_accounts, p_transaction_id bigint, p_amount numeric, p_consumed_by bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  c record;
  v_days integer;
BEGIN
  SELECT returned_valid_days INTO v_days FROM billing_rules;
  FOR c IN
    SELECT part.*, round(p_amount * running / whole, 2) - round(p_amount * (running - available) / whole, 2) AS share
      FROM (
        SELECT consumption.id, consumption.amount - consumption.returned AS available,
               sum(consumption.amount - consumption.returned) OVER (ORDER BY consumption.id) AS running,
               sum(consumption.amount - consumption.returned) OVER () AS whole,
               source.kind, source.purchase_id, source.expires_at, spent.created_at AS spent_at
          FROM grant_consumptions consumption
          JOIN credit_grants source ON source.id = consumption.grant_id
          JOIN credit_transactions spent ON spent.id = consumption.transaction_id
         WHERE consumption.transaction_id = ANY (p_consumed_by) AND consumption.returned < consumption.amount
      ) AS part
     ORDER BY part.id
  LOOP
    CONTINUE WHEN c.share = 0;
    UPDATE grant_consumptions SET returned = returned + c.share WHERE id = c.id;
    INSERT INTO credit_grants (clinic_id, transaction_id, kind, amount, remaining, expires_at, origin_id, purchase_id,
                               created_at)
    VALUES (a.clinic_id, p_transaction_id, c.kind, c.share, c.share,
            CASE WHEN c.expires_at IS NOT NULL
                 THEN a.last_posted_at + greatest(make_interval(days => v_days), c.expires_at - c.spent_at) END,
            c.id, c.purchase_id, a.last_posted_at);
  END LOOP;
END $$;

-- Settles what is owed from what has just come in: oldest loss first, a row for each. Every incoming event calls it.
CREATE OR REPLACE FUNCTION ledger_settle(a credit_accounts) RETURNS credit_accounts LANGUAGE plpgsql AS $$
DECLARE
  r record;
  v_id bigint;
  v_part numeric;
BEGIN
  IF a.owed = 0 THEN
    RETURN a;
  END IF;
  FOR r IN SELECT reversal.id, reversal.key, reversal.owed_open
             FROM reversals reversal JOIN top_ups purchase ON purchase.id = reversal.top_up_id
            WHERE purchase.clinic_id = a.clinic_id AND reversal.owed_open > 0
            ORDER BY reversal.id LOOP
    EXIT WHEN a.balance = 0;
    v_part := least(r.owed_open, a.balance);
    v_id := ledger_new_id();
    PERFORM ledger_consume_all(a.clinic_id, v_id, v_part);
    a := ledger_post(a, v_id, 'reversal', -v_part, format('Settles what was owed for %s', r.key),
                     p_reversal_id => r.id);
    UPDATE reversals SET owed_open = owed_open - v_part WHERE id = r.id;
    a.owed := a.owed - v_part;
  END LOOP;
  RETURN a;
END $$;

-- Money amounts from outside: positive, at most two places, within the column.
CREATE OR REPLACE FUNCTION ledger_check_amount(p_amount numeric) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF p_amount IS NULL OR p_amount = 'NaN' OR p_amount <= 0 OR p_amount >= 1e10 OR p_amount <> round(p_amount, 2) THEN
    RAISE EXCEPTION '% is not an amount of credits', p_amount USING ERRCODE = 'CC008';
  END IF;
END $$;
