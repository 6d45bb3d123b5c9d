-- Guards of disputes: what a shell, the admin, psql and our own bugs all meet.

-- A dispute is decided once; what was filed is a fact.
CREATE OR REPLACE TRIGGER decided_disputes_never_change BEFORE UPDATE ON lead_disputes
  FOR EACH ROW WHEN (OLD.status <> 'pending') EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER dispute_facts_never_change
  BEFORE UPDATE OF id, lead_id, clinic_id, dispute_type, description, created_at, appeal_of_id, filed_by_id
  ON lead_disputes FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER disputes_never_deleted BEFORE DELETE ON lead_disputes
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER disputes_never_truncated BEFORE TRUNCATE ON lead_disputes
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER entries_never_change BEFORE UPDATE OR DELETE ON dispute_entries
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER entries_never_truncated BEFORE TRUNCATE ON dispute_entries
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER evidence_never_changes BEFORE UPDATE OR DELETE ON dispute_evidence
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER evidence_never_truncated BEFORE TRUNCATE ON dispute_evidence
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A dispute is about a lead of its own clinic, and an appeal about a dispute of the same lead that was decided.
CREATE OR REPLACE FUNCTION guard_new_dispute() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM leads WHERE id = NEW.lead_id AND clinic_id = NEW.clinic_id AND delivery_state = 'delivered';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'clinic % was not charged for lead %', NEW.clinic_id, NEW.lead_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'dispute_is_of_a_charged_lead_of_its_clinic';
  END IF;
  IF NEW.appeal_of_id IS NOT NULL THEN
    PERFORM 1 FROM lead_disputes
     WHERE id = NEW.appeal_of_id AND lead_id = NEW.lead_id AND appeal_of_id IS NULL
       AND status IN ('approved', 'rejected');
    IF NOT FOUND THEN
      RAISE EXCEPTION 'dispute % cannot be appealed', NEW.appeal_of_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'appeal_is_of_a_decided_dispute_of_its_lead';
    END IF;
  END IF;
  IF NEW.status <> 'pending' THEN
    RAISE EXCEPTION 'a dispute begins as pending' USING ERRCODE = 'check_violation', CONSTRAINT = 'dispute_begins_as_pending';
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER new_dispute_is_of_its_lead BEFORE INSERT ON lead_disputes
  FOR EACH ROW EXECUTE FUNCTION guard_new_dispute();

-- A lead that became a patient was good: not while the clinic says otherwise. Whoever sets the status holds the lead's
-- lock, which filing takes too.
CREATE OR REPLACE FUNCTION guard_converted_lead() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM lead_disputes WHERE lead_id = NEW.id AND status = 'pending';
  IF FOUND THEN
    RAISE EXCEPTION 'lead % is disputed', NEW.id USING ERRCODE = 'CC021';
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER disputed_lead_is_not_converted BEFORE UPDATE OF status ON leads
  FOR EACH ROW WHEN (NEW.status = 'converted' AND OLD.status <> 'converted') EXECUTE FUNCTION guard_converted_lead();
