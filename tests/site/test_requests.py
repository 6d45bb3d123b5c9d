"""Two people: each kind of request is asked for by one and carried out by another, exactly as it was shown."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group
from django.utils import timezone

from clinics import requests, staff_rights
from clinics.models import Clinic, Membership, StaffRequest, User
from clinics.requests import (
    RequestBySamePerson,
    RequestImpossible,
    RequestNotPending,
    RequestOutdated,
    RequestPendingAlready,
    RequestRightMissing,
)
from credits.models import (
    BillingRules,
    CreditAccount,
    CreditPackage,
    CreditTransaction,
    GatewayRefund,
    PromoCode,
    Reversal,
    ReviewItem,
)
from credits.services import requests as money
from credits.services.ledger import BillingService
from disputes.models import DisputePolicy, LeadDispute
from leads.models import PricingVersion
from leads.services.price_lists import Tier, tiers_of
from tests import factories
from tests.clock import Clock
from tests.site.back_office import payment_facts
from tests.site.requesting import (
    FLAT,
    KINDS,
    Kind,
    approved,
    ask,
    of_group,
    paid_by_gateway,
    promo,
    second_person,
    two_people_set,
    why,
)

pytestmark = pytest.mark.django_db


def shown(request: StaffRequest) -> dict[str, tuple[str, str]]:
    return {label: (before, after) for label, before, after in request.shown}


class TestEachKind:
    def test_an_adjustment_moves_what_was_shown(self, funded_clinic: Clinic) -> None:
        request = ask(
            Kind.ADJUSTMENT, clinic=funded_clinic, amount=Decimal("-20.50"), description="Given twice"
        )
        assert shown(request)["Balance, credits"] == ("1,000.00", "979.50")
        assert CreditAccount.objects.get(clinic=funded_clinic).balance == 1000

        row = CreditTransaction.objects.get(pk=approved(request).outcome["transaction"])

        assert (row.clinic, row.amount, row.transaction_type) == (
            funded_clinic,
            Decimal("-20.50"),
            "adjustment",
        )
        assert (row.description, row.balance_after) == ("Given twice", Decimal("979.50"))

    def test_a_cash_refund_debits_and_waits_for_the_gateway(self, clinic: Clinic) -> None:
        request = ask(Kind.CASH_REFUND, top_up=paid_by_gateway(clinic), amount=Decimal("400.50"))
        assert shown(request)["Its unspent paid credits"] == ("1,000.00", "599.50")
        assert not GatewayRefund.objects.exists()

        refund = GatewayRefund.objects.get(pk=approved(request).outcome["gateway_refund"])

        assert (refund.status, refund.amount_paise, refund.refund_id) == ("requested", 40_050, None)
        assert Reversal.objects.get(key=refund.reversal_key).paid_share == Decimal("400.50")
        assert BillingService.get_clinic_credit_balance(clinic.pk) == Decimal("599.50")

    def test_a_dispute_is_refunded_above_one_persons_limit(self) -> None:
        request = ask(Kind.DISPUTE_REFUND)

        dispute = LeadDispute.objects.get(pk=approved(request).outcome["dispute"])

        assert (dispute.status, dispute.refund_amount) == ("approved", Decimal("100.00"))
        assert dispute.resolved_by == request.requested_by
        assert dispute.approved_by is not None

    def test_a_price_list_comes_into_force_with_all_its_tiers(self) -> None:
        request = ask(Kind.PRICE_LIST)
        assert shown(request)["₹0.00 to below ₹8,000.00"] == ("–", "150.00")
        assert shown(request)["₹50,000.00 to below ₹1,00,000.00"] == ("400.00", "–")
        assert BillingService.calculate_lead_cost(7000) == 180

        version = PricingVersion.objects.get(pk=approved(request).outcome["version"])

        assert tiers_of(version) == list(FLAT)
        assert [BillingService.calculate_lead_cost(price) for price in (0, 7999, 8000)] == [150, 150, 300]

    def test_a_price_list_for_later_waits_for_its_day(self, clock: Clock) -> None:
        approved(ask(Kind.PRICE_LIST, effective_at=timezone.now() + timedelta(days=2)))
        assert BillingService.calculate_lead_cost(7000) == 180
        clock.advance(days=2, seconds=5)
        assert BillingService.calculate_lead_cost(7000) == 150

    def test_a_price_list_whose_day_went_by_holds_from_its_approval(self, clock: Clock) -> None:
        request = ask(Kind.PRICE_LIST, effective_at=timezone.now() + timedelta(days=1))
        clock.advance(days=2)
        version = PricingVersion.objects.get(pk=approved(request).outcome["version"])
        assert version.effective_at > timezone.now() + timedelta(days=1, hours=12)

    def test_a_package_gives_another_bonus_is_withdrawn_and_made(self) -> None:
        package = CreditPackage.objects.get(price=5000)
        changed = ask(Kind.CREDIT_PACKAGE)
        assert shown(changed) == {f"Package {package}": ("", ""), "Credits in all": ("5,500.00", "5,600.00")}
        approved(changed)
        package.refresh_from_db()
        assert package.bonus == 600

        approved(ask(Kind.CREDIT_PACKAGE, package=package, credits=package.credits, is_active=False))
        package.refresh_from_db()
        assert not package.is_active

        made = approved(ask(Kind.CREDIT_PACKAGE, package=None, name="Again", credits=Decimal(5700)))
        newcomer = CreditPackage.objects.get(pk=made.outcome["package"])
        assert (newcomer.name, newcomer.is_active) == ("Again", True)
        assert (newcomer.price, newcomer.bonus) == (Decimal(5000), Decimal(700))

    def test_a_promo_code_is_made_changed_and_ended(self) -> None:
        code = PromoCode.objects.get(pk=approved(ask(Kind.PROMO_CODE)).outcome["promo_code"])
        assert (code.code, code.max_uses, code.is_active) == ("DIWALI", 100, True)
        assert code.percent == 10

        facts = promo(
            promo_code=code, percent=None, fixed_bonus=Decimal("250.50"), valid_until=code.valid_until
        )
        changed = money.ask_promo_code(**facts, why=why(of_group("finance")))
        assert set(shown(changed)) == {"Promo code DIWALI", "Per cent of the price", "Fixed bonus credits"}
        approved(changed)
        code.refresh_from_db()
        assert code.percent is None
        assert code.fixed_bonus == Decimal("250.50")

        ended = money.ask_promo_code(**{**facts, "is_active": False}, why=why(of_group("finance")))
        assert shown(ended)["Active"] == ("yes", "no")
        approved(ended)
        code.refresh_from_db()
        assert not code.is_active

    def test_the_numbers_of_the_rules_change_and_the_switches_stay(self) -> None:
        stopped_at = timezone.now()
        BillingRules.objects.update(charging_stopped_at=stopped_at)
        request = ask(Kind.BILLING_RULES, bonus_valid_days=365, staff_refund_limit=Decimal("1500.00"))
        assert shown(request) == {
            "Bonus and goodwill are valid, days": ("180", "365"),
            "Refunds of one person to one clinic a day, credits": ("2,000.00", "1,500.00"),
        }
        approved(request)
        rules = BillingRules.objects.get()
        assert (rules.bonus_valid_days, rules.charging_stopped_at) == (365, stopped_at)
        assert rules.staff_refund_limit == 1500

    def test_the_policy_of_a_reason_changes_and_no_others(self) -> None:
        others = list(DisputePolicy.objects.exclude(dispute_type="spam").order_by("pk").values())
        request = ask(Kind.DISPUTE_POLICY, window_days=10, suggested_percent=None)
        assert shown(request)["Suggested, per cent"] == ("100", "–")
        approved(request)
        policy = DisputePolicy.objects.get(dispute_type="spam")
        assert (policy.window_days, policy.suggested_percent, policy.is_accepted) == (10, None, True)
        assert list(DisputePolicy.objects.exclude(dispute_type="spam").order_by("pk").values()) == others

    def test_staff_get_the_rights_that_were_shown(self) -> None:
        user = factories.UserFactory.create(password=None)
        request = ask(Kind.STAFF_RIGHTS, user=user, groups=["finance", "auditor"])
        assert shown(request) == {
            "User": ("", user.email), "Staff": ("no", "yes"), "Groups": ("–", "auditor, finance"),
        }  # fmt: skip
        approved(request)
        user.refresh_from_db()
        assert staff_rights.rights_of(user) == {
            "is_active": True, "is_staff": True, "is_superuser": False, "groups": ["auditor", "finance"],
        }  # fmt: skip

    def test_the_address_that_was_shown_is_the_one_that_gets_the_rights(self) -> None:
        user = factories.UserFactory.create(password=None)
        request = ask(Kind.STAFF_RIGHTS, user=user)
        User.objects.filter(pk=user.pk).update(email="somebody-else@example.com")

        with pytest.raises(RequestOutdated):
            approved(request)

    def test_who_becomes_staff_brings_nothing_that_somebody_may_have_set(self) -> None:
        """A password, a second factor or another address that who asked knows would make two people of one."""
        user = factories.UserFactory.create()
        Authenticator.objects.create(user=user, type="totp", data={"secret": "x"})
        for address in ("mine@example.com", user.email):
            EmailAddress.objects.create(user=user, email=address)

        approved(ask(Kind.STAFF_RIGHTS, user=user))

        user.refresh_from_db()
        assert not user.has_usable_password()
        assert not Authenticator.objects.filter(user=user).exists()
        assert [one.email for one in EmailAddress.objects.filter(user=user)] == [user.email]

    def test_more_rights_of_staff_leave_their_sign_in_alone(self) -> None:
        colleague = of_group("support")
        colleague.set_password("correct horse battery")
        colleague.save(update_fields=["password"])

        approved(ask(Kind.STAFF_RIGHTS, user=colleague, groups=["support", "auditor"]))

        colleague.refresh_from_db()
        assert colleague.check_password("correct horse battery")

    def test_nobody_decides_for_a_clinic_of_their_own(self, clinic: Clinic) -> None:
        one, another = of_group("finance"), of_group("finance")
        for user in (one, another):
            Membership.objects.create(user=user, clinic=clinic, role="billing", is_active=False)

        with pytest.raises(RequestBySamePerson, match="belong"):
            ask(Kind.ADJUSTMENT, clinic=clinic, by=one)
        request = ask(Kind.ADJUSTMENT, clinic=clinic)
        with pytest.raises(RequestBySamePerson, match="belong"):
            requests.approve(request=request, by=another)

    @pytest.mark.parametrize("year", [1, 1999, 2101, 9999])
    def test_a_promo_code_is_of_this_century(self, year: int) -> None:
        for name in ("valid_from", "valid_until"):
            changed: dict[str, Any] = {"valid_until": None, name: datetime(year, 1, 2, tzinfo=UTC)}
            with pytest.raises(RequestImpossible, match="between the years"):
                ask(Kind.PROMO_CODE, **changed)


@pytest.mark.parametrize("kind", KINDS)
class TestWhoeverAndWhatever:
    def test_the_same_person_is_refused(self, kind: str) -> None:
        request = ask(kind)
        with pytest.raises(RequestBySamePerson):
            requests.approve(request=request, by=request.requested_by)
        request.refresh_from_db()
        assert request.state == "pending"

    def test_a_superuser_alone_is_refused_too(self, kind: str) -> None:
        boss = factories.UserFactory.create(is_staff=True, is_superuser=True, password=None)
        with pytest.raises(RequestBySamePerson):
            requests.approve(request=ask(kind, by=boss), by=boss)

    def test_it_is_carried_out_once(self, kind: str) -> None:
        request = approved(ask(kind))
        with pytest.raises(RequestNotPending):
            approved(request)
        with pytest.raises(RequestNotPending):
            requests.reject(request=request, by=second_person(request), note="Too late")

    def test_after_72_hours_it_has_expired(self, kind: str, clock: Clock) -> None:
        request = ask(kind)
        clock.advance(hours=72)
        with pytest.raises(RequestNotPending, match="has expired"):
            approved(request)
        assert requests.expire() == 1
        request.refresh_from_db()
        assert (request.state, request.decided_by) == ("expired", None)

    def test_just_before_it_has_not(self, kind: str, clock: Clock) -> None:
        request = ask(kind)
        clock.advance(hours=71, minutes=59)
        assert approved(request).state == "approved"

    def test_what_somebody_who_left_asked_for_is_not_done(self, kind: str) -> None:
        request = ask(kind)
        User.objects.filter(pk=request.requested_by_id).update(is_active=False)
        with pytest.raises(RequestNotPending, match="has left"):
            approved(request)

    def test_somebody_who_left_approves_nothing(self, kind: str) -> None:
        request = ask(kind)
        gone = second_person(request)
        User.objects.filter(pk=gone.pk).update(is_active=False)
        with pytest.raises(RequestRightMissing, match="may not approve"):
            requests.approve(request=request, by=gone)

    def test_who_has_another_right_approves_nothing(self, kind: str) -> None:
        request = ask(kind)
        for group in ("support", "auditor", "finance" if kind == Kind.STAFF_RIGHTS else "user admin"):
            with pytest.raises(RequestRightMissing):
                requests.approve(request=request, by=of_group(group))

    def test_what_somebody_asked_for_who_lost_the_right_is_not_done(self, kind: str) -> None:
        request = ask(kind)
        request.requested_by.groups.clear()
        with pytest.raises(RequestNotPending, match="lost the right"):
            approved(request)

    def test_details_that_say_more_or_less_are_refused(self, kind: str) -> None:
        """As somebody with a shell would write them; dispute refunds are read by their own function."""
        if kind == Kind.DISPUTE_REFUND:
            return
        request = ask(kind)
        requests.reject(request=request, by=request.requested_by, note="Once more")
        for details in (
            {**request.details, "more": 1},
            {},
            {**request.details, next(iter(request.details)): "x"},
        ):
            with pytest.raises((RequestImpossible, RequestOutdated)):
                copy(request, details=details)
        with pytest.raises((RequestImpossible, RequestOutdated)):
            copy(request, object_key="another:1")


def copy(request: StaffRequest, **changed: Any) -> StaffRequest:
    facts: dict[str, Any] = {
        "kind": Kind(request.kind), "object_key": request.object_key, "details": request.details,
        "shown": request.shown, "reason_code": request.reason_code, "reason": request.reason,
        "by": request.requested_by,
        "clinic": request.clinic,
    }  # fmt: skip
    return requests.ask(**{**facts, **changed})


class TestOutdated:
    """What it is about has changed since: it is asked for anew, on the data as they are."""

    def outdated(self, request: StaffRequest) -> None:
        with pytest.raises(RequestOutdated, match="changed since this was asked for"):
            approved(request)
        request.refresh_from_db()
        assert request.state == "pending"

    def test_a_package_whose_price_is_another(self) -> None:
        request = ask(Kind.CREDIT_PACKAGE)
        CreditPackage.objects.filter(price=5000).update(credits=5555)
        self.outdated(request)
        assert CreditPackage.objects.get(price=5000).credits == 5555

    def test_a_promo_code_that_was_ended(self) -> None:
        code = PromoCode.objects.get(pk=approved(ask(Kind.PROMO_CODE)).outcome["promo_code"])
        request = ask(Kind.PROMO_CODE, promo_code=code, percent=Decimal(20), valid_until=code.valid_until)
        PromoCode.objects.update(is_active=False)
        self.outdated(request)

    def test_rules_with_another_number(self) -> None:
        request = ask(Kind.BILLING_RULES)
        BillingRules.objects.update(release_batch=77)
        self.outdated(request)

    def test_a_policy_that_reads_otherwise(self) -> None:
        request = ask(Kind.DISPUTE_POLICY)
        DisputePolicy.objects.filter(dispute_type="spam").update(guidance="Otherwise")
        self.outdated(request)

    def test_a_price_list_that_is_no_longer_the_newest(self) -> None:
        request = ask(Kind.PRICE_LIST)
        details = {**request.details, "note": "Between"}
        requests.reject(request=request, by=request.requested_by, note="First another")
        other = approved(copy(request, details=details))
        assert other.state == "approved"
        with pytest.raises(RequestOutdated):
            copy(request)

    def test_rights_that_were_changed_meanwhile(self) -> None:
        user = factories.UserFactory.create(password=None)
        request = ask(Kind.STAFF_RIGHTS, user=user)
        user.groups.add(Group.objects.get(name="auditor"))
        self.outdated(request)

    def test_a_review_item_that_was_closed(self, clinic: Clinic) -> None:
        item = payment_facts(factories.paid_top_up(clinic, 5000), 0)
        request = ask(Kind.ADJUSTMENT, clinic=clinic, item=item)
        by = of_group("finance")
        ReviewItem.objects.filter(pk=item.pk).update(
            state="closed", closed_by=by, closed_at=timezone.now(), resolution="explained"
        )
        self.outdated(request)


class TestRefusedAtOnce:
    """What an approval would be refused with is refused when it is asked for, and no request is left behind."""

    def refused(self, kind: str, text: str, **changed: Any) -> None:
        before = StaffRequest.objects.count()
        with pytest.raises(RequestImpossible, match=text or None):
            ask(kind, **changed)
        assert StaffRequest.objects.count() == before

    @pytest.mark.parametrize("amount", ["-1000.01", "0", "NaN", "0.001", "99999999999"])
    def test_an_adjustment(self, funded_clinic: Clinic, amount: str) -> None:
        text = "Balance 1000.00 is below 1000.01" if amount == "-1000.01" else "not an amount"
        self.refused(Kind.ADJUSTMENT, text, clinic=funded_clinic, amount=Decimal(amount))

    @pytest.mark.parametrize("amount", ["1000.01", "0", "-1", "0.001"])
    def test_a_cash_refund(self, clinic: Clinic, amount: str) -> None:
        top_up = paid_by_gateway(clinic)
        self.refused(Kind.CASH_REFUND, "amount|less than", top_up=top_up, amount=Decimal(amount))

    def test_a_cash_refund_of_what_was_spent(self, clinic: Clinic) -> None:
        top_up = paid_by_gateway(clinic)
        factories.deliver_many(clinic, range(4))
        self.refused(Kind.CASH_REFUND, "fewer than 600.01 unspent", top_up=top_up, amount=Decimal("600.01"))

    def test_a_cash_refund_of_what_was_not_paid(self, clinic: Clinic) -> None:
        self.refused(
            Kind.CASH_REFUND, "was not paid", top_up=factories.top_up(clinic, 1000), amount=Decimal(1)
        )

    @pytest.mark.parametrize(
        "tiers",
        [
            [("0", "100", "5"), ("200", None, "9")],
            [("0", "200", "5"), ("100", None, "9")],
            [("0", "100", "5")],
            [("1", None, "5")],
            [("0", None, "5"), ("0", None, "5")],
        ],
    )
    def test_a_price_list_with_a_gap_or_an_overlap(self, tiers: list[tuple[str, str | None, str]]) -> None:
        rows = [Tier(Decimal(a), None if b is None else Decimal(b), Decimal(c)) for a, b, c in tiers]
        self.refused(Kind.PRICE_LIST, "leave a gap or overlap|tier_once_per_version", tiers=rows)

    @pytest.mark.parametrize("price", ["0", "NaN", "-5", "1.001"])
    def test_a_price_list_with_a_tier_for_nothing(self, price: str) -> None:
        rows = [Tier(Decimal(0), None, Decimal(price))]
        self.refused(Kind.PRICE_LIST, "not an amount|tier_credits_are_positive", tiers=rows)

    @pytest.mark.parametrize(
        ("changed", "text"),
        [
            ({"credits": Decimal(4999)}, "at least as many credits"),
            ({"price": Decimal("5000.50")}, "whole rupees"),
            ({"price": Decimal(10000), "credits": Decimal(20000)}, "another package on sale"),
            ({"price": Decimal(0)}, "not an amount"),
            ({"name": " "}, "has a name"),
            ({"credits": Decimal(5500)}, "Nothing would change"),
        ],
    )
    def test_a_package(self, changed: dict[str, Any], text: str) -> None:
        self.refused(Kind.CREDIT_PACKAGE, f"(?i){text}", **changed)

    @pytest.mark.parametrize(
        ("changed", "text"),
        [
            ({"code": "diwali"}, "capital letters"),
            ({"percent": None}, "a percentage or fixed"),
            ({"fixed_bonus": Decimal(5)}, "a percentage or fixed"),
            ({"percent": Decimal(0)}, "above 0"),
            ({"percent": Decimal("100.01")}, "at most 100"),
            ({"percent": Decimal("NaN")}, "at most 100"),
            ({"percent": Decimal("0.001")}, "two places"),
            ({"least_price": Decimal("NaN")}, "not an amount"),
            ({"max_uses": 0}, "at least 1"),
            ({"valid_from": timezone.now() + timedelta(days=99)}, "ends after it begins"),
        ],
    )
    def test_a_promo_code(self, changed: dict[str, Any], text: str) -> None:
        self.refused(Kind.PROMO_CODE, text, **changed)

    def test_a_promo_code_that_is_there(self) -> None:
        approved(ask(Kind.PROMO_CODE))
        self.refused(Kind.PROMO_CODE, "such a code already")

    @pytest.mark.parametrize(
        "changed",
        [{"release_batch": 0}, {"appeal_days": -1}, {"dispute_hours": 40_000}, {"staff_refund_limit": Decimal("NaN")},
         {"staff_refund_limit": Decimal("-1")}, {"staff_refund_limit": Decimal("0.001")}],
    )  # fmt: skip
    def test_the_rules(self, changed: dict[str, Any]) -> None:
        self.refused(Kind.BILLING_RULES, "", **changed)

    @pytest.mark.parametrize(
        "changed",
        [{"suggested_percent": 101}, {"is_automatic": True}, {"window_days": 366}, {"guidance": ""}],
    )
    def test_the_policy(self, changed: dict[str, Any]) -> None:
        self.refused(Kind.DISPUTE_POLICY, "", **changed)

    @pytest.mark.parametrize(
        "changed",
        [{"groups": ["emperors"]}, {"is_staff": False, "is_superuser": True}, {"is_staff": False}],
    )
    def test_rights(self, changed: dict[str, Any]) -> None:
        self.refused(Kind.STAFF_RIGHTS, "", **changed)

    def test_rights_that_give_nothing(self) -> None:
        auditor = of_group("auditor")
        self.refused(Kind.STAFF_RIGHTS, "Nothing would be given", user=auditor, groups=[])

    def test_a_second_settlement_of_one_review_item(self, clinic: Clinic) -> None:
        item = payment_facts(factories.paid_top_up(clinic, 5000), 0)
        approved(ask(Kind.ADJUSTMENT, clinic=clinic, item=item))
        self.refused(Kind.ADJUSTMENT, "was settled by another request", clinic=clinic, item=item)

    def test_what_is_rehearsed_leaves_no_trace(self, clinic: Clinic) -> None:
        factories.deliver(clinic)  # held: a rehearsed adjustment would pay for it for a moment
        ask(Kind.ADJUSTMENT, clinic=clinic, amount=Decimal(500))
        account = CreditAccount.objects.get(clinic=clinic)
        assert (account.balance, account.last_sequence) == (Decimal(0), 0)
        assert not CreditTransaction.objects.exists()
        assert clinic.leads.get().delivery_state == "held"


class TestOneMatterOnce:
    @pytest.mark.parametrize(
        "kind", [Kind.PRICE_LIST, Kind.BILLING_RULES, Kind.CREDIT_PACKAGE, Kind.PROMO_CODE]
    )
    def test_a_second_request_about_the_same_waits_for_the_first(self, kind: str) -> None:
        first = ask(kind)
        with pytest.raises(RequestPendingAlready):
            ask(kind)
        requests.reject(request=first, by=second_person(first), note="Not now")
        assert ask(kind).state == "pending"

    def test_one_that_has_expired_is_in_nobodys_way(self, clock: Clock) -> None:
        ask(Kind.BILLING_RULES)
        clock.advance(hours=73)
        assert ask(Kind.BILLING_RULES).state == "pending"

    def test_rejected_by_another_withdrawn_by_oneself(self) -> None:
        first = ask(Kind.BILLING_RULES)
        other = second_person(first)
        rejected = requests.reject(request=first, by=other, note="Too long")
        assert (rejected.state, rejected.decided_by, rejected.decision_note) == (
            "rejected",
            other,
            "Too long",
        )
        second = ask(Kind.BILLING_RULES)
        withdrawn = requests.reject(request=second, by=second.requested_by, note="My mistake")
        assert (withdrawn.state, withdrawn.decided_by) == ("withdrawn", second.requested_by)
        assert BillingRules.objects.get().bonus_valid_days == 180
        with pytest.raises(RequestNotPending):
            approved(second)


class TestAboutOneself:
    def test_nobody_asks_for_themselves(self) -> None:
        me = of_group("user admin")
        with pytest.raises(RequestBySamePerson):
            ask(Kind.STAFF_RIGHTS, by=me, user=me, groups=["finance", "user admin"])

    def test_nobody_approves_what_is_about_themselves_superusers_included(self) -> None:
        boss = factories.UserFactory.create(is_staff=True, is_superuser=True, password=None)
        request = ask(Kind.STAFF_RIGHTS, user=boss, is_superuser=True, groups=["finance"])
        with pytest.raises(RequestBySamePerson, match="about the same person"):
            requests.approve(request=request, by=boss)

    def test_a_deactivated_colleague_comes_back_by_two_people(self) -> None:
        colleague = of_group("finance", is_active=False)
        two_people_set(colleague, groups=["finance"])
        colleague.refresh_from_db()
        assert colleague.is_active
