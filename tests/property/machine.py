"""What all rules of the state machine share: two clinics, a clock, and the comparison after every step."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from clinics.models import Clinic
from credits.models import BillingRules, CreditAccount
from credits.services.ledger import BillingError, BillingService
from tests import factories, steps
from tests.property.books import books_in_database, books_of
from tests.property.frozen_clock import FrozenClock
from tests.property.ledger_model import NEVER, Account, Switches

START: Final = datetime(2030, 1, 30, 17, 45, tzinfo=UTC)  # 23:15 in India, two days before a month ends
CLINICS: Final = 2
UNLIMITED: Final = Decimal("Infinity")

clinics = st.sampled_from([0, 0, 0, 0, 0, 1])
amounts = st.sampled_from([100, 180, 250, 500]).map(Decimal) | st.decimals("0.01", "299.99", places=2)
limits = st.none() | st.sampled_from([100, 200, 280, 430]).map(Decimal)
batches = st.sampled_from([200, 200, 1, 2])
seldom = st.sampled_from([False, False, False, True])
jumps = st.sampled_from(
    [
        timedelta(microseconds=1),
        *(timedelta(minutes=minutes) for minutes in (1, 30, 44, 45, 46)),
        *(timedelta(hours=hours) for hours in (-2, 1, 6, 24, 71, 72, 73)),
        *(timedelta(days=days) for days in (2, 13, 14, 15, 29, 30, 31, 90, 149, 150, 151, 180)),
    ]
)


@dataclass(frozen=True)
class Call:
    """Something done once, to be done again. A repeat answers with the first row or lead and moves nothing."""

    clinic: int
    make: Callable[[], Any]
    first: int  # id of what it made
    opens_account: bool  # whether a repeat posts expiries that are due


class Machine(RuleBasedStateMachine):
    leads: Bundle[tuple[int, int]] = Bundle("leads")  # (clinic, lead id)
    purchases: Bundle[tuple[int, int]] = Bundle("purchases")  # (clinic, top-up id), paid or not
    losses: Bundle[tuple[int, str]] = Bundle("losses")  # (clinic, key)
    calls: Bundle[Call] = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.example = transaction.atomic()
        self.example.__enter__()
        self.clock = FrozenClock(START)
        self.switches = Switches()
        self.clinics: list[Clinic] = [factories.ClinicFactory.create() for _ in range(CLINICS)]
        self.accounts = [Account(datetime.min.replace(tzinfo=UTC), self.switches) for _ in self.clinics]

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    def new(self, prefix: str) -> str:
        """A key or payment id that was never used."""
        self.number += 1
        return f"{prefix}_{self.number}"

    def both(self, clinic: int, real: Callable[[], Any], model: Callable[[Account, Any], None]) -> Any:
        """Does it to the database, then to the model: both accept it, or both refuse it for the same reason."""
        account = self.accounts[clinic]
        try:
            answer = real()
        except BillingError as refusal:
            with pytest.raises(type(refusal)):
                model(copy.deepcopy(account, {id(self.switches): self.switches}), None)
            return None
        model(account, answer)
        return answer

    @invariant()
    def books_agree(self) -> None:
        books = books_in_database()
        for clinic, account in zip(self.clinics, self.accounts, strict=True):
            real = books[clinic.pk]
            assert real == books_of(account)
            assert sum(grant[3] for grant in real.grants) == real.balance >= 0
            assert 0 in (real.balance, real.owed)

    # --- time, the worker, and what staff and owner set ----------------------------------------------

    @rule(delta=jumps)
    def time_passes(self, delta: timedelta) -> None:
        self.clock.move(delta)

    @rule(number=st.integers(0, 9), beside=st.sampled_from([0, 0, 1, -1]))
    def a_moment_that_matters_comes(self, number: int, beside: int) -> None:
        """An expiry, the end of a pause or of a window, midnight in India: to the microsecond, or one beside.

        The worker looks at once, so that the edge shows.
        """
        moments = {
            moment for account in self.accounts for moment in account.moments() if moment > self.clock.now
        }
        if moments:
            moment = sorted(moments)[number % len(moments)]
            self.clock.move(moment - self.clock.now + timedelta(microseconds=beside))
            for clinic in range(CLINICS):
                self.the_worker_does(clinic, "release", 10_000)
                self.the_worker_does(clinic, "expire leads", 0)

    @rule(clinic=clinics, job=st.sampled_from(["release", "expire leads", "expire grants"]), limit=batches)
    def the_worker_runs(self, clinic: int, job: str, limit: int) -> None:
        self.the_worker_does(clinic, job, limit)

    def the_worker_does(self, clinic: int, job: str, limit: int) -> None:
        if job == "expire grants":
            self.due_grants_expire(clinic)
            return
        clinic_id = self.clinics[clinic].pk
        is_release = job == "release"

        def real() -> int:
            if is_release:
                return BillingService.release_leads(clinic_id, limit)
            return BillingService.expire_leads(clinic_id)

        def model(account: Account, answer: int) -> None:
            account.open(self.clock.now)
            assert answer == (account.release(limit) if is_release else account.expire_leads())

        self.both(clinic, real, model)

    def due_grants_expire(self, clinic: int) -> None:
        clinic_id = self.clinics[clinic].pk
        self.both(
            clinic,
            lambda: BillingService.expire_grants(clinic_id),
            lambda account, _: account.open(self.clock.now),
        )

    def all_credits_are_taken(self, clinic: int) -> None:
        self.due_grants_expire(clinic)
        if self.accounts[clinic].balance:
            self.adjust(clinic, -self.accounts[clinic].balance)

    def adjust(self, clinic: int, amount: Decimal) -> Any:
        """What staff do to a balance; a call to be repeated unless it was refused."""
        key = self.new("adjusted")

        def real() -> Any:
            return steps.adjust_credits(self.clinics[clinic].pk, amount, "Odd", idempotency_key=key)

        def model(account: Account, _: Any) -> None:
            account.open(self.clock.now)
            account.adjust(amount, key)

        row = self.both(clinic, real, model)
        return multiple() if row is None else Call(clinic, real, row.id, opens_account=True)

    @rule(clinic=clinics, daily=limits, monthly=limits, highest=limits)
    def a_budget_is_set(
        self, clinic: int, daily: Decimal | None, monthly: Decimal | None, highest: Decimal | None
    ) -> None:
        self.set(clinic, daily_cap=daily, monthly_cap=monthly, highest_cost=highest)
        account = self.accounts[clinic]
        account.daily_cap = UNLIMITED if daily is None else daily
        account.monthly_cap = UNLIMITED if monthly is None else monthly
        account.highest_cost = UNLIMITED if highest is None else highest

    @rule(
        clinic=clinics,
        switch=st.sampled_from(["", "", "by hand", "paused", "paused until", "frozen", "charging stopped"]),
        batch=batches,
    )
    def one_switch_is_thrown_and_all_others_back(self, clinic: int, switch: str, batch: int) -> None:
        """Freeze, pause and release by hand are the clinic's; charging is stopped for all."""
        now = self.clock.now
        until = now + timedelta(hours=5) if switch == "paused until" else None
        self.set(
            clinic,
            frozen_at=now if switch == "frozen" else None,
            paused_at=now if "paused" in switch else None,
            paused_until=until,
            auto_release=switch != "by hand",
        )
        stopped_at = now if switch == "charging stopped" else None
        BillingRules.objects.update(charging_stopped_at=stopped_at, release_batch=batch)
        account = self.accounts[clinic]
        account.is_frozen, account.releases_by_itself = switch == "frozen", switch != "by hand"
        account.paused_until = until or NEVER if "paused" in switch else None
        self.switches.charging_is_stopped, self.switches.release_batch = stopped_at is not None, batch

    def set(self, clinic: int, **columns: Any) -> None:
        CreditAccount.objects.filter(pk=self.clinics[clinic].pk).update(**columns)
