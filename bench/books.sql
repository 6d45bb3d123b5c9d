-- The books of bench/books.py. In braces: how many clinics and cycles; a row's number and time, at its place or another.
INSERT INTO users (id, password, is_superuser, email, full_name, is_staff, is_active, date_joined, language)
SELECT number, '!', false, 'bench-' || number || '@example.com', 'Bench', number > 1, true, now(), ''
  FROM generate_series(1, 3) AS number;
INSERT INTO clinics (slug, name, address, city, state, pincode, gstin, phone, email, website_url, specialties,
                     operating_hours, is_active)
SELECT 'bench-' || number, 'Bench', '', '', '24', '', '', '', '', '', '{{}}', '{{}}', true
  FROM generate_series(1, {clinics}) AS number;
INSERT INTO credit_accounts (clinic_id, charged_on) SELECT id, '2023-01-01' FROM clinics;

CREATE TEMP TABLE place AS
WITH moved AS (
  SELECT place, CASE WHEN place = 0 THEN 'credit' WHEN place = 1 THEN 'bonus' WHEN place = 22 THEN 'refund'
                     WHEN place = 42 THEN 'expiry' ELSE 'deduction' END AS kind,
         CASE WHEN place = 0 THEN 5000 WHEN place = 1 THEN 500 WHEN place = 22 THEN 180
              WHEN place < 22 OR place = 41 THEN -180 ELSE -100 END::numeric(12, 2) AS amount
    FROM generate_series(0, {last}) AS place
)
SELECT *, sum(amount) OVER (ORDER BY place) AS balance,
       sum(greatest(-amount, 0)) OVER (ORDER BY place) AS used_up
  FROM moved;
CREATE TEMP TABLE use AS
SELECT place.place, source.place AS source,
       (least(place.used_up, source.up_to) - greatest(place.used_up + amount, source.beginning))::numeric(12, 2) AS amount,
       row_number() OVER (ORDER BY place.place, source.beginning) - 1 AS number
  FROM place JOIN (VALUES (1, 0, 500), (0, 500, 5500), (22, 5500, 5680)) AS source (place, beginning, up_to)
       ON amount < 0 AND place.used_up + amount < source.up_to AND place.used_up > source.beginning;
CREATE TEMP TABLE turn AS SELECT clinic_id, row_number() OVER (ORDER BY clinic_id) - 1 AS turn FROM credit_accounts;
CREATE TEMP TABLE cycle AS SELECT generate_series(0, {cycles} - 1)::bigint AS cycle;
ANALYZE place; ANALYZE use; ANALYZE turn; ANALYZE cycle;

INSERT INTO top_ups (id, clinic_id, state, price, bonus, gross, receipt, razorpay_order_id, razorpay_payment_id,
                     created_at, paid_at, last_attempt_error, checks)
SELECT cycle * {clinics} + turn + 1, clinic_id, 'paid', 5000, 500, 5000, 'tu-' || cycle * {clinics} + turn + 1,
       'order_' || cycle * {clinics} + turn + 1, 'pay_' || cycle * {clinics} + turn + 1, {when:0}, {when:0}, '', 0
  FROM cycle CROSS JOIN turn ORDER BY cycle, turn;
INSERT INTO gateway_payments (id, payment_id, order_id, top_up_id, status, captured, amount_paise, currency,
                              amount_refunded_paise, method, error_reason, carries_our_notes, first_source)
SELECT id, razorpay_payment_id, razorpay_order_id, id, 'captured', true, gross * 100, 'INR', 0, 'upi', '', true, 'webhook'
  FROM top_ups;
INSERT INTO leads (id, clinic_id, tier_id, cost, refunded_total, delivery_state, held_reason, expired_reason, status,
                   contact_intent, source, city, is_minor, consent_notice_id, consented_at, created_at, delivered_at,
                   repeat_of_id)
SELECT {number}, clinic_id, CASE amount WHEN -180 THEN 2 ELSE 1 END, CASE amount WHEN -180 THEN 180 ELSE 100 END,
       CASE place WHEN 12 THEN 180 ELSE 0 END,
       CASE place WHEN 0 THEN 'held' WHEN 42 THEN 'free' ELSE 'delivered' END,
       CASE place WHEN 0 THEN 'budget' ELSE '' END, '', 'new', 'call', 'web', 'Ahmedabad', false,
       (SELECT min(id) FROM consent_notices), {when}, {when}, CASE WHEN place <> 0 THEN {when} END,
       CASE place WHEN 42 THEN {number:5} END
  FROM cycle CROSS JOIN place CROSS JOIN turn WHERE place NOT IN (1, 22) ORDER BY cycle, place, turn;
INSERT INTO lead_contacts (lead_id, clinic_id, phone, name, email, procedure_name, message, guardian_name)
SELECT id, clinic_id, '+91' || 6000000000 + id, 'Asha Patel', 'asha@example.com', 'Whitening',
       'Please call in the evening', ''
  FROM leads;
INSERT INTO credit_transactions (id, clinic_id, sequence, amount, balance_after, transaction_type, description, lead_id,
                                 top_up_id, payment_id, created_at, idempotency_key)
SELECT turn + 1, clinic_id, 1, 1000, 1000, 'adjustment', 'Welcome', NULL::bigint, NULL::bigint, NULL,
       timestamptz '2023-01-01 00:00+05:30', 'request:' || turn + 1
  FROM turn;
INSERT INTO credit_transactions (id, clinic_id, sequence, amount, balance_after, transaction_type, description, lead_id,
                                 top_up_id, payment_id, created_at)
SELECT {number}, clinic_id, cycle * {length} + place + 2, amount, 1000 + balance, kind,
       CASE kind WHEN 'deduction' THEN 'Lead ' || {number} WHEN 'credit' THEN 'Top-up ' || cycle * {clinics} + turn + 1
                 WHEN 'bonus' THEN 'Bonus of top-up ' || cycle * {clinics} + turn + 1
                 WHEN 'refund' THEN 'Dispute ' || cycle * {clinics} + turn + 1 ELSE 'Unused bonus credits expired' END,
       CASE kind WHEN 'deduction' THEN {number} WHEN 'refund' THEN {number:12} END,
       CASE WHEN place <= 1 THEN cycle * {clinics} + turn + 1 END,
       CASE place WHEN 0 THEN 'pay_' || cycle * {clinics} + turn + 1 END, {when}
  FROM cycle CROSS JOIN place CROSS JOIN turn ORDER BY cycle, place, turn;
INSERT INTO staff_requests (id, kind, object_key, details, shown, reason_code, reason, state, decided_at, decision_note,
                            outcome, clinic_id, decided_by_id, requested_by_id)
SELECT turn + 1, 'adjustment', 'account:' || clinic_id, '{{"amount": "1000"}}', '{{}}', 'goodwill', 'Welcome', 'approved',
       now(), 'Yes', '{{}}', clinic_id, 2, 3
  FROM turn;
INSERT INTO credit_grants (clinic_id, transaction_id, kind, amount, remaining, expires_at, created_at)
SELECT clinic_id, turn + 1, 'goodwill', 1000, 1000, '2040-01-01', '2023-01-01' FROM turn;
INSERT INTO grant_consumptions (id, grant_id, transaction_id, amount, returned)
SELECT (cycle * {uses} + number) * {clinics} + turn + 1, {clinics} + (cycle * 3 + CASE source WHEN 22 THEN 2 ELSE source END)
       * {clinics} + turn + 1, {number}, amount, CASE place WHEN 12 THEN 180 ELSE 0 END
  FROM cycle CROSS JOIN use CROSS JOIN turn ORDER BY cycle, number, turn;
INSERT INTO credit_grants (id, clinic_id, transaction_id, kind, amount, remaining, expires_at, origin_id, purchase_id,
                           created_at)
SELECT {clinics} + (cycle * 3 + CASE place WHEN 22 THEN 2 ELSE place END) * {clinics} + turn + 1, clinic_id, {number},
       CASE place WHEN 1 THEN 'bonus' ELSE 'paid' END, amount, 0, CASE place WHEN 1 THEN {when} + interval '180 days' END,
       CASE place WHEN 22 THEN (cycle * {uses} + (SELECT number FROM use WHERE use.place = 12)) * {clinics} + turn + 1 END,
       cycle * {clinics} + turn + 1, {when}
  FROM cycle CROSS JOIN place CROSS JOIN turn WHERE amount > 0 ORDER BY cycle, place, turn;
INSERT INTO lead_disputes (id, dispute_type, description, status, refund_amount, created_at, resolved_at, due_at,
                           clinic_id, filed_by_id, lead_id, refund_transaction_id, resolved_by_id, reason_code,
                           admin_notes)
SELECT cycle * {clinics} + turn + 1, 'invalid_contact', 'Nobody answers', 'approved', 180, {when:22}, {when:22}, {when:22},
       clinic_id, 1, {number:12}, {number:22}, 2, 'confirmed', 'Called'
  FROM cycle CROSS JOIN turn ORDER BY cycle, turn;
INSERT INTO audit_events (occurred_at, operation, table_name, row_key, about, after, concealed, channel, source, reason,
                          request_id, os_user, db_role, actor_id)
SELECT {when:22}, operation, 'lead_disputes', cycle * {clinics} + turn + 1,
       ARRAY['dispute:' || cycle * {clinics} + turn + 1, 'clinic:' || clinic_id, 'lead:' || {number:12}],
       jsonb_build_object('status', CASE operation WHEN 'insert' THEN 'pending' ELSE 'approved' END, 'lead_id', {number:12},
                          'clinic_id', clinic_id, 'refund_amount', 180), '{{}}', 'admin', '/admin/', '', 'bench', '', 'web', 2
  FROM cycle CROSS JOIN turn CROSS JOIN (VALUES ('insert'), ('update')) AS told (operation)
 ORDER BY cycle, turn, operation;
UPDATE credit_accounts account
   SET balance = 1000, last_sequence = {cycles} * {length} + 1, last_posted_at = latest, charged_on = ist_date(latest)
  FROM (SELECT clinic_id, max(created_at) AS latest FROM credit_transactions GROUP BY clinic_id) AS movement
 WHERE movement.clinic_id = account.clinic_id;
UPDATE credit_accounts account SET charged_today = today, charged_this_month = this_month
  FROM (SELECT clinic_id, coalesce(sum(-amount) FILTER (WHERE ist_date(created_at) = charged_on), 0) AS today,
               sum(-amount) AS this_month
          FROM credit_transactions JOIN credit_accounts USING (clinic_id)
         WHERE transaction_type = 'deduction' AND date_trunc('month', ist_date(created_at)) = date_trunc('month', charged_on)
         GROUP BY clinic_id) AS charged
 WHERE charged.clinic_id = account.clinic_id;
