-- Business events of the ledger, one function each: what Python may call (all but the delivery of leads).
-- Locks are taken in one order: idempotency key → top-up → account → leads.

-- What every incoming row brings with it: debts are settled first, then held leads are released.
CREATE OR REPLACE FUNCTION ledger_received(a credit_accounts) RETURNS credit_accounts LANGUAGE plpgsql AS $$
BEGIN
  a := ledger_settle(a);
  IF a.auto_release THEN
    a := delivery_release(a, (SELECT release_batch FROM billing_rules), false);
  END IF;
  RETURN a;
END $$;

-- Credits by hand or by script: «paid» when a payment or a top-up stands behind them, else «goodwill».
-- A repeat (same top-up, payment or key) returns the first row; the same key for other facts is refused.
-- With a top-up: its own price for its own payment, which pays it, bonus included (a promo bonus is the till's).
CREATE OR REPLACE FUNCTION add_credits(
  p_clinic_id bigint, p_amount numeric, p_description text,
  p_top_up_id bigint DEFAULT NULL, p_payment_id text DEFAULT NULL, p_idempotency_key text DEFAULT NULL
) RETURNS credit_transactions
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  a credit_accounts;
  purchase top_ups;
  t credit_transactions;
  v_id bigint;
BEGIN
  PERFORM ledger_check_amount(p_amount);
  IF p_top_up_id IS NOT NULL THEN
    SELECT * INTO purchase FROM top_ups WHERE id = p_top_up_id AND clinic_id = p_clinic_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'clinic % has no top-up %', p_clinic_id, p_top_up_id USING ERRCODE = 'CC009';
    END IF;
  END IF;
  a := ledger_open(p_clinic_id);
  SELECT * INTO t FROM credit_transactions
   WHERE (transaction_type = 'credit' AND (top_up_id = p_top_up_id OR payment_id = p_payment_id))
      OR (clinic_id = p_clinic_id AND idempotency_key = p_idempotency_key)
   LIMIT 1;
  IF FOUND THEN
    IF (t.clinic_id, t.transaction_type, t.amount) IS DISTINCT FROM (p_clinic_id, 'credit', p_amount)
       OR t.top_up_id IS DISTINCT FROM p_top_up_id OR t.payment_id IS DISTINCT FROM p_payment_id THEN
      RAISE EXCEPTION 'these credits were already added, as transaction % with other facts', t.id
        USING ERRCODE = 'CC007';
    END IF;
    PERFORM ledger_close(a);
    RETURN t;
  END IF;
  IF p_top_up_id IS NOT NULL THEN
    IF p_amount <> purchase.price THEN
      RAISE EXCEPTION 'top-up % is worth % paid credits, not %', p_top_up_id, purchase.price, p_amount
        USING ERRCODE = 'CC008';
    ELSIF p_payment_id IS NULL THEN
      RAISE EXCEPTION 'top-up % is credited for a payment only', p_top_up_id USING ERRCODE = 'CC009';
    END IF;
  END IF;
  v_id := ledger_new_id();
  a := ledger_post(a, v_id, 'credit', p_amount, p_description, p_top_up_id => p_top_up_id,
                   p_payment_id => p_payment_id, p_idempotency_key => p_idempotency_key);
  PERFORM ledger_grant(a, v_id, CASE WHEN p_top_up_id IS NULL AND p_payment_id IS NULL THEN 'goodwill' ELSE 'paid' END,
                       p_amount, p_top_up_id);
  IF p_top_up_id IS NOT NULL THEN
    a := ledger_bonus(a, purchase.id, purchase.bonus, 'Bonus of top-up %s');
    UPDATE top_ups SET state = 'paid', paid_at = a.last_posted_at, razorpay_payment_id = p_payment_id
     WHERE id = purchase.id;
  END IF;
  IF p_payment_id IS NOT NULL THEN
    a := ledger_paid(a, p_top_up_id, p_amount, coalesce(purchase.bonus, 0));
  END IF;
  a := ledger_received(a);
  PERFORM ledger_close(a);
  SELECT * INTO t FROM credit_transactions WHERE id = v_id;
  RETURN t;
END $$;

-- A top-up is paid: its own stored price as paid credits, its bonus as bonus grants of the same purchase, the state.
-- Exactly once: a repeat returns the first row, another payment for it is refused. `p_with_promo` is false when the
-- promo code it was started with had no free use left at payment.
CREATE OR REPLACE FUNCTION credit_top_up(p_top_up_id bigint, p_payment_id text, p_with_promo boolean)
RETURNS credit_transactions
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  a credit_accounts;
  purchase top_ups;
  t credit_transactions;
  v_id bigint;
BEGIN
  SELECT * INTO purchase FROM top_ups WHERE id = p_top_up_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no top-up %', p_top_up_id USING ERRCODE = 'CC009';
  END IF;
  IF purchase.state = 'paid' THEN
    IF purchase.razorpay_payment_id <> p_payment_id THEN
      RAISE EXCEPTION 'top-up % was paid by another payment', p_top_up_id USING ERRCODE = 'CC010';
    END IF;
    SELECT * INTO t FROM credit_transactions WHERE top_up_id = p_top_up_id AND transaction_type = 'credit';
    RETURN t;
  END IF;
  PERFORM 1 FROM credit_transactions
   WHERE transaction_type = 'credit' AND (payment_id = p_payment_id OR top_up_id = p_top_up_id);
  IF FOUND THEN
    RAISE EXCEPTION 'payment % or top-up % was credited otherwise', p_payment_id, p_top_up_id USING ERRCODE = 'CC007';
  END IF;
  a := ledger_open(purchase.clinic_id);
  v_id := ledger_new_id();
  a := ledger_post(a, v_id, 'credit', purchase.price, format('Top-up %s', purchase.id),
                   p_top_up_id => purchase.id, p_payment_id => p_payment_id);
  PERFORM ledger_grant(a, v_id, 'paid', purchase.price, purchase.id);
  a := ledger_bonus(a, purchase.id, purchase.bonus, 'Bonus of top-up %s');
  IF p_with_promo THEN
    a := ledger_bonus(a, purchase.id, purchase.promo_bonus, 'Promo bonus of top-up %s');
  END IF;
  UPDATE top_ups SET state = 'paid', paid_at = a.last_posted_at, razorpay_payment_id = p_payment_id
   WHERE id = purchase.id;
  a := ledger_paid(a, purchase.id, purchase.price,
                   purchase.bonus + CASE WHEN p_with_promo THEN purchase.promo_bonus ELSE 0 END);
  a := ledger_received(a);
  PERFORM ledger_close(a);
  SELECT * INTO t FROM credit_transactions WHERE id = v_id;
  RETURN t;
END $$;

CREATE OR REPLACE FUNCTION ledger_bonus(a credit_accounts, p_top_up_id bigint, p_amount numeric, p_description text)
RETURNS credit_accounts LANGUAGE plpgsql AS $$
DECLARE
  v_id bigint;
BEGIN
  IF p_amount > 0 THEN
    v_id := ledger_new_id();
    a := ledger_post(a, v_id, 'bonus', p_amount, format(p_description, p_top_up_id), p_top_up_id => p_top_up_id);
    PERFORM ledger_grant(a, v_id, 'bonus', p_amount, p_top_up_id);
  END IF;
  RETURN a;
END $$;

-- Staff's correction: positive as goodwill, negative from the grants in their order; never below zero.
CREATE OR REPLACE FUNCTION adjust_credits(
  p_clinic_id bigint, p_amount numeric, p_description text, p_idempotency_key text
) RETURNS credit_transactions
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  a credit_accounts;
  t credit_transactions;
  v_id bigint;
BEGIN
  PERFORM ledger_check_amount(abs(p_amount));
  a := ledger_open(p_clinic_id);
  SELECT * INTO t FROM credit_transactions
   WHERE clinic_id = p_clinic_id AND idempotency_key = p_idempotency_key;
  IF FOUND THEN
    IF t.amount <> p_amount OR t.transaction_type <> 'adjustment' THEN
      RAISE EXCEPTION 'key was used for transaction %', t.id USING ERRCODE = 'CC007';
    END IF;
    PERFORM ledger_close(a);
    RETURN t;
  END IF;
  IF a.balance + p_amount < 0 THEN
    RAISE EXCEPTION 'balance % is below %', a.balance, -p_amount USING ERRCODE = 'CC003';
  END IF;
  v_id := ledger_new_id();
  IF p_amount > 0 THEN
    a := ledger_post(a, v_id, 'adjustment', p_amount, p_description, p_idempotency_key => p_idempotency_key);
    PERFORM ledger_grant(a, v_id, 'goodwill', p_amount);
    a := ledger_received(a);
  ELSE
    PERFORM ledger_consume_all(a.clinic_id, v_id, -p_amount);
    a := ledger_post(a, v_id, 'adjustment', p_amount, p_description, p_idempotency_key => p_idempotency_key);
  END IF;
  PERFORM ledger_close(a);
  SELECT * INTO t FROM credit_transactions WHERE id = v_id;
  RETURN t;
END $$;

-- Credits back for a lead (a dispute, rule 5): never more in all than it cost, as grants of the kinds they came from.
CREATE OR REPLACE FUNCTION refund_lead(p_lead_id bigint, p_amount numeric, p_description text)
RETURNS credit_transactions
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  a credit_accounts;
  l leads;
  t credit_transactions;
  v_id bigint;
  v_charge bigint;
BEGIN
  PERFORM ledger_check_amount(p_amount);
  a := delivery_open(p_lead_id);
  SELECT * INTO l FROM leads WHERE id = p_lead_id FOR NO KEY UPDATE;
  IF l.delivery_state <> 'delivered' THEN
    RAISE EXCEPTION 'lead % was never charged', p_lead_id USING ERRCODE = 'CC006';
  END IF;
  IF l.status = 'converted' AND l.refunded_total + p_amount = l.cost THEN
    RAISE EXCEPTION 'lead % became a patient: it is not refunded in full', p_lead_id USING ERRCODE = 'CC006';
  END IF;
  IF l.refunded_total + p_amount > l.cost THEN
    RAISE EXCEPTION 'lead % cost %, of which % came back already', p_lead_id, l.cost, l.refunded_total
      USING ERRCODE = 'CC011';
  END IF;
  SELECT id INTO STRICT v_charge FROM credit_transactions WHERE lead_id = p_lead_id AND transaction_type = 'deduction';
  v_id := ledger_new_id();
  a := ledger_post(a, v_id, 'refund', p_amount, p_description, p_lead_id => p_lead_id);
  PERFORM ledger_give_back(a, v_id, p_amount, ARRAY[v_charge]);
  UPDATE leads SET refunded_total = refunded_total + p_amount WHERE id = p_lead_id;
  a := ledger_received(a);
  PERFORM ledger_close(a);
  SELECT * INTO t FROM credit_transactions WHERE id = v_id;
  RETURN t;
END $$;

-- The gateway took money back (rule 4). Once per loss: `p_key` is `rfnd_…` or `disp_…:<cycle>`; a repeat returns the
-- first row. After losses of Σr out of gross g, a purchase has lost round(price·Σr/g, 2) paid and floor(bonus·Σr/g)
-- bonus credits; each take is the difference to the one before. What is not there any more is owed.
-- `p_only_unspent` (our own refund to the payer): refused unless so much of it was not lost yet and its own paid credits
-- are all still there.
CREATE OR REPLACE FUNCTION take_back_top_up(
  p_top_up_id bigint, p_key text, p_loss_paise bigint, p_only_unspent boolean
) RETURNS reversals
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  a credit_accounts;
  purchase top_ups;
  r reversals;
  before record;
  v_id bigint;
  v_gross numeric;  -- paise
  v_lost numeric;   -- paise
  v_bonus_credited numeric;
  v_paid numeric;
  v_bonus numeric;
  v_got_paid numeric;
  v_got_bonus numeric;
BEGIN
  IF p_loss_paise <= 0 THEN
    RAISE EXCEPTION '% paise are no loss', p_loss_paise USING ERRCODE = 'CC008';
  END IF;
  SELECT * INTO purchase FROM top_ups WHERE id = p_top_up_id FOR NO KEY UPDATE;
  IF NOT FOUND OR purchase.state <> 'paid' THEN
    RAISE EXCEPTION 'top-up % is not paid', p_top_up_id USING ERRCODE = 'CC009';
  END IF;
  a := ledger_open(purchase.clinic_id);
  SELECT * INTO r FROM reversals WHERE key = p_key;
  IF FOUND THEN
    IF (r.top_up_id, r.loss_paise) IS DISTINCT FROM (p_top_up_id, p_loss_paise) THEN
      RAISE EXCEPTION 'reversal % was taken with other facts', p_key USING ERRCODE = 'CC007';
    END IF;
    PERFORM ledger_close(a);
    RETURN r;
  END IF;
  SELECT coalesce(sum(loss_paise), 0) AS loss, coalesce(sum(paid_share), 0) AS paid, coalesce(sum(bonus_share), 0) AS bonus
    INTO before FROM reversals WHERE top_up_id = p_top_up_id AND state = 'taken';
  v_id := ledger_new_id();
  v_gross := purchase.gross * 100;
  v_lost := least(before.loss + p_loss_paise, v_gross);
  v_paid := greatest(round(purchase.price * v_lost / v_gross, 2) - before.paid, 0);
  -- Of its grants, which an index finds by purchase; the ledger's rows are not looked through under the lock.
  SELECT coalesce(sum(amount), 0) INTO v_bonus_credited
    FROM credit_grants WHERE purchase_id = p_top_up_id AND kind = 'bonus' AND origin_id IS NULL;
  v_bonus := greatest(floor(v_bonus_credited * v_lost / v_gross) - before.bonus, 0);

  IF p_only_unspent AND (before.loss + p_loss_paise > v_gross
                         OR v_paid > (SELECT coalesce(sum(remaining), 0) FROM credit_grants
                                       WHERE clinic_id = a.clinic_id AND open AND purchase_id = purchase.id
                                         AND kind = 'paid')) THEN
    RAISE EXCEPTION 'top-up % has fewer than % unspent paid credits', p_top_up_id, v_paid USING ERRCODE = 'CC003';
  END IF;

  -- The paid share: its own paid credits, then its own bonus, then whatever else is there; the rest is owed.
  v_got_paid := ledger_consume(a.clinic_id, v_id, v_paid, purchase.id, 'paid');
  v_got_paid := v_got_paid + ledger_consume(a.clinic_id, v_id, v_paid - v_got_paid, purchase.id, 'bonus');
  v_got_paid := v_got_paid + ledger_consume(a.clinic_id, v_id, v_paid - v_got_paid);
  -- The bonus share: its own bonus only; what was spent of it is forgiven.
  v_got_bonus := ledger_consume(a.clinic_id, v_id, v_bonus, purchase.id, 'bonus');

  INSERT INTO reversals (key, top_up_id, loss_paise, paid_share, bonus_share, bonus_forgiven, owed_open, created_at)
  VALUES (p_key, p_top_up_id, p_loss_paise, v_paid, v_bonus, v_bonus - v_got_bonus, v_paid - v_got_paid,
          a.last_posted_at)
  RETURNING * INTO r;
  IF v_got_paid + v_got_bonus > 0 THEN
    a := ledger_post(a, v_id, 'reversal', -(v_got_paid + v_got_bonus), format('Payment taken back: %s', p_key),
                     p_top_up_id => p_top_up_id, p_reversal_id => r.id);
  END IF;
  a.owed := a.owed + r.owed_open;
  PERFORM ledger_close(a);
  RETURN r;
END $$;

-- The loss did not happen after all (refund failed, dispute won): cancels what is still owed and gives back what the
-- take and its settlements consumed. Once: a repeat returns the row as it is.
-- `p_release` is false where the caller still has more to take from the same purchase: what comes back for a moment
-- must not pay for leads.
CREATE OR REPLACE FUNCTION restore_reversal(p_key text, p_release boolean DEFAULT true) RETURNS reversals
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  a credit_accounts;
  r reversals;
  v_clinic_id bigint;
  v_top_up_id bigint;
  v_id bigint;
  v_taken bigint[];
  v_amount numeric;
BEGIN
  SELECT purchase.id, purchase.clinic_id INTO v_top_up_id, v_clinic_id
    FROM reversals reversal JOIN top_ups purchase ON purchase.id = reversal.top_up_id
   WHERE reversal.key = p_key FOR NO KEY UPDATE OF purchase;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no reversal %', p_key USING ERRCODE = 'CC012';
  END IF;
  a := ledger_open(v_clinic_id);
  SELECT * INTO r FROM reversals WHERE key = p_key FOR NO KEY UPDATE;
  IF r.state = 'restored' THEN
    PERFORM ledger_close(a);
    RETURN r;
  END IF;
  a.owed := a.owed - r.owed_open;
  UPDATE reversals SET state = 'restored', owed_open = 0, restored_at = a.last_posted_at WHERE id = r.id RETURNING * INTO r;
  SELECT array_agg(id), -sum(amount) INTO v_taken, v_amount
    FROM credit_transactions WHERE reversal_id = r.id AND amount < 0;
  IF v_amount > 0 THEN
    v_id := ledger_new_id();
    a := ledger_post(a, v_id, 'reversal', v_amount, format('Payment given back: %s', p_key),
                     p_top_up_id => v_top_up_id, p_reversal_id => r.id);
    PERFORM ledger_give_back(a, v_id, v_amount, v_taken);
  END IF;
  a := CASE WHEN p_release THEN ledger_received(a) ELSE ledger_settle(a) END;
  PERFORM ledger_close(a);
  RETURN r;
END $$;

-- Posts what has expired at one clinic, now and not only with its next movement. Returns the account.
CREATE OR REPLACE FUNCTION expire_grants(p_clinic_id bigint) RETURNS credit_accounts
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  a credit_accounts;
BEGIN
  a := ledger_open(p_clinic_id);
  PERFORM ledger_close(a);
  RETURN a;
END $$;
