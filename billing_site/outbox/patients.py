"""A patient whose enquiry has waited for a day is told, once, that the clinic has not answered yet.

Nobody is told why: that is between the clinic and us. The address is read when the mail leaves and kept nowhere else.
"""

from typing import Final

from django.db import connection, transaction
from django.urls import reverse

from billing_site.outbox.letters import Letter, NotWanted, address_of, compose
from clinics.idempotency import keyed_digest
from clinics.models import OutgoingMail
from leads.models import Lead
from leads.public_views import receipt_token

MOST_A_DAY: Final = 3  # to one mailbox, of all clinics
LOCK: Final = 71_061_401  # our own among the database's advisory locks

# Anybody can type somebody else's address into forms, and withdraw what was told: so the mail's key is the clinic and
# the mailbox, not the enquiry, and its row is kept for longer than an enquiry is held. What is after a plus sign is of
# the same mailbox. The key holds a keyed digest: no row of ours gives an address away.
WRITE: Final = """
WITH waiting AS (
  SELECT DISTINCT ON (clinic_id, mailbox) id, clinic_id, mailbox, created_at
    FROM (SELECT lead.id, lead.clinic_id, lead.created_at,
                 left(encode(sha256(convert_to(%(secret)s || regexp_replace(lower(contact.email), '[+][^@]*@', '@'),
                                               'UTF8')), 'hex'), 40) AS mailbox
            FROM leads lead
            JOIN lead_contacts contact ON contact.lead_id = lead.id
           WHERE lead.delivery_state = 'held' AND lead.created_at <= ledger_clock() - interval '24 hours'
             AND contact.email <> '' AND contact.erased_at IS NULL) AS held
   ORDER BY clinic_id, mailbox, created_at, id
), today AS (
  SELECT split_part(unique_key, ':', 3) AS mailbox, count(*) AS number
    FROM outgoing_mails
   WHERE kind = 'patient_waiting' AND created_at > now() - interval '1 day'
   GROUP BY 1
), untold AS (
  SELECT waiting.*, 'patient_waiting:' || clinic_id || ':' || mailbox AS unique_key,
         coalesce(today.number, 0) + row_number() OVER (PARTITION BY mailbox ORDER BY created_at, id) AS nth
    FROM waiting LEFT JOIN today USING (mailbox)
   WHERE NOT EXISTS (SELECT FROM outgoing_mails told
                      WHERE told.unique_key = 'patient_waiting:' || waiting.clinic_id || ':' || mailbox)
)
INSERT INTO outgoing_mails (kind, unique_key, clinic_id, data, message_id)
SELECT 'patient_waiting', unique_key, clinic_id, jsonb_build_object('lead_id', id), gen_random_uuid()
  FROM untold
 WHERE nth <= %(most)s
 ORDER BY id
"""


def write_to_waiting_patients() -> int:
    """Rows for those who were not told yet; says how many. One run at a time, so that the next counts this one's."""
    secret = keyed_digest("told_mailbox", "").hex()  # not the site's own: statements may be logged
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute(WRITE, {"secret": secret, "most": MOST_A_DAY})
        return int(cursor.rowcount)


def letter_to_a_patient(mail: OutgoingMail) -> Letter:
    """Raises NotWanted where the enquiry does not wait any more."""
    lead = Lead.objects.select_related("clinic", "contact").get(pk=mail.data["lead_id"])
    if lead.delivery_state != Lead.DeliveryState.HELD:
        raise NotWanted("Not sent: the enquiry does not wait any more.")
    if lead.contact.erased_at is not None or not lead.contact.email:
        raise NotWanted("Not sent: the contact is erased.")
    receipt = address_of(reverse("enquiry_receipt", args=[receipt_token(lead.pk)]))
    facts = {"clinic": lead.clinic, "asked_at": lead.created_at, "receipt": receipt}
    return compose("patient_waiting", to=lead.contact.email, facts=facts)
