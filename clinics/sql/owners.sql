-- A clinic that works with us keeps an owner who can sign in, whoever changes its memberships and by whatever way; and
-- who stops being an owner leaves no key behind: tokens and invitations they made for the clinic end with it, and
-- nothing is sent any more to the webhooks they added.

-- After an owner's membership ended, changed its role or went elsewhere. The clinic's row is the lock: of two owners who
-- end each other at once, the second waits here and then sees what the first did (each statement of a VOLATILE function
-- in READ COMMITTED reads anew). A closed clinic may lose all. CC031: there would be no owner left.
CREATE OR REPLACE FUNCTION owner_stops() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.role, NEW.is_active, NEW.clinic_id, NEW.user_id) = (OLD.role, OLD.is_active, OLD.clinic_id, OLD.user_id) THEN
      RETURN NULL;
    END IF;
  END IF;
  PERFORM FROM clinics WHERE id = OLD.clinic_id AND is_active FOR NO KEY UPDATE;
  IF FOUND AND NOT EXISTS (
    SELECT FROM clinic_memberships m JOIN users u ON u.id = m.user_id
     WHERE m.clinic_id = OLD.clinic_id AND m.role = 'owner' AND m.is_active AND u.is_active
  ) THEN
    RAISE EXCEPTION 'clinic % would be left without an owner', OLD.clinic_id USING ERRCODE = 'CC031';
  END IF;
  UPDATE api_tokens SET revoked_at = ledger_clock()
   WHERE clinic_id = OLD.clinic_id AND user_id = OLD.user_id AND revoked_at IS NULL;
  UPDATE clinic_invitations SET revoked_at = ledger_clock()
   WHERE clinic_id = OLD.clinic_id AND invited_by_id = OLD.user_id AND accepted_at IS NULL AND revoked_at IS NULL;
  -- One that was stopped by hand, too: another owner looks at the address before it listens again.
  UPDATE webhook_endpoints SET stopped_at = coalesce(stopped_at, ledger_clock()), stopped_because = 'owner_left'
   WHERE clinic_id = OLD.clinic_id AND made_by_id = OLD.user_id AND removed_at IS NULL;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER an_owner_stays AFTER UPDATE OF role, is_active, clinic_id, user_id OR DELETE ON clinic_memberships
  FOR EACH ROW WHEN (OLD.role = 'owner' AND OLD.is_active) EXECUTE FUNCTION owner_stops();
