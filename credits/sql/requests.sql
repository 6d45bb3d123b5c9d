-- What two people decided about money, carried out (see clinics/sql/requests.sql). `r.details` is what was asked for;
-- amounts are text, so that nothing between the form and here makes them a float.

-- {"amount": "-20.50", "description": "…"} for the clinic of the request; {"review_item": 7, …} where it settles a
-- matter of finance's queue, which can be settled so once.
CREATE OR REPLACE FUNCTION carry_out_adjustment(r staff_requests) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  t credit_transactions;
  v_item bigint := (r.details ->> 'review_item')::bigint;
BEGIN
  PERFORM request_check_names(r.details - 'review_item', 'amount', 'description');
  PERFORM request_check(r.object_key = 'clinic:' || r.clinic_id, 'the request is about another clinic');
  PERFORM request_check(length(trim(r.details ->> 'description')) BETWEEN 1 AND 200, 'a description has 1 to 200 signs');
  IF v_item IS NOT NULL THEN
    PERFORM 1 FROM review_items WHERE id = v_item AND state = 'open' FOR NO KEY UPDATE;
    PERFORM request_check_unchanged(FOUND, format('review item %s', v_item));
    PERFORM request_check(
      EXISTS (SELECT FROM review_items item
                LEFT JOIN gateway_payments payment ON payment.id = item.payment_id
                JOIN top_ups purchase ON purchase.id = coalesce(item.top_up_id, payment.top_up_id)
               WHERE item.id = v_item AND purchase.clinic_id = r.clinic_id),
      format('review item %s is about another clinic', v_item));
    PERFORM request_check(
      NOT EXISTS (SELECT FROM staff_requests WHERE kind = 'adjustment' AND state = 'approved'
                                               AND details -> 'review_item' = to_jsonb(v_item)),
      format('review item %s was settled by another request', v_item));
  END IF;
  t := adjust_credits(r.clinic_id, (r.details ->> 'amount')::numeric, r.details ->> 'description', 'request:' || r.id);
  RETURN jsonb_build_object('transaction', t.id);
END $$;

-- Money back to a payer that we ask the gateway for is asked for by two people.
CREATE OR REPLACE TRIGGER own_refunds_take_two_people BEFORE INSERT ON gateway_refunds
  FOR EACH ROW WHEN (NEW.receipt IS NOT NULL) EXECUTE FUNCTION refuse_all_but_the_owner(
    'a cash refund takes a request that a second person approves');
CREATE OR REPLACE TRIGGER own_refund_facts_never_change
  BEFORE UPDATE OF receipt, payment_id, amount_paise ON gateway_refunds
  FOR EACH ROW WHEN ((OLD.receipt, OLD.payment_id, OLD.amount_paise)
                     IS DISTINCT FROM (NEW.receipt, NEW.payment_id, NEW.amount_paise))
  EXECUTE FUNCTION refuse_change();

-- {"top_up_id": 5, "amount": "400.00"}: unspent paid credits of one purchase, back to their payer with the tax that was
-- paid on them. Debited here; Python asks the gateway after the commit, with the refund's receipt as its key.
CREATE OR REPLACE FUNCTION carry_out_cash_refund(r staff_requests) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  purchase top_ups;
  v_amount numeric := (r.details ->> 'amount')::numeric;
  v_payment_id bigint;
  v_refund gateway_refunds;
BEGIN
  PERFORM request_check_names(r.details, 'top_up_id', 'amount');
  SELECT * INTO purchase FROM top_ups WHERE id = (r.details ->> 'top_up_id')::bigint FOR NO KEY UPDATE;
  PERFORM request_check(
    purchase.clinic_id = r.clinic_id AND r.object_key = 'top_up:' || purchase.id, 'the request is about another top-up');
  SELECT id INTO v_payment_id FROM gateway_payments
   WHERE top_up_id = purchase.id AND payment_id = purchase.razorpay_payment_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'top-up % was not paid', purchase.id USING ERRCODE = 'CC009';
  END IF;
  PERFORM ledger_check_amount(v_amount);
  IF v_amount > purchase.price THEN
    RAISE EXCEPTION 'top-up % bought %, less than %', purchase.id, purchase.price, v_amount USING ERRCODE = 'CC008';
  END IF;
  INSERT INTO gateway_refunds (receipt, payment_id, amount_paise, status, reversal_key, first_seen_at, updated_at)
  SELECT receipt, v_payment_id, round(purchase.gross * 100 * v_amount / purchase.price), 'requested', 'own:' || receipt,
         ledger_clock(), ledger_clock()
    FROM (SELECT 'own-' || left(replace(gen_random_uuid()::text, '-', ''), 16) AS receipt) AS new
  RETURNING * INTO v_refund;
  PERFORM take_back_top_up(purchase.id, v_refund.reversal_key, v_refund.amount_paise, true);
  RETURN jsonb_build_object('gateway_refund', v_refund.id, 'receipt', v_refund.receipt);
END $$;

-- {"package_id": 3, "before": {…}, "after": {…}}; a new one has neither id nor before.
CREATE OR REPLACE FUNCTION carry_out_credit_package(r staff_requests) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  c_columns CONSTANT text[] := ARRAY['name', 'price', 'credits', 'is_active'];
  v_id bigint := (r.details ->> 'package_id')::bigint;
  v_after jsonb := r.details -> 'after';
  p credit_packages;
BEGIN
  PERFORM request_check_names(r.details, 'package_id', 'before', 'after');
  PERFORM request_check_names(v_after, VARIADIC c_columns);
  PERFORM ledger_check_amount((v_after ->> 'price')::numeric);
  PERFORM ledger_check_amount((v_after ->> 'credits')::numeric);
  IF v_id IS NULL THEN
    PERFORM request_check(r.object_key = 'package:new', 'the request is about another package');
  ELSE
    PERFORM request_check(r.object_key = 'package:' || v_id, 'the request is about another package');
    SELECT * INTO p FROM credit_packages WHERE id = v_id FOR UPDATE;
    PERFORM request_check(FOUND, format('there is no package %s', v_id));
    PERFORM request_check_unchanged(
      request_same(to_jsonb(p), to_jsonb(jsonb_populate_record(NULL::credit_packages, r.details -> 'before')),
                   VARIADIC c_columns), 'this package');
  END IF;
  p := jsonb_populate_record(p, v_after);
  PERFORM request_check(length(trim(p.name)) > 0, 'a package has a name');
  PERFORM request_check(p.price = trunc(p.price), 'a package costs whole rupees');
  PERFORM request_check(p.credits >= p.price, 'a package gives at least as many credits as it costs');
  PERFORM request_check(
    NOT p.is_active OR NOT EXISTS (SELECT FROM credit_packages WHERE is_active AND price = p.price
                                                                  AND id IS DISTINCT FROM v_id),
    'another package on sale has this price');
  IF v_id IS NULL THEN
    INSERT INTO credit_packages (name, price, credits, is_active)
    VALUES (p.name, p.price, p.credits, p.is_active) RETURNING * INTO p;
  ELSE
    UPDATE credit_packages SET (name, price, credits, is_active) = (p.name, p.price, p.credits, p.is_active)
     WHERE id = v_id;
  END IF;
  RETURN jsonb_build_object('package', p.id);
END $$;

-- {"promo_code_id": 3, "before": {…}, "after": {…}}; a new one has neither id nor before. A code keeps its letters.
CREATE OR REPLACE FUNCTION carry_out_promo_code(r staff_requests) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  c_columns CONSTANT text[] := ARRAY['code', 'percent', 'fixed_bonus', 'least_price', 'valid_from', 'valid_until',
                                     'max_uses', 'max_uses_per_clinic', 'is_active'];
  v_id bigint := (r.details ->> 'promo_code_id')::bigint;
  v_after jsonb := r.details -> 'after';
  p promo_codes;
BEGIN
  PERFORM request_check_names(r.details, 'promo_code_id', 'before', 'after');
  PERFORM request_check_names(v_after, VARIADIC c_columns);
  PERFORM request_check(r.object_key = 'promo:' || (v_after ->> 'code'), 'the request is about another code');
  IF v_id IS NOT NULL THEN
    SELECT * INTO p FROM promo_codes WHERE id = v_id FOR UPDATE;
    PERFORM request_check(FOUND AND p.code = v_after ->> 'code', 'there is no such code');
    PERFORM request_check_unchanged(
      request_same(to_jsonb(p), to_jsonb(jsonb_populate_record(NULL::promo_codes, r.details -> 'before')),
                   VARIADIC c_columns), 'this code');
  ELSE
    PERFORM request_check(NOT EXISTS (SELECT FROM promo_codes WHERE code = v_after ->> 'code'),
                          'there is such a code already');
  END IF;
  PERFORM request_amount(v_after ->> 'fixed_bonus'), request_amount(v_after ->> 'least_price');
  PERFORM request_check(v_after ->> 'code' ~ '^[A-Z0-9]{3,30}$', 'a code is 3 to 30 capital letters and digits');
  p := jsonb_populate_record(p, v_after);
  PERFORM request_check(p.percent IS NULL OR p.percent = (v_after ->> 'percent')::numeric,
                        'a percentage has at most two places');
  PERFORM request_check((p.percent IS NULL) <> (p.fixed_bonus IS NULL), 'a code gives a percentage or fixed credits');
  PERFORM request_check(p.percent IS NULL OR p.percent BETWEEN 0.01 AND 100, 'a percentage is above 0 and at most 100');
  PERFORM request_check(p.valid_from IS NULL OR p.valid_until IS NULL OR p.valid_until > p.valid_from,
                        'a code ends after it begins');
  PERFORM request_check(
    coalesce(p.valid_from, ledger_clock()) BETWEEN '2000-01-01' AND '2100-01-01'
    AND coalesce(p.valid_until, ledger_clock()) BETWEEN '2000-01-01' AND '2100-01-01',
    'a code is valid between the years 2000 and 2100');
  PERFORM request_check(coalesce(p.max_uses, 1) > 0 AND coalesce(p.max_uses_per_clinic, 1) > 0,
                        'a limit of uses is at least 1');
  IF v_id IS NULL THEN
    INSERT INTO promo_codes (code, percent, fixed_bonus, least_price, valid_from, valid_until, max_uses,
                             max_uses_per_clinic, is_active)
    VALUES (p.code, p.percent, p.fixed_bonus, p.least_price, p.valid_from, p.valid_until, p.max_uses,
            p.max_uses_per_clinic, p.is_active)
    RETURNING * INTO p;
  ELSE
    UPDATE promo_codes
       SET (percent, fixed_bonus, least_price, valid_from, valid_until, max_uses, max_uses_per_clinic, is_active)
         = (p.percent, p.fixed_bonus, p.least_price, p.valid_from, p.valid_until, p.max_uses, p.max_uses_per_clinic,
            p.is_active)
     WHERE id = v_id;
  END IF;
  RETURN jsonb_build_object('promo_code', p.id);
END $$;

-- {"before": {…}, "after": {…}}: all numbers of the one row; its switches are one person's.
CREATE OR REPLACE FUNCTION carry_out_billing_rules(r staff_requests) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  c_columns CONSTANT text[] := ARRAY['bonus_valid_days', 'returned_valid_days', 'repeat_window_days',
    'auto_release_hours', 'release_batch', 'held_valid_days', 'staff_refund_limit', 'appeal_days', 'dispute_hours'];
  v_after jsonb := r.details -> 'after';
  b billing_rules;
BEGIN
  PERFORM request_check_names(r.details, 'before', 'after');
  PERFORM request_check_names(v_after, VARIADIC c_columns);
  PERFORM request_check(r.object_key = 'billing_rules', 'the request is about something else');
  SELECT * INTO STRICT b FROM billing_rules FOR UPDATE;
  PERFORM request_check_unchanged(
    request_same(to_jsonb(b), to_jsonb(jsonb_populate_record(NULL::billing_rules, r.details -> 'before')),
                 VARIADIC c_columns), 'these rules');
  PERFORM request_amount(v_after ->> 'staff_refund_limit');
  PERFORM request_check(
    (SELECT bool_and(value::integer >= 1) FROM jsonb_each_text(v_after - 'staff_refund_limit')),
    'the numbers of the rules are at least 1');
  b := jsonb_populate_record(b, v_after);
  UPDATE billing_rules
     SET (bonus_valid_days, returned_valid_days, repeat_window_days, auto_release_hours, release_batch,
          held_valid_days, staff_refund_limit, appeal_days, dispute_hours, updated_at)
       = (b.bonus_valid_days, b.returned_valid_days, b.repeat_window_days, b.auto_release_hours, b.release_batch,
          b.held_valid_days, b.staff_refund_limit, b.appeal_days, b.dispute_hours, ledger_clock());
  RETURN '{}';
END $$;
