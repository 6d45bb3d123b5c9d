"""Books in which everything has happened once: each event of the ledger, through the product's own door."""

from dataclasses import dataclass
from decimal import Decimal

from clinics.models import Clinic
from credits.models import CreditAccount, TopUp
from credits.services.ledger import BillingService
from leads.models import Lead
from tests.clock import Clock
from tests.factories import ClinicFactory, adjust, deliver, give_credits, paid_top_up, refund, top_up


@dataclass(frozen=True)
class History:
    """Names for the rows that tests point at."""

    clinic: Clinic
    indebted: Clinic
    steady: Clinic
    quiet: Clinic
    purchase: TopUp
    draft: TopUp
    charged: Lead
    refunded: Lead
    waiting: Lead
    free: Lead
    held: Lead
    expired: Lead


def make_history() -> History:
    """Four clinics: a busy one, one that owes, one that comes back to a balance, one where nothing ever happened."""
    clock = Clock()
    slugs = ("busy", "indebted", "steady", "quiet")
    clinic, indebted, steady, quiet = (ClinicFactory.create(slug=slug) for slug in slugs)
    waiting = deliver(clinic, phone=1, price=7000)  # held until the purchase
    purchase = paid_top_up(clinic, 1000, bonus=100, promo_bonus=50)
    give_credits(clinic, 200, idempotency_key="in-the-books")
    give_credits(clinic, 300, payment_id="pay_by_hand")
    adjust(clinic, "25.50")
    refunded = deliver(clinic, phone=2, price=15_000)
    for amount in ("33.33", "99.99"):
        refund(refunded, amount)
    free = deliver(clinic, phone=2)
    charged = deliver(clinic, phone=3, price=60_000)
    refund(Lead.objects.get(pk=waiting.pk), 180)
    clock.advance(days=100)
    BillingService.take_back_top_up(purchase.pk, "rfnd_part", 33_333)
    adjust(clinic, "-10.01")
    expired = deliver(clinic, phone=4, hold_for_review=True)
    clock.advance(days=100)  # bonus and goodwill run out
    BillingService.expire_leads(clinic.pk)
    BillingService.expire_grants(clinic.pk)
    deliver(clinic, phone=3, price=500)
    CreditAccount.objects.filter(clinic=clinic).update(daily_cap=Decimal(100))
    held = deliver(clinic, phone=5)
    _get_into_debt(indebted)
    _come_back_to_a_balance(steady)
    clock.reset()
    return History(
        clinic=clinic,
        indebted=indebted,
        steady=steady,
        quiet=quiet,
        purchase=purchase,
        draft=top_up(clinic, 5000, bonus=500),
        charged=charged,
        refunded=refunded,
        waiting=waiting,
        free=free,
        held=held,
        expired=Lead.objects.get(pk=expired.pk),
    )


def _get_into_debt(clinic: Clinic) -> None:
    first, second = paid_top_up(clinic, 100), paid_top_up(clinic, 400, bonus=40)
    for number in range(5):
        deliver(clinic, phone=10 + number)
    BillingService.take_back_top_up(first.pk, "disp_won:1", 10_000)
    give_credits(clinic, 30)
    BillingService.restore_reversal("disp_won:1")
    BillingService.take_back_top_up(second.pk, "rfnd_all", 40_000)
    give_credits(clinic, 20)
    deliver(clinic, phone=20)  # held, frozen


def _come_back_to_a_balance(clinic: Clinic) -> None:
    paid_top_up(clinic, 1000)
    refund(deliver(clinic, phone=30), 100)
    deliver(clinic, phone=31)
