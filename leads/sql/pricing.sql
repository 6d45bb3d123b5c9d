-- The price list: versions of tiers that cover every price exactly once, and never change.

CREATE OR REPLACE TRIGGER tiers_never_change BEFORE UPDATE OR DELETE ON lead_pricing_tiers
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER tiers_never_truncated BEFORE TRUNCATE ON lead_pricing_tiers
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER pricing_versions_never_change BEFORE UPDATE OR DELETE ON lead_pricing_versions
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER pricing_versions_never_truncated BEFORE TRUNCATE ON lead_pricing_versions
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER consent_notices_never_change BEFORE UPDATE OR DELETE ON consent_notices
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER consent_notices_never_truncated BEFORE TRUNCATE ON consent_notices
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- At commit, the tiers of a touched version must run from 0 upwards without gap or overlap, the last open-ended.
-- Since rows never change, a complete version can take no further tier: any would overlap.
CREATE OR REPLACE FUNCTION check_tiers_cover_every_price() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_version bigint := to_jsonb(NEW) ->> TG_ARGV[0];  -- the column that names the version
  v_tiers integer;
  v_fitting integer;
BEGIN
  SELECT count(*), count(*) FILTER (WHERE price_from = expected)
    INTO v_tiers, v_fitting
    FROM (
      SELECT price_from, lag(price_below, 1, 0) OVER (ORDER BY price_from) AS expected
        FROM lead_pricing_tiers WHERE version_id = v_version
    ) AS tier;
  IF v_tiers = 0 OR v_fitting <> v_tiers
     OR (SELECT count(*) FROM lead_pricing_tiers WHERE version_id = v_version AND price_below IS NULL) <> 1 THEN
    RAISE EXCEPTION 'the tiers of price list % leave a gap or overlap', v_version
      USING ERRCODE = 'check_violation', CONSTRAINT = 'tiers_cover_every_price_once';
  END IF;
  RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS tiers_cover_every_price ON lead_pricing_tiers;
CREATE CONSTRAINT TRIGGER tiers_cover_every_price AFTER INSERT ON lead_pricing_tiers
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_tiers_cover_every_price('version_id');
DROP TRIGGER IF EXISTS versions_have_tiers ON lead_pricing_versions;
CREATE CONSTRAINT TRIGGER versions_have_tiers AFTER INSERT ON lead_pricing_versions
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_tiers_cover_every_price('id');

-- The tier of a price (₹) on the list in force at a moment; an unknown price (NULL) gets the lowest tier.
CREATE OR REPLACE FUNCTION tier_for_price(p_price numeric, p_at timestamptz)
RETURNS lead_pricing_tiers LANGUAGE sql STABLE AS $$
  SELECT tier.*
    FROM lead_pricing_tiers tier
   WHERE tier.version_id = (SELECT id FROM lead_pricing_versions
                             WHERE effective_at <= p_at ORDER BY effective_at DESC LIMIT 1)
     AND tier.price_from <= coalesce(p_price, 0)
   ORDER BY tier.price_from DESC
   LIMIT 1
$$;
