"""Notices are handed on: each becomes a mail for every member who wants one, and a webhook for every endpoint.

Set-based and in one transaction, so a notice is handed on exactly once. One round at a time: the notices of one lead
are written under its account's lock, so whoever sees the later one sees the earlier one too, and their webhooks are
made in that order.
"""

from typing import Final

from django.db import connection, transaction

from clinics.models.outbox import FOR_OWNERS

MOST_AT_ONCE: Final = 1_000
LOCK: Final = 7_106_150_021  # a number of our own among the database's advisory locks

WAITING: Final = """
SELECT id FROM notices WHERE sent_at IS NULL ORDER BY id LIMIT %(most)s
"""
MAILS: Final = """
INSERT INTO outgoing_mails (kind, unique_key, clinic_id, membership_id, notice_id, data, message_id)
SELECT 'notice', 'notice:' || notice.id || ':' || member.id, notice.clinic_id, member.id, notice.id, '{}',
       gen_random_uuid()
  FROM notices notice
  JOIN clinics clinic ON clinic.id = notice.clinic_id AND clinic.is_active
  JOIN clinic_memberships member ON member.clinic_id = notice.clinic_id AND member.is_active
  JOIN users ON users.id = member.user_id AND users.is_active
  LEFT JOIN alert_preferences preference
         ON preference.membership_id = member.id AND preference.kind = notice.kind
 WHERE notice.id = ANY(%(notices)s) AND coalesce(preference.by_email, true)
   AND (member.role = 'owner' OR notice.kind <> ALL(%(for_owners)s))
 ORDER BY notice.id, member.id
    ON CONFLICT (unique_key) DO NOTHING
"""
# What a silent endpoint misses has its row too; the sender gives it up, and its owner may have it sent later.
WEBHOOKS: Final = """
INSERT INTO webhook_deliveries (endpoint_id, notice_id, lead_id)
SELECT endpoint.id, notice.id, (notice.data ->> 'lead_id')::bigint
  FROM notices notice
  JOIN clinics clinic ON clinic.id = notice.clinic_id AND clinic.is_active
  JOIN webhook_endpoints endpoint ON endpoint.clinic_id = notice.clinic_id
 WHERE notice.id = ANY(%(notices)s) AND notice.kind = ANY(endpoint.kinds)
   AND endpoint.removed_at IS NULL AND endpoint.stopped_because IN ('', 'silent')
 ORDER BY notice.id, endpoint.id
    ON CONFLICT (endpoint_id, notice_id) DO NOTHING
"""
HANDED_ON: Final = "UPDATE notices SET sent_at = statement_timestamp() WHERE id = ANY(%(notices)s)"


def hand_on(*, most: int = MOST_AT_ONCE) -> int:
    """Hands on up to `most` notices, oldest first, and says how many; 0 also when another process is at it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        (is_ours,) = cursor.fetchone()
        if not is_ours:
            return 0
        cursor.execute(WAITING, {"most": most})
        notices = [notice for (notice,) in cursor.fetchall()]
        if notices:
            for statement in (MAILS, WEBHOOKS, HANDED_ON):
                cursor.execute(statement, {"notices": notices, "for_owners": list(FOR_OWNERS)})
        return len(notices)
