"""Compares the books with their day seals: what was edited behind the triggers' back is found, row by row."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from credits.models import DaySeal
from credits.services.seals import BEFORE_ALL, TAG_BYTES, Chain, Key, Span, content_of, ids_of, whole_of

CHAIN: Final = (
    "SELECT number, day, source, after_id, up_to_id, rows, ids, tags, whole, key_id, previous, digest"
    " FROM day_seals WHERE number = %s"
)
COLUMNS: Final = (
    "number", "closing_id", "source", "after_id", "up_to_id", "rows", "ids", "tags", "whole", "key_id", "previous",
    "digest",
)  # fmt: skip
# A closed day without its seal: the last seals of the chain were taken away, or the closing was edited. The trail
# remembers closings of which nothing is left.
CLOSINGS: Final = """
SELECT coalesce(closing.seal_number, told.seal_number)
  FROM day_closings closing
  FULL JOIN (
    SELECT row_key, (after ->> 'seal_number')::bigint AS seal_number, after ->> 'seal_digest' AS seal_digest
      FROM audit_events WHERE table_name = 'day_closings' AND operation = 'update' AND after ? 'seal_number'
  ) AS told ON told.row_key = closing.day::text
  LEFT JOIN day_seals seal ON seal.number = coalesce(closing.seal_number, told.seal_number)
 WHERE (closing.closed_at IS NOT NULL OR told.seal_number IS NOT NULL)
   AND (closing.day IS NULL OR seal.number IS NULL
        OR encode(seal.digest, 'hex') IS DISTINCT FROM closing.seal_digest
        OR (told.seal_digest IS NOT NULL AND told.seal_digest IS DISTINCT FROM closing.seal_digest))
"""
# Closings that are not as the trail tells them. Each column is set once: the first that was told counts, which later
# seals cover. The day as a number, 20260131.
PAGES: Final = """
SELECT to_char(closing.day, 'YYYYMMDD')::bigint
  FROM day_closings closing
  LEFT JOIN (
    SELECT row_key, jsonb_object_agg(said.key, said.value ORDER BY event.id DESC) AS page
      FROM audit_events event CROSS JOIN jsonb_each(after) AS said
     WHERE table_name = 'day_closings' AND operation <> 'delete' AND said.value NOT IN ('null', '""')
     GROUP BY row_key
  ) AS trail ON trail.row_key = to_char(closing.day, 'YYYY-MM-DD')
  CROSS JOIN LATERAL jsonb_populate_record(NULL::day_closings, trail.page) AS told
 WHERE (closing.opened_at, closing.ledger_up_to, closing.trail_up_to, closing.closed_at, closing.closed_by_id,
        closing.seal_number, nullif(closing.seal_digest, ''), closing.unexplained,
        encode(sha256(convert_to(closing.figures::text, 'UTF8')), 'hex'), nullif(closing.figures_digest, ''),
        closing.signed_off_at, closing.signed_off_by_id, nullif(closing.note_digest, ''),
        encode(sha256(convert_to(nullif(closing.note, ''), 'UTF8')), 'hex'))
       IS DISTINCT FROM
       (told.opened_at, told.ledger_up_to, told.trail_up_to, told.closed_at, told.closed_by_id,
        told.seal_number, told.seal_digest, told.unexplained,
        told.figures_digest, told.figures_digest,
        told.signed_off_at, told.signed_off_by_id, told.note_digest, told.note_digest)
"""
EXAMPLES: Final = 5

Progress = Callable[[Iterable[Any]], Iterable[Any]]


class Tally:
    """What one check found: the numbers of rows, a few of them with what is wrong."""

    def __init__(self, check: str, noun: str) -> None:
        self.check, self.noun = check, noun
        self.numbers: set[int] = set()
        self.words: list[str] = []

    def add(self, number: int, words: str = "") -> None:
        if number not in self.numbers and words and len(self.words) < EXAMPLES:
            self.words.append(words)
        self.numbers.add(number)

    @property
    def note(self) -> str:
        return "; ".join(self.words)


class Books:
    """The checks of the seals, made in one walk along the chain."""

    def __init__(self, cursor: Any) -> None:
        self.cursor, self.good = cursor, Chain()
        self.unknown = Tally("seal_keys_are_known", "seal")
        self.chain = Tally("seals_are_unbroken", "seal")
        self.bare = Tally("sealed_rows_have_a_good_seal", "seal")
        self.pages = Tally("closed_days_are_as_they_were", "day")
        self.of = {
            DaySeal.Source.LEDGER.value: Tally("sealed_movements_are_as_they_were", "transaction"),
            DaySeal.Source.TRAIL.value: Tally("sealed_trail_is_as_it_was", "audit event"),
        }
        self.doubtful: list[DaySeal] = []
        self.previous = b""
        self.reached: dict[str, int] = {}

    def tallies(self, progress: Progress = iter) -> list[Tally]:
        self.cursor.execute("SELECT number FROM day_seals ORDER BY number")
        numbers = [number for (number,) in self.cursor.fetchall()]
        for number in sorted(set(range(1, numbers[-1] + 1)) - set(numbers)) if numbers else ():
            self.chain.add(number, f"seal {number} is gone")
        for number in progress(numbers):
            self._check(self._read(number))
        self.cursor.execute(CLOSINGS)
        for (number,) in self.cursor.fetchall():
            self.chain.add(number or 0, f"a closed day and its seal {number} do not agree")
        self.cursor.execute(PAGES)
        for (day,) in self.cursor.fetchall():
            self.pages.add(day, f"the page of {day} is not as the trail tells it")
        for seal in self.doubtful:
            if seal.up_to_id > self.good.reach_of(seal.source):
                first = "the beginning" if seal.after_id == BEFORE_ALL else seal.after_id + 1
                words = f"{seal.source} from {first} to {seal.up_to_id}, which seal {seal.number} names"
                self.bare.add(seal.number, words)
        return [self.unknown, self.chain, self.bare, *self.of.values(), self.pages]

    def _read(self, number: int) -> DaySeal:
        self.cursor.execute(CHAIN, [number])
        return DaySeal(**dict(zip(COLUMNS, self.cursor.fetchone(), strict=True)))

    def _check(self, seal: DaySeal) -> None:
        expected = self.reached.get(seal.source, BEFORE_ALL)
        if bytes(seal.previous) != self.previous or seal.after_id > expected:
            self.chain.add(seal.number, f"seal {seal.number} does not follow the one before it")
        self.previous, self.reached[seal.source] = bytes(seal.digest), max(expected, seal.up_to_id)
        is_good, key = self.good.add(seal), self.good.keys.get(seal.key_id)
        if not is_good:
            self.doubtful.append(
                DaySeal(
                    number=seal.number, source=seal.source, after_id=seal.after_id, up_to_id=seal.up_to_id
                )
            )
        if key is None:
            words = f"made with the key {seal.key_id}, which is neither SEAL_KEY nor among SEAL_KEY_FALLBACKS"
            self.unknown.add(seal.number, words)
            return
        if not is_good:
            self.chain.add(seal.number, f"seal {seal.number} was altered")
        if seal.source in self.of:
            self._compare(seal, key)

    def _compare(self, seal: DaySeal, key: Key) -> None:
        span = Span(seal.source, seal.after_id, seal.up_to_id)
        if seal.whole and whole_of(self.cursor, key, span) == bytes(seal.whole):
            return
        now = content_of(self.cursor, key, span)
        if now.tags == bytes(seal.tags) and now.ids == seal.ids:
            return
        try:
            then = tags_by_id(seal.ids, bytes(seal.tags))
        except ValueError:  # the seal itself was altered, which the chain has told
            return
        found = tags_by_id(now.ids, now.tags)
        for number in sorted(then.keys() | found.keys()):
            if then.get(number) != found.get(number):
                what = "added" if number not in then else "changed" if number in found else "gone"
                self.of[seal.source].add(number, f"{number} {what} since seal {seal.number}")


def tags_by_id(runs: str, tags: bytes) -> dict[int, bytes]:
    """Raises ValueError where numbers and tags are not equally many."""
    pieces = [tags[at : at + TAG_BYTES] for at in range(0, len(tags), TAG_BYTES)]
    return dict(zip(ids_of(runs, most=len(pieces)), pieces, strict=True))


def examine(cursor: Any, progress: Progress = iter) -> Iterator[Tally]:
    """The checks of the seals; `cursor` as in `verification.verify`."""
    yield from Books(cursor).tallies(progress)


CHECKS: Final = (
    "seal_keys_are_known",
    "seals_are_unbroken",
    "sealed_rows_have_a_good_seal",
    "sealed_movements_are_as_they_were",
    "sealed_trail_is_as_it_was",
    "closed_days_are_as_they_were",
)
