-- Day seals: the moment at which a day is closed, and the only way to add seals and closings. The key and the digests
-- never come here: Python makes them (credits/services/seals.py); here the chain is kept whole.

-- The last rows of the ledger and of the trail, read while nobody can post: every row up to these is committed, every
-- later one gets a higher number. An event takes its account's lock before it takes numbers, so that locking the accounts
-- waits for those that have a number and no row yet. To be called by itself: the locks last as long as the transaction.
CREATE OR REPLACE FUNCTION closing_watermark(p_patience_ms integer, OUT ledger_up_to bigint, OUT trail_up_to bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_patience text := current_setting('lock_timeout');
BEGIN
  -- Whoever comes after us waits behind us: rather give up and try again than hold up postings for long.
  PERFORM set_config('lock_timeout', p_patience_ms || 'ms', true);
  LOCK TABLE credit_accounts IN EXCLUSIVE MODE;
  LOCK TABLE credit_transactions, audit_events IN SHARE MODE;
  PERFORM set_config('lock_timeout', v_patience, true);
  SELECT coalesce(max(id), 0) INTO ledger_up_to FROM credit_transactions;
  SELECT coalesce(max(id), 0) INTO trail_up_to FROM audit_events;
END $$;

-- Begins the closing of the next day; one that was begun is continued with the rows it began with.
CREATE OR REPLACE FUNCTION open_closing(p_day date, p_ledger_up_to bigint, p_trail_up_to bigint) RETURNS day_closings
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_last day_closings;
  c day_closings;
BEGIN
  LOCK TABLE day_closings IN SHARE ROW EXCLUSIVE MODE;
  SELECT * INTO c FROM day_closings WHERE day = p_day;
  IF FOUND THEN
    RETURN c;
  END IF;
  SELECT * INTO v_last FROM day_closings ORDER BY day DESC LIMIT 1;
  IF p_day >= ist_date(ledger_clock()) OR (v_last.day IS NOT NULL AND (v_last.closed_at IS NULL OR p_day <> v_last.day + 1)) THEN
    RAISE EXCEPTION '% is not the next day to close', p_day USING ERRCODE = 'CC032';
  END IF;
  IF p_ledger_up_to < coalesce(v_last.ledger_up_to, 0) OR p_trail_up_to < coalesce(v_last.trail_up_to, 0)
     OR p_ledger_up_to > (SELECT coalesce(max(id), 0) FROM credit_transactions)
     OR p_trail_up_to > (SELECT coalesce(max(id), 0) FROM audit_events) THEN
    RAISE EXCEPTION 'rows % and % are not where the books end', p_ledger_up_to, p_trail_up_to USING ERRCODE = 'CC032';
  END IF;
  INSERT INTO day_closings (day, opened_at, ledger_up_to, trail_up_to)
  VALUES (p_day, ledger_clock(), p_ledger_up_to, p_trail_up_to) RETURNING * INTO c;
  RETURN c;
END $$;

-- Adds a seal to the chain, or refuses: it must leave no row out, say of how many it is, and name the last one. It may
-- begin before the last one of its source ended: rows whose seal turned out to be no good are sealed again.
CREATE OR REPLACE FUNCTION add_seal(
  p_number bigint, p_day date, p_source text, p_after_id bigint, p_up_to_id bigint, p_rows integer, p_ids text,
  p_tags bytea, p_whole bytea, p_key_id text, p_previous bytea, p_digest bytea
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_last day_seals;
  v_reached bigint;
  v_rows bigint;
  c day_closings;
BEGIN
  LOCK TABLE day_seals IN SHARE ROW EXCLUSIVE MODE;
  SELECT * INTO c FROM day_closings WHERE day = p_day AND closed_at IS NULL;
  SELECT * INTO v_last FROM day_seals ORDER BY number DESC LIMIT 1;
  SELECT max(up_to_id) INTO v_reached FROM day_seals WHERE source = p_source;
  IF c.day IS NULL OR p_number <> coalesce(v_last.number, 0) + 1 OR p_previous <> coalesce(v_last.digest, '')
     OR p_after_id > coalesce(v_reached, '-9223372036854775808'::bigint)
     OR p_up_to_id > (CASE p_source WHEN 'ledger' THEN c.ledger_up_to ELSE c.trail_up_to END) THEN
    RAISE EXCEPTION 'seal % does not follow the last one', p_number USING ERRCODE = 'CC032';
  END IF;
  IF p_source = 'ledger' THEN
    SELECT count(*) INTO v_rows FROM credit_transactions WHERE id > p_after_id AND id <= p_up_to_id;
  ELSE
    SELECT count(*) INTO v_rows FROM audit_events WHERE id > p_after_id AND id <= p_up_to_id;
  END IF;
  IF p_rows <> v_rows OR octet_length(p_tags) <> 8 * v_rows OR octet_length(p_whole) <> 32 OR octet_length(p_digest) <> 32 THEN
    RAISE EXCEPTION 'seal % is not one of the % rows it names', p_number, v_rows USING ERRCODE = 'CC032';
  END IF;
  INSERT INTO day_seals (number, day, source, after_id, up_to_id, rows, ids, tags, whole, key_id, previous, digest)
  VALUES (p_number, p_day, p_source, p_after_id, p_up_to_id, p_rows, p_ids, p_tags, p_whole, p_key_id, p_previous, p_digest);
END $$;

-- What the trail keeps of figures and notes, and verify_ledger makes anew (credits/services/seal_checks.py).
CREATE OR REPLACE FUNCTION closing_digest(p_text text) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT encode(sha256(convert_to(p_text, 'UTF8')), 'hex')
$$;

-- Ends a closing whose rows are all sealed. One that was ended stays as it is. `p_by` is staff, or nobody: the worker.
CREATE OR REPLACE FUNCTION finish_closing(p_day date, p_figures jsonb, p_unexplained jsonb, p_by bigint)
RETURNS day_closings
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  c day_closings;
  v_last day_seals;
BEGIN
  SELECT * INTO c FROM day_closings WHERE day = p_day FOR UPDATE;
  IF c.closed_at IS NOT NULL THEN
    RETURN c;
  END IF;
  IF c.day IS NULL
     OR NOT EXISTS (SELECT FROM day_seals WHERE day = p_day AND source = 'ledger' AND up_to_id = c.ledger_up_to)
     OR NOT EXISTS (SELECT FROM day_seals WHERE day = p_day AND source = 'trail' AND up_to_id = c.trail_up_to) THEN
    RAISE EXCEPTION '% is not sealed', p_day USING ERRCODE = 'CC032';
  END IF;
  IF jsonb_typeof(p_unexplained) IS DISTINCT FROM 'array' OR jsonb_typeof(p_figures) IS DISTINCT FROM 'object'
     OR NOT p_figures ?& ARRAY['unspent', 'movements', 'payments', 'waiting', 'reconciliation', 'checks'] THEN
    RAISE EXCEPTION 'the page of % is not whole', p_day USING ERRCODE = 'CC032';
  END IF;
  PERFORM 1 FROM users WHERE id = p_by AND is_active AND is_staff;
  IF p_by IS NOT NULL AND NOT FOUND THEN
    RAISE EXCEPTION 'user % is not staff', p_by USING ERRCODE = 'CC032';
  END IF;
  SELECT * INTO v_last FROM day_seals WHERE day = p_day ORDER BY number DESC LIMIT 1;
  UPDATE day_closings
     SET closed_at = ledger_clock(), closed_by_id = p_by, figures = p_figures, unexplained = p_unexplained,
         figures_digest = closing_digest(p_figures::text), seal_number = v_last.number, seal_digest = encode(v_last.digest, 'hex')
   WHERE day = p_day RETURNING * INTO c;
  RETURN c;
END $$;

-- Somebody with the right to has read the page; once.
CREATE OR REPLACE FUNCTION sign_off_closing(p_day date, p_by bigint, p_note text) RETURNS day_closings
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  c day_closings;
BEGIN
  IF NOT staff_may(p_by, 'change_dayclosing') THEN
    RAISE EXCEPTION 'user % may not sign off', p_by USING ERRCODE = 'CC032';
  END IF;
  UPDATE day_closings
     SET signed_off_at = ledger_clock(), signed_off_by_id = p_by, note = p_note, note_digest = closing_digest(p_note)
   WHERE day = p_day AND closed_at IS NOT NULL AND signed_off_at IS NULL RETURNING * INTO c;
  IF NOT FOUND THEN
    RAISE EXCEPTION '% is not closed, or was signed off before', p_day USING ERRCODE = 'CC032';
  END IF;
  RETURN c;
END $$;

-- Closed once, signed off once, nothing else: for everybody.
CREATE OR REPLACE FUNCTION closing_moves_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.day <> OLD.day OR NEW.opened_at <> OLD.opened_at OR NEW.ledger_up_to <> OLD.ledger_up_to
     OR NEW.trail_up_to <> OLD.trail_up_to OR OLD.signed_off_at IS NOT NULL
     OR (OLD.closed_at IS NOT NULL
         AND (NEW.closed_at, NEW.closed_by_id, NEW.seal_number, NEW.seal_digest, NEW.figures, NEW.figures_digest,
              NEW.unexplained)
             IS DISTINCT FROM
             (OLD.closed_at, OLD.closed_by_id, OLD.seal_number, OLD.seal_digest, OLD.figures, OLD.figures_digest,
              OLD.unexplained)) THEN
    RAISE EXCEPTION 'the closing of % is refused: it never changes', OLD.day USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER closing_moves_forward BEFORE UPDATE ON day_closings
  FOR EACH ROW EXECUTE FUNCTION closing_moves_forward();
CREATE OR REPLACE TRIGGER closings_never_deleted BEFORE DELETE ON day_closings
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER seals_never_change BEFORE UPDATE OR DELETE ON day_seals
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER seals_never_truncated BEFORE TRUNCATE ON day_seals
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
