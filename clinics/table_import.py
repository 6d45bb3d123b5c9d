"""Tables as people hand them over: each row of a CSV file is made, updated, left unchanged or refused.

The engine behind `import_clinics` and `import_treatments`; each of them says what its rows mean.
"""

import csv
import io
import re
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, TypeVar

from django.db import IntegrityError, OperationalError, connection, models, transaction

LARGEST_FILE: Final = 64 * 1024 * 1024  # bytes; all rows are held in memory
CONTROL_CHARACTERS: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
LOCK_NOT_AVAILABLE: Final = "55P03"

Model = TypeVar("Model", bound=models.Model)
Key = tuple[str, ...]
Progress = Callable[[Sequence["Row"]], Iterable["Row"]]


class ImportFailed(Exception):
    """The import as a whole can't be done and changed nothing; the text says why, for whoever ran it."""


class RowRefused(Exception):
    """This row can't be taken; the text says why."""


class Outcome(StrEnum):
    MADE = "made"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file by column, cleaned; `problem` says what is wrong with it as text."""

    place: str
    cells: Mapping[str, str]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a row says: which thing it is about, and its facts by model field. Empty cells say nothing."""

    key: Key
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a row would change in a stored thing, and which fields stay although the file says otherwise."""

    facts: Mapping[str, Any]
    kept: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one row; `text` names the thing, or says why the row was refused."""

    place: str
    outcome: Outcome
    text: str


@dataclass(slots=True)
class Plan(Generic[Model]):
    """What an import is about to write, and its verdict on each row."""

    verdicts: list[Verdict] = field(default_factory=list)
    new: list[Model] = field(default_factory=list)
    changed: list[Model] = field(default_factory=list)
    changed_fields: set[str] = field(default_factory=set)


class TableImport(ABC, Generic[Model]):
    """One kind of table. A subclass says what a row means; how rows meet the database is the same for all.

    All rows are written in one transaction, or none; a second import of this kind waits for it, so that two
    at once make no twins. A repeated row that says the same is «unchanged»; one that says otherwise is refused,
    so that a second run comes to the same again and changes nothing.
    """

    model: type[Model]
    columns: ClassVar[tuple[str, ...]]

    @abstractmethod
    def read(self, cells: Mapping[str, str]) -> Entry:
        """Raises RowRefused."""

    @abstractmethod
    def stored(self, keys: Collection[Key]) -> Mapping[Key, Model]:
        """Those of these keys that are there already, locked."""

    @abstractmethod
    def difference(self, stored: Model, facts: Mapping[str, Any]) -> Difference:
        """Raises RowRefused where the facts don't fit what is stored."""

    @abstractmethod
    def build(self, entry: Entry) -> Model:
        """The new thing, not saved."""

    @abstractmethod
    def name_of(self, thing: Model) -> str:
        """How a verdict names it."""

    def run(
        self, paths: Sequence[Path], *, dry_run: bool = False, progress: Progress = iter
    ) -> list[Verdict]:
        """Takes all rows of these files; `dry_run` comes to the same verdicts and writes nothing.

        Raises ImportFailed; then nothing was changed.
        """
        rows = [row for path in paths for row in read_table(path, self.columns)]
        entries = [(row.place, self._entry(row)) for row in progress(rows)]
        try:
            with transaction.atomic():
                self._wait_for_turn()
                plan = self._plan(entries)
                if not dry_run:
                    self._write(plan)
        except IntegrityError as error:
            raise ImportFailed(
                f"Somebody else changed the same rows just now; nothing was imported, run it again. ({error})"
            ) from error
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
            raise ImportFailed("Another import is still running; nothing was imported, try again.") from error
        return plan.verdicts

    def _entry(self, row: Row) -> Entry | RowRefused:
        if row.problem:
            return RowRefused(row.problem)
        try:
            return self.read(row.cells)
        except RowRefused as refusal:
            return refusal

    def _wait_for_turn(self) -> None:
        with connection.cursor() as cursor:
            name = f"import {self.model._meta.db_table}"
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])

    def _plan(self, entries: Sequence[tuple[str, Entry | RowRefused]]) -> Plan[Model]:
        plan: Plan[Model] = Plan()
        stored = self.stored({entry.key for _, entry in entries if isinstance(entry, Entry)})
        seen: dict[Key, tuple[str, Entry]] = {}
        for place, entry in entries:
            try:
                if isinstance(entry, RowRefused):
                    raise entry
                first_place, first = seen.setdefault(entry.key, (place, entry))
                if first is entry:
                    outcome, text = self._take(plan, stored, entry)
                else:
                    outcome, text = self._repeat(first_place, first, entry)
            except RowRefused as refusal:
                outcome, text = Outcome.REFUSED, str(refusal)
            plan.verdicts.append(Verdict(place, outcome, text))
        return plan

    def _repeat(self, first_place: str, first: Entry, entry: Entry) -> tuple[Outcome, str]:
        if first.facts != entry.facts:
            raise RowRefused(f"contradicts {first_place}, a row about the same thing")
        return Outcome.UNCHANGED, f"repeats {first_place}"

    def _take(self, plan: Plan[Model], stored: Mapping[Key, Model], entry: Entry) -> tuple[Outcome, str]:
        thing = stored.get(entry.key)
        if thing is None:
            thing = self.build(entry)
            plan.new.append(thing)
            return Outcome.MADE, self.name_of(thing)
        difference = self.difference(thing, entry.facts)
        kept = f" (kept: {', '.join(difference.kept)})" if difference.kept else ""
        if not difference.facts:
            return Outcome.UNCHANGED, self.name_of(thing) + kept
        for name, value in difference.facts.items():
            setattr(thing, name, value)
        plan.changed.append(thing)
        plan.changed_fields.update(difference.facts)
        return Outcome.UPDATED, f"{self.name_of(thing)}: {', '.join(difference.facts)}{kept}"

    def _write(self, plan: Plan[Model]) -> None:
        manager = self.model._default_manager
        manager.bulk_create(plan.new, batch_size=500)
        if plan.changed:
            manager.bulk_update(plan.changed, sorted(plan.changed_fields), batch_size=200)


def summary(verdicts: Sequence[Verdict]) -> str:
    counts = Counter(verdict.outcome for verdict in verdicts)
    return f"{len(verdicts)} rows: " + ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome) + "."


def stated(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Without what an empty cell says: nothing, so it neither fills nor erases anything."""
    return {name: value for name, value in facts.items() if value not in (None, "", [], {})}


def clean(text: str) -> str:
    """NFC, and each run of white space (narrow no-break spaces too) as one space.

    Raises RowRefused on control characters and half characters: the database can't hold some, people see none.
    """
    cleaned = " ".join(unicodedata.normalize("NFC", text).split())
    if CONTROL_CHARACTERS.search(cleaned):
        raise RowRefused(f"{cleaned[:40]!r} holds control characters")
    return cleaned


def quoted(cell: str) -> str:
    """A cell in a message: all of it, unless it is endless."""
    return f"«{cell[:60]}»"


def at_most(text: str, length: int, column: str) -> str:
    if len(text) > length:
        raise RowRefused(f"{column} has {len(text)} characters, at most {length} fit")
    return text


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of a UTF-8 CSV file with these columns in any order; empty lines are skipped.

    Raises ImportFailed for what is no such file. Too many or too few cells are a problem of their row alone.
    """
    text = _text_of(path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(path, header, columns)
        start = reader.line_num + 1
        for cells in reader:
            if cells:
                rows.append(_row(f"{path.name}:{start}", header, cells))
            start = reader.line_num + 1
    except csv.Error as error:
        raise ImportFailed(f"{path}, line {reader.line_num}: broken CSV ({error}).") from error
    return rows


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ImportFailed(f"{path} is larger than {LARGEST_FILE // 1024**2} MB: split it.")
        content = path.read_bytes()
    except OSError as error:
        raise ImportFailed(f"{path} can't be read: {error.strerror}.") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ImportFailed(f"{path}, line {line}: not UTF-8. Save it as «CSV UTF-8».") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ImportFailed(f"{path}, line {line}: holds NUL bytes, so it is no text file.")
    return text


def _check_header(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    if missing := [name for name in columns if name not in header]:
        raise ImportFailed(f"{path}: the header lacks {', '.join(missing)}.")
    if strange := [name for name in header if name not in columns]:
        raise ImportFailed(f"{path}: the header names unknown columns: {', '.join(map(repr, strange))}.")
    if len(header) != len(columns):
        raise ImportFailed(f"{path}: the header names a column twice.")


def _row(place: str, header: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) != len(header):
        return Row(place, {}, problem=f"has {len(cells)} cells, the header {len(header)}")
    try:
        return Row(place, {name: clean(cell) for name, cell in zip(header, cells, strict=True)})
    except RowRefused as refusal:
        return Row(place, {}, problem=str(refusal))
