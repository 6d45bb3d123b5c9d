"""Makes day seals: a keyed tag for each row of the ledger and of the trail, and one for all of them together, chained
so that no seal can go unseen.

The key stays in Python: whoever edits rows in the database can't make tags for them. Which rows are whose: by number,
up to the watermark of the day's closing. docs/decisions/0018-day-seals.md says why it is done so.
"""

import hmac
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, OperationalError, connection

from clinics import door
from credits.models import DayClosing, DaySeal

TAG_BYTES: Final = 8
ROWS_PER_SEAL: Final = 100_000  # what is in memory at once: 0.8 MB of tags
BEFORE_ALL: Final = -(2**63)
REFUSED: Final = "CC032"
# How long postings may be held up by one try, in milliseconds, and the pause before the next. The last ones outlast
# PostgreSQL's deadlock_timeout (1 s), after which it sends an autovacuum of these tables away.
PATIENCE: Final = (*[100] * 30, 1_500, 1_500, 1_500)
PAUSE_SECONDS: Final = 1.0

# Every column as text that no setting and no version changes: numbers without trailing zeros, times in seconds since
# 1970 with microseconds, jsonb in its own order. COPY's text format tells NULL (\N) from an empty text, and ends rows.
COLUMNS: Final = {
    DaySeal.Source.LEDGER: (
        "credit_transactions",
        "id::text, clinic_id::text, sequence::text, trim_scale(amount)::text, trim_scale(balance_after)::text,"
        " transaction_type::text, description::text, lead_id::text, top_up_id::text, reversal_id::text,"
        " payment_id::text, idempotency_key::text, status::text, extract(epoch FROM created_at)::text",
    ),
    DaySeal.Source.TRAIL: (
        "audit_events",
        "id::text, extract(epoch FROM occurred_at)::text, operation::text, table_name::text, row_key::text,"
        " array_to_json(about)::text, before::jsonb::text, after::jsonb::text, array_to_json(concealed)::text,"
        " actor_id::text, channel::text, source::text, reason::text, request_id::text, context_id::text,"
        " os_user::text, db_role::text",
    ),
}


class SealKeyMissing(Exception):
    """SEAL_KEY is not set: nothing can be sealed or checked."""


class BooksTooBusy(Exception):
    """Somebody was writing to the books all the time; nothing was closed."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key and its public name, which stands in each seal made with it."""

    secret: bytes
    id: str

    @classmethod
    def of(cls, setting: str) -> "Key":
        secret = hmac.digest(setting.encode(), b"clinic credits: day seals, version 1", "sha256")
        return cls(secret, hmac.digest(secret, b"name of this key", "sha256").hex()[:16])


@dataclass(frozen=True, slots=True)
class Span:
    """Rows of a source by their numbers: those after one, up to another; `most` of them."""

    source: str
    after: int
    up_to: int
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What a seal holds of its rows: how many, which, their tags, and the one of all together."""

    rows: int
    ids: str
    tags: bytes
    last_id: int
    whole: bytes


def present_key() -> Key:
    """What new seals are made with. Raises SealKeyMissing."""
    if not settings.SEAL_KEY:
        raise SealKeyMissing("SEAL_KEY is not set: see .env.example.")
    return Key.of(settings.SEAL_KEY)


def known_keys() -> dict[str, Key]:
    """The present key and those before it, by the names that seals carry."""
    keys = (Key.of(setting) for setting in (settings.SEAL_KEY, *settings.SEAL_KEY_FALLBACKS) if setting)
    return {key.id: key for key in keys}


def watermark() -> tuple[int, int]:
    """The last rows of the ledger and of the trail, with all rows before them committed. Raises BooksTooBusy."""
    for patience in PATIENCE:
        try:
            marks = door.call("closing_watermark", p_patience_ms=patience)
        except OperationalError:
            time.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - not a secret
        else:
            return int(marks.ledger_up_to), int(marks.trail_up_to)
    raise BooksTooBusy("Somebody was writing to the books for a minute on end; try again.")


def open_closing(day: date) -> DayClosing:
    """Begins to close the day, or goes on with what was begun. Raises BooksTooBusy; a day out of turn is refused."""
    begun = DayClosing.objects.filter(day=day).first()
    if begun is None:
        ledger, trail = watermark()
        door.call("open_closing", p_day=day, p_ledger_up_to=ledger, p_trail_up_to=trail)
    return begun or DayClosing.objects.get(day=day)


def seal(closing: DayClosing) -> None:
    """Seals all rows up to the closing's watermark. May be killed, and run twice at once: each row is in one seal."""
    key, chain = present_key(), Chain()
    for source, up_to in (
        (DaySeal.Source.LEDGER, closing.ledger_up_to),
        (DaySeal.Source.TRAIL, closing.trail_up_to),
    ):
        chain.read_on()
        while (
            chain.reach_of(source) < up_to or not closing.seals.filter(source=source, up_to_id=up_to).exists()
        ):
            _seal_some(key, closing.day, source, chain, up_to)
            chain.read_on()


class Chain:
    """The seals there are, read once each, and up to which row of each source good ones reach without a gap.

    Good are those that a key known here made: rows of others are sealed again.
    """

    def __init__(self) -> None:
        self.keys = known_keys()
        self.number, self.digest = 0, b""
        self.reached: dict[str, int] = {}

    def read_on(self) -> None:
        for one in DaySeal.objects.filter(number__gt=self.number).order_by("number").iterator(chunk_size=10):
            self.add(one)

    def add(self, seal: DaySeal) -> bool:
        """Whether it is a good one."""
        self.number, self.digest = seal.number, bytes(seal.digest)
        key, reached = self.keys.get(seal.key_id), self.reach_of(seal.source)
        is_good = key is not None and digest_of(seal, key) == self.digest
        if is_good and seal.after_id <= reached:
            self.reached[seal.source] = max(reached, seal.up_to_id)
        return is_good

    def reach_of(self, source: str) -> int:
        return self.reached.get(source, BEFORE_ALL)


def _seal_some(key: Key, day: date, source: str, chain: Chain, up_to: int) -> None:
    after = chain.reach_of(source)
    with connection.cursor() as cursor:
        content = content_of(cursor, key, Span(source, after, up_to, ROWS_PER_SEAL))
    made = DaySeal(
        number=chain.number + 1, closing_id=day, source=source, after_id=after,
        up_to_id=up_to if content.rows < ROWS_PER_SEAL else content.last_id, rows=content.rows, ids=content.ids,
        tags=content.tags, whole=content.whole, key_id=key.id, previous=chain.digest,
    )  # fmt: skip
    try:
        door.call(
            "add_seal", p_number=made.number, p_day=day, p_source=source, p_after_id=after, p_up_to_id=made.up_to_id,
            p_rows=made.rows, p_ids=made.ids, p_tags=made.tags, p_whole=made.whole, p_key_id=made.key_id,
            p_previous=made.previous, p_digest=digest_of(made, key),
        )  # fmt: skip
    except DatabaseError as error:
        if door.refusal_of(error) != REFUSED or not _somebody_else_sealed(made.number):
            raise


def _somebody_else_sealed(number: int) -> bool:
    return DaySeal.objects.filter(number=number).exists()


def content_of(cursor: Any, key: Key, span: Span) -> Content:
    """The rows as a seal holds them, streamed."""
    template = hmac.new(key.secret, str(span.source).encode() + b"\n", "sha256")
    whole = _mac_of_all(key, span)
    tags, runs, rows, start, last = bytearray(), [], 0, span.after, span.after
    for row_id, line in lines(cursor, span):
        tag = template.copy()
        tag.update(line)
        tags += tag.digest()[:TAG_BYTES]
        whole.update(line)
        if not rows or row_id != last + 1:
            if rows:
                runs.append(run(start, last))
            start = row_id
        rows, last = rows + 1, row_id
    if rows:
        runs.append(run(start, last))
    return Content(rows, ",".join(runs), bytes(tags), last, whole.digest())


def whole_of(cursor: Any, key: Key, span: Span) -> bytes:
    """What `content_of` says of all rows together, three times as fast as with a tag for each."""
    whole = _mac_of_all(key, span)
    with _copy(cursor, span) as copy:
        for line in copy:
            whole.update(line)
    return whole.digest()


def _mac_of_all(key: Key, span: Span) -> hmac.HMAC:
    return hmac.new(key.secret, f"{span.source}, all of them\n".encode(), "sha256")


def lines(cursor: Any, span: Span) -> Iterator[tuple[int, bytes]]:
    """Each row's number and its canonical text, in order of numbers."""
    with _copy(cursor, span) as copy:
        for line in copy:
            text = bytes(line)
            yield int(text[: text.index(b"\t")]), text


def _copy(cursor: Any, span: Span) -> Any:
    table, columns = COLUMNS[DaySeal.Source(span.source)]
    limit = "" if span.most is None else f" LIMIT {span.most:d}"
    within = f"id > {span.after:d} AND id <= {span.up_to:d}"
    query = f"SELECT {columns} FROM {table} WHERE {within} ORDER BY {table}.id{limit}"  # noqa: S608 - all texts of our own
    return cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT text, ENCODING 'UTF8')")


def run(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}:{last}"


def ids_of(runs: str, *, most: int) -> list[int]:
    """The numbers of «1:3,7». Raises ValueError where it is no such text, or says more than `most`."""
    ids: list[int] = []
    for part in runs.split(",") if runs else ():
        first, _, last = part.partition(":")
        numbers = range(int(first), int(last or first) + 1)
        if len(ids) + len(numbers) > most:
            raise ValueError("more rows than tags")
        ids.extend(numbers)
    return ids


def digest_of(seal: DaySeal, key: Key) -> bytes:
    """Over all that the seal says, the digest of the one before it included."""
    said = [
        seal.number, str(seal.closing_id), str(seal.source), seal.after_id, seal.up_to_id, seal.rows, seal.ids,
        seal.key_id, bytes(seal.previous).hex(),
    ]  # fmt: skip
    if seal.whole:  # the first seals have none
        said.append(bytes(seal.whole).hex())
    return hmac.digest(key.secret, json.dumps(said).encode() + b"\n" + bytes(seal.tags), "sha256")
