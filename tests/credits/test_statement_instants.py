"""The statement as of any instant equals a replay of the ledger, and what was seen at that instant."""

import random
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Event, Thread

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from clinics.models import Clinic
from credits.models import CreditAccount, CreditTransaction
from credits.services.ledger import BillingService
from credits.services.statement_period import Period, read_statement, settled_moment
from tests import factories
from tests.clock import Clock
from tests.credits import rich_history
from tests.credits.statements import Figures, download, instant, read_csv, replayed
from tests.factories import deliver, give_credits, paid_top_up

FIRST_DAY = datetime(2000, 1, 1, tzinfo=timezone.get_default_timezone()).date()
Seen = dict[int, list[tuple[datetime, Decimal]]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Balances as they were looked up while the history was written, each with the instant of the look."""
    seen: Seen = {}
    make = BillingService.__dict__

    def recording(name: str) -> None:
        original = make[name].__func__

        def recorded(*args: object, **facts: object) -> object:
            answer = original(*args, **facts)
            look(seen)
            return answer

        monkeypatch.setattr(BillingService, name, staticmethod(recorded))

    for name in ("deliver_lead", "add_credits", "credit_top_up", "take_back_top_up", "expire_grants"):
        recording(name)
    return seen


def look(seen: Seen) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clinic_id, ledger_clock(), balance FROM credit_accounts")
        for clinic_id, at, balance in cursor.fetchall():
            seen.setdefault(clinic_id, []).append((at, balance))


@pytest.mark.django_db
def test_at_100_random_instants_the_statement_is_what_a_replay_of_the_ledger_says(
    client: Client, clock: Clock, seen: Seen
) -> None:
    history = rich_history.make_history()
    clinics = [history.clinic, history.indebted, history.quiet]
    clock.advance(days=201)  # where the history ends
    _busy_weeks(history.clinic, clock)
    members = {clinic.pk: factories.member_of(clinic, "front_desk") for clinic in clinics}
    chance = random.Random(20)  # noqa: S311  (a test's choice)
    clock.advance(days=1)
    end = clock.now()
    stamps = list(CreditTransaction.objects.values_list("created_at", flat=True))
    start = min(stamps) - timedelta(days=40)
    instants = [start + (end - start) * chance.random() for _ in range(60)]
    instants += [chance.choice(stamps) + timedelta(microseconds=chance.choice((-1, 0, 1))) for _ in range(40)]

    rows_shown = 0
    for as_of in instants:
        clinic = chance.choice(clinics[:2])
        last = timezone.localdate(as_of)
        first = last - timedelta(days=chance.choice((0, 1, 7, 30, 120, 400)))
        client.force_login(members[clinic.pk])
        shown = read_csv(download(client, "csv", from_=first, to=last, as_of=instant(as_of)))

        assert shown == replayed(clinic, first, last, as_of)
        assert shown.opening + sum(amount for _, amount in shown.totals.values()) == shown.closing
        rows_shown += len(shown.rows)
    assert rows_shown > 300

    for clinic in clinics:
        client.force_login(members[clinic.pk])
        for at, balance in chance.sample(seen[clinic.pk], min(20, len(seen[clinic.pk]))):
            assert _balance_at(client, at) == balance


def _busy_weeks(clinic: Clinic, clock: Clock) -> None:
    CreditAccount.objects.filter(clinic=clinic).update(daily_cap=None)
    paid_top_up(clinic, 5000, bonus=500)
    for number in range(40):
        clock.advance(hours=7 + number % 5)
        deliver(clinic, phone=1000 + number, price=4000 + 700 * number)


def _balance_at(client: Client, at: datetime) -> Decimal:
    last = timezone.localdate(at)
    return read_csv(download(client, "csv", from_=last, to=last, as_of=instant(at))).closing


@pytest.mark.django_db
def test_a_statement_read_while_the_servers_clock_is_behind_says_the_same_ever_after(
    clinic: Clinic, clock: Clock
) -> None:
    give_credits(clinic, 1000)
    clock.advance(hours=-2)
    deliver(clinic, phone=1)
    moment = settled_moment(clinic)
    read = _figures(clinic, moment)

    deliver(clinic, phone=2)

    assert settled_moment(clinic) > moment
    assert _figures(clinic, moment) == read


@pytest.mark.django_db(transaction=True)
def test_a_statement_read_while_movements_are_posted_says_the_same_ever_after() -> None:
    clinic = factories.ClinicFactory.create()
    give_credits(clinic, 100_000)
    stop, problems = Event(), list[BaseException]()

    def charge(offset: int) -> None:
        try:
            for number in range(10_000):
                if stop.is_set():
                    break
                deliver(clinic, phone=offset + number)
        except BaseException as problem:
            problems.append(problem)
        finally:
            connection.close()

    threads = [Thread(target=charge, args=(offset,)) for offset in (0, 20_000, 40_000)]
    for thread in threads:
        thread.start()
    read: list[tuple[datetime, Figures]] = []
    for _ in range(60):
        moment = settled_moment(clinic)
        read.append((moment, _figures(clinic, moment)))
    stop.set()
    for thread in threads:
        thread.join()

    assert not problems
    assert len({figures.closing for _, figures in read}) > 20
    for moment, figures in read:
        day = timezone.localdate(moment)
        assert figures == replayed(clinic, day - timedelta(days=1), day, moment)


def _figures(clinic: Clinic, moment: datetime) -> Figures:
    day = timezone.localdate(moment)
    statement = read_statement(clinic, Period(day - timedelta(days=1), day, moment))
    return Figures(
        statement.opening,
        [(row.sequence, row.amount, row.balance_after) for row in statement.rows()],
        {total.label: (total.count, total.amount) for total in statement.totals},
        statement.closing,
    )
