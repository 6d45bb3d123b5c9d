-- A new price list that two people decided, carried out (see clinics/sql/requests.sql).

-- {"version_id": 1, "note": "…", "effective_at": null, "tiers": [{"price_from": "0", "price_below": "5000", "credits": "100"}, …]}
-- `version_id` is the newest list when it was asked for; `effective_at` a time, or null: from the approval on, which is
-- also what holds when the approval comes later than that time. Triggers in pricing.sql refuse gaps and overlaps.
CREATE OR REPLACE FUNCTION carry_out_price_list(r staff_requests) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_version_id bigint;
  v_tier jsonb;
BEGIN
  PERFORM request_check_names(r.details, 'version_id', 'note', 'effective_at', 'tiers');
  PERFORM request_check(r.object_key = 'price_list', 'the request is about something else');
  -- One new list at a time; the web never writes here, so nobody else waits for this lock.
  LOCK TABLE lead_pricing_versions IN SHARE ROW EXCLUSIVE MODE;
  PERFORM request_check_unchanged(
    (SELECT max(id) FROM lead_pricing_versions) = (r.details ->> 'version_id')::bigint, 'the price list');
  PERFORM request_check(length(trim(r.details ->> 'note')) BETWEEN 1 AND 200, 'a price list has a name');
  PERFORM request_check(jsonb_typeof(r.details -> 'tiers') = 'array' AND jsonb_array_length(r.details -> 'tiers') > 0,
                        'a price list has tiers');
  INSERT INTO lead_pricing_versions (note, effective_at, created_at)
  VALUES (r.details ->> 'note', greatest((r.details ->> 'effective_at')::timestamptz, ledger_clock()), ledger_clock())
  RETURNING id INTO v_version_id;
  FOR v_tier IN SELECT * FROM jsonb_array_elements(r.details -> 'tiers') LOOP
    PERFORM request_check_names(v_tier, 'price_from', 'price_below', 'credits');
    INSERT INTO lead_pricing_tiers (version_id, price_from, price_below, credits)
    VALUES (v_version_id, request_amount(v_tier ->> 'price_from'), request_amount(v_tier ->> 'price_below'),
            request_amount(v_tier ->> 'credits'));
  END LOOP;
  SET CONSTRAINTS tiers_cover_every_price, versions_have_tiers IMMEDIATE;
  SET CONSTRAINTS tiers_cover_every_price, versions_have_tiers DEFERRED;
  RETURN jsonb_build_object('version', v_version_id);
END $$;
