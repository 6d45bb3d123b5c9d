"""Many enquiries at once leave the same rows as one after the other: by all that the database keeps of them.

`LEDGER_EXAMPLES=5000 python -m pytest tests/property/test_many_at_once.py` searches longer.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
from django.db import DatabaseError, connection, connections, transaction
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from clinics.models import Clinic
from credits.models import BillingRules, CreditAccount, CreditGrant
from credits.services import verification
from credits.services.delivery import deliver_many, put_together
from credits.services.ledger import BillingError, BillingService, Enquiry
from tests import factories
from tests.property import frozen_clock
from tests.property.frozen_clock import FrozenClock

EXAMPLES: Final = int(os.environ.get("LEDGER_EXAMPLES", "120")) // 8
START: Final = datetime(2030, 1, 30, 12, tzinfo=UTC)
MIDNIGHT: Final = datetime(2030, 1, 30, 18, 30, tzinfo=UTC)  # in India
LIMITS: Final = [*[None] * 12, 100, 180, 430, 1000, 2500]

# The tables an enquiry writes, in an order of their own. Numbers differ: they are read as places (see `_placed`).
LEADS: Final = "SELECT * FROM leads ORDER BY id"
MOVEMENTS: Final = "SELECT * FROM credit_transactions ORDER BY clinic_id, id"
ROWS: Final = {
    "accounts": "SELECT * FROM credit_accounts ORDER BY clinic_id",
    "contacts": "SELECT * FROM lead_contacts ORDER BY lead_id",
    "grants": "SELECT * FROM credit_grants ORDER BY id",
    "consumptions": "SELECT c.* FROM grant_consumptions c JOIN credit_transactions t ON t.id = c.transaction_id"
    " ORDER BY t.clinic_id, c.id",
    "notices": "SELECT * FROM notices ORDER BY clinic_id, id",
    "keys": "SELECT * FROM idempotency_keys ORDER BY caller, key",
    "facts": "SELECT * FROM lead_review_facts ORDER BY lead_id",
}


@dataclass(frozen=True)
class One:
    """An enquiry of a batch. `phone` and `key` below 0 are its own; others are shared."""

    clinic: int
    phone: int
    price: int | None
    package: int | None
    key: int
    body: int
    is_spam: bool


seldom = st.integers(0, 9).map(lambda number: number == 0)
limits = st.sampled_from(LIMITS).map(lambda limit: None if limit is None else Decimal(limit))
mostly_own = st.sampled_from([-1] * 18 + [0, 1, 2])
ones = st.builds(
    One,
    clinic=st.sampled_from([0, 0, 0, 1]),
    phone=mostly_own,
    price=st.sampled_from([None, 0, 4999, 7000, 7000, 7000, 15_000, 60_000]),
    package=st.sampled_from([None] * 20 + [0, 0, 0, 1, 2]),
    key=mostly_own,
    body=st.sampled_from([0, 0, 0, 1]),
    is_spam=st.integers(0, 39).map(lambda number: number == 0),
)
batches = st.lists(ones, min_size=1, max_size=8) | st.lists(ones, min_size=25, max_size=50)


@st.composite
def accounts(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "credits": draw(st.lists(st.sampled_from([50, 99, 333, 1000, 1500, 20_000]), max_size=5)),
        "paid": draw(st.sampled_from([(), (700,), (20_000,), (333, 20_000)])),
        "earlier": draw(st.lists(ones, max_size=6)),
        "columns": {
            "daily_cap": draw(limits),
            "monthly_cap": draw(limits),
            "highest_cost": draw(st.sampled_from([None, None, None, Decimal(250)])),
            "auto_release": not draw(seldom),
            "low_balance_thresholds": draw(
                st.lists(st.sampled_from([300, 1000, 19_500, 20_500]).map(Decimal), max_size=3, unique=True)
            ),
            **({"frozen_at": START} if draw(seldom) else {}),
            **({"paused_at": START} if draw(seldom) else {}),
        },
        "paused_for": draw(st.none() | st.integers(1, 40)),  # microseconds after the batch's beginning
    }


# A run ends the older of two grants that never expire: by their expiry alone nothing says which goes first.
PAID_TWICE: Final[dict[str, Any]] = {
    "credits": [],
    "paid": (333, 20_000),
    "earlier": [],
    "columns": {},
    "paused_for": None,
}
moments = st.sampled_from(["day", "day", "midnight", "expiry", "next list"])


class Stage:
    """Two clinics as drawn, at the moment at which the batch comes."""

    def __init__(self, facts: list[dict[str, Any]], moment: str, before: int) -> None:
        self.clock = FrozenClock(START)
        self.clinics: list[Clinic] = [factories.ClinicFactory.create() for _ in facts]
        prices = [Decimal(7000), Decimal(30_000)]
        self.packages = [
            factories.PackageFactory.create(clinic=self.clinics[0], price=price).pk for price in prices
        ]
        self.packages.append(factories.PackageFactory.create(clinic=self.clinics[0], is_active=False).pk)
        self.number = 0
        for clinic, account in zip(self.clinics, facts, strict=True):
            self._prepare(clinic, account)
        self._go_to(moment, timedelta(microseconds=before))
        for clinic, account in zip(self.clinics, facts, strict=True):
            columns = account["columns"]
            if account["paused_for"] is not None and "paused_at" in columns:
                columns["paused_until"] = self.clock.now + timedelta(microseconds=account["paused_for"])
            CreditAccount.objects.filter(clinic=clinic).update(**columns)

    def _prepare(self, clinic: Clinic, account: dict[str, Any]) -> None:
        for one in account["earlier"]:
            self._try(self.enquiry(replace(one, clinic=self.clinics.index(clinic))))
        for amount in account["paid"]:  # the oldest, and spent last
            factories.paid_top_up(clinic, amount)
        for number, amount in enumerate(account["credits"]):
            self.clock.move(timedelta(hours=1))
            factories.give_credits(clinic, amount, idempotency_key=f"given-{number}")

    def _go_to(self, moment: str, before: timedelta) -> None:
        """To a little before the moment: the batch steps over it, a microsecond a lead."""
        at = MIDNIGHT
        if moment == "day":
            at = self.clock.now + timedelta(days=40)
        elif moment == "expiry":
            expires = CreditGrant.objects.filter(open=True, expires_at__isnull=False).order_by(
                "expires_at", "id"
            )
            at = expires.values_list("expires_at", flat=True).first() or MIDNIGHT
        elif moment == "next list":
            at = self.clock.now + timedelta(days=1)
            new_price_list(at)
        if at - before > self.clock.now:
            self.clock.move(at - before - self.clock.now)

    def enquiry(self, one: One) -> Enquiry:
        self.number += 1
        return factories.enquiry(
            self.clinics[one.clinic],
            50_000 + self.number if one.phone < 0 else one.phone,
            one.price,
            package_id=None if one.package is None else self.packages[one.package],
            caller="import:1",
            route="/contact-clinic",
            key=f"own-{self.number}" if one.key < 0 else f"shared-{one.key}",
            body_hmac=bytes([one.body]) * 32,
            hold_for_review=one.is_spam,
            city="Surat",
        )

    def _try(self, enquiry: Enquiry) -> Any:
        try:
            return BillingService.deliver_lead(enquiry).lead_id
        except BillingError as refusal:
            return type(refusal)

    def one_by_one(self, enquiries: list[Enquiry]) -> list[Any]:
        return [self._try(enquiry) for enquiry in enquiries]

    def at_once(self, enquiries: list[Enquiry]) -> list[Any]:
        arrivals = deliver_many(put_together(enquiries))
        return [one.delivery.lead_id if one.delivery else one.refusal for one in arrivals]


def new_price_list(effective_at: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH version AS (INSERT INTO lead_pricing_versions (note, effective_at, created_at)"
            " VALUES ('Dearer', %s, ledger_clock()) RETURNING id)"
            " INSERT INTO lead_pricing_tiers (version_id, price_from, price_below, credits)"
            " SELECT id, price_from, price_below, credits FROM version,"
            " (VALUES (0, 7000, 120), (7000, NULL, 260)) AS tier (price_from, price_below, credits)",
            [effective_at],
        )


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def left_by(deliver: Callable[[list[Enquiry]], list[Any]], enquiries: list[Enquiry]) -> dict[str, Any]:
    """What each was answered and all rows as they are then, undone."""
    with undone():
        answers = deliver(enquiries)
        leads = {row["id"]: place for place, row in enumerate(_rows(LEADS))}
        movements = {row["id"]: place for place, row in enumerate(_rows(MOVEMENTS))}
        tables = {
            name: _rows(query) for name, query in {"leads": LEADS, "movements": MOVEMENTS, **ROWS}.items()
        }
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    placed: dict[str, Any] = {
        name: [_placed(name, row, leads, movements) for row in rows] for name, rows in tables.items()
    }
    placed["answers"] = [leads.get(answer, answer) for answer in answers]
    return placed


def _rows(query: str) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _placed(
    table: str, row: dict[str, Any], leads: dict[int, int], movements: dict[int, int]
) -> dict[str, Any]:
    """The row with the places of leads and movements for their numbers, without its own where nothing names it."""
    row = dict(row)
    if table != "grants":  # no enquiry makes one
        row.pop("id", None)
    for name in ("lead_id", "repeat_of_id"):
        if row.get(name) is not None:
            row[name] = leads[row[name]]
    if table == "consumptions":
        row["transaction_id"] = movements[row["transaction_id"]]
    number = str(row.get("description", "")).removeprefix("Lead ")
    if number.isdecimal():
        row["description"] = f"Lead {leads[int(number)]}"
    for name in ("data", "answer"):
        if isinstance(row.get(name), str):
            row[name] = json.loads(row[name])  # Django's cursor leaves jsonb as text
        if isinstance(row.get(name), dict) and "lead_id" in row[name]:
            row["unique_key"] = str(row.get("unique_key")).replace(f"lead:{row[name]['lead_id']}:", "lead:")
            row[name] = row[name] | {"lead_id": leads[row[name]["lead_id"]]}
    return row


def differences(found: list[Any], wanted: list[Any]) -> list[Any]:
    """Of rows, what differs alone."""
    if len(found) != len(wanted):
        return [len(found), len(wanted)]
    unlike = [(this, that) for this, that in zip(found, wanted, strict=True) if this != that]
    return [
        {name: (this[name], that[name]) for name in this if this[name] != that[name]}
        if isinstance(this, dict)
        else (this, that)
        for this, that in unlike
    ]


@pytest.mark.django_db(transaction=True)
def test_many_at_once_leave_what_one_by_one_leave() -> None:
    frozen_clock.install()

    @settings(
        max_examples=EXAMPLES, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
    )
    @example([PAID_TWICE] * 2, [One(0, -1, 7000, None, -1, 0, is_spam=False)] * 12, "day", 1, False)
    @given(st.lists(accounts(), min_size=2, max_size=2), batches, moments, st.integers(1, 20), st.booleans())
    def check(facts: list[dict[str, Any]], batch: list[One], moment: str, before: int, stopped: bool) -> None:
        with undone():
            stage = Stage(facts, moment, before)
            if stopped and before % 5 == 0:
                BillingRules.objects.update(charging_stopped_at=START)
            enquiries = [stage.enquiry(one) for one in batch]

            one_by_one, at_once = left_by(stage.one_by_one, enquiries), left_by(stage.at_once, enquiries)

            for table, rows in one_by_one.items():
                assert differences(at_once[table], rows) == [], table
            event(moment)

    check()


@pytest.mark.django_db
def test_books_of_many_at_once_hold_to_the_last_check() -> None:
    """Three thresholds crossed, several grants used up, repeats between, the last of them held."""
    clinic = factories.ClinicFactory.create()
    for number in range(7):
        factories.give_credits(clinic, 333, idempotency_key=f"given-{number}")
    enquiries = [
        factories.enquiry(clinic, number % 17, 7000, caller="import:1", key=str(number), body_hmac=b"x" * 32)
        for number in range(40)
    ]

    arrivals = deliver_many(put_together(enquiries))

    with connection.cursor() as cursor:
        broken = [found.check for found in verification.verify_rows(cursor, exact=True) if found.violations]
    states = [one.delivery.delivery_state for one in arrivals if one.delivery]
    assert broken == []
    assert {state: states.count(state) for state in states} == {"delivered": 12, "held": 10, "free": 18}


@pytest.mark.django_db(databases=["owner"])
def test_leads_of_another_clinic_are_never_charged_to_an_account() -> None:
    with connections["owner"].cursor() as cursor, pytest.raises(DatabaseError, match="of another clinic"):
        cursor.execute(
            "SELECT delivery_many(jsonb_populate_record(NULL::credit_accounts, '{\"clinic_id\": 1}'),"
            " ARRAY[jsonb_populate_record(NULL::leads, '{\"clinic_id\": 2}')],"
            " ARRAY[NULL::lead_contacts], ARRAY[100.0], ARRAY[true], ARRAY[false], NULL)"
        )
