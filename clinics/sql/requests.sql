-- Two people (rule 7). What approving a request does is a function `carry_out_<kind>(request)`, in the app whose tables
-- it writes; the web's role may call neither that function nor write those tables, only approve a request.

-- What was asked for is a fact; only its state moves, and only once.
CREATE OR REPLACE FUNCTION guard_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> 'pending' THEN
      RAISE EXCEPTION 'a request begins as pending' USING ERRCODE = 'CC019';
    ELSIF NEW.object_key = 'user:' || NEW.requested_by_id THEN
      RAISE EXCEPTION 'nobody asks for something about themselves' USING ERRCODE = 'CC017';
    END IF;
    NEW.requested_at := ledger_clock();
    RETURN NEW;
  END IF;
  IF OLD.state <> 'pending' THEN
    RAISE EXCEPTION 'request % is %', OLD.id, OLD.state USING ERRCODE = 'CC019';
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER request_is_decided_once BEFORE INSERT OR UPDATE ON staff_requests
  FOR EACH ROW EXECUTE FUNCTION guard_request();
CREATE OR REPLACE TRIGGER request_facts_never_change
  BEFORE UPDATE OF id, kind, object_key, clinic_id, details, shown, reason_code, reason, requested_by_id, requested_at
  ON staff_requests FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER requests_never_deleted BEFORE DELETE ON staff_requests
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER requests_never_truncated BEFORE TRUNCATE ON staff_requests
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Guards a table whose rows only functions of its owner may bring about, an approved request's above all: compared is who
-- the statement runs as, so that the web's role is refused wherever it writes from. The trigger says why, for people.
CREATE OR REPLACE FUNCTION refuse_all_but_the_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_user <> (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID) THEN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $$;

-- How long a request can be approved.
CREATE OR REPLACE FUNCTION request_valid_for() RETURNS interval LANGUAGE sql IMMUTABLE AS $$ SELECT interval '72 hours' $$;

-- The request, locked, if it can still be decided.
CREATE OR REPLACE FUNCTION open_request(p_request_id bigint) RETURNS staff_requests LANGUAGE plpgsql AS $$
DECLARE
  r staff_requests;
BEGIN
  SELECT * INTO r FROM staff_requests WHERE id = p_request_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no request %', p_request_id USING ERRCODE = 'CC023';
  ELSIF r.state <> 'pending' THEN
    RAISE EXCEPTION 'request % is %', r.id, r.state USING ERRCODE = 'CC019';
  END IF;
  RETURN r;
END $$;

-- What is asked for is refused (CC024, with a reason for people) where it makes no sense.
CREATE OR REPLACE FUNCTION request_check(p_holds boolean, p_reason text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF p_holds IS NOT TRUE THEN
    RAISE EXCEPTION '%', p_reason USING ERRCODE = 'CC024';
  END IF;
END $$;

-- The same (CC020) where what it is about is no longer as it was shown.
CREATE OR REPLACE FUNCTION request_check_unchanged(p_holds boolean, p_what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF p_holds IS NOT TRUE THEN
    RAISE EXCEPTION '% changed since this was asked for: ask anew', p_what USING ERRCODE = 'CC020';
  END IF;
END $$;

-- An object with exactly these names.
CREATE OR REPLACE FUNCTION request_check_names(p_object jsonb, VARIADIC p_names text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF jsonb_typeof(p_object) IS DISTINCT FROM 'object'
     OR (SELECT array_agg(name ORDER BY name) FROM jsonb_object_keys(p_object) AS name)
        IS DISTINCT FROM (SELECT array_agg(name ORDER BY name) FROM unnest(p_names) AS name) THEN
    RAISE EXCEPTION 'the request does not say % and nothing else', array_to_string(p_names, ', ')
      USING ERRCODE = 'CC024';
  END IF;
END $$;

-- An amount as requests carry it: a text, not negative, with at most two places, within the columns.
CREATE OR REPLACE FUNCTION request_amount(p_text text) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  v_amount numeric := p_text::numeric;
BEGIN
  IF v_amount = 'NaN' OR v_amount < 0 OR v_amount >= 1e10 OR v_amount <> round(v_amount, 2) THEN
    RAISE EXCEPTION '% is not an amount', p_text USING ERRCODE = 'CC024';
  END IF;
  RETURN v_amount;
END $$;

-- Two rows of one table, as JSON, say the same in these columns.
CREATE OR REPLACE FUNCTION request_same(p_row jsonb, p_other jsonb, VARIADIC p_columns text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
  SELECT bool_and(p_row -> name IS NOT DISTINCT FROM p_other -> name) FROM unnest(p_columns) AS name
$$;

-- Whether somebody is staff in force with a right (a permission's codename), by their groups or as a superuser.
CREATE OR REPLACE FUNCTION staff_may(p_user_id bigint, p_right text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT FROM users u
     WHERE u.id = p_user_id AND u.is_active AND u.is_staff
       AND (u.is_superuser
            OR EXISTS (SELECT FROM users_groups ug
                         JOIN auth_group_permissions gp ON gp.group_id = ug.group_id
                         JOIN auth_permission p ON p.id = gp.permission_id
                        WHERE ug.user_id = u.id AND p.codename = p_right)))
$$;

-- The right that asking for a kind of request takes (`p_deed` «request»), or approving it («approve»).
CREATE OR REPLACE FUNCTION request_right(p_kind text, p_deed text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN p_kind = 'staff_rights' THEN p_deed || '_rights'
              WHEN p_kind = 'dispute_refund' AND p_deed = 'request' THEN 'decide_leaddispute'
              ELSE p_deed || '_money' END
$$;

-- Does what was asked for. What the tables themselves refuse is said as any other refusal.
CREATE OR REPLACE FUNCTION carry_out(r staff_requests) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_outcome jsonb;
BEGIN
  PERFORM 1 FROM clinic_memberships WHERE clinic_id = r.clinic_id AND user_id IN (r.requested_by_id, r.decided_by_id);
  IF FOUND THEN
    RAISE EXCEPTION 'nobody decides for a clinic they belong or did belong to' USING ERRCODE = 'CC017';
  END IF;
  EXECUTE format('SELECT %I($1)', 'carry_out_' || r.kind) INTO STRICT v_outcome USING r;
  RETURN v_outcome;
EXCEPTION
  WHEN data_exception OR check_violation OR unique_violation OR not_null_violation OR foreign_key_violation THEN
    RAISE EXCEPTION '%', SQLERRM USING ERRCODE = 'CC024';
END $$;

-- Could it be carried out now? Does it and undoes it: refuses with what an approval would be refused with.
CREATE OR REPLACE FUNCTION rehearse_request(p_request_id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  r staff_requests := open_request(p_request_id);
BEGIN
  PERFORM carry_out(r);
  RAISE EXCEPTION 'it could' USING ERRCODE = 'CC025';  -- takes all of it back
EXCEPTION
  WHEN SQLSTATE 'CC025' THEN NULL;
END $$;

-- A second person approves: it is carried out in the same transaction, or nothing happens at all.
CREATE OR REPLACE FUNCTION approve_request(p_request_id bigint, p_by bigint, p_note text) RETURNS staff_requests
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  r staff_requests := open_request(p_request_id);
  v_outcome jsonb;
BEGIN
  IF r.requested_by_id = p_by THEN
    RAISE EXCEPTION 'request % was made by the same person', r.id USING ERRCODE = 'CC017';
  ELSIF r.object_key = 'user:' || p_by THEN
    RAISE EXCEPTION 'request % is about the same person', r.id USING ERRCODE = 'CC017';
  ELSIF r.requested_at + request_valid_for() <= ledger_clock() THEN
    RAISE EXCEPTION 'request % has expired', r.id USING ERRCODE = 'CC019';
  END IF;
  IF NOT staff_may(r.requested_by_id, request_right(r.kind, 'request')) THEN
    RAISE EXCEPTION 'who made request % has left or lost the right to', r.id USING ERRCODE = 'CC019';
  ELSIF NOT staff_may(p_by, request_right(r.kind, 'approve')) THEN
    RAISE EXCEPTION 'user % may not approve request %', p_by, r.id USING ERRCODE = 'CC026';
  END IF;
  r.decided_by_id := p_by;
  v_outcome := carry_out(r);
  UPDATE staff_requests
     SET state = 'approved', decided_by_id = p_by, decided_at = ledger_clock(), decision_note = p_note, outcome = v_outcome
   WHERE id = r.id RETURNING * INTO r;
  RETURN r;
END $$;

-- A second person rejects, or who asked withdraws: `p_by` says which.
CREATE OR REPLACE FUNCTION reject_request(p_request_id bigint, p_by bigint, p_note text) RETURNS staff_requests
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  r staff_requests := open_request(p_request_id);
BEGIN
  UPDATE staff_requests
     SET state = CASE WHEN r.requested_by_id = p_by THEN 'withdrawn' ELSE 'rejected' END,
         decided_by_id = p_by, decided_at = ledger_clock(), decision_note = p_note
   WHERE id = r.id RETURNING * INTO r;
  RETURN r;
END $$;

-- Requests nobody approved in time; says how many.
CREATE OR REPLACE FUNCTION expire_requests() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_expired integer;
BEGIN
  UPDATE staff_requests SET state = 'expired', decided_at = ledger_clock()
   WHERE state = 'pending' AND requested_at + request_valid_for() <= ledger_clock();
  GET DIAGNOSTICS v_expired = ROW_COUNT;
  RETURN v_expired;
END $$;

-- What a pending request was about is settled otherwise.
CREATE OR REPLACE FUNCTION void_request(p_object_key text) RETURNS void LANGUAGE sql AS $$
  UPDATE staff_requests SET state = 'void', decided_at = ledger_clock()
   WHERE object_key = p_object_key AND state = 'pending'
$$;
