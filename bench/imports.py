"""E1: a file of leads imported and charged, beside bare COPYs of the same rows and a loop of the ORM.

In a process of its own, after the lane has filled the tables. A round imports a file of fresh phones and keys, copies
the rows that came of it into a database that is as this one was before the first round, and delivers some lines by the
ORM.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any, Final, LiteralString

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings")
django.setup()

import psycopg  # noqa: E402
from django.db import connections  # noqa: E402

from bench import orm_way  # noqa: E402
from bench.rounds import ratio  # noqa: E402
from clinics.models import Partner, User  # noqa: E402
from leads.forms import PartnerEnquiryForm  # noqa: E402
from leads.lead_import import LeadImport, Outcome  # noqa: E402
from leads.models import TreatmentPackage  # noqa: E402
from leads.services.intake import current_notice, enquiry_of  # noqa: E402

PARTNER: Final = "bench-partner"
TWIN: Final = "bench_import_twin"
CLINICS: Final = 200  # that a partner's file is spread over
ORM_LINES: Final = 200
RATIOS: Final = (("import", "bare COPYs"), ("import", "ORM loop"))
SYLLABLES: Final = [
    first + second + "a" for first in "bdghjkmnprstv" for second in ("a", "ee", "i", "o", "u")
]
# What one delivered lead writes, as it can be found by its number; in the order of the foreign keys.
WRITTEN: Final[dict[LiteralString, LiteralString]] = {
    "idempotency_keys": "caller LIKE 'import:%%' AND (answer ->> 'lead_id')::bigint > %s",
    "leads": "id > %s",
    "lead_contacts": "lead_id > %s",
    "credit_transactions": "lead_id > %s",
    "grant_consumptions": "transaction_id IN (SELECT id FROM credit_transactions WHERE lead_id > %s)",
    "notices": "unique_key LIKE 'lead:%%' AND (data ->> 'lead_id')::bigint > %s",
}
COLUMNS: Final = (
    "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
    " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
)


class Stage:
    """The clinics the lane made, with a partner, and files of fresh lines."""

    def __init__(self) -> None:
        user, _ = User.objects.get_or_create(email="partner@bench.example")
        self.partner, _ = Partner.objects.get_or_create(
            slug=PARTNER, defaults={"name": "Bench", "service_user": user}
        )
        packages = TreatmentPackage.objects.order_by("pk").values_list("clinic_id", "pk")
        self.packages = list(packages[:CLINICS])
        self.dice, self.numbers = random.Random(1), count(7_000_000_000)

    def lines(self, number: int) -> list[dict[str, Any]]:
        return [self.line() for _ in range(number)]

    def line(self) -> dict[str, Any]:
        clinic_id, package_id = self.dice.choice(self.packages)
        number = next(self.numbers)
        return {
            "clinic_id": clinic_id,
            "package_id": package_id,
            "patient_name": f"Asha {self.dice.choice(SYLLABLES)}{self.dice.choice(SYLLABLES)}",
            "mobile_number": str(number),
            "email": f"asha{number}@example.com",
            "city": "Ahmedabad",
            "procedure_name": "Whitening",
            "message": f"Please call after {self.dice.randrange(24)}:{self.dice.randrange(60):02}",
            "contact_intent": "call",
            "consent_given": True,
            "idempotency_key": f"bench-{os.getpid()}-{number}",
        }


def write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def imported(partner: Partner, path: Path) -> float:
    """Seconds. All lines must be stored: a refused one costs less."""
    started = time.perf_counter()
    counts = Counter(verdict.outcome for verdict in LeadImport(partner=partner).run(path))
    spent = time.perf_counter() - started
    if set(counts) != {Outcome.STORED}:
        sys.exit(f"not every line was stored: {counts}")
    return spent


def looped(partner: Partner, lines: list[dict[str, Any]]) -> float:
    """Seconds for the same by the site's form and the ORM, line by line."""
    notice_id = current_notice().pk
    started = time.perf_counter()
    for line in lines:
        form = PartnerEnquiryForm({name: str(value) for name, value in line.items()})
        if not form.is_valid():
            sys.exit(str(form.errors))
        fields = form.cleaned_data
        orm_way.deliver(
            enquiry_of(
                fields=fields, caller=f"loop:{partner.pk}", key=fields["idempotency_key"], address=None,
                partner=partner, treatment_id=None, notice_id=notice_id,
            )
        )  # fmt: skip
    return time.perf_counter() - started


def copied(
    source: "psycopg.Connection[Any]", twin: "psycopg.Connection[Any]", after: int, folder: Path
) -> float:
    """Seconds to COPY what leads above a number wrote into the twin, in one transaction, as the tables' owner."""
    columns = {table: value(source, COLUMNS, table) for table in WRITTEN}
    for table, condition in WRITTEN.items():
        query = f"COPY (SELECT {columns[table]} FROM {table} WHERE {condition} ORDER BY 1) TO STDOUT"
        with (folder / table).open("wb") as file, source.cursor().copy(query, [after]) as rows:
            for row in rows:
                file.write(row)
    started = time.perf_counter()
    with twin.transaction():
        for table in WRITTEN:
            with (
                (folder / table).open("rb") as file,
                twin.cursor().copy(f"COPY {table} ({columns[table]}) FROM STDIN") as rows,
            ):
                while part := file.read(1 << 20):
                    rows.write(part)
    return time.perf_counter() - started


def value(connection: "psycopg.Connection[Any]", query: LiteralString, *arguments: Any) -> Any:
    row = connection.execute(query, arguments).fetchone()
    return row[0] if row else None


def make_twin(superuser: str) -> None:
    """A copy of the database: nobody may be in it meanwhile."""
    connections.close_all()
    with psycopg.connect(superuser, dbname="postgres", autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {TWIN}")
        name = connections["owner"].settings_dict["NAME"]
        server.execute(f"CREATE DATABASE {TWIN} TEMPLATE {name}")


def owner_of(database: str | None = None) -> "psycopg.Connection[Any]":
    parameters = connections["owner"].get_connection_params()
    kept = {
        name: parameters[name]
        for name in ("host", "port", "user", "password", "dbname")
        if parameters.get(name)
    }
    return psycopg.connect(**{**kept, **({"dbname": database} if database else {})}, autocommit=True)


def measure(rounds: int, lines: int, superuser: str) -> dict[str, Any]:
    stage = Stage()
    make_twin(superuser)
    seconds: dict[str, list[float]] = {"import": [], "bare COPYs": [], "ORM loop": []}
    with tempfile.TemporaryDirectory() as place, owner_of() as source, owner_of(TWIN) as twin:
        with psycopg.connect(superuser, autocommit=True) as server:
            folder = Path(place)
            file = folder / "leads.jsonl"
            for number in range(rounds + 1):
                of_round = lines if number else lines // 10  # the first makes the plans, and isn't counted
                write(file, stage.lines(of_round))
                loop = stage.lines(ORM_LINES)
                after = value(source, "SELECT max(id) FROM leads")
                server.execute("CHECKPOINT")
                spent = [imported(stage.partner, file) / of_round]
                server.execute("CHECKPOINT")
                spent.append(copied(source, twin, after, folder) / of_round)
                spent.append(looped(stage.partner, loop) / ORM_LINES)
                if number:
                    for each, found in zip(seconds.values(), spent, strict=True):
                        each.append(found)
                server.execute(
                    "VACUUM ANALYZE leads, lead_contacts, credit_transactions, idempotency_keys, notices"
                )
        write(file, stage.lines(lines))
        memory = peak_of_import(file)
    return {
        "lines": lines,
        "clinics": CLINICS,
        "ratios": [{"target": "E1", **asdict(ratio(seconds, *pair))} for pair in RATIOS],
        "memory_mb": memory,
        "seconds_per_line": seconds,
    }


def peak_of_import(file: Path) -> dict[str, float]:
    """MB that importing the file adds to a process that has all loaded; and all it held at its peak."""
    command = [sys.executable, "-m", "bench.imports", "--memory", str(file)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def memory_of(file: Path) -> dict[str, float]:
    partner = Partner.objects.get(slug=PARTNER)
    first = file.with_suffix(".first.jsonl")
    with file.open() as lines:
        first.write_text("".join(line for line, _ in zip(lines, range(20), strict=False)))
    imported(partner, first)
    loaded = peak_mb()
    for _ in LeadImport(partner=partner).run(file):
        pass
    return {"growth": round(peak_mb() - loaded, 1), "in_all": round(peak_mb(), 1)}


def peak_mb() -> float:
    """Linux's own figure of this program: the one in getrusage() begins with what its parent had."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--superuser", default="", help="conninfo")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--memory", type=Path, metavar="FILE", help="import it and say what memory that took")
    options = parser.parse_args()
    if options.memory:
        print(json.dumps(memory_of(options.memory)))
        return
    answer = json.dumps(measure(options.rounds, options.lines, options.superuser))
    options.output.write_text(answer) if options.output else print(answer)


if __name__ == "__main__":
    main()
