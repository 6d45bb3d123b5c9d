"""The figures of the back office's first page, each against books that the product's own door wrote."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db.models import Sum

from billing_site.figures import board as boards
from billing_site.figures import rates
from billing_site.figures.board import RIGHTS, read_anew
from billing_site.figures.money import Day
from clinics.models import Clinic, Partner, User
from credits.models import CreditAccount
from credits.services.ledger import BillingService
from disputes.services import cases
from tests import factories
from tests.clock import Clock

pytestmark = pytest.mark.django_db
IST = ZoneInfo("Asia/Kolkata")
ALL = frozenset(RIGHTS)


def board() -> Any:
    """Everything, read from the books now."""
    return read_anew(ALL)


def day(of: Any, back: int = 0) -> Any:
    """The figures of today, or of so many days before."""
    return of.days[-1 - back]


def at(text: str) -> datetime:
    """A moment in India, after everything else in the books."""
    return datetime.fromisoformat(text).replace(tzinfo=IST)


def decide(dispute: Any, amount: float | None) -> Any:
    by = factories.UserFactory.create(is_staff=True, password=None)
    if amount is None:
        return cases.reject(dispute=dispute, reason_code="not_confirmed", notes="It was good.", by=by)
    return cases.approve(
        dispute=dispute, amount=Decimal(amount), reason_code="confirmed", notes="Right.", by=by
    )


def partner(name: str) -> Partner:
    user = factories.UserFactory.create(password=None)
    return Partner.objects.create(name=name, slug=name.lower(), service_user=user)


class TestMoney:
    def test_a_movement_belongs_to_the_day_in_india_on_which_it_was_posted(
        self, clinic: Clinic, clock: Clock
    ) -> None:
        clock.set(at("2031-03-14T23:59:30"))
        factories.paid_top_up(clinic, 1000, bonus=100)
        factories.give_credits(clinic, 50)
        lead = factories.deliver(clinic, 1, price=15_000)
        clock.set(at("2031-03-15T00:00:05"))
        factories.refund(lead, "100.50")
        factories.deliver(clinic, 2)
        figures = board()
        assert figures.as_of.astimezone(IST).date().isoformat() == "2031-03-15"
        assert day(figures, 1) == Day(at("2031-03-14T00:00").date(), sold=Decimal(1000), spent=Decimal(250))
        assert day(figures) == Day(
            at("2031-03-15T00:00").date(), spent=Decimal(100), refunded=Decimal("100.50")
        )

    def test_thirty_days_are_today_and_the_twenty_nine_before(self, clinic: Clinic, clock: Clock) -> None:
        clock.set(at("2031-03-01T23:59:30"))
        factories.paid_top_up(clinic, 1000)
        factories.deliver(clinic, 1)
        clock.set(at("2031-03-02T00:00:05"))
        factories.paid_top_up(clinic, 200)
        factories.deliver(clinic, 2)
        clock.set(at("2031-03-31T12:00"))
        figures = board()
        days = figures.days
        assert [one.leads for one in figures.top_clinics] == [1]
        assert len(days) == 30
        assert [(one.day.isoformat(), one.sold) for one in days if one.sold] == [("2031-03-02", Decimal(200))]

    def test_expired_credits_and_what_is_paid_for_without_a_top_up_count(
        self, clinic: Clinic, clock: Clock
    ) -> None:
        factories.give_credits(clinic, 75)
        clock.advance(days=181)
        BillingService.expire_grants(clinic.pk)
        factories.give_credits(clinic, 300, payment_id="pay_by_hand")
        today = day(board())
        assert (today.sold, today.expired) == (Decimal(300), Decimal(75))

    def test_unspent_credits_are_the_balances_by_kind_and_by_when_they_expire(
        self, clinic: Clinic, other_clinic: Clinic, clock: Clock
    ) -> None:
        factories.paid_top_up(clinic, 1000, bonus=100)  # the bonus is left for 180 days
        clock.advance(days=95)
        factories.give_credits(other_clinic, 40)
        clock.advance(days=57)  # 28 days of the bonus are left, 123 of the goodwill
        factories.deliver(other_clinic, 1)  # held: 40 do not pay for it
        factories.adjust(clinic, "25.50")
        clock.advance(days=34, hours=-1)  # the bonus expired meanwhile, its row is posted by the next event
        figures = {one.kind: one for one in board().unspent}
        assert figures["paid"].amount == 1000
        assert (figures["bonus"].amount, figures["bonus"].within_7_days) == (100, 100)
        assert figures["goodwill"].amount == Decimal("65.50")
        assert (figures["goodwill"].within_30_days, figures["goodwill"].within_90_days) == (0, 40)
        balances = CreditAccount.objects.aggregate(all=Sum("balance"))["all"]
        assert sum(one.amount for one in figures.values()) == balances

    def test_a_grant_expires_within_seven_thirty_and_ninety_days_by_the_minute(
        self, clinic: Clinic, clock: Clock
    ) -> None:
        factories.give_credits(clinic, 10)  # for 180 days
        for days, within in ((90, (0, 0, 0)), (60, (0, 0, 10)), (23, (0, 10, 10))):
            clock.advance(days=days, minutes=-1)
            goodwill = board().unspent[2]
            assert (goodwill.within_7_days, goodwill.within_30_days, goodwill.within_90_days) == within
            clock.advance(minutes=1)
        clock.advance(minutes=1)
        assert board().unspent[2].within_7_days == 10

    def test_what_clinics_owe_is_what_the_gateway_took_and_they_had_spent(
        self, clinic: Clinic, other_clinic: Clinic
    ) -> None:
        first = factories.paid_top_up(clinic, 100)
        factories.paid_top_up(other_clinic, 100)
        factories.deliver(clinic, 1)
        BillingService.take_back_top_up(first.pk, "rfnd_1", 8_000)
        owed = board().owed
        assert (owed.amount, owed.clinics) == (80, 1)

    def test_top_clinics_are_those_that_spent_most_with_leads_and_disputes(
        self, clinic: Clinic, other_clinic: Clinic
    ) -> None:
        factories.give_credits(clinic, 1000)
        factories.give_credits(other_clinic, 1000)
        leads = factories.deliver_many(clinic, range(4))
        factories.deliver(other_clinic, 1, price=60_000)
        rejected = decide(factories.dispute(leads[0]), None)
        cases.appeal(dispute=rejected, description="Look again", by=rejected.filed_by)
        factories.ClinicFactory.create()  # spent nothing
        top = board().top_clinics
        assert [(one.clinic_id, one.spent, one.leads) for one in top] == [
            (clinic.pk, 400, 4),
            (other_clinic.pk, 400, 1),
        ]
        assert [one.disputes.percent for one in top if one.disputes] == [25, 0]
        without: Any = read_anew(ALL - {boards.DISPUTES})
        assert [one.disputes for one in without.top_clinics] == [None, None]


class TestQuality:
    def test_rates_and_costs_by_source_partner_and_reason(self, clinic: Clinic) -> None:
        factories.give_credits(clinic, 5000)
        ads = partner("Ads")
        sent = [factories.deliver(clinic, n, source="ads", partner_id=ads.pk) for n in range(3)]  # 100 each
        web = [factories.deliver(clinic, 10 + n, price=15_000) for n in range(2)]  # 250 each
        factories.deliver(clinic, 10)  # a repeat: free, not delivered
        decide(factories.dispute(sent[0]), 100)
        decide(factories.dispute(sent[1], "spam"), 30)
        decide(factories.dispute(web[0], "spam"), None)
        factories.dispute(web[1], "spam")
        quality = board().quality
        whole = quality.everything
        assert whole.rate == rates.Rate(delivered=5, disputes=4, decided=3, approved=2)
        assert whole.cost == rates.LeadCost(
            net=Decimal(670), valid=4
        )  # 800 less 130; one was given back in full
        assert (whole.rate.percent, whole.rate.approved_percent, whole.cost.each) == (
            80,
            Decimal("66.7"),
            Decimal("167.50"),
        )
        assert [(line.label, line.rate, line.cost) for line in quality.sources] == [
            ("ads", rates.Rate(3, 2, 2, 2), rates.LeadCost(Decimal(170), 2)),
            ("web", rates.Rate(2, 2, 1, 0), rates.LeadCost(Decimal(500), 2)),
        ]
        assert [(line.label, line.rate) for line in quality.partners] == [
            ("Ads", rates.Rate(3, 2, 2, 2)),
            ("no partner", rates.Rate(2, 2, 1, 0)),
        ]
        assert [(line.label, line.rate) for line in quality.reasons] == [
            ("Spam", rates.Rate(5, 3, 2, 1)),
            ("Invalid contact", rates.Rate(5, 1, 1, 1)),
        ]

    def test_an_appeal_is_no_dispute_of_its_own_but_can_approve_one(
        self, funded_clinic: Clinic, owner: User
    ) -> None:
        rejected = decide(factories.dispute(factories.deliver(funded_clinic)), None)
        decide(cases.appeal(dispute=rejected, description="Look again", by=owner), 100)
        cases.cancel(dispute=factories.dispute(factories.deliver(funded_clinic, 1)), by=owner)
        quality = board().quality
        assert quality.everything.rate == rates.Rate(delivered=2, disputes=2, decided=1, approved=1)

    def test_ninety_days_begin_at_midnight_in_india(self, clinic: Clinic, clock: Clock) -> None:
        factories.paid_top_up(clinic, 1000)
        clock.set(at("2031-01-01T23:59:30"))
        factories.deliver(clinic, 1)
        clock.set(at("2031-01-02T00:00:05"))
        factories.deliver(clinic, 2)
        clock.set(at("2031-04-01T23:59"))  # the 90th day
        quality = board().quality
        assert quality.everything.rate == rates.Rate(1, 0)
        clock.set(at("2031-04-02T00:00:05"))
        quality = board().quality
        assert quality.everything.rate == rates.Rate(0, 0)

    def test_sources_past_the_largest_ten_are_one_line(self, clinic: Clinic) -> None:
        factories.give_credits(clinic, 5000)
        leads = [factories.deliver(clinic, number, source=f"word-{number:02}") for number in range(13)]
        factories.deliver(clinic, 50, source="word-12")
        decide(factories.dispute(leads[10]), 100)
        quality = board().quality
        assert [line.label for line in quality.sources] == [
            "word-12",
            *(f"word-{n:02}" for n in range(9)),
            "all others",
        ]
        assert quality.sources[-1].rate == rates.Rate(3, 1, 1, 1)
        assert quality.sources[-1].cost == rates.LeadCost(Decimal(200), 2)
        assert quality.everything.rate == rates.Rate(14, 1, 1, 1)
