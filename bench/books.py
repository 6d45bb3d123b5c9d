"""Fills books with years of movements, as the product's own functions would have written them, but set by set.

Each clinic goes through the same cycle again and again: a paid top-up with its bonus, forty charged leads (two of them
paid from two grants each), a refund for a disputed one, an expiry; beside them a held and a free lead. Clinics take
turns, so that the rows of one lie far apart, as they do in production.
"""

from pathlib import Path
from typing import Any, Final

import psycopg

CLINICS: Final = 2_000
CYCLE: Final = 43  # movements

# A row's number and time: clinics take turns at each place of each cycle.
NUMBER: Final = "((cycle * {length} + {place}) * {clinics} + turn + 1 + {clinics})"
WHEN: Final = (
    "timestamptz '2023-01-01 00:00+05:30' + (cycle * {length} + {place} + 1) * interval '{step} seconds'"
    " + turn * interval '1 millisecond'"
)
ROWS: Final = Path(__file__).with_suffix(".sql")
FILLED: Final = (
    "top_ups", "gateway_payments", "leads", "lead_contacts", "credit_transactions", "credit_grants",
    "grant_consumptions", "lead_disputes", "audit_events", "staff_requests", "users", "clinics",
)  # fmt: skip
INDEXES: Final = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
  FROM pg_index LEFT JOIN pg_constraint ON conindid = indexrelid AND contype IN ('p', 'u')
 WHERE indrelid = ANY (%s::regclass[]) AND pg_constraint.oid IS NULL
"""


class Words:
    """`{when}` and `{when:22}` in a statement: what stands for it, at a row's own place or at that one."""

    def __init__(self, text: str, **facts: int) -> None:
        self.text, self.facts = text, facts

    def __format__(self, place: str) -> str:
        return self.text.format(place=place or "place", **self.facts)


def fill(superuser: str, movements: int) -> int:
    """At least so many movements; how many there are. Into books that are empty; triggers and foreign keys rest."""
    cycles = -(-movements // (CLINICS * CYCLE))
    facts = {"length": CYCLE, "clinics": CLINICS, "step": 63_000_000 // (cycles * CYCLE)}
    text = ROWS.read_text(encoding="utf-8").format(
        number=Words(NUMBER, **facts), when=Words(WHEN, **facts), cycles=cycles, clinics=CLINICS, length=CYCLE,
        last=CYCLE - 1, uses=42,
    )  # fmt: skip
    with psycopg.connect(superuser, autocommit=True) as session:
        session.execute("SET session_replication_role = replica")
        session.execute("SET maintenance_work_mem = '512MB'")
        indexes = session.execute(INDEXES, [list(FILLED)]).fetchall()
        for name, _ in indexes:
            session.execute(f"DROP INDEX {name}")
        for statement in text.split(";\n"):
            if statement.strip():
                session.execute(statement)
        for _, definition in indexes:
            session.execute(definition)
        for table in FILLED:
            _next_number(session, table)
        session.execute("VACUUM ANALYZE")
    return CLINICS * (cycles * CYCLE + 1)


def _next_number(session: "psycopg.Connection[Any]", table: str) -> None:
    if table != "lead_contacts":
        session.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
        )
