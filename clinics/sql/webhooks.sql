-- What owners hear of their webhooks, written in the transaction that makes it true, whoever makes it: that one takes
-- nothing any more, and that one was stopped by another than an owner's hand.

CREATE OR REPLACE FUNCTION tell_of_webhook() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_state text := TG_ARGV[0];
  v_at timestamptz := CASE v_state WHEN 'failing' THEN NEW.failing_told_at ELSE NEW.stopped_at END;
BEGIN
  INSERT INTO notices (clinic_id, kind, unique_key, data)
  VALUES (NEW.clinic_id, 'webhook_failing', 'webhook:' || NEW.id || ':' || v_state || ':' || extract(epoch FROM v_at),
          jsonb_build_object('endpoint_id', NEW.id, 'state', v_state, 'since', NEW.failing_since,
                             'because', NEW.stopped_because))
  ON CONFLICT (unique_key) DO NOTHING;
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER tells_that_it_fails AFTER UPDATE OF failing_told_at ON webhook_endpoints
  FOR EACH ROW WHEN (OLD.failing_told_at IS NULL AND NEW.failing_told_at IS NOT NULL)
  EXECUTE FUNCTION tell_of_webhook('failing');
CREATE OR REPLACE TRIGGER tells_that_it_stopped AFTER UPDATE OF stopped_at ON webhook_endpoints
  FOR EACH ROW WHEN (OLD.stopped_at IS NULL AND NEW.stopped_at IS NOT NULL AND NEW.stopped_because <> 'by_hand'
                     AND NEW.removed_at IS NULL)
  EXECUTE FUNCTION tell_of_webhook('stopped');
