-- What is due, read without a lock: nothing here writes.

-- The clinics where `release_leads` would change something now: a lead that could be delivered, or that would stay for
-- another reason than it says. Those whose leads stay as they are cost no lock and no round trip, however many they are.
-- Without locks: what changes meanwhile is found by the next run. Grants that have run out count as credits until the
-- account is opened; that tries once too often, and never too seldom.
CREATE OR REPLACE FUNCTION clinics_to_release() RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH rules AS MATERIALIZED (
    SELECT ledger_clock() AS at, charging_stopped_at, make_interval(hours => auto_release_hours) AS young,
           make_interval(days => repeat_window_days) AS repeats_within
      FROM billing_rules
  ), waiting AS MATERIALIZED (
    SELECT l.id, l.clinic_id, l.created_at, l.cost, l.held_reason
      FROM rules, leads l
     WHERE l.delivery_state = 'held' AND l.held_reason <> 'review' AND l.created_at >= rules.at - rules.young
  ), accounts AS MATERIALIZED (
    SELECT stamped.clinic_id, stamped.a, delivery_stopped(stamped.a, rules.charging_stopped_at) AS stopped
      FROM rules, (SELECT account.clinic_id, ledger_stamped(account, rules.at) AS a
                     FROM credit_accounts account, rules
                    WHERE account.clinic_id IN (SELECT clinic_id FROM waiting) OFFSET 0) AS stamped
  )
  SELECT coalesce(array_agg(DISTINCT l.clinic_id), '{}')
    FROM rules, waiting l
         JOIN accounts USING (clinic_id)
         JOIN lead_contacts contact ON contact.lead_id = l.id
         -- The oldest held one of its phone: it is tried first, and while it stays the others wait with it.
         LEFT JOIN LATERAL (
           SELECT other.* FROM lead_contacts theirs JOIN leads other ON other.id = theirs.lead_id
            WHERE theirs.clinic_id = l.clinic_id AND theirs.phone = contact.phone AND contact.phone <> ''
              AND other.delivery_state = 'held' AND other.held_reason <> 'review'
              AND (other.created_at, other.id) < (l.created_at, l.id)
            ORDER BY other.created_at, other.id LIMIT 1) AS first ON true
   WHERE ((accounts.a).auto_release OR l.held_reason = 'busy')
     AND (l.held_reason IS DISTINCT FROM coalesce(
            accounts.stopped,
            CASE WHEN first.id IS NULL THEN delivery_unpayable(accounts.a, l.cost)
                 WHEN (accounts.a).auto_release OR first.held_reason = 'busy'
                   THEN delivery_unpayable(accounts.a, first.cost)
                 ELSE first.held_reason END)
          OR accounts.stopped IS NULL AND EXISTS (
            -- A charged one of its phone makes it free, or the one it waits with.
            SELECT FROM lead_contacts theirs JOIN leads other ON other.id = theirs.lead_id
             WHERE theirs.clinic_id = l.clinic_id AND theirs.phone = contact.phone AND contact.phone <> ''
               AND other.delivery_state = 'delivered' AND other.refunded_total < other.cost
               AND (other.created_at BETWEEN l.created_at - rules.repeats_within AND l.created_at + rules.repeats_within
                    OR ((accounts.a).auto_release OR first.held_reason = 'busy')
                       AND other.created_at BETWEEN first.created_at - rules.repeats_within
                                                AND first.created_at + rules.repeats_within)))
$$;
