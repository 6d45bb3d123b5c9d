"""Money taken back by the gateway: how much, from where, what is owed, how it is settled, how it is undone."""

from decimal import Decimal

import pytest

from clinics.models import Clinic
from credits.models import CreditAccount, CreditGrant, Reversal, TopUp
from credits.services.ledger import BillingService, InvalidAmount, KeyReused, ReversalNotFound, TopUpNotFound
from tests import steps
from tests.clock import Clock
from tests.credits.books import account, balance, movements, open_grants, trace
from tests.factories import deliver, give_credits, paid_top_up, top_up

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]


def take(purchase: TopUp, paise: int, key: str = "rfnd_A") -> tuple[str, str, str, str]:
    """Paid share, bonus share, bonus forgiven and what is owed of it."""
    reversal = BillingService.take_back_top_up(purchase.pk, key, paise)
    return (
        str(reversal.paid_share),
        str(reversal.bonus_share),
        str(reversal.bonus_forgiven),
        str(reversal.owed_open),
    )


def owed(clinic: Clinic) -> str:
    return str(account(clinic).owed)


@pytest.fixture
def purchase(clinic: Clinic) -> TopUp:
    """₹1,000 without tax, 100 bonus; nothing of it is spent."""
    return paid_top_up(clinic, 1000, bonus=100)


@pytest.fixture
def spent_purchase(clinic: Clinic, purchase: TopUp, clock: Clock) -> TopUp:
    """The same, spent but for 100 paid and 100 bonus that came back; 50 goodwill that expire sooner stand beside."""
    leads = [deliver(clinic, phone=number) for number in range(10)]  # the first takes the bonus
    give_credits(clinic, 50)
    clock.advance(days=1)
    steps.refund_lead(leads[0].pk, Decimal(100), "Wrong number")
    return purchase


# --- how much -------------------------------------------------------------------------------------


def test_a_whole_refund_takes_price_and_bonus(clinic: Clinic, purchase: TopUp) -> None:
    assert take(purchase, 100_000) == ("1000.00", "100.00", "0.00", "0.00")

    assert movements(clinic, after=2) == [("reversal", "-1100.00", "0.00")]
    assert open_grants(clinic) == []


def test_partial_losses_are_differences_of_rounded_sums(clinic: Clinic, purchase: TopUp) -> None:
    assert take(purchase, 33_333, "rfnd_A") == ("333.33", "33.00", "0.00", "0.00")  # ⌊33.333⌋
    assert take(purchase, 33_333, "rfnd_B") == ("333.33", "33.00", "0.00", "0.00")  # ⌊66.666⌋ − 33
    assert take(purchase, 33_334, "rfnd_C") == ("333.34", "34.00", "0.00", "0.00")

    assert balance(clinic) == "0.00"


def test_the_loss_is_measured_against_the_gross_with_tax(clinic: Clinic) -> None:
    purchase = TopUp.objects.create(clinic=clinic, price=1000, tax=180, gross=1180, bonus=100)
    BillingService.credit_top_up(purchase.pk, "pay_A")

    # 1000 · 500 / 1180 = 423.7288…, 100 · 500 / 1180 = 42.37…
    assert take(purchase, 50_000, "rfnd_A") == ("423.73", "42.00", "0.00", "0.00")
    assert take(purchase, 68_000, "rfnd_B") == ("576.27", "58.00", "0.00", "0.00")
    assert balance(clinic) == "0.00"


def test_losses_above_the_gross_take_no_more_than_was_bought(clinic: Clinic, purchase: TopUp) -> None:
    give_credits(clinic, 70)
    take(purchase, 60_000, "rfnd_A")

    assert take(purchase, 60_000, "disp_A:1") == ("400.00", "40.00", "0.00", "0.00")
    assert take(purchase, 60_000, "disp_B:1") == ("0.00", "0.00", "0.00", "0.00")
    assert balance(clinic) == "70.00"


def test_one_loss_is_taken_once(clinic: Clinic, purchase: TopUp) -> None:
    assert take(purchase, 50_000) == take(purchase, 50_000)

    with pytest.raises(KeyReused):
        take(purchase, 50_001)
    with pytest.raises(KeyReused):
        take(paid_top_up(clinic, 500), 50_000)
    assert movements(clinic, after=2)[0] == ("reversal", "-550.00", "550.00")
    assert Reversal.objects.count() == 1


def test_only_a_paid_top_up_can_lose_money_and_only_some(clinic: Clinic, purchase: TopUp) -> None:
    with pytest.raises(TopUpNotFound):
        take(top_up(clinic, 1000), 100)
    with pytest.raises(TopUpNotFound):
        BillingService.take_back_top_up(0, "rfnd_A", 100)
    for nothing in (0, -1):
        with pytest.raises(InvalidAmount):
            take(purchase, nothing)
    assert balance(clinic) == "1100.00"


# --- from where -----------------------------------------------------------------------------------


def test_own_paid_then_own_bonus_then_others_the_rest_is_owed(clinic: Clinic, spent_purchase: TopUp) -> None:
    assert open_grants(clinic) == [("paid", "100.00"), ("goodwill", "50.00"), ("bonus", "100.00")]

    assert take(spent_purchase, 100_000) == ("1000.00", "100.00", "100.00", "750.00")

    assert movements(clinic, after=14) == [("reversal", "-250.00", "0.00")]
    assert (balance(clinic), owed(clinic)) == ("0.00", "750.00")


def test_a_small_loss_leaves_other_credits_alone(clinic: Clinic, spent_purchase: TopUp) -> None:
    take(spent_purchase, 15_000)  # 150 paid, 15 bonus

    # 100 own paid, 50 + 15 of the own bonus
    assert open_grants(clinic) == [("goodwill", "50.00"), ("bonus", "35.00")]


def test_spent_bonus_is_forgiven(clinic: Clinic, purchase: TopUp) -> None:
    deliver(clinic)  # takes the whole bonus

    assert take(purchase, 100_000) == ("1000.00", "100.00", "100.00", "0.00")
    assert (balance(clinic), owed(clinic)) == ("0.00", "0.00")


def test_spent_bonus_is_forgiven_also_beside_the_bonus_of_another_purchase(
    clinic: Clinic, purchase: TopUp
) -> None:
    deliver(clinic)
    paid_top_up(clinic, 500, bonus=50)

    assert take(purchase, 100_000) == ("1000.00", "100.00", "100.00", "0.00")
    assert open_grants(clinic) == [("paid", "500.00"), ("bonus", "50.00")]


def test_other_purchases_pay_for_a_loss_but_not_for_its_bonus(clinic: Clinic, purchase: TopUp) -> None:
    deliver(clinic, price=100_000)  # 500: the bonus and 400 of the 1000
    other = paid_top_up(clinic, 500, bonus=50)

    assert take(purchase, 100_000) == ("1000.00", "100.00", "100.00", "0.00")

    assert {grant.purchase_id for grant in CreditGrant.objects.filter(open=True)} == {other.pk}
    assert open_grants(clinic) == [("paid", "150.00")]  # 600 own, 50 bonus and 350 paid of the other


def test_at_balance_zero_a_loss_is_kept_without_a_movement(clinic: Clinic) -> None:
    purchase = paid_top_up(clinic, 100)
    deliver(clinic)

    assert take(purchase, 10_000) == ("100.00", "0.00", "0.00", "100.00")

    assert movements(clinic, after=2) == []
    assert owed(clinic) == "100.00"


# --- what is owed ---------------------------------------------------------------------------------


@pytest.fixture
def debts(clinic: Clinic) -> tuple[TopUp, TopUp]:
    """Two losses, 100 and 200 owed, in this order; balance 0."""
    first, second = paid_top_up(clinic, 100), paid_top_up(clinic, 200)
    for number in range(3):
        deliver(clinic, phone=number)
    take(first, 10_000, "rfnd_A")
    take(second, 20_000, "rfnd_B")
    return first, second


def still_owed() -> list[str]:
    return [str(reversal.owed_open) for reversal in Reversal.objects.order_by("id")]


@pytest.mark.usefixtures("debts")
def test_whatever_comes_in_settles_the_oldest_loss_first(clinic: Clinic) -> None:
    assert (still_owed(), owed(clinic)) == (["100.00", "200.00"], "300.00")

    give_credits(clinic, 150)
    assert (still_owed(), owed(clinic)) == (["0.00", "150.00"], "150.00")

    steps.adjust_credits(clinic.pk, Decimal(20), "Sorry", idempotency_key="key-1")
    paid_top_up(clinic, 200, bonus=10)

    assert movements(clinic, after=5) == [
        ("credit", "150.00", "150.00"),
        ("reversal", "-100.00", "50.00"),
        ("reversal", "-50.00", "0.00"),
        ("adjustment", "20.00", "20.00"),
        ("reversal", "-20.00", "0.00"),
        ("credit", "200.00", "200.00"),
        ("bonus", "10.00", "210.00"),
        ("reversal", "-130.00", "80.00"),
    ]
    assert (still_owed(), owed(clinic), balance(clinic)) == (["0.00", "0.00"], "0.00", "80.00")


@pytest.mark.usefixtures("debts")
def test_a_clinic_that_owes_gets_no_leads_until_it_is_settled(clinic: Clinic) -> None:
    lead = deliver(clinic, phone=7)
    assert (lead.delivery_state, lead.held_reason) == ("held", "frozen")

    give_credits(clinic, 299)
    lead.refresh_from_db()
    assert lead.held_reason == "frozen"

    give_credits(clinic, 101)
    lead.refresh_from_db()
    assert (lead.delivery_state, balance(clinic)) == ("delivered", "0.00")


@pytest.mark.usefixtures("debts")
def test_settling_lifts_only_its_own_freeze(clinic: Clinic) -> None:
    CreditAccount.objects.filter(clinic=clinic).update(
        frozen_at="2026-01-01T00:00Z", frozen_reason="Complaint"
    )
    lead = deliver(clinic, phone=7)

    give_credits(clinic, 1000)

    lead.refresh_from_db()
    assert (lead.held_reason, owed(clinic), balance(clinic)) == ("frozen", "0.00", "700.00")


def test_a_refund_too_settles_first(clinic: Clinic) -> None:
    purchase = paid_top_up(clinic, 100)
    lead = deliver(clinic)
    take(purchase, 10_000)

    steps.refund_lead(lead.pk, Decimal(100), "Wrong number")

    assert movements(clinic, after=2) == [("refund", "100.00", "100.00"), ("reversal", "-100.00", "0.00")]
    assert owed(clinic) == "0.00"


# --- undone ---------------------------------------------------------------------------------------


def test_a_restore_gives_back_what_was_taken_and_cancels_what_is_owed(
    clinic: Clinic, spent_purchase: TopUp
) -> None:
    take(spent_purchase, 100_000)

    reversal = BillingService.restore_reversal("rfnd_A")

    assert (reversal.state, reversal.owed_open) == ("restored", Decimal(0))
    assert open_grants(clinic) == [("paid", "100.00"), ("bonus", "100.00"), ("goodwill", "50.00")]
    assert (balance(clinic), owed(clinic)) == ("250.00", "0.00")


def test_a_restore_also_gives_back_what_settled_the_loss(clinic: Clinic) -> None:
    purchase = paid_top_up(clinic, 100)
    deliver(clinic)
    take(purchase, 10_000)
    give_credits(clinic, 30)
    give_credits(clinic, 20, payment_id="pay_A")
    assert owed(clinic) == "50.00"

    BillingService.restore_reversal("rfnd_A")

    assert movements(clinic, after=6) == [("reversal", "50.00", "50.00")]
    assert open_grants(clinic) == [("goodwill", "30.00"), ("paid", "20.00")]


def test_a_loss_is_restored_once(clinic: Clinic, purchase: TopUp) -> None:
    take(purchase, 100_000)
    first = BillingService.restore_reversal("rfnd_A")

    assert BillingService.restore_reversal("rfnd_A").restored_at == first.restored_at
    assert balance(clinic) == "1100.00"
    with pytest.raises(ReversalNotFound):
        BillingService.restore_reversal("rfnd_B")


def test_a_restored_loss_is_not_taken_again(clinic: Clinic, purchase: TopUp) -> None:
    take(purchase, 100_000)
    BillingService.restore_reversal("rfnd_A")
    before = trace(clinic)

    BillingService.take_back_top_up(purchase.pk, "rfnd_A", 100_000)

    assert trace(clinic) == before


def test_after_a_restore_another_loss_takes_its_own_share(clinic: Clinic, purchase: TopUp) -> None:
    take(purchase, 50_000, "rfnd_A")
    BillingService.restore_reversal("rfnd_A")

    assert take(purchase, 100_000, "disp_A:1") == ("1000.00", "100.00", "0.00", "0.00")
    assert balance(clinic) == "0.00"


@pytest.mark.usefixtures("debts")
def test_what_one_restore_gives_back_settles_the_other_loss(clinic: Clinic) -> None:
    give_credits(clinic, 100)  # settles the first loss

    BillingService.restore_reversal("rfnd_A")

    assert movements(clinic, after=7) == [("reversal", "100.00", "100.00"), ("reversal", "-100.00", "0.00")]
    assert (still_owed(), owed(clinic)) == (["0.00", "100.00"], "100.00")


def test_a_restore_releases_what_was_frozen(clinic: Clinic) -> None:
    purchase = paid_top_up(clinic, 200)
    deliver(clinic, phone=1)
    take(purchase, 20_000)
    lead = deliver(clinic, phone=2)
    assert lead.held_reason == "frozen"

    BillingService.restore_reversal("rfnd_A")

    lead.refresh_from_db()
    assert (lead.delivery_state, balance(clinic)) == ("delivered", "0.00")
