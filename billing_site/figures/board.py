"""All figures of the first page as one viewer may see them: one snapshot, kept five minutes in the shared cache.

Each is read only for those who may view what it tells of. A sum over leads shows none of them: disputes and costs by
source need the right on disputes or the ledger, the number of held leads that on leads. Nothing is decided on these.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.cache import cache
from django.db import OperationalError
from psycopg.errors import LockNotAvailable, QueryCanceled

from billing_site.figures import money, prices, queues, rates
from clinics.days import day_of, ledger_now, start_of
from clinics.models import User
from credits.services.verification import snapshot
from leads.services.price_lists import Tier

KEPT_SECONDS: Final = 300
SHAPE: Final = 1  # raise it when a figure changes its shape: a cache outlives a deploy
STATEMENT_SECONDS: Final = 10
ACCOUNTS: Final = "credits.view_creditaccount"
DISPUTES: Final = "disputes.view_leaddispute"
GRANTS: Final = "credits.view_creditgrant"
LEADS: Final = "leads.view_lead"
LEDGER: Final = "credits.view_credittransaction"
PRICES: Final = "leads.view_pricingtier"
REQUESTS: Final = "clinics.view_staffrequest"
REVIEWS: Final = "credits.view_reviewitem"
RIGHTS: Final = (ACCOUNTS, DISPUTES, GRANTS, LEADS, LEDGER, PRICES, REQUESTS, REVIEWS)


class FiguresNotReadInTime(Exception):
    """The database was too busy, or the books too big: the page is shown without them."""


@dataclass(frozen=True, slots=True)
class Board:
    """What was read; None is what the viewer may not see."""

    as_of: datetime
    disputes: queues.DisputeQueue | None = None
    review_items: queues.Queue | None = None
    held_leads: queues.Queue | None = None
    requests: list[queues.RequestGroup] | None = None
    days: list[money.Day] | None = None
    top_clinics: list[money.TopClinic] | None = None
    unspent: list[money.Unspent] | None = None
    owed: money.Owed | None = None
    quality: rates.Quality | None = None
    price_list: list[Tier] | None = None

    @property
    def is_empty(self) -> bool:
        """Nothing on it is for this viewer."""
        return self == Board(self.as_of)


def rights_of(user: User) -> frozenset[str]:
    return frozenset(right for right in RIGHTS if user.has_perm(right))


def board_for(rights: frozenset[str]) -> Board:
    """At most five minutes old. Raises FiguresNotReadInTime."""
    kept: Board | None = cache.get(_key(rights))
    return kept if kept is not None else read_anew(rights)


def read_anew(rights: frozenset[str]) -> Board:
    """From the books, and kept. Raises FiguresNotReadInTime."""
    with in_time() as cursor:
        board = _read(cursor, rights)
    cache.set(_key(rights), board, KEPT_SECONDS)
    return board


@contextmanager
def in_time() -> Iterator[Any]:
    """A cursor in a snapshot of the books whose statements end in time. Raises FiguresNotReadInTime."""
    try:
        with snapshot() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{STATEMENT_SECONDS}s"])
            yield cursor
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled | LockNotAvailable):
            raise FiguresNotReadInTime from error
        raise


def _read(cursor: Any, rights: frozenset[str]) -> Board:
    at = ledger_now(cursor)
    today = day_of(at)
    thirty_days = start_of(today - timedelta(days=money.DAYS - 1))
    ninety_days = start_of(today - timedelta(days=rates.DAYS - 1))
    found: dict[str, Any] = {}
    if DISPUTES in rights:
        found["disputes"] = queues.disputes(at)
    if REVIEWS in rights:
        found["review_items"] = queues.review_items()
    if LEADS in rights:
        found["held_leads"] = queues.held_leads()
    if REQUESTS in rights:
        found["requests"] = queues.requests()
    if LEDGER in rights:
        found["days"] = money.days(cursor, thirty_days, today)
        top = money.top_clinics(cursor, thirty_days)
        found["top_clinics"] = (
            money.with_dispute_rates(cursor, top, thirty_days) if DISPUTES in rights else top
        )
    if GRANTS in rights:
        found["unspent"] = money.unspent(cursor, at)
    if ACCOUNTS in rights:
        found["owed"] = money.owed(cursor)
    if {DISPUTES, LEDGER} & rights:
        found["quality"] = rates.quality(
            cursor, ninety_days, disputes=DISPUTES in rights, costs=LEDGER in rights
        )
    if {PRICES, LEDGER} <= rights:
        found["price_list"] = prices.in_force(cursor, at)
    return Board(at, **found)


def _key(rights: frozenset[str]) -> str:
    """By what the viewer may see, not by who it is; short enough for any cache."""
    return f"figures:{SHAPE}:{''.join('1' if right in rights else '0' for right in RIGHTS)}"
