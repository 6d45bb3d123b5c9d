"""The billing dashboard: what it says, to whom, and at which price in queries."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clinics.models import Clinic, Membership, User
from credits.models import CreditAccount, GatewayPayment, TopUp
from credits.services import figures
from credits.services.balances import balances_of_member
from credits.services.payments import apply_payment
from leads.models import Lead
from tests import factories
from tests.clock import Clock
from tests.pages import text_of

pytestmark = pytest.mark.django_db
PAGE = "/clinic/billing-dashboard"
NOON = datetime(2031, 3, 20, 12, tzinfo=timezone.get_default_timezone())


def account_of(clinic: Clinic) -> CreditAccount:
    return CreditAccount.objects.get(pk=clinic.pk)


def ordered(clinic: Clinic, *, status: str, **fields: Any) -> TopUp:
    """A top-up with an order, and one payment tried for it."""
    top_up = factories.top_up(clinic, 5000)
    TopUp.objects.filter(pk=top_up.pk).update(
        razorpay_order_id=f"order_{top_up.pk:014d}", state=TopUp.State.OPEN, **fields
    )
    GatewayPayment.objects.create(
        payment_id=f"pay_{top_up.pk:014d}", top_up=top_up, status=status, amount_paise=500_000, currency="INR"
    )
    return top_up


class TestSpending:
    def test_months_are_those_of_the_calendar_in_india_and_add_up_to_the_balance(
        self, clinic: Clinic, clock: Clock
    ) -> None:
        clock.set(datetime(2031, 1, 31, 18, 29, tzinfo=UTC))  # 23:59 in India
        factories.paid_top_up(clinic, 1000, 100)
        factories.deliver(clinic, 1)
        clock.advance(minutes=2)
        factories.deliver(clinic, 2, 7000)

        spending = figures.spending(account_of(clinic), NOON)

        months: dict[date, Any] = {month.start: month for month in spending.months}
        assert next(iter(months)) == date(2030, 4, 1)
        assert len(months) == 12
        january, february = months[date(2031, 1, 1)], months[date(2031, 2, 1)]
        assert (january.bought, january.bonus, january.spent, january.leads) == (1000, 100, 100, 1)
        assert (february.spent, february.leads, february.bought) == (180, 1, 0)
        assert sum(m.bought + m.bonus + m.refunded - m.spent for m in spending.months) == 820

    def test_treatments_and_sources_both_add_up_to_charges_less_refunds(self, clinic: Clinic) -> None:
        factories.give_credits(clinic, 1000)
        package = factories.PackageFactory.create(clinic=clinic)
        converted = factories.deliver(clinic, 1, package_id=package.pk, source="google")
        Lead.objects.filter(pk=converted.pk).update(status=Lead.Status.CONVERTED)
        factories.deliver(clinic, 2, source="google")
        factories.refund(factories.deliver(clinic, 3, source="web"), "60")

        shares: Any = figures.shares(account_of(clinic), timezone.localdate())

        assert [(one.label, one.net, one.leads) for one in shares.by_treatment] == [
            (package.treatment.name, 180, 1),
            ("", 140, 2),
        ]
        assert [(one.label, one.net, one.refunded) for one in shares.by_source] == [
            ("google", 280, 0),
            ("web", 40, 60),
        ]
        assert (shares.total.net, shares.total.leads, shares.total.converted) == (320, 3, 1)
        assert shares.total.per_converted == 320
        assert shares.by_source[1].per_converted is None

    def test_the_pace_takes_refunds_off_and_says_how_long_the_balance_lasts(
        self, clinic: Clinic, clock: Clock
    ) -> None:
        clock.set(NOON - timedelta(days=10, minutes=1))
        factories.give_credits(clinic, 1000)
        leads = factories.deliver_many(clinic, range(3))
        factories.refund(leads[0], "100")

        pace: Any = figures.spending(account_of(clinic), NOON).pace

        assert (pace.days, pace.leads, pace.per_day, pace.days_left) == (10, 3, 20, 40)

    def test_with_leads_of_a_few_days_the_page_says_that_it_is_too_early(
        self, member: Client, clinic: Clinic
    ) -> None:
        factories.give_credits(clinic, 1000)
        factories.deliver_many(clinic, range(3))

        page = text_of(member.get(PAGE))

        assert "too early to say" in page
        assert "lasts about" not in page


class TestWhatIsShown:
    def test_an_owner_on_the_first_day_sees_a_page_without_numbers_that_mislead(self, member: Client) -> None:
        response = member.get(PAGE)

        page = text_of(response)
        assert response.status_code == 200
        assert "Nothing has been bought or spent yet." in page
        assert "No lead has been charged since" in page
        assert "There are no credits that could expire." in page

    def test_credits_that_expire_are_listed_by_day_and_with_the_others_are_the_balance(
        self, member: Client, clinic: Clinic
    ) -> None:
        factories.paid_top_up(clinic, 1000, 77)
        factories.give_credits(clinic, 23)

        parts = member.get(PAGE).context["parts"]

        ends = timezone.localdate() + timedelta(days=180)
        assert [(one.day, one.kind, one.amount) for one in parts.expiries] == [
            (ends, "bonus", 77),
            (ends, "goodwill", 23),
        ]
        assert (parts.lasting, parts.total) == (1000, 1100)

    @pytest.mark.parametrize(
        ("status", "fields", "text"),
        [
            ("authorized", {}, "A payment of ₹5,000 is being confirmed. Please don't pay again."),
            ("created", {}, "A payment of ₹5,000 is being confirmed."),
            (
                "failed",
                {"last_attempt_error": "payment_cancelled"},
                "A payment of ₹5,000 did not go through.",
            ),
        ],
    )
    def test_a_payment_that_was_tried_is_told_and_leads_to_its_own_page(
        self, member: Client, clinic: Clinic, status: str, fields: dict[str, str], text: str
    ) -> None:
        top_up = ordered(clinic, status=status, **fields)

        response = member.get(PAGE)

        assert text in text_of(response).replace("&#x27;", "'")
        assert f"?top_up={top_up.pk}" in response.content.decode()

    def test_old_attempts_and_other_clinics_payments_are_not_told(
        self, member: Client, clinic: Clinic, other_clinic: Clinic
    ) -> None:
        ordered(other_clinic, status="authorized")
        assert "A payment of" not in text_of(member.get(PAGE))

        ordered(clinic, status="authorized")
        assert "A payment of" in text_of(member.get(PAGE))
        assert not figures.payments_under_way(clinic.pk, timezone.now() + timedelta(days=9))

    def test_other_clinics_money_is_on_no_figure(
        self, member: Client, clinic: Clinic, other_clinic: Clinic
    ) -> None:
        factories.paid_top_up(other_clinic, 5000, 500)
        factories.dispute(factories.deliver(other_clinic))

        context = member.get(PAGE).context

        assert (context["credit_balance"], context["total_leads"], context["dispute_count"]) == (0, 0, 0)
        assert context["spending"].months[-1] == figures.Month(context["spending"].months[-1].start)
        assert (context["shares"].total.spent, context["parts"].total) == (0, 0)

    def test_the_front_desk_sees_the_figures_but_no_way_to_buy(self, client: Client, clinic: Clinic) -> None:
        client.force_login(factories.member_of(clinic, "front_desk"))

        response = client.get(PAGE)

        assert response.status_code == 200
        assert "topup-modal" not in response.content.decode()
        assert "/clinic/credits/topup" not in response.content.decode()

    @pytest.mark.parametrize("period", ["", "x", "99", "-1", "%00", "12"])
    def test_any_period_in_the_address_is_answered_with_one_of_ours(
        self, member: Client, period: str
    ) -> None:
        assert member.get(f"{PAGE}?period={period}").context["period"] in ("3", "12")

    def test_without_scripts_the_table_is_open_and_buying_is_a_link(self, member: Client) -> None:
        page = member.get(PAGE).content.decode()

        assert '<details class="chart-table" open>' in page
        assert '<div class="chart" hidden>' in page
        assert re.search(r'<a class="btn btn-primary" href="/clinic/credits/topup" data-opens-top-up>', page)

    def test_the_seeds_functions_are_global(self) -> None:
        script = (Path(settings.BASE_DIR) / "billing_site/static/site/billing.js").read_text()

        for name in ("openTopUpModal", "loadTransactionHistory", "updateCreditBalance", "initializeCharts"):
            assert re.search(rf"^(async )?function {name}\(\)", script, re.MULTILINE)


def test_the_page_takes_as_many_queries_with_many_rows_as_with_none(
    member: Client, clinic: Clinic, django_assert_max_num_queries: Any
) -> None:
    member.get(PAGE)
    with django_assert_max_num_queries(12) as few:
        member.get(PAGE)
    for number in range(3):
        factories.paid_top_up(clinic, 1000, 100)
        package = factories.PackageFactory.create(clinic=clinic)
        leads = [factories.deliver(clinic, 10 * number + n, package_id=package.pk) for n in range(4)]
        factories.refund(leads[0], "10")
        ordered(clinic, status="authorized")

    with CaptureQueriesContext(few.connection) as many:
        member.get(PAGE)

    assert len(many) == len(few)


class TestBuyingFromThere:
    def test_every_package_shows_its_price_and_about_how_many_leads_it_pays_for(
        self, member: Client, clinic: Clinic
    ) -> None:
        factories.give_credits(clinic, 1000)
        factories.deliver(clinic, 1)
        factories.deliver(clinic, 2, 7000)

        response = member.get(PAGE)

        leads = [offer.leads for offer in response.context["offers"]]
        assert leads == [7, 39, 82, 214, 446]  # at ₹140 each
        assert [offer.is_best for offer in response.context["offers"]] == [False] * 4 + [True]
        assert "about 39 leads" in text_of(response)


class TestBalancesOfOtherClinics:
    @pytest.fixture
    def partner(self, owner: User, clinic: Clinic, other_clinic: Clinic) -> User:
        """Owner of both clinics."""
        Membership.objects.create(user=owner, clinic=other_clinic, role="owner")
        factories.give_credits(other_clinic, 777)
        return owner

    def test_the_list_of_clinics_shows_one_s_own_live_and_the_others_of_late(
        self, member: Client, partner: User, clinic: Clinic, other_clinic: Clinic
    ) -> None:
        def shown() -> dict[int, Decimal]:
            response = member.get("/clinic/switch", headers={"accept": "text/html"})
            assert response.status_code == 200
            return {membership.clinic_id: balance for membership, balance in response.context["rows"]}

        cache.clear()
        assert shown() == {other_clinic.pk: 777, clinic.pk: 0}  # Lotus comes first by name: one is there
        factories.give_credits(other_clinic, 1)
        factories.give_credits(clinic, 1)
        assert shown() == {other_clinic.pk: 778, clinic.pk: 0}

    def test_they_are_kept_for_a_while_and_dropped_when_a_payment_is_credited(
        self, partner: User, clinic: Clinic, django_capture_on_commit_callbacks: Any
    ) -> None:
        cache.clear()
        assert balances_of_member(partner)[clinic.pk] == 0
        top_up = ordered(clinic, status="created")
        factories.give_credits(clinic, 10)
        assert balances_of_member(partner)[clinic.pk] == 0  # somebody else's write: kept

        payment = {
            "id": f"pay_{top_up.pk:014d}",
            "order_id": f"order_{top_up.pk:014d}",
            "status": "captured",
            "captured": True,
            "amount": 500_000,
            "currency": "INR",
        }
        with django_capture_on_commit_callbacks(execute=True):
            apply_payment(payment, source="callback")

        assert balances_of_member(partner)[clinic.pk] == Decimal(5010)
