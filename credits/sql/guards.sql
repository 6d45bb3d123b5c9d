-- Guards of the ledger: what a shell, the admin, psql and our own bugs all meet.

-- Every clinic has exactly one account, made with it by the database itself.
CREATE OR REPLACE FUNCTION open_credit_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO credit_accounts (clinic_id, charged_on) VALUES (NEW.id, ist_date(ledger_clock()));
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER clinic_has_an_account AFTER INSERT ON clinics
  FOR EACH ROW EXECUTE FUNCTION open_credit_account();

-- A movement is a fact: never edited, never deleted.
CREATE OR REPLACE TRIGGER ledger_never_changes BEFORE UPDATE OR DELETE ON credit_transactions
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER ledger_never_truncated BEFORE TRUNCATE ON credit_transactions
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Of a grant only `remaining` moves, of a consumption only `returned`, of a reversal its state and what is owed,
-- of an account everything but whose it is. (A column list costs the hot path nothing: the trigger does not fire.)
CREATE OR REPLACE TRIGGER grant_facts_never_change
  BEFORE UPDATE OF id, clinic_id, transaction_id, kind, amount, expires_at, origin_id, purchase_id, created_at
  ON credit_grants FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER grants_never_deleted BEFORE DELETE ON credit_grants
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER grants_never_truncated BEFORE TRUNCATE ON credit_grants
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER consumption_facts_never_change
  BEFORE UPDATE OF id, grant_id, transaction_id, amount
  ON grant_consumptions FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER consumptions_never_deleted BEFORE DELETE ON grant_consumptions
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER consumptions_never_truncated BEFORE TRUNCATE ON grant_consumptions
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER reversal_facts_never_change
  BEFORE UPDATE OF id, key, top_up_id, loss_paise, paid_share, bonus_share, bonus_forgiven, created_at
  ON reversals FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER reversals_never_deleted BEFORE DELETE ON reversals
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER reversals_never_truncated BEFORE TRUNCATE ON reversals
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER account_owner_never_changes BEFORE UPDATE OF clinic_id ON credit_accounts
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER accounts_never_deleted BEFORE DELETE ON credit_accounts
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER accounts_never_truncated BEFORE TRUNCATE ON credit_accounts
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What a top-up sells is frozen once an order for it exists at the gateway.
CREATE OR REPLACE TRIGGER top_up_is_frozen_when_ordered
  BEFORE UPDATE OF clinic_id, price, bonus, promo_bonus, tax, gross, currency ON top_ups
  FOR EACH ROW WHEN (OLD.state <> 'draft' OR OLD.razorpay_order_id IS NOT NULL)
  EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER top_ups_never_deleted BEFORE DELETE ON top_ups
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER top_ups_never_truncated BEFORE TRUNCATE ON top_ups
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
