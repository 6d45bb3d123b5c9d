"""Reading an account: rows and figures that agree with the balance shown beside them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from credits.models import CreditAccount, CreditTransaction
from credits.models.ledger import TransactionQuerySet

RECENT = 15


def rows_up_to(account: CreditAccount) -> TransactionQuerySet:
    """The account's rows as of the moment `account` was read, whatever has been posted since.

    Each event writes its rows and the account's `last_sequence` in one transaction, and rows never change: those up
    to that number are the ones behind the balance read with it. No snapshot has to be held open for it.
    """
    return CreditTransaction.objects.filter(clinic_id=account.pk, sequence__lte=account.last_sequence)


def recent_transactions(account: CreditAccount) -> list[CreditTransaction]:
    """The newest rows of the account; the first one's `balance_after` is the account's balance."""
    return list(rows_up_to(account).newest_first()[:RECENT])


def spent_this_month(account: CreditAccount, at: datetime) -> Decimal:
    """Credits spent on leads in the month of `at` in India: the sum of the month's deductions, refunds not taken off.

    The account counts them under its lock, by the ledger's clock, which may be ahead of ours around midnight; the
    count belongs to the month of `charged_on`.
    """
    today, counted_on = timezone.localdate(at), account.charged_on
    is_over = (counted_on.year, counted_on.month) < (today.year, today.month)
    return Decimal("0.00") if is_over else account.charged_this_month


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One page of an account's history, newest first. `total` counts all rows that match."""

    transactions: list[CreditTransaction]
    total: int
    page: int
    limit: int

    @property
    def first(self) -> int:
        """The number of the page's first row among all, counted from 1."""
        return (self.page - 1) * self.limit + 1

    @property
    def last(self) -> int:
        return self.first + len(self.transactions) - 1

    @property
    def newer(self) -> int | None:
        return self.page - 1 if self.page > 1 else None

    @property
    def older(self) -> int | None:
        return self.page + 1 if self.page * self.limit < self.total else None


def whole_history(account: CreditAccount, *, page: int, limit: int) -> HistoryPage:
    """Sequences have no gap: a page is a range of them, as fast as the first, and nothing is counted."""
    newest = account.last_sequence - (page - 1) * limit
    rows: list[CreditTransaction] = []
    if newest > 0:
        rows = list(
            rows_up_to(account).filter(sequence__gt=newest - limit, sequence__lte=newest).newest_first()
        )
    return HistoryPage(rows, account.last_sequence, page, limit)


def filtered_history(matching: TransactionQuerySet, *, page: int, limit: int) -> HistoryPage:
    """A page of some of an account's rows: these do have to be counted."""
    total = matching.count()
    start = (page - 1) * limit
    rows = list(matching.newest_first()[start : start + limit]) if start < total else []
    return HistoryPage(rows, total, page, limit)


@dataclass(frozen=True, slots=True)
class HistoryWindow:
    """Some rows of an account's history for people, newest first, and where its neighbours are, named by number.

    What is posted meanwhile moves nothing: a neighbour is asked for by the row it begins after, not by counting.
    `newer` and `older` are the numbers to ask with (`after`, `before`), None where there is nothing.
    """

    transactions: list[CreditTransaction]
    newer: int | None
    older: int | None


def history_window(
    matching: TransactionQuerySet, *, limit: int, before: int | None = None, after: int | None = None
) -> HistoryWindow:
    """The newest rows; or those just older than number `before`; or those just newer than number `after`."""
    if after is not None:
        rows = list(matching.filter(sequence__gt=after).order_by("sequence")[: limit + 1])
        if len(rows) > limit:
            rows = rows[:limit][::-1]
            return HistoryWindow(rows, rows[0].sequence, rows[-1].sequence)
        before = None  # they are the newest: shown as a full page
    older = matching if before is None else matching.filter(sequence__lt=before)
    rows = list(older.newest_first()[: limit + 1])
    has_older, rows = len(rows) > limit, rows[:limit]
    newer = None if before is None else (rows[0].sequence if rows else before - 1)
    return HistoryWindow(rows, newer, rows[-1].sequence if has_older else None)


def numbers_of_days(
    account: CreditAccount, *, since: datetime | None, before: datetime | None
) -> tuple[int, int]:
    """The account's rows of a time as a range of numbers, above the first up to the second.

    Stamps never run backwards within an account: the numbers order the rows as their times do.
    """

    def newest_before(moment: datetime) -> int:
        rows = rows_up_to(account).filter(created_at__lt=moment).order_by("-created_at", "-sequence")
        return rows.values_list("sequence", flat=True).first() or 0

    return (
        newest_before(since) if since else 0,
        newest_before(before) if before else account.last_sequence,
    )
