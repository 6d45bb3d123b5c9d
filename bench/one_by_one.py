"""The same delivery as single statements from psycopg, prepared, in one transaction: what round trips cost.

The same rows and rules as `deliver_lead`, decided here; on the owner's connection, since the web's role can't write
these tables. What no enquiry of the bench needs (an expiry, a retry of waiting leads) is asked for and then left out.
"""

from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb

from bench.bare import connect
from credits.services.ledger import Enquiry

LEAD_ID = "SELECT nextval('leads_id_seq') AS id, ledger_clock() AS now"
KEY = """
INSERT INTO idempotency_keys (caller, route, key, body_hmac, status_code, answer, created_at)
VALUES (%s, %s, %s, %s, 201, %s, %s) ON CONFLICT (caller, route, key) DO NOTHING
"""
CLINIC = "SELECT 1 FROM clinics WHERE id = %s AND is_active"
PACKAGE = "SELECT treatment_id, price FROM packages WHERE id = %s AND clinic_id = %s AND is_active"
ACCOUNT = """
SELECT *, greatest(ledger_clock(), last_posted_at) AS now, ist_date(greatest(ledger_clock(), last_posted_at)) AS today
  FROM credit_accounts WHERE clinic_id = %s FOR NO KEY UPDATE
"""
DUE = (
    "SELECT id FROM credit_grants WHERE clinic_id = %s AND open AND expires_at <= %s ORDER BY expires_at, id"
)
TIER = "SELECT id, credits FROM tier_for_price(%s, %s)"
RULES = "SELECT * FROM billing_rules"
WAITING = """
SELECT other.held_reason FROM lead_contacts contact JOIN leads other ON other.id = contact.lead_id
 WHERE contact.clinic_id = %s AND contact.phone = %s
   AND other.delivery_state = 'held' AND other.held_reason <> 'review'
   AND (other.created_at, other.id) < (%s, %s) ORDER BY other.created_at, other.id
"""
REPEAT = """
SELECT other.id FROM lead_contacts contact JOIN leads other ON other.id = contact.lead_id
 WHERE contact.clinic_id = %s AND contact.phone = %s AND other.delivery_state = 'delivered'
   AND other.refunded_total < other.cost
   AND other.created_at BETWEEN %s - make_interval(days => %s) AND %s + make_interval(days => %s)
 ORDER BY other.created_at DESC, other.id DESC LIMIT 1
"""
LEAD = """
INSERT INTO leads (id, clinic_id, package_id, treatment_id, package_price, tier_id, cost, delivery_state, held_reason,
                   expired_reason, repeat_of_id, status, contact_intent, source, city, is_minor, consent_notice_id,
                   consented_at, created_at, delivered_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, '', %s, 'new', %s, %s, %s, false, %s, %s, %s, %s)
"""
CONTACT = """
INSERT INTO lead_contacts (lead_id, clinic_id, phone, name, email, procedure_name, message, guardian_name)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
ROW = """
INSERT INTO credit_transactions (clinic_id, sequence, amount, balance_after, transaction_type, description, lead_id,
                                 created_at)
VALUES (%s, %s, %s, %s, 'deduction', %s, %s, %s) RETURNING id
"""
GRANTS = "SELECT id, remaining FROM credit_grants WHERE clinic_id = %s AND open ORDER BY expires_at, id"
GRANT = "UPDATE credit_grants SET remaining = remaining - %s WHERE id = %s"
CONSUMPTION = "INSERT INTO grant_consumptions (grant_id, transaction_id, amount) VALUES (%s, %s, %s)"
NOTICE = "INSERT INTO notices (clinic_id, kind, unique_key, data, created_at) VALUES (%s, %s, %s, %s, %s)"
CLOSE = """
UPDATE credit_accounts SET balance = %s, last_sequence = %s, last_posted_at = %s, charged_on = %s, charged_today = %s,
                           charged_this_month = %s
 WHERE clinic_id = %s
"""


class OneByOne:
    def __init__(self) -> None:
        self.connection = connect("owner")
        self.cursor: psycopg.Cursor[Any] = self.connection.cursor(row_factory=namedtuple_row)

    def ask(self, statement: str, *values: Any) -> list[Any]:
        self.cursor.execute(statement, values, prepare=True)
        return self.cursor.fetchall() if self.cursor.description else []

    def deliver(self, enquiry: Enquiry) -> int:
        with self.connection.transaction():
            lead_id, arrived_at = self.ask(LEAD_ID)[0]
            answer = Jsonb({"status": "success", "lead_id": lead_id})
            self.ask(KEY, enquiry.caller, enquiry.route, enquiry.key, enquiry.body_hmac, answer, arrived_at)
            assert self.cursor.rowcount == 1
            assert self.ask(CLINIC, enquiry.clinic_id)
            treatment_id, price = self.ask(PACKAGE, enquiry.package_id, enquiry.clinic_id)[0]
            account = self.ask(ACCOUNT, enquiry.clinic_id)[0]
            assert not self.ask(DUE, enquiry.clinic_id, account.now)
            tier = self.ask(TIER, price, account.now)[0]
            state, reason, repeat_id = self.decide(account, enquiry.phone, lead_id, tier.credits)
            delivered_at = None if state == "held" else account.now
            self.ask(
                LEAD, lead_id, enquiry.clinic_id, enquiry.package_id, treatment_id, price, tier.id, tier.credits,
                state, reason, repeat_id, enquiry.contact_intent, enquiry.source, enquiry.city,
                enquiry.consent_notice_id, account.now, account.now, delivered_at,
            )  # fmt: skip
            self.ask(
                CONTACT, lead_id, enquiry.clinic_id, enquiry.phone, enquiry.name, enquiry.email,
                enquiry.procedure_name, enquiry.message, enquiry.guardian_name,
            )  # fmt: skip
            if state == "delivered":
                self.charge(account, lead_id, tier.credits)
            told = Jsonb({"lead_id": lead_id, "state": state})
            kind = "lead_held" if state == "held" else "lead_delivered"
            self.ask(NOTICE, enquiry.clinic_id, kind, f"lead:{lead_id}:arrived", told, account.now)
        return int(lead_id)

    def decide(self, account: Any, phone: str, lead_id: int, cost: Decimal) -> tuple[str, str, int | None]:
        waiting = self.ask(WAITING, account.clinic_id, phone, account.now, lead_id)
        rules = self.ask(RULES)[0]
        days = rules.repeat_window_days
        if account.frozen_at or account.owed or rules.charging_stopped_at:
            return "held", "frozen", None
        if account.paused_at and (account.paused_until is None or account.paused_until > account.now):
            return "held", "paused", None
        repeats = self.ask(REPEAT, account.clinic_id, phone, account.now, days, account.now, days)
        if repeats:
            return "free", "", repeats[0].id
        if waiting:
            return "held", waiting[0].held_reason, None
        limits = (
            (account.highest_cost, cost),
            (account.daily_cap, account.charged_today + cost),
            (account.monthly_cap, account.charged_this_month + cost),
        )
        if any(limit is not None and reached > limit for limit, reached in limits):
            return "held", "budget", None
        return ("held", "no_credits", None) if cost > account.balance else ("delivered", "", None)

    def charge(self, account: Any, lead_id: int, cost: Decimal) -> None:
        balance, sequence = account.balance - cost, account.last_sequence + 1
        row = (account.clinic_id, sequence, -cost, balance, f"Lead {lead_id}", lead_id, account.now)
        row_id = self.ask(ROW, *row)[0].id
        left = cost
        for grant in self.ask(GRANTS, account.clinic_id):
            part = min(grant.remaining, left)
            self.ask(GRANT, part, grant.id)
            self.ask(CONSUMPTION, grant.id, row_id, part)
            left -= part
            if not left:
                break
        is_same_day = account.today == account.charged_on
        is_same_month = account.today.replace(day=1) == account.charged_on.replace(day=1)
        today = (account.charged_today if is_same_day else Decimal(0)) + cost
        this_month = (account.charged_this_month if is_same_month else Decimal(0)) + cost
        self.ask(CLOSE, balance, sequence, account.now, account.today, today, this_month, account.clinic_id)
