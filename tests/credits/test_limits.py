"""/clinic/settings/limits: what a clinic spends at most, its pause, and what changing them lets through."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.test import Client
from django.utils import timezone

from clinics.models import Clinic, User
from clinics.trail import AuditEvent
from credits.models import BillingRules, CreditAccount
from credits.services import held, limits
from credits.services.ledger import BillingService
from credits.services.limits import Limits
from leads.models import Lead, PricingTier, PricingVersion
from tests.clock import Clock
from tests.credits.books import account
from tests.factories import deliver, deliver_many, give_credits, member_of
from tests.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]
PAGE = "/clinic/settings/limits"
WARNINGS = (Decimal(1000), Decimal(300))


def stamp_on(response: Any) -> str:
    found = re.search(r'name="stamp" value="([0-9a-f]+)"', response.content.decode())
    assert found
    return found[1]


def save(client: Client, stamp: str | None = None, **typed: str) -> Any:
    stamp = stamp or stamp_on(client.get(PAGE))
    shown = {"auto_release": "on", "first_warning": "1,000", "last_warning": "300"}
    return client.post(PAGE, {"action": "limits", **shown, "stamp": stamp, **typed})


class TestThePage:
    def test_it_shows_what_was_charged_against_the_caps_and_what_waits(
        self, member: Client, funded_clinic: Clinic
    ) -> None:
        deliver_many(funded_clinic, [1, 2])
        CreditAccount.objects.update(daily_cap=Decimal(200), monthly_cap=Decimal("5000.50"))
        deliver_many(funded_clinic, [3, 4], price=7000)

        page = member.get(PAGE)

        text = text_of(page)
        assert "₹200 of ₹200 · ₹0 left" in text
        assert "₹200 of ₹5,000.50 · ₹4,800.50 left" in text
        assert "Above your limits 2 ₹360" in text
        assert '<progress max="200.00" value="200.00"' in page.content.decode()

    def test_charges_count_for_their_own_day_and_month_alone(self) -> None:
        account = CreditAccount(
            charged_on=date(2040, 5, 30), charged_today=Decimal(100), charged_this_month=Decimal(300)
        )

        days = [
            datetime(*day, 12, tzinfo=UTC)
            for day in ((2040, 5, 30), (2040, 5, 31), (2040, 6, 1), (2041, 5, 30))
        ]
        charged = [[one.charged for one in held.spent(account, day)] for day in days]

        assert charged == [[100, 300], [0, 300], [0, 0], [0, 0]]

    def test_a_limit_below_the_dearest_lead_is_warned_of_with_its_share(
        self, member: Client, funded_clinic: Clinic
    ) -> None:
        deliver(funded_clinic, 1)
        deliver(funded_clinic, 2, price=30000)
        save(member, highest_cost="300", daily_cap="450", monthly_cap="500")

        text = text_of(member.get(PAGE))

        assert "Your limit for one lead is below the dearest one." in text
        assert "leads above ₹300 are always held. In the last 90 days these were 1 of 2 leads." in text
        assert "Your daily limit is below the price of a lead." in text
        assert "Your monthly limit" not in text

    def test_the_dearest_lead_is_that_of_the_price_list_in_force(
        self, member: Client, funded_clinic: Clinic
    ) -> None:
        for at, dearest in ((timezone.now(), 700), (timezone.now() + timedelta(days=1), 900)):
            version = PricingVersion.objects.create(note="A test", effective_at=at)
            PricingTier.objects.bulk_create(
                [
                    PricingTier(version=version, price_from=0, price_below=1000, credits=dearest),
                    PricingTier(version=version, price_from=1000, price_below=None, credits=50),
                ]
            )

        assert "The dearest lead costs ₹700 now." in text_of(member.get(PAGE))
        save(member, daily_cap="699")
        assert "Your daily limit is below the price of a lead." in text_of(member.get(PAGE))
        save(member, daily_cap="700")
        assert "Your daily limit is below" not in text_of(member.get(PAGE))

    def test_the_front_desk_may_not_come_in(self, client: Client, clinic: Clinic) -> None:
        client.force_login(member_of(clinic, "front_desk"))

        assert client.get(PAGE).status_code == 403
        assert save(client, stamp="x", daily_cap="1").status_code == 403


class TestSaving:
    def test_the_books_are_kept_with_who_and_why(self, member: Client, owner: User, clinic: Clinic) -> None:
        answer = save(member, daily_cap="₹1,00,000", monthly_cap="200000.50", highest_cost="")

        assert (answer.status_code, answer.url) == (303, PAGE)
        assert Limits.of(account(clinic)) == Limits(
            Decimal(100000), Decimal("200000.50"), None, True, WARNINGS
        )
        trail = AuditEvent.objects.filter(table_name="credit_accounts").latest("pk")
        assert (trail.actor_id, trail.reason) == (owner.pk, "Limits changed by the clinic")
        assert trail.after == {"daily_cap": 100000.0, "monthly_cap": 200000.5}

    @pytest.mark.parametrize(
        "typed",
        [
            "0",
            "-1",
            "0.5",
            "1.001",
            "NaN",
            "inf",
            "1e5",
            "१००",
            "10000000000",
            "abc",
            "\x00",
            "9" * 5000,
            "<b>",
        ],
    )
    def test_nonsense_is_refused_and_shown_again(self, member: Client, clinic: Clinic, typed: str) -> None:
        answer = save(member, daily_cap=typed, monthly_cap="700")

        assert answer.status_code == 400
        assert 'value="700"' in answer.content.decode()
        assert account(clinic).monthly_cap is None

    def test_who_saves_over_anothers_change_is_told_and_may_save_again(
        self, member: Client, clinic: Clinic
    ) -> None:
        seen = stamp_on(member.get(PAGE))
        save(member, daily_cap="500")

        answer = save(member, stamp=seen, highest_cost="300")

        assert answer.status_code == 409
        assert "₹500 a day" in text_of(answer)
        assert account(clinic).highest_cost is None
        assert save(member, stamp=stamp_on(answer), highest_cost="300").status_code == 303
        assert Limits.of(account(clinic)) == Limits(None, None, Decimal(300), True, WARNINGS)

    def test_warnings_are_sorted_said_once_and_may_be_none(self, member: Client, clinic: Clinic) -> None:
        save(member, first_warning="200", last_warning="₹2,500.50")
        assert Limits.of(account(clinic)).low_balance_thresholds == (Decimal("2500.50"), Decimal(200))
        assert 'value="2,500.50"' in member.get(PAGE).content.decode()

        save(member, first_warning="500", last_warning="500")
        assert Limits.of(account(clinic)).low_balance_thresholds == (Decimal(500),)

        save(member, first_warning="", last_warning="")
        assert account(clinic).low_balance_thresholds == []
        assert account(clinic).low_balance_told is None

    def test_an_unknown_action_is_a_bad_request(self, member: Client) -> None:
        assert member.post(PAGE, {"action": "boom"}).status_code == 400


class TestWhatAChangeLetsThrough:
    def test_a_raised_cap_delivers_what_it_held_at_once(self, member: Client, funded_clinic: Clinic) -> None:
        save(member, daily_cap="100")
        deliver_many(funded_clinic, [1, 2, 3])

        answer = save(member, daily_cap="200")

        assert "1 held lead was delivered." in text_of(member.get(answer.url))
        assert Lead.objects.held().count() == 1
        assert account(funded_clinic).charged_today == 200

    def test_a_lowered_cap_tries_nothing(
        self, member: Client, funded_clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def must_not_be_called(*arguments: Any) -> int:
            raise AssertionError

        monkeypatch.setattr(BillingService, "release_leads", must_not_be_called)

        assert save(member, daily_cap="200").status_code == 303
        assert save(member, daily_cap="100", monthly_cap="1000").status_code == 303

    def test_only_a_batch_is_delivered_at_once_and_the_rest_follows(
        self, member: Client, funded_clinic: Clinic
    ) -> None:
        BillingRules.objects.update(release_batch=2)
        save(member, highest_cost="50")
        deliver_many(funded_clinic, [1, 2, 3])

        answer = save(member, highest_cost="")

        text = text_of(member.get(answer.url))
        assert "2 held leads were delivered." in text
        assert "More held leads are tried again soon." in text
        assert Lead.objects.held().count() == 1

    def test_old_ones_and_those_in_review_stay(
        self, member: Client, funded_clinic: Clinic, clock: Clock
    ) -> None:
        save(member, daily_cap="1")
        old = deliver(funded_clinic, 1)
        clock.advance(hours=73)
        deliver(funded_clinic, 2, hold_for_review=True)
        young = deliver(funded_clinic, 3)

        save(member, daily_cap="")

        assert {lead.pk for lead in Lead.objects.received()} == {young.pk}
        assert Lead.objects.get(pk=old.pk).held_reason == "budget"

    def test_release_switched_on_delivers_and_switched_off_does_not(
        self, member: Client, funded_clinic: Clinic
    ) -> None:
        save(member, daily_cap="1", auto_release="")
        deliver(funded_clinic, 1)

        save(member, daily_cap="", auto_release="")
        assert Lead.objects.held().count() == 1

        save(member)
        assert Lead.objects.held().count() == 0

    def test_a_busy_account_is_tried_later(
        self, member: Client, funded_clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def busy(*arguments: Any) -> int:
            raise OperationalError("lock timeout")

        save(member, daily_cap="1")
        deliver(funded_clinic, 1)
        monkeypatch.setattr(BillingService, "release_leads", busy)

        answer = save(member, daily_cap="")

        assert "More held leads are tried again soon." in text_of(member.get(answer.url))


class TestThePause:
    def test_it_holds_leads_until_it_is_ended_and_they_are_delivered(
        self, member: Client, funded_clinic: Clinic
    ) -> None:
        assert member.post(PAGE, {"action": "pause", "until": ""}).status_code == 303
        assert deliver(funded_clinic, 1).held_reason == "paused"
        assert "paused until you end the pause" in text_of(member.get(PAGE))

        member.post(PAGE, {"action": "end_pause"})

        assert "1 held lead was delivered." in text_of(member.get(PAGE))
        assert account(funded_clinic).paused_at is None

    @pytest.mark.parametrize(
        ("now", "ends"),
        [  # in UTC: India is 5½ hours ahead
            ("2037-11-20T18:29:59", ["2037-11-21T03:30", "2037-11-23T03:30"]),
            ("2037-11-20T18:30:00", ["2037-11-22T03:30", "2037-11-23T03:30"]),
            ("2037-11-23T00:00:00", ["2037-11-24T03:30", "2037-11-30T03:30"]),
        ],
    )
    def test_one_tap_pauses_until_nine_in_the_morning_of_india(
        self,
        member: Client,
        clinic: Clinic,
        monkeypatch: pytest.MonkeyPatch,
        now: str,
        ends: list[str],
    ) -> None:
        today = timezone.localdate(datetime.fromisoformat(now).replace(tzinfo=UTC))
        monkeypatch.setattr("credits.limits_views.timezone.localdate", lambda *_at: today)
        chosen = []
        for action in ("pause_until_tomorrow", "pause_until_monday", "pause_until_ended"):
            assert member.post(PAGE, {"action": action, "until": "nonsense"}).status_code == 303
            chosen.append(account(clinic).paused_until)

        assert chosen == [*(datetime.fromisoformat(f"{at}:00+00:00") for at in ends), None]
        assert account(clinic).paused_at is not None

    def test_the_dashboard_offers_its_end_to_who_may(self, member: Client, funded_clinic: Clinic) -> None:
        member.post(PAGE, {"action": "pause_until_ended"})
        desk, offer = Client(), 'value="end_pause"'
        desk.force_login(member_of(funded_clinic, "front_desk"))

        assert offer not in desk.get("/clinic/dashboard").content.decode()
        assert offer in member.get("/clinic/dashboard").content.decode()
        ended = member.post(PAGE, {"action": "end_pause", "next": "/clinic/dashboard"})
        assert (ended.status_code, ended["Location"]) == (303, "/clinic/dashboard")
        assert "The pause is over." in text_of(member.get("/clinic/dashboard"))
        assert member.post(PAGE, {"action": "end_pause", "next": "https://evil.example"})["Location"] == PAGE

    def test_it_ends_by_itself(self, member: Client, funded_clinic: Clinic, clock: Clock) -> None:
        until = timezone.localtime() + timedelta(hours=2)
        member.post(PAGE, {"action": "pause", "until": until.strftime("%Y-%m-%dT%H:%M")})
        assert deliver(funded_clinic, 1).held_reason == "paused"

        clock.advance(hours=3)

        assert deliver(funded_clinic, 2).delivery_state == "delivered"
        assert limits.is_paused(account(funded_clinic), timezone.now() + timedelta(hours=3)) is False

    @pytest.mark.parametrize(
        "until", ["2020-01-01T10:00", "0001-01-01T00:00", "9999-12-31T23:59", "tomorrow", "\x00", "2" * 9999]
    )
    def test_a_time_that_is_over_or_too_far_is_refused(
        self, member: Client, clinic: Clinic, until: str
    ) -> None:
        assert member.post(PAGE, {"action": "pause", "until": until}).status_code == 400
        assert account(clinic).paused_at is None

    def test_ending_what_is_over_changes_nothing(self, member: Client) -> None:
        with transaction.atomic():
            assert member.post(PAGE, {"action": "end_pause"}).status_code == 303
        assert not AuditEvent.objects.filter(reason="Pause ended by the clinic").exists()


def test_the_page_asks_the_same_number_of_questions_at_any_size(
    member: Client, funded_clinic: Clinic, django_assert_max_num_queries: Any
) -> None:
    give_credits(funded_clinic, 5000)
    save(member, highest_cost="50")
    deliver_many(funded_clinic, range(30))
    member.get(PAGE)  # the counts that are cached

    with django_assert_max_num_queries(9):
        member.get(PAGE)
