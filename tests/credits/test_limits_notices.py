"""Notices about money (PRODUCT rule 10): each fact once, written in the transaction that makes it true."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import F

from clinics.models import Clinic, Notice
from credits.models import CreditAccount
from credits.services.ledger import BillingService
from credits.services.limits import Limits, change_limits
from tests import factories, steps
from tests.clock import Clock
from tests.credits.books import account
from tests.factories import deliver, give_credits, paid_top_up

pytestmark = pytest.mark.django_db
INDIA = ZoneInfo("Asia/Kolkata")


def told(kind: str) -> list[dict[str, str]]:
    return list(Notice.objects.filter(kind=kind).order_by("pk").values_list("data", flat=True))


def move(clinic: Clinic, to: int) -> None:
    """Brings the balance there, as staff would."""
    key = f"move-{account(clinic).last_sequence}"
    steps.adjust_credits(clinic.pk, to - account(clinic).balance, "Moved by a test", idempotency_key=key)


def thresholds() -> list[str]:
    return [notice["threshold"] for notice in told("low_balance")]


class TestLowBalance:
    def test_a_balance_that_swings_fifty_times_around_a_threshold_is_told_of_once(
        self, clinic: Clinic
    ) -> None:
        move(clinic, 1300)
        for swing in range(50):
            move(clinic, 990 - swing % 3)
            move(clinic, 1010 + swing % 180)

        assert told("low_balance") == [{"threshold": "1000.00", "balance": "990.00"}]

    def test_fifty_real_crossings_are_told_of_fifty_times(self, clinic: Clinic) -> None:
        for _ in range(50):
            move(clinic, 1200)
            move(clinic, 999)

        assert thresholds() == ["1000.00"] * 50

    def test_each_threshold_is_told_of_and_the_lowest_alone_when_several_are_crossed(
        self, clinic: Clinic
    ) -> None:
        move(clinic, 2000)
        move(clinic, 1000)
        assert thresholds() == []
        move(clinic, 999)
        move(clinic, 300)
        assert thresholds() == ["1000.00"]
        move(clinic, 299)
        move(clinic, 0)
        assert thresholds() == ["1000.00", "300.00"]

        move(clinic, 2000)
        move(clinic, 100)
        assert thresholds() == ["1000.00", "300.00", "300.00"]
        move(clinic, 400)  # the lower one has recovered, the upper one has not
        move(clinic, 200)
        assert thresholds() == ["1000.00", "300.00", "300.00", "300.00"]

    def test_an_account_that_never_had_credits_is_not_told_that_they_are_few(self, clinic: Clinic) -> None:
        deliver(clinic, 1)
        move(clinic, 100)
        deliver(clinic, 2)

        assert thresholds() == []

    def test_a_payment_makes_the_next_fall_count_also_without_a_full_recovery(self, clinic: Clinic) -> None:
        move(clinic, 1300)
        move(clinic, 950)
        paid_top_up(clinic, 100)
        assert account(clinic).balance == 1050

        move(clinic, 940)

        assert thresholds() == ["1000.00", "1000.00"]

    def test_a_charge_that_crosses_tells_and_one_that_is_undone_does_not(self, clinic: Clinic) -> None:
        move(clinic, 1200)
        move(clinic, 1050)
        with transaction.atomic():
            deliver(clinic, 1)
            assert len(thresholds()) == 1
            transaction.set_rollback(True)
        assert thresholds() == []

        deliver(clinic, 1)

        assert told("low_balance") == [{"threshold": "1000.00", "balance": "950.00"}]

    def test_thresholds_of_ones_own_count_from_the_next_fall_on(self, clinic: Clinic) -> None:
        move(clinic, 1500)
        seen = Limits.of(account(clinic))
        wanted = Limits(None, None, None, True, (Decimal(2000), Decimal(1200)))

        change_limits(clinic=clinic, limits=wanted, stamp=seen.stamp())
        move(clinic, 1400)
        assert thresholds() == []
        move(clinic, 1199)
        move(clinic, 900)
        assert thresholds() == ["1200.00"]

        change_limits(
            clinic=clinic, limits=Limits(None, None, None, True, ()), stamp=Limits.of(account(clinic)).stamp()
        )
        move(clinic, 5000)
        move(clinic, 0)
        assert thresholds() == ["1200.00"]


class TestPayments:
    def test_a_payment_is_told_of_once_with_its_bonus(self, clinic: Clinic) -> None:
        purchase = paid_top_up(clinic, 5000, bonus=500)
        BillingService.credit_top_up(purchase.pk, f"pay_{purchase.pk:014d}")
        BillingService.add_credits(
            clinic.pk, Decimal(5000), "Again", top_up_id=purchase.pk, payment_id=f"pay_{purchase.pk:014d}"
        )

        assert told("payment_credited") == [
            {"top_up_id": purchase.pk, "amount": "5000.00", "bonus": "500.00"}
        ]

    def test_a_promo_bonus_is_part_of_it_only_where_it_was_given(self, clinic: Clinic) -> None:
        one, another = (factories.top_up(clinic, 1000, 0, 50) for _ in range(2))
        BillingService.credit_top_up(one.pk, "pay_A", with_promo=True)
        BillingService.credit_top_up(another.pk, "pay_B", with_promo=False)

        assert [notice["bonus"] for notice in told("payment_credited")] == ["50.00", "0.00"]

    def test_goodwill_is_no_payment(self, clinic: Clinic) -> None:
        give_credits(clinic, 500)

        assert told("payment_credited") == []


class TestBudgets:
    def test_the_first_lead_that_a_cap_holds_on_a_day_and_in_a_month_is_told_of(
        self, clinic: Clinic, clock: Clock
    ) -> None:
        clock.set(datetime(2030, 1, 30, 12, tzinfo=INDIA))
        give_credits(clinic, 5000)
        CreditAccount.objects.update(daily_cap=Decimal(100), monthly_cap=Decimal(250))
        for phone in range(3):
            deliver(clinic, phone)
        day = {"period": "day", "since": "2030-01-30", "cap": "100.00"}
        assert told("budget_reached") == [day]

        clock.advance(days=1)
        BillingService.release_leads(clinic.pk)
        for phone in range(3, 6):
            deliver(clinic, phone, price=7000)
        assert told("budget_reached") == [
            day,
            {"period": "day", "since": "2030-01-31", "cap": "100.00"},
            {"period": "month", "since": "2030-01", "cap": "250.00"},
        ]

    def test_the_highest_cost_of_a_lead_is_no_cap(self, funded_clinic: Clinic) -> None:
        CreditAccount.objects.update(highest_cost=Decimal(50))
        assert deliver(funded_clinic, 1).held_reason == "budget"

        assert told("budget_reached") == []

    def test_a_lead_out_of_review_may_be_the_first(self, funded_clinic: Clinic) -> None:
        CreditAccount.objects.update(daily_cap=Decimal(50))
        lead = deliver(funded_clinic, 1, hold_for_review=True)
        assert told("budget_reached") == []

        BillingService.release_lead(lead.pk)

        assert [notice["period"] for notice in told("budget_reached")] == ["day"]


class TestExpiry:
    def test_it_is_told_thirty_and_seven_days_before_once_for_each_day(
        self, clinic: Clinic, clock: Clock
    ) -> None:
        clock.set(datetime(2030, 1, 1, 12, tzinfo=INDIA))
        give_credits(clinic, 300)
        give_credits(clinic, 200)
        paid_top_up(clinic, 1000)
        seen = []
        for day in range(1, 182):
            clock.set(datetime(2030, 1, 1, 13, tzinfo=INDIA))
            clock.advance(days=day)
            before = len(told("credits_expiring"))
            for _ in range(2):
                BillingService.tell_of_expiring_credits()
            seen += [(180 - day, notice["amount"]) for notice in told("credits_expiring")[before:]]

        assert seen == [(30, "500.00"), (7, "500.00")]
        assert told("credits_expiring")[0] == {"days": 30, "on": "2030-06-30", "amount": "500.00"}

    def test_the_command_tells_also_of_one_clinic_alone_and_a_second_run_says_nothing(
        self, clinic: Clinic, other_clinic: Clinic, clock: Clock, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for one in (clinic, other_clinic):
            give_credits(one, 100)
        clock.advance(days=175)

        call_command("expire_grants", clinic=clinic.slug)
        call_command("expire_grants")
        call_command("expire_grants")

        assert capsys.readouterr().out.count("Wrote 1 notices") == 2
        assert Notice.objects.filter(kind="credits_expiring").values_list("clinic", flat=True).count() == 2

    def test_what_is_spent_is_not_told_of(self, clinic: Clinic, clock: Clock) -> None:
        give_credits(clinic, 100)
        deliver(clinic, 1)
        clock.advance(days=175)

        assert BillingService.tell_of_expiring_credits(clinic.pk) == 0


def test_notices_hold_ids_and_amounts_alone(clinic: Clinic) -> None:
    paid_top_up(clinic, 1000)
    deliver(clinic, 1)
    CreditAccount.objects.update(daily_cap=F("charged_today"))
    deliver(clinic, 2, name="Asha Patel")

    assert {key for data in Notice.objects.values_list("data", flat=True) for key in data} == {
        "lead_id", "state", "threshold", "balance", "top_up_id", "amount", "bonus", "period", "since", "cap"
    }  # fmt: skip
