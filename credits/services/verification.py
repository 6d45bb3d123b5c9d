"""Proves the books: what must hold between accounts, movements, grants, leads, purchases and losses (TRUST).

The checks are SQL, one file per subject in `credits/sql/verify/` and in the same folder of the apps above: a SELECT
whose first column is an id and whose other columns each say of that row whether a rule holds; the column's name is
the check's name. Anything but true is a violation. `proof.sql` spares the slow ones: where its sums agree, the
statement would find nothing.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.apps import apps
from django.db import connection, transaction

from credits.services import seal_checks

FOLDER: Final = Path(__file__).resolve().parent.parent / "sql" / "verify"
PROOF: Final = "proof"
SUBJECTS: Final = (
    "clinics",
    "accounts",
    "history",
    "movements",
    "grants",
    "consumptions",
    "top_ups",
    "leads",
    "refunds",
    "free_leads",
    "contacts",
    "reversals",
    "requests",
    "cash_refunds",
    "conservation",
)
EXAMPLES: Final = 5
NOTHING: Final[tuple[int, list[int] | None]] = (0, None)
_COLUMNS: Final[dict[str, list[str]]] = {}

Progress = Callable[[Iterable[str]], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: how many rows break the rule, and the ids of some of them (`noun` says of what).

    `note` says more, where there is more to say.
    """

    check: str
    violations: int
    noun: str
    examples: tuple[int, ...]
    note: str = ""


@contextmanager
def snapshot() -> Iterator[Any]:
    """A cursor in one REPEATABLE READ, read-only transaction without a time limit.

    Inside a caller's transaction it is that one, with the isolation it has: tests look at their own rows so.
    """
    inside = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if not inside:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL work_mem = '64MB'")
        yield cursor


def verify(cursor: Any, *, exact: bool = False, progress: Progress = iter) -> Iterator[Finding]:
    """Every check, in order, with what it found; `cursor` is a psycopg or Django cursor that may read all tables.

    `exact` runs each statement row by row, without the proof by sums. `progress` wraps the steps, as tqdm does.
    """
    yield from verify_rows(cursor, exact=exact, progress=progress)
    for tally in seal_checks.examine(cursor, progress):
        some = tuple(sorted(tally.numbers)[:EXAMPLES])
        yield Finding(tally.check, len(tally.numbers), tally.noun, some, tally.note)


def verify_rows(cursor: Any, *, exact: bool = False, progress: Progress = iter) -> Iterator[Finding]:
    """What rows say of each other, without the seals."""
    proven: dict[str, bool] = {}
    violations = 0
    subjects = (*SUBJECTS, *subjects_above())
    for subject in progress(subjects if exact else (PROOF, *subjects)):
        if subject == PROOF:
            proven = _proven(cursor)
            continue
        noun, *checks = _columns(cursor, subject)
        found = [NOTHING] * len(checks) if proven.get(subject) else _examine(cursor, subject, noun, checks)
        for check, (count, examples) in zip(checks, found, strict=True):
            violations += count
            yield Finding(check, count, noun, tuple(sorted(examples or ())))
    if not exact:
        unproven = 0 if violations else list(proven.values()).count(False)
        yield Finding("sums_agree_where_rows_do", unproven, PROOF, ())


def subjects_above() -> list[str]:
    """What apps that stand on the ledger prove of themselves, by the files in their `sql/verify/`."""
    return sorted(path.stem for folder in _folders() if folder != FOLDER for path in folder.glob("*.sql"))


def _folders() -> list[Path]:
    of_apps = [Path(app.path) / "sql" / "verify" for app in apps.get_app_configs() if app.label != "credits"]
    return [FOLDER, *(folder for folder in of_apps if folder.is_dir())]


def _statement(subject: str) -> str:
    path = next(path for folder in _folders() if (path := folder / f"{subject}.sql").exists())
    # For the proof: nobody who edits rows knows which sums they will have to agree in.
    return path.read_text(encoding="utf-8").replace("{seed}", str(secrets.randbits(62)))


def _select(cursor: Any, columns: str, subject: str, suffix: str = "") -> None:
    cursor.execute(f"SELECT {columns} FROM ({_statement(subject)}) AS checked {suffix}")  # noqa: S608 - all texts of our own


def _columns(cursor: Any, subject: str) -> list[str]:
    """The names that a statement gives its columns; asked once, since all of them stand in its text."""
    statement = _statement(subject)
    if statement not in _COLUMNS:
        _select(cursor, "*", subject, "LIMIT 0")
        _COLUMNS[statement] = [column.name for column in cursor.description]
    return _COLUMNS[statement]


def _proven(cursor: Any) -> dict[str, bool]:
    """Of each subject that sums can prove, whether they do."""
    _select(cursor, "*", PROOF)
    return {
        column.name: holds is True
        for column, holds in zip(cursor.description, cursor.fetchone(), strict=True)
    }


def _examine(cursor: Any, subject: str, noun: str, checks: list[str]) -> list[tuple[int, list[int] | None]]:
    """Count and some ids of the violations of each check, in one pass of the subject's statement."""
    found = (
        f"count(*) FILTER (WHERE {check} IS NOT TRUE),"
        f' (array_agg("{noun}") FILTER (WHERE {check} IS NOT TRUE))[:{EXAMPLES}]'
        for check in checks
    )
    _select(cursor, ", ".join(found), subject)
    values = cursor.fetchone()
    return list(zip(values[::2], values[1::2], strict=True))
