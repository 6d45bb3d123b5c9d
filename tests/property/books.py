"""The books of a clinic as plain tuples, read from the database or written down from the model: equal or not."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection

from tests.property.ledger_model import NEVER, Account

HISTORY = """
SELECT row.id, row.clinic_id, row.sequence, row.transaction_type, row.amount, row.balance_after, row.created_at,
       row.lead_id, row.top_up_id, loss.key, row.idempotency_key, row.payment_id
  FROM credit_transactions row LEFT JOIN reversals loss ON loss.id = row.reversal_id
 ORDER BY row.clinic_id, row.sequence
"""
GRANTS = """
SELECT id, transaction_id, kind, amount, remaining, expires_at, purchase_id, created_at, origin_id
  FROM credit_grants ORDER BY id
"""
CONSUMPTIONS = "SELECT id, transaction_id, amount, returned, grant_id FROM grant_consumptions ORDER BY id"
LEADS = """
SELECT lead.clinic_id, lead.id, contact.phone, lead.cost, lead.created_at, lead.delivery_state, lead.held_reason,
       lead.refunded_total, lead.repeat_of_id
  FROM leads lead JOIN lead_contacts contact ON contact.lead_id = lead.id ORDER BY lead.id
"""
LOSSES = """
SELECT purchase.clinic_id, loss.key, loss.top_up_id, loss.loss_paise, loss.paid_share, loss.bonus_share,
       loss.bonus_forgiven, loss.owed_open, loss.state = 'restored'
  FROM reversals loss JOIN top_ups purchase ON purchase.id = loss.top_up_id ORDER BY loss.id
"""
Place = tuple[int, int]  # a grant or consumption: the number of its row, and which of that row's it is


@dataclass
class Books:
    balance: Decimal
    owed: Decimal
    history: list[tuple[Any, ...]] = field(default_factory=list)
    grants: list[tuple[Any, ...]] = field(default_factory=list)
    consumptions: list[tuple[Any, ...]] = field(default_factory=list)
    leads: list[tuple[Any, ...]] = field(default_factory=list)
    losses: list[tuple[Any, ...]] = field(default_factory=list)


def books_in_database() -> dict[int, Books]:
    """The books of every clinic, by its id."""
    accounts = _rows("SELECT clinic_id, balance, owed FROM credit_accounts")
    books = {clinic_id: Books(balance, owed) for clinic_id, balance, owed in accounts}
    rows: dict[int, tuple[int, int]] = {}
    for row_id, clinic_id, sequence, *facts in _rows(HISTORY):
        rows[row_id] = clinic_id, sequence
        books[clinic_id].history.append((sequence, *facts))
    grants, consumptions = _rows(GRANTS), _rows(CONSUMPTIONS)
    grant_places, places = _places(grants, rows), _places(consumptions, rows)
    for grant_id, row_id, *facts, origin_id in grants:
        books[rows[row_id][0]].grants.append((grant_places[grant_id], *facts, places.get(origin_id)))
    for consumption_id, row_id, *facts, grant_id in consumptions:
        books[rows[row_id][0]].consumptions.append((places[consumption_id], *facts, grant_places[grant_id]))
    for clinic_id, *facts in _rows(LEADS):
        books[clinic_id].leads.append(tuple(facts))
    for clinic_id, *facts in _rows(LOSSES):
        books[clinic_id].losses.append(tuple(facts))
    return books


def books_of(account: Account) -> Books:
    books = Books(account.balance, account.owed)
    numbered = list(enumerate(account.rows, start=1))
    grant_places = {id(grant): (n, i) for n, row in numbered for i, grant in enumerate(row.grants, start=1)}
    places = {id(part): (n, i) for n, row in numbered for i, part in enumerate(row.consumptions, start=1)}
    for number, row in numbered:
        ids = (thing and thing.id for thing in (row.lead, row.purchase))
        loss = row.loss and row.loss.key
        books.history.append(
            (number, row.type, row.amount, row.balance_after, row.at, *ids, loss, row.key, row.payment_id)
        )
        for grant in row.grants:
            expires_at = None if grant.expires_at == NEVER else grant.expires_at
            purchase = grant.purchase and grant.purchase.id
            facts = (grant.kind, grant.amount, grant.remaining, expires_at, purchase, row.at)
            books.grants.append((grant_places[id(grant)], *facts, places.get(id(grant.origin))))
        for part in row.consumptions:
            books.consumptions.append(
                (places[id(part)], part.amount, part.returned, grant_places[id(part.grant)])
            )
    for lead in account.leads.values():
        arrival = (lead.id, lead.phone, lead.cost, lead.created_at)
        repeats = OneOf(lead.repeats if lead.state == "free" else [None])
        books.leads.append((*arrival, lead.state, lead.reason, lead.refunded, repeats))
    for loss in account.losses:
        shares = (loss.paid_share, loss.bonus_share, loss.forgiven, loss.owed)
        books.losses.append((loss.key, loss.purchase.id, loss.paise, *shares, loss.is_restored))
    return books


class OneOf:
    """Equal to any of these: which charged lead a free one repeats is not prescribed where there are several."""

    def __init__(self, allowed: Iterable[int | None]) -> None:
        self.allowed = tuple(allowed)

    def __eq__(self, other: object) -> bool:
        return other in self.allowed

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"one of {self.allowed}"


def _rows(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _places(things: list[tuple[Any, ...]], rows: dict[int, tuple[int, int]]) -> dict[int, Place]:
    """The place of each (id, transaction id, …), given in the order of their ids."""
    seen: Counter[int] = Counter()
    places = {}
    for thing_id, row_id, *_ in things:
        seen[row_id] += 1
        places[thing_id] = rows[row_id][1], seen[row_id]
    return places
