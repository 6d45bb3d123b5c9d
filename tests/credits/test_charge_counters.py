"""What the account counts for its budgets: gross charges of the day and the month in India (PRODUCT rule 8)."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from clinics.models import Clinic
from credits.models import CreditAccount
from credits.services.ledger import BillingService
from leads.models import Lead
from tests import steps
from tests.clock import Clock
from tests.credits.books import account
from tests.factories import deliver, give_credits

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]

INDIA = ZoneInfo("Asia/Kolkata")


def charged(clinic: Clinic) -> tuple[str, str, str]:
    counters = account(clinic)
    return str(counters.charged_on), str(counters.charged_today), str(counters.charged_this_month)


def test_the_day_and_the_month_turn_at_midnight_in_india(funded_clinic: Clinic, clock: Clock) -> None:
    clock.set(datetime(2030, 1, 30, 23, 59, tzinfo=INDIA))
    give_credits(funded_clinic, 1000)
    deliver(funded_clinic, phone=1)
    assert charged(funded_clinic) == ("2030-01-30", "100.00", "100.00")

    clock.advance(minutes=2)
    lead = deliver(funded_clinic, phone=2, price=7000)
    assert charged(funded_clinic) == ("2030-01-31", "180.00", "280.00")

    steps.refund_lead(lead.pk, Decimal(180), "Wrong number")
    assert charged(funded_clinic) == ("2030-01-31", "180.00", "280.00")

    clock.set(datetime(2030, 2, 1, 0, 1, tzinfo=INDIA))
    BillingService.expire_grants(funded_clinic.pk)
    assert charged(funded_clinic) == ("2030-02-01", "0.00", "0.00")


def test_a_daily_cap_holds_to_the_rupee_and_opens_again_at_midnight(
    funded_clinic: Clinic, clock: Clock
) -> None:
    clock.set(datetime(2030, 1, 30, 12, 0, tzinfo=INDIA))
    give_credits(funded_clinic, 1000)
    CreditAccount.objects.filter(clinic=funded_clinic).update(daily_cap=Decimal("200.00"))
    leads = [deliver(funded_clinic, phone=number) for number in range(3)]
    assert [lead.held_reason for lead in leads] == ["", "", "budget"]

    clock.set(datetime(2030, 1, 31, 0, 0, tzinfo=INDIA))

    assert BillingService.release_leads(funded_clinic.pk) == 1
    assert Lead.objects.get(pk=leads[2].pk).delivery_state == "delivered"
    assert charged(funded_clinic) == ("2030-01-31", "100.00", "300.00")
