"""The daily summary: for each member who wants it, what happened yesterday in India and what waits for them."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import connection, transaction
from django.template.defaultfilters import floatformat
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing_site.outbox.letters import Letter, NotWanted, compose, portal_address, recipient_of
from billing_site.outbox.stop_links import KINDS, stop_link
from clinics.days import day_of, ledger_now, start_of
from clinics.models import OutgoingMail
from clinics.models.outbox import DAILY_DIGEST

UNREAD_FOR: Final = timedelta(days=7)  # a lead left longer than this is no reason to write each morning
LATEST: Final = timedelta(days=2)  # after its day; later it would be taken for news

# Credits that expire soon are told in it and are no reason to write: notices of their own tell of them.
WRITE: Final = """
WITH telling AS (
  SELECT clinic_id FROM leads WHERE created_at >= %(start)s AND created_at < %(end)s
  UNION
  SELECT clinic_id FROM credit_transactions
   WHERE created_at >= %(start)s AND created_at < %(end)s AND transaction_type IN ('deduction', 'refund')
  UNION
  SELECT clinic_id FROM leads
   WHERE delivery_state IN ('delivered', 'free') AND opened_at IS NULL AND status = 'new'
     AND delivered_at >= %(unread_since)s AND delivered_at < %(end)s
  UNION
  SELECT clinic_id FROM lead_disputes WHERE status = 'pending' AND awaiting_clinic_since IS NOT NULL
)
INSERT INTO outgoing_mails (kind, unique_key, clinic_id, membership_id, data, message_id)
SELECT 'digest', 'digest:' || member.id || ':' || %(today)s::text, member.clinic_id, member.id,
       jsonb_build_object('day', %(day)s::text), gen_random_uuid()
  FROM telling
  JOIN clinics clinic ON clinic.id = telling.clinic_id AND clinic.is_active
  JOIN clinic_memberships member ON member.clinic_id = clinic.id AND member.is_active
  JOIN users ON users.id = member.user_id AND users.is_active
  LEFT JOIN alert_preferences preference
         ON preference.membership_id = member.id AND preference.kind = %(kind)s
 WHERE coalesce(preference.by_email, true)
 ORDER BY member.id
    ON CONFLICT (unique_key) DO NOTHING
"""
# One statement, so that all figures are of one moment.
READ: Final = """
SELECT (SELECT count(*) FROM leads WHERE clinic_id = %(clinic)s AND delivery_state = 'delivered'
           AND delivered_at >= %(start)s AND delivered_at < %(end)s),
       (SELECT count(*) FROM leads WHERE clinic_id = %(clinic)s AND delivery_state = 'free'
           AND delivered_at >= %(start)s AND delivered_at < %(end)s),
       (SELECT count(*) FROM leads WHERE clinic_id = %(clinic)s AND delivery_state = 'held'
           AND created_at >= %(start)s AND created_at < %(end)s),
       (SELECT coalesce(-sum(amount), 0) FROM credit_transactions WHERE clinic_id = %(clinic)s
           AND transaction_type = 'deduction' AND created_at >= %(start)s AND created_at < %(end)s),
       (SELECT coalesce(sum(amount), 0) FROM credit_transactions WHERE clinic_id = %(clinic)s
           AND transaction_type = 'refund' AND created_at >= %(start)s AND created_at < %(end)s),
       (SELECT balance FROM credit_accounts WHERE clinic_id = %(clinic)s),
       (SELECT count(*) FROM leads WHERE clinic_id = %(clinic)s AND delivery_state IN ('delivered', 'free')
           AND opened_at IS NULL AND status = 'new'),
       (SELECT count(*) FROM lead_disputes WHERE clinic_id = %(clinic)s AND status = 'pending'
           AND awaiting_clinic_since IS NOT NULL),
       (SELECT coalesce(sum(remaining), 0) FROM credit_grants WHERE clinic_id = %(clinic)s AND open
           AND expires_at < ledger_clock() + interval '30 days')
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one day in India: leads and credits. As they are now: balance, what is unread, asked, and expires soon."""

    delivered: int
    free: int
    held: int
    spent: Decimal
    refunded: Decimal
    balance: Decimal
    unread: int
    questions: int
    expiring: Decimal

    @property
    def leads(self) -> int:
        return self.delivered + self.free + self.held

    @property
    def is_empty(self) -> bool:
        return not (self.leads or self.spent or self.refunded or self.unread or self.questions)


def write_digests() -> int:
    """Rows for today, for all who have none yet; says how many. Each is read and written when it leaves."""
    with transaction.atomic(), connection.cursor() as cursor:
        today = day_of(ledger_now(cursor))
        day = today - timedelta(days=1)
        facts: dict[str, Any] = {
            "today": today,
            "day": day,
            "start": start_of(day),
            "end": start_of(today),
            "unread_since": start_of(today) - UNREAD_FOR,
            "kind": DAILY_DIGEST,
        }
        cursor.execute(WRITE, facts)
        return int(cursor.rowcount)


def letter_of_a_digest(mail: OutgoingMail) -> Letter:
    """Raises NotWanted."""
    member = recipient_of(mail, DAILY_DIGEST)
    day = date.fromisoformat(mail.data["day"])
    with connection.cursor() as cursor:
        today, figures = day_of(ledger_now(cursor)), read_figures(cursor, member.clinic_id, day)
    if today - day > LATEST:
        raise NotWanted("Not sent: too late to be of use.")
    if figures.is_empty:
        raise NotWanted("Not sent: nothing to tell any more.")
    facts = {
        "clinic": member.clinic,
        "day": day,
        "figures": figures,
        "lines": lines_of(figures),
        "waiting": [(text, portal_address(path, member.clinic)) for text, path in waiting_of(figures)],
        "href": portal_address(reverse("clinic_dashboard"), member.clinic),
        "choices": portal_address(reverse("clinic_alerts"), member.clinic),
        "kind": KINDS[DAILY_DIGEST],
    }
    return compose("digest", to=member.user.email, facts=facts, stop_link=stop_link(member, DAILY_DIGEST))


def lines_of(figures: Figures) -> list[tuple[str, str]]:
    """What happened, in words and numbers; what did not happen is left out, but the leads and the balance."""
    happened = [(_("Leads delivered"), str(figures.delivered))]
    if figures.free:
        happened.append((_("Free leads: repeats of one you paid for"), str(figures.free)))
    if figures.held:
        happened.append((_("Leads held: kept for you, nothing charged"), str(figures.held)))
    happened.append((_("Spent"), credits_of(figures.spent)))
    if figures.refunded:
        happened.append((_("Came back for disputed leads"), credits_of(figures.refunded)))
    return [*happened, (_("Balance now"), credits_of(figures.balance))]


def waiting_of(figures: Figures) -> list[tuple[str, str]]:
    """What a member may want to do about it, each with its page."""
    waiting = []
    if count := figures.unread:
        text = ngettext(
            "%(count)d lead that nobody has opened", "%(count)d leads that nobody has opened", count
        )
        waiting.append((text % {"count": count}, reverse("clinic_dashboard")))
    if count := figures.questions:
        text = ngettext(
            "%(count)d question about a dispute waits for your answer",
            "%(count)d questions about disputes wait for your answers",
            count,
        )
        waiting.append((text % {"count": count}, reverse("disputes_dashboard")))
    if figures.expiring:
        text = _("%(amount)s of bonus credits expire within 30 days") % {
            "amount": credits_of(figures.expiring)
        }
        waiting.append((text, reverse("billing_dashboard")))
    return waiting


def credits_of(amount: Decimal) -> str:
    return f"₹{floatformat(amount, '-2g')}"


def read_figures(cursor: Any, clinic_id: int, day: date) -> Figures:
    end = start_of(day + timedelta(days=1))
    cursor.execute(READ, {"clinic": clinic_id, "start": start_of(day), "end": end})
    return Figures(*cursor.fetchone())
