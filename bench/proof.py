"""E2: how fast `verify_ledger` is, against reading the same rows plainly; and what memory it takes on both sides.

In a process of its own that sees its cluster by the environment, as the site does in production.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from contextlib import redirect_stdout
from dataclasses import asdict
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any, Final

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings")
os.environ.setdefault("SEAL_KEY", "only-for-the-bench-and-not-a-secret-at-all-either")
django.setup()

import psycopg  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from bench import books  # noqa: E402
from bench.rounds import Variant, ratio, run  # noqa: E402
from credits.models import DaySeal  # noqa: E402
from credits.services import seal_checks, seals, verification  # noqa: E402

COMMAND: Final = "verify_ledger"
# A plain scan: each column that the checks look at, of each long table, read once and put into the cheapest aggregate
# there is for it; PostgreSQL shares it among workers as it does with the checks.
SCANS: Final = (
    "SELECT max(id), max(clinic_id), max(sequence), sum(amount), sum(balance_after), max(transaction_type),"
    " max(created_at), max(lead_id), max(top_up_id), max(reversal_id), count(payment_id), count(idempotency_key)"
    " FROM credit_transactions",
    "SELECT max(id), max(grant_id), max(transaction_id), sum(amount), sum(returned) FROM grant_consumptions",
    "SELECT max(id), max(clinic_id), max(transaction_id), sum(amount), sum(remaining), max(kind), max(expires_at),"
    " max(origin_id), max(purchase_id) FROM credit_grants",
    "SELECT max(id), max(clinic_id), sum(cost), sum(refunded_total), max(delivery_state), max(tier_id),"
    " max(repeat_of_id), max(delivered_at) FROM leads",
    "SELECT count(lead_id), sum(clinic_id) FROM lead_contacts",
    "SELECT max(id), max(clinic_id), max(state), sum(price), sum(bonus), sum(promo_bonus), max(razorpay_payment_id)"
    " FROM top_ups",
    "SELECT max(id), max(status), max(refund_transaction_id), sum(refund_amount), max(lead_id), max(clinic_id),"
    " max(filed_by_id), max(resolved_by_id), max(approved_by_id) FROM lead_disputes",
)
RATIOS: Final = (
    ("checks", "plain scan"),
    ("seals", "copy of the sealed rows"),
    (COMMAND, "plain scan"),
    (COMMAND, "plain scan and copy"),
)


def checks(_: object) -> None:
    with verification.snapshot() as cursor:
        for finding in verification.verify_rows(cursor):
            assert not finding.violations, finding


def compare_seals(_: object) -> None:
    with verification.snapshot() as cursor:
        for tally in seal_checks.examine(cursor):
            assert not tally.numbers, tally.note


def command(_: object) -> None:
    with redirect_stdout(StringIO()):
        call_command(COMMAND)


def scan(_: object) -> None:
    with verification.snapshot() as cursor:
        for query in SCANS:
            cursor.execute(query)
            cursor.fetchall()


def copy(_: object) -> None:
    """The rows that are sealed, as the server writes them, and nothing done with them."""
    with verification.snapshot() as cursor:
        for table, _columns in seals.COLUMNS.values():
            with cursor.copy(f"COPY (SELECT * FROM {table} ORDER BY id) TO STDOUT") as rows:
                for _row in rows:
                    pass


def once(_: int) -> list[None]:
    return [None]


def measure(superuser: str, movements: int, rounds: int) -> dict[str, Any]:
    started = time.perf_counter()
    filled = books.fill(superuser, movements)
    closing = seals.open_closing(date(2026, 1, 1))
    seals.seal(closing)
    counts = {
        "movements": filled,
        "seals": DaySeal.objects.count(),
        "seconds_to_fill": round(time.perf_counter() - started),
    }
    memory = memory_of_the_command(superuser)
    variants = [
        Variant("checks", once, checks),
        Variant("seals", once, compare_seals),
        Variant(COMMAND, once, command),
        Variant("plain scan", once, scan),
        Variant("copy of the sealed rows", once, copy),
    ]
    seconds = run(variants, rounds, 1, random.Random(0))
    seconds["plain scan and copy"] = [
        scanned + copied
        for scanned, copied in zip(seconds["plain scan"], seconds["copy of the sealed rows"], strict=True)
    ]
    ratios = [{"target": "E2", **asdict(ratio(seconds, ours, against))} for ours, against in RATIOS]
    return {
        "counts": counts,
        "memory_mb": memory,
        "ratios": ratios,
        "seconds": seconds,
        "seconds_per_check": by_check(),
    }


def by_check() -> dict[str, float]:
    """Seconds of each statement, and of the proof that spares the slow ones; once."""
    spent: dict[str, float] = {}

    def stopwatch(subjects: Any) -> Any:
        for subject in subjects:
            started = time.perf_counter()
            yield subject
            spent[str(subject)] = round(time.perf_counter() - started, 4)

    with verification.snapshot() as cursor:
        list(verification.verify_rows(cursor, progress=stopwatch))
    return spent


def memory_of_the_command(superuser: str) -> dict[str, float]:
    """The most that the command's process held, and that the server's processes held of their own beyond before."""
    peak, ended = 0.0, threading.Event()
    with psycopg.connect(superuser, autocommit=True) as session:
        row = session.execute("SELECT pg_backend_pid()").fetchone()
        postmaster = parent_of(row[0]) if row else None
    before = of_children(postmaster)

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.02):
            peak = max(peak, of_children(postmaster) - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    program = "import django; django.setup(); from django.core import management as m; m.call_command({!r})"
    child = subprocess.Popen([sys.executable, "-c", program.format(COMMAND)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    ended.set()
    watcher.join()
    assert os.waitstatus_to_exitcode(status) == 0
    return {"client": round(usage.ru_maxrss / 1024, 1), "server": round(peak, 1)}


def parent_of(pid: int) -> int | None:
    path = Path(f"/proc/{pid}/status")
    found = re.search(r"PPid:\s+(\d+)", path.read_text()) if path.exists() else None
    return int(found[1]) if found else None


def of_children(parent: int | None) -> float:
    """Megabytes of their own (what is shared doesn't count) that a parent's processes hold; 0 where nobody tells."""
    held = 0
    for path in Path("/proc").glob("[0-9]*/status") if parent else ():
        try:
            text = path.read_text()
        except OSError:  # it has just ended
            continue
        own = re.search(r"RssAnon:\s+(\d+)", text)
        if own and f"PPid:\t{parent}\n" in text:
            held += int(own[1])
    return held / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--superuser", required=True, help="conninfo")
    parser.add_argument("--movements", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    answer = measure(options.superuser, options.movements, options.rounds)
    connection.close()
    options.output.write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
