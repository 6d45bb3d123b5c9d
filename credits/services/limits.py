"""What a clinic sets itself: budgets, a pause, release by itself (PRODUCT rules 1 and 8).

The limits stand on the credit account and are changed under the lock that every charge takes, so that a charge is
measured by the limits from before a change or by those from after it, never by half of each. Amounts are credits.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Final

from django.db import OperationalError, transaction
from django.utils import timezone

from clinics import audit
from clinics.models import Clinic
from credits.models import BillingRules, CreditAccount
from credits.services.ledger import BillingService

logger = logging.getLogger(__name__)


class LimitsChanged(Exception):
    """Somebody else changed them after they were read for this change. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one form sets at once. None is «no limit»."""

    daily_cap: Decimal | None
    monthly_cap: Decimal | None
    highest_cost: Decimal | None
    auto_release: bool
    low_balance_thresholds: tuple[Decimal, ...]

    @classmethod
    def of(cls, account: CreditAccount) -> "Limits":
        return cls(
            account.daily_cap,
            account.monthly_cap,
            account.highest_cost,
            account.auto_release,
            tuple(sorted(account.low_balance_thresholds, reverse=True)),
        )

    def stamp(self) -> str:
        """Short, and another one as soon as one of the values is another."""
        caps = (self.daily_cap, self.monthly_cap, self.highest_cost)
        values = ["" if value is None else f"{value:.2f}" for value in caps]
        values += [str(self.auto_release), *(f"{value:.2f}" for value in self.low_balance_thresholds)]
        return sha256("|".join(values).encode()).hexdigest()[:16]

    def let_through_more_than(self, before: "Limits") -> bool:
        """Whether a lead that `before` held may pass now."""
        raised = any(
            old is not None and (new is None or new > old)
            for old, new in (
                (before.daily_cap, self.daily_cap),
                (before.monthly_cap, self.monthly_cap),
                (before.highest_cost, self.highest_cost),
            )
        )
        return raised or (self.auto_release and not before.auto_release)


@dataclass(frozen=True, slots=True)
class Freed:
    """What a change let through at once: `leads` left the queue; `more_follow` where there may be others."""

    leads: int = 0
    more_follow: bool = False


NOTHING_FREED: Final = Freed()
COLUMNS: Final = (
    "daily_cap",
    "monthly_cap",
    "highest_cost",
    "auto_release",
    "low_balance_thresholds",
    "low_balance_told",
)


def change_limits(*, clinic: Clinic, limits: Limits, stamp: str) -> Freed:
    """Sets them all, and tries held leads again where more may pass now.

    `stamp` is that of the limits the member saw. Raises LimitsChanged where they are others by now.
    """
    with audit.because("Limits changed by the clinic"), transaction.atomic():
        account = _locked(clinic)
        before = Limits.of(account)
        if before.stamp() != stamp:
            raise LimitsChanged
        account.daily_cap, account.monthly_cap = limits.daily_cap, limits.monthly_cap
        account.highest_cost, account.auto_release = limits.highest_cost, limits.auto_release
        if limits.low_balance_thresholds != before.low_balance_thresholds:
            _watch(account, limits.low_balance_thresholds)
        account.save(update_fields=COLUMNS)
    return try_held_leads(clinic) if limits.let_through_more_than(before) else NOTHING_FREED


def pause(*, clinic: Clinic, until: datetime | None) -> None:
    """No lead is delivered until then, or until the pause is ended; paused again, the later word counts."""
    with audit.because("Paused by the clinic"), transaction.atomic():
        account = _locked(clinic)
        now = timezone.now()
        if not is_paused(account, now):
            account.paused_at = now
        account.paused_until = until
        account.save(update_fields=["paused_at", "paused_until"])


def end_pause(*, clinic: Clinic) -> Freed:
    """Leads are delivered again, and held ones tried at once. Nothing happens where there is no pause."""
    with audit.because("Pause ended by the clinic"), transaction.atomic():
        account = _locked(clinic)
        if account.paused_at is None:
            return NOTHING_FREED
        account.paused_at = account.paused_until = None
        account.save(update_fields=["paused_at", "paused_until"])
    return try_held_leads(clinic)


def is_paused(account: CreditAccount, now: datetime) -> bool:
    return account.paused_at is not None and (account.paused_until is None or account.paused_until > now)


def try_held_leads(clinic: Clinic) -> Freed:
    """After the change is committed, at most one batch; the next `release_leads` finds the rest, and all of them
    where the account is busy now."""
    batch = BillingRules.objects.values_list("release_batch", flat=True).get()
    try:
        leads = BillingService.release_leads(clinic.pk, batch)
    except OperationalError as problem:
        logger.warning("Held leads of clinic %d wait: %s", clinic.pk, type(problem).__name__)
        return Freed(more_follow=True)
    return Freed(leads, more_follow=leads >= batch)


def _watch(account: CreditAccount, thresholds: tuple[Decimal, ...]) -> None:
    """From now on; who sets one above the balance sees so themselves, and hears of the next fall."""
    account.low_balance_thresholds = list(thresholds)
    account.low_balance_told = min((one for one in thresholds if one > account.balance), default=None)


def _locked(clinic: Clinic) -> CreditAccount:
    return CreditAccount.objects.select_for_update(no_key=True).get(clinic=clinic)
