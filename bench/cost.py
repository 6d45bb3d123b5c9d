"""A3: what one delivered lead costs the server: round trips, flushes, bytes of WAL."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection

from bench.material import Material
from credits.services.ledger import BillingService

# Where flushes are counted: pg_stat_io since PostgreSQL 18, pg_stat_wal before.
FLUSHES_18 = (
    "SELECT sum(fsyncs) FROM pg_stat_io"
    " WHERE object = 'wal' AND backend_type = 'client backend' AND context = 'normal'"
)
FLUSHES = "SELECT wal_sync FROM pg_stat_wal"
RECORDS = "SELECT sum(record_size) FROM pg_get_wal_stats(%s, %s)"


@dataclass(frozen=True)
class Cost:
    """Per delivered lead. WAL without the images of pages first touched after a checkpoint, and with them."""

    round_trips: float
    flushes: float
    wal_bytes: float
    wal_bytes_with_page_images: float


def measure(material: Material, superuser: str, leads: int) -> Cost:
    with psycopg.connect(superuser, autocommit=True) as server:
        server.execute("CREATE EXTENSION IF NOT EXISTS pg_walinspect")
        server.execute("CHECKPOINT")
        for enquiry in material.enquiries(leads):  # pages get their image now, statements are prepared
            BillingService.deliver_lead(enquiry)
        enquiries = material.enquiries(leads)
        flushed = settled_flushes(server)
        start = value(server, "SELECT pg_current_wal_insert_lsn()")
        for enquiry in enquiries:
            BillingService.deliver_lead(enquiry)
        end = value(server, "SELECT pg_current_wal_insert_lsn()")
        flushes = settled_flushes(server) - flushed
        records = value(server, RECORDS, start, end)
        total = value(server, "SELECT pg_wal_lsn_diff(%s, %s)", end, start)
    return Cost(
        round_trips=round_trips(material),
        flushes=float(flushes) / leads,
        wal_bytes=float(records) / leads,
        wal_bytes_with_page_images=float(total) / leads,
    )


def value(server: "psycopg.Connection[Any]", query: str, *arguments: Any) -> Any:
    row = server.execute(query, arguments).fetchone()
    return row[0] if row else None


def settled_flushes(server: "psycopg.Connection[Any]") -> int:
    """A backend hands its counts over now and then: ours is told to do it at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
    time.sleep(0.1)
    return int(value(server, FLUSHES_18 if server.info.server_version >= 180000 else FLUSHES))


def round_trips(material: Material) -> int:
    """How often the server said «ready for query» to one call, by libpq's own trace."""
    BillingService.deliver_lead(material.enquiry())
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "trace").open("w+") as trace:
        connection.connection.pgconn.trace(trace.fileno())
        BillingService.deliver_lead(material.enquiry())
        connection.connection.pgconn.untrace()
        trace.seek(0)
        return trace.read().count("ReadyForQuery")
