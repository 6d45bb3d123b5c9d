"""The commands that post what is due: only where something is due, one clinic at a time, safe to repeat."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from clinics.models import Clinic
from credits.management.clinic_command import find_clinic
from credits.models import BillingRules, CreditAccount, CreditTransaction
from credits.services import verification
from credits.services.ledger import BillingService
from leads.models import Lead
from tests.clock import Clock
from tests.credits.books import balance, movements
from tests.credits.psql import superuser_session
from tests.factories import ClinicFactory, deliver, deliver_many, give_credits, paid_top_up

clean_books = pytest.mark.usefixtures("books_are_clean")


def run(command: str, **options: Any) -> str:
    out = StringIO()
    call_command(command, stdout=out, **options)
    return out.getvalue().strip()


def state(lead: Lead) -> str:
    lead.refresh_from_db()
    return f"{lead.delivery_state} {lead.held_reason}".strip()


def hold_by_budget(clinic: Clinic, *phones: int) -> list[Lead]:
    """Held leads that could be paid: the cap that held them is gone again."""
    CreditAccount.objects.filter(clinic=clinic).update(daily_cap=0)
    leads = deliver_many(clinic, phones)
    CreditAccount.objects.filter(clinic=clinic).update(daily_cap=None)
    return leads


# --- expire_grants --------------------------------------------------------------------------------


@clean_books
def test_expire_grants_posts_what_is_due_and_a_second_run_finds_nothing(
    clinic: Clinic, other_clinic: Clinic, clock: Clock
) -> None:
    give_credits(clinic, 100)
    give_credits(other_clinic, 70, payment_id="pay_A")
    clock.advance(days=181)

    assert run("expire_grants") == "Posted what had expired at 1 clinics."
    assert run("expire_grants") == "Posted what had expired at 0 clinics."

    assert (balance(clinic), balance(other_clinic)) == ("0.00", "70.00")


@clean_books
@pytest.mark.parametrize("name", ["slug", "pk"])
def test_a_command_can_be_told_one_clinic(
    clinic: Clinic, other_clinic: Clinic, clock: Clock, name: str
) -> None:
    give_credits(clinic, 100)
    give_credits(other_clinic, 70)
    clock.advance(days=181)

    run("expire_grants", clinic=str(getattr(clinic, name)))

    assert (balance(clinic), balance(other_clinic)) == ("0.00", "70.00")


@pytest.mark.django_db
@pytest.mark.parametrize("command", ["expire_grants", "expire_leads", "release_leads"])
@pytest.mark.parametrize("name", ["nowhere", "999999999", "-1", "१२"])
def test_an_unknown_clinic_is_refused(command: str, name: str) -> None:
    with pytest.raises(CommandError, match="There is no clinic"):
        run(command, clinic=name)


@pytest.mark.django_db
def test_a_slug_of_digits_is_a_slug(clinic: Clinic) -> None:
    other = ClinicFactory.create(slug=str(clinic.pk))

    assert find_clinic(str(clinic.pk)) == other


# --- release_leads --------------------------------------------------------------------------------


@clean_books
def test_release_leads_delivers_what_can_be_paid_now(funded_clinic: Clinic, other_clinic: Clinic) -> None:
    leads = hold_by_budget(funded_clinic, 1, 2, 3)
    poor = deliver(other_clinic)

    assert run("release_leads") == "Released 3 held leads at 1 clinics."
    assert run("release_leads") == "Released 0 held leads at 0 clinics."

    assert [state(lead) for lead in leads] == ["delivered"] * 3
    assert state(poor) == "held no_credits"
    assert balance(funded_clinic) == "700.00"


@clean_books
def test_release_leads_goes_on_batch_after_batch(funded_clinic: Clinic) -> None:
    hold_by_budget(funded_clinic, *range(7))
    BillingRules.objects.update(release_batch=3)

    assert run("release_leads") == "Released 7 held leads at 1 clinics."


@clean_books
def test_release_leads_leaves_to_people_what_is_theirs(funded_clinic: Clinic, clock: Clock) -> None:
    in_review = deliver(funded_clinic, phone=1, hold_for_review=True)
    [old] = hold_by_budget(funded_clinic, 2)
    clock.advance(hours=73)
    [young] = hold_by_budget(funded_clinic, 3)
    CreditAccount.objects.filter(clinic=funded_clinic).update(auto_release=False)

    assert run("release_leads") == "Released 0 held leads at 0 clinics."
    CreditAccount.objects.filter(clinic=funded_clinic).update(auto_release=True)
    assert run("release_leads") == "Released 1 held leads at 1 clinics."

    assert [state(lead) for lead in (in_review, old, young)] == ["held review", "held budget", "delivered"]


@clean_books
def test_one_lead_is_released_by_hand_whatever_its_age(funded_clinic: Clinic, clock: Clock) -> None:
    in_review = deliver(funded_clinic, phone=1, price=7000, hold_for_review=True)
    repeat = deliver(funded_clinic, phone=1, hold_for_review=True)
    clock.advance(days=10)

    assert run("release_leads", lead=in_review.pk) == f"Lead {in_review.pk} is delivered, for 180.00 credits."
    assert run("release_leads", lead=in_review.pk) == f"Lead {in_review.pk} was not held: it is delivered."
    assert (
        run("release_leads", lead=repeat.pk) == f"Lead {repeat.pk} is free: it repeats one that was charged."
    )


@clean_books
def test_a_lead_that_stays_held_says_why(clinic: Clinic) -> None:
    lead = deliver(clinic)

    said = run("release_leads", lead=lead.pk)

    assert said == f"Lead {lead.pk} stays held: no_credits (Not enough credits)."


@pytest.mark.django_db
def test_by_hand_means_a_lead_that_is_there_and_nothing_else(clinic: Clinic) -> None:
    with pytest.raises(CommandError, match="There is no lead 0"):
        run("release_leads", lead=0)
    with pytest.raises(CommandError, match="--lead needs no --clinic"):
        run("release_leads", lead=1, clinic=clinic.slug)


# --- expire_leads ---------------------------------------------------------------------------------


@clean_books
def test_expire_leads_ends_what_waited_for_14_days(clinic: Clinic, clock: Clock) -> None:
    old, in_review = deliver(clinic, phone=1), deliver(clinic, phone=2, hold_for_review=True)
    clock.advance(days=13, hours=23)
    assert run("expire_leads") == "Expired 0 held leads at 0 clinics."
    young = deliver(clinic, phone=3)
    clock.advance(hours=2)

    assert run("expire_leads") == "Expired 2 held leads at 1 clinics."
    assert run("expire_leads") == "Expired 0 held leads at 0 clinics."

    assert [state(lead) for lead in (old, in_review, young)] == ["expired", "expired", "held no_credits"]
    assert (old.expired_reason, movements(clinic)) == ("too_old", [])


# --- busy accounts, two at once, killed -----------------------------------------------------------


@contextmanager
def locked(clinic: Clinic) -> Iterator[None]:
    """Somebody else holds the clinic's account; nobody waits long for it."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    with superuser_session() as other, other.transaction():
        other.execute("SELECT 1 FROM credit_accounts WHERE clinic_id = %s FOR UPDATE", [clinic.pk])
        yield
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("command", ["expire_grants", "expire_leads", "release_leads"])
def test_a_busy_account_is_reported_and_the_rest_goes_on(command: str, clock: Clock) -> None:
    first, second, third = (ClinicFactory.create() for _ in range(3))
    for clinic in (first, second, third):
        give_credits(clinic, 100)
        hold_by_budget(clinic, 1)
    clock.advance(days={"expire_grants": 181, "expire_leads": 15, "release_leads": 0}[command])
    out = StringIO()

    with (
        locked(second),
        pytest.raises(CommandError, match=rf"^Busy, so try again: clinic {second.pk}\.$") as error,
    ):
        call_command(command, stdout=out)

    assert error.value.returncode == 1
    assert "at 2 clinics" in out.getvalue()
    assert "at 1 clinics" in run(command)
    changed = (
        CreditTransaction.objects.filter(amount__lt=0).count()
        + Lead.objects.filter(delivery_state="expired").count()
    )
    assert changed == 3


@pytest.mark.django_db(transaction=True)
def test_a_busy_account_is_told_to_who_releases_by_hand(funded_clinic: Clinic) -> None:
    [lead] = hold_by_budget(funded_clinic, 1)

    with locked(funded_clinic), pytest.raises(CommandError, match=f"The account of lead {lead.pk} is busy"):
        run("release_leads", lead=lead.pk)
    assert state(lead) == "held budget"


def in_a_thread(command: str) -> str:
    try:
        return run(command)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_commands_that_run_twice_at_once_do_everything_once() -> None:
    clinics = [ClinicFactory.create() for _ in range(6)]
    for clinic in clinics:
        paid_top_up(clinic, 1000, bonus=100)
        hold_by_budget(clinic, *range(5))
    backdate_bonus_grants()

    with ThreadPoolExecutor(max_workers=4) as threads:
        said = list(
            threads.map(in_a_thread, ["release_leads", "expire_grants", "release_leads", "expire_grants"])
        )

    assert sum(int(line.split()[1]) for line in said if line.startswith("Released")) == 30
    assert {balance(clinic) for clinic in clinics} == {"500.00"}
    assert CreditTransaction.objects.filter(transaction_type="expiry").count() == 6
    with verification.snapshot() as cursor:
        assert [finding for finding in verification.verify(cursor, exact=True) if finding.violations] == []


def backdate_bonus_grants() -> None:
    """For all connections, where a test's clock moves only its own."""
    with superuser_session() as superuser, superuser.transaction():
        superuser.execute("SET LOCAL session_replication_role = replica")
        superuser.execute("UPDATE credit_grants SET expires_at = now() WHERE kind = 'bonus'")


@pytest.mark.django_db
def test_a_command_that_was_killed_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    clinics = [ClinicFactory.create() for _ in range(3)]
    for clinic in clinics:
        give_credits(clinic, 1000)
        hold_by_budget(clinic, 1)
    release = BillingService.release_leads

    def die_at_the_second(clinic_id: int, limit: int) -> int:
        if clinic_id == clinics[1].pk:
            raise KeyboardInterrupt
        return release(clinic_id, limit)

    monkeypatch.setattr(BillingService, "release_leads", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        run("release_leads")
    monkeypatch.undo()

    assert [balance(clinic) for clinic in clinics] == ["900.00", "1000.00", "1000.00"]
    assert run("release_leads") == "Released 2 held leads at 2 clinics."
    assert {BillingService.get_clinic_credit_balance(clinic.pk) for clinic in clinics} == {Decimal(900)}


@pytest.mark.django_db
def test_other_failures_are_not_called_busy(funded_clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    hold_by_budget(funded_clinic, 1)

    def fail(clinic_id: int, limit: int) -> int:
        raise OperationalError("the server closed the connection unexpectedly")

    monkeypatch.setattr(BillingService, "release_leads", fail)
    with pytest.raises(OperationalError):
        run("release_leads")
