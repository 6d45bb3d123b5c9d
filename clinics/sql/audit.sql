-- The audit trail (rule 12): what somebody changed, in the transaction that changed it, whichever way it came.
-- Which tables and columns: `@tracked` on the models, and below for the tables that have no model of ours.

-- One row for a change of a tracked table. The trigger says, as arguments: what a row is called (its noun), the column of
-- its key, the columns that are kept, those of which only the change is kept (personal data, secrets), and who else a row
-- is about, as «column=noun» («column=» where the column says so itself: «dispute:12»).
-- It writes as the owner, so that nobody else can; who is behind it comes from the connection's context and, where there
-- is none, from the name the session signed in under.
CREATE OR REPLACE FUNCTION audit_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_old jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
  v_new jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
  v_key text := coalesce(v_new, v_old) ->> TG_ARGV[1];
  v_context jsonb := nullif(current_setting('pghistory.context_metadata', true), '')::jsonb;
  v_before jsonb;
  v_after jsonb;
  v_concealed text[];
  v_about text[];
BEGIN
  SELECT jsonb_object_agg(c, v_old -> c), jsonb_object_agg(c, v_new -> c) INTO v_before, v_after
    FROM unnest(TG_ARGV[2]::text[]) AS c WHERE v_old -> c IS DISTINCT FROM v_new -> c;
  SELECT coalesce(array_agg(c), '{}') INTO v_concealed
    FROM unnest(TG_ARGV[3]::text[]) AS c WHERE TG_OP = 'UPDATE' AND v_old -> c IS DISTINCT FROM v_new -> c;
  IF TG_OP = 'UPDATE' AND v_before IS NULL AND v_concealed = '{}' THEN
    RETURN NULL;
  END IF;
  IF TG_ARGV[1] = ANY (TG_ARGV[3]::text[]) THEN
    v_key := left(encode(sha256(convert_to(v_key, 'UTF8')), 'hex'), 16);
  END IF;
  SELECT array_agg(DISTINCT CASE WHEN noun = '' THEN v ->> c ELSE noun || ':' || (v ->> c) END) INTO v_about
    FROM (SELECT split_part(ref, '=', 1), split_part(ref, '=', 2) FROM unnest(TG_ARGV[4]::text[]) AS ref) AS refs (c, noun),
         (VALUES (v_old), (v_new)) AS images (v)
   WHERE v ->> c IS NOT NULL;
  INSERT INTO audit_events (
    occurred_at, operation, table_name, row_key, about, before, after, concealed,
    actor_id, channel, source, reason, request_id, context_id, os_user, db_role
  ) VALUES (
    ledger_clock(), lower(TG_OP), TG_TABLE_NAME, v_key, ARRAY[TG_ARGV[0] || ':' || v_key] || array_remove(v_about, TG_ARGV[0] || ':' || v_key),
    CASE TG_OP WHEN 'UPDATE' THEN coalesce(v_before, '{}') WHEN 'DELETE' THEN jsonb_strip_nulls(v_before) END,
    CASE TG_OP WHEN 'UPDATE' THEN coalesce(v_after, '{}') WHEN 'INSERT' THEN jsonb_strip_nulls(v_after) END,
    v_concealed,
    (v_context ->> 'user')::bigint, coalesce(v_context ->> 'channel', 'database'), left(coalesce(v_context ->> 'source', ''), 100),
    left(coalesce(v_context ->> 'reason', ''), 300), left(coalesce(v_context ->> 'request_id', ''), 64),
    nullif(current_setting('pghistory.context_id', true), '')::uuid, left(coalesce(v_context ->> 'os_user', ''), 64), session_user
  );
  RETURN NULL;
END $$;

-- TRUNCATE fires no row trigger: rows would go without a trace.
CREATE OR REPLACE FUNCTION refuse_emptying() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% of % is refused: the audit trail would not see it', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation';
END $$;

-- What was written stays written, for everybody.
CREATE OR REPLACE TRIGGER audit_never_changes BEFORE UPDATE OR DELETE ON audit_events
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER audit_never_truncated BEFORE TRUNCATE ON audit_events
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Rights of staff, and second factors: the tables are Django's and allauth's own.
CREATE OR REPLACE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON auth_group FOR EACH ROW
  EXECUTE FUNCTION audit_change('group', 'id', '{name}', '{}', '{}');
CREATE OR REPLACE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON auth_group_permissions FOR EACH ROW
  EXECUTE FUNCTION audit_change('group-right', 'id', '{group_id,permission_id}', '{}', '{group_id=group}');
CREATE OR REPLACE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON users_groups FOR EACH ROW
  EXECUTE FUNCTION audit_change('user-group', 'id', '{user_id,group_id}', '{}', '{user_id=user,group_id=group}');
CREATE OR REPLACE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON users_user_permissions FOR EACH ROW
  EXECUTE FUNCTION audit_change('user-right', 'id', '{user_id,permission_id}', '{}', '{user_id=user}');
CREATE OR REPLACE TRIGGER audited AFTER INSERT OR UPDATE OF user_id, type OR DELETE ON mfa_authenticator FOR EACH ROW
  EXECUTE FUNCTION audit_change('second-factor', 'id', '{user_id,type}', '{}', '{user_id=user}');
CREATE OR REPLACE TRIGGER audited_never_truncated BEFORE TRUNCATE ON auth_group
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_emptying();
CREATE OR REPLACE TRIGGER audited_never_truncated BEFORE TRUNCATE ON auth_group_permissions
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_emptying();
CREATE OR REPLACE TRIGGER audited_never_truncated BEFORE TRUNCATE ON users_groups
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_emptying();
CREATE OR REPLACE TRIGGER audited_never_truncated BEFORE TRUNCATE ON users_user_permissions
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_emptying();
CREATE OR REPLACE TRIGGER audited_never_truncated BEFORE TRUNCATE ON mfa_authenticator
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_emptying();
