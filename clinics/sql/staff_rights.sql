-- Who becomes staff is decided by two people (rule 7); taking a right away stays one person's, at once.

-- Staff in force: only the tables' owner makes one, which is what an approved request runs as, and what the first
-- superuser is made by (`createsuperuser --database owner`). The web's role may not add a row to users_groups either.
CREATE OR REPLACE TRIGGER nobody_is_born_staff BEFORE INSERT ON users
  FOR EACH ROW WHEN (NEW.is_staff OR NEW.is_superuser) EXECUTE FUNCTION refuse_all_but_the_owner(
    'rights of staff are given by a request that a second person approves');
CREATE OR REPLACE TRIGGER nobody_makes_staff_alone BEFORE UPDATE OF is_active, is_staff, is_superuser ON users
  FOR EACH ROW WHEN ((NEW.is_staff AND NOT OLD.is_staff) OR (NEW.is_superuser AND NOT OLD.is_superuser)
                     OR (NEW.is_active AND NOT OLD.is_active AND (NEW.is_staff OR NEW.is_superuser)))
  EXECUTE FUNCTION refuse_all_but_the_owner(
    'rights of staff are given by a request that a second person approves');

-- A user's rights as a request shows them.
CREATE OR REPLACE FUNCTION staff_rights_of(p_user_id bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
           'email', email, 'is_active', is_active, 'is_staff', is_staff, 'is_superuser', is_superuser,
           'groups', (SELECT coalesce(jsonb_agg(g.name ORDER BY g.name COLLATE "C"), '[]')
                        FROM users_groups ug JOIN auth_group g ON g.id = ug.group_id WHERE ug.user_id = u.id))
    FROM users u WHERE id = p_user_id
$$;

-- {"user_id": 5, "before": {"email": "a@b.example", "is_active": true, "is_staff": false, "is_superuser": false, "groups": []}, "after": {…}}:
-- groups by name, in order. The address is part of it: rights are for the person who reads its mail. Who becomes staff
-- comes in by «forgot password», with no password, second factor or other address that somebody may have set before.
CREATE OR REPLACE FUNCTION carry_out_staff_rights(r staff_requests) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_user_id bigint := (r.details ->> 'user_id')::bigint;
  v_after jsonb := r.details -> 'after';
  v_now jsonb;
BEGIN
  PERFORM request_check_names(r.details, 'user_id', 'before', 'after');
  PERFORM request_check_names(v_after, 'is_active', 'is_staff', 'is_superuser', 'groups');
  PERFORM request_check(r.object_key = 'user:' || v_user_id, 'the request is about somebody else');
  IF v_user_id IN (r.requested_by_id, r.decided_by_id) THEN
    RAISE EXCEPTION 'nobody decides about their own rights' USING ERRCODE = 'CC017';
  END IF;
  PERFORM 1 FROM users WHERE id = v_user_id FOR NO KEY UPDATE;
  PERFORM request_check(FOUND, format('there is no user %s', v_user_id));
  v_now := staff_rights_of(v_user_id);
  PERFORM request_check_unchanged(v_now = r.details -> 'before', 'the rights of this user');
  PERFORM request_check(
    jsonb_typeof(v_after -> 'is_active') = 'boolean' AND jsonb_typeof(v_after -> 'is_staff') = 'boolean'
    AND jsonb_typeof(v_after -> 'is_superuser') = 'boolean' AND jsonb_typeof(v_after -> 'groups') = 'array',
    'rights are yes or no, and a list of groups');
  PERFORM request_check(
    NOT EXISTS (SELECT FROM jsonb_array_elements_text(v_after -> 'groups') AS wanted
                 WHERE NOT EXISTS (SELECT FROM auth_group g WHERE g.name = wanted.value)),
    'there is no such group');
  PERFORM request_check(
    (v_after ->> 'is_staff')::boolean
    OR NOT ((v_after ->> 'is_superuser')::boolean OR jsonb_array_length(v_after -> 'groups') > 0),
    'groups and superuser are for staff');
  IF (v_after ->> 'is_staff')::boolean AND (v_after ->> 'is_active')::boolean
     AND NOT ((v_now ->> 'is_staff')::boolean AND (v_now ->> 'is_active')::boolean) THEN
    UPDATE users SET password = '!' || replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')
     WHERE id = v_user_id;
    DELETE FROM mfa_authenticator WHERE user_id = v_user_id;
    DELETE FROM account_emailaddress WHERE user_id = v_user_id AND lower(email) <> v_now ->> 'email';
  END IF;
  UPDATE users SET is_active = (v_after ->> 'is_active')::boolean, is_staff = (v_after ->> 'is_staff')::boolean,
                   is_superuser = (v_after ->> 'is_superuser')::boolean
   WHERE id = v_user_id;
  DELETE FROM users_groups WHERE user_id = v_user_id;
  INSERT INTO users_groups (user_id, group_id)
  SELECT v_user_id, g.id FROM auth_group g WHERE v_after -> 'groups' ? g.name;
  RETURN jsonb_build_object('user', v_user_id);
END $$;
