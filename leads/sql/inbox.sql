-- What a clinic's people leave on a lead: that it was opened, and that they tried to reach the patient.

-- Who took a lead up first, and when, is a fact.
CREATE OR REPLACE FUNCTION lead_is_opened_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'lead % was opened already', OLD.id USING ERRCODE = 'restrict_violation';
END $$;
CREATE OR REPLACE TRIGGER lead_is_opened_once BEFORE UPDATE OF opened_at, opened_by_id ON leads
  FOR EACH ROW WHEN (OLD.opened_at IS NOT NULL) EXECUTE FUNCTION lead_is_opened_once();

-- Attempts are evidence in disputes: what is there stays, only what came of one is filled in, once.
CREATE OR REPLACE FUNCTION attempt_outcome_is_set_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.outcome <> 'opened' OR NEW.outcome = 'opened'
     OR (NEW.id, NEW.lead_id, NEW.kind, NEW.made_by_id, NEW.made_at)
        IS DISTINCT FROM (OLD.id, OLD.lead_id, OLD.kind, OLD.made_by_id, OLD.made_at) THEN
    RAISE EXCEPTION 'attempt % is a fact: its outcome alone is set, and once', OLD.id
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER attempt_outcome_is_set_once BEFORE UPDATE ON contact_attempts
  FOR EACH ROW EXECUTE FUNCTION attempt_outcome_is_set_once();
CREATE OR REPLACE TRIGGER attempts_never_deleted BEFORE DELETE ON contact_attempts
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER attempts_never_truncated BEFORE TRUNCATE ON contact_attempts
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
