-- Guards of leads, and the count behind the limits of rule 9.

-- What a lead cost was fixed at its arrival; it is never deleted. Its contact may be erased, not deleted.
CREATE OR REPLACE TRIGGER lead_facts_never_change
  BEFORE UPDATE OF id, clinic_id, tier_id, cost, package_id, package_price, partner_id, consent_notice_id,
                   consented_at, created_at
  ON leads FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER leads_never_deleted BEFORE DELETE ON leads
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER leads_never_truncated BEFORE TRUNCATE ON leads
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A crash may forget them: they only slow spam down. Unlogged, they cost an enquiry no WAL.
ALTER TABLE enquiry_hits SET UNLOGGED;

-- Counts an enquiry from one address (an HMAC of it) and says how many there were, this one included.
-- The advisory lock makes simultaneous ones count each other: «5 an hour» is 5, not 5 per web worker.
-- Without `p_wait` it counts also when somebody else holds the lock. Twins may be missed then, so the number of the hour
-- is not known (NULL): nobody waits, and nobody is let through by a wrong number.
CREATE OR REPLACE FUNCTION count_enquiry(
  p_address_hmac bytea, p_wait boolean, OUT in_last_minute integer, OUT in_last_hour integer
) LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz;
  v_lock bigint := hashtextextended(encode(p_address_hmac, 'hex'), 9);
  v_is_alone boolean := true;
BEGIN
  IF p_wait THEN
    PERFORM pg_advisory_xact_lock(v_lock);
  ELSE
    v_is_alone := pg_try_advisory_xact_lock(v_lock);
  END IF;
  v_now := ledger_clock();
  DELETE FROM enquiry_hits WHERE address_hmac = p_address_hmac AND arrived_at <= v_now - interval '1 hour';
  INSERT INTO enquiry_hits (address_hmac, arrived_at) VALUES (p_address_hmac, v_now);
  SELECT count(*) FILTER (WHERE arrived_at > v_now - interval '1 minute'), CASE WHEN v_is_alone THEN count(*) END
    INTO in_last_minute, in_last_hour
    FROM enquiry_hits WHERE address_hmac = p_address_hmac;
END $$;
