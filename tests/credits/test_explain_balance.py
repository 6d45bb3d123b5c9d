"""`explain_balance`: every number of a balance has its reason, and no patient is named."""

from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from clinics.models import Clinic
from credits.models import CreditAccount
from leads.models import LeadContact
from tests import steps
from tests.clock import Clock
from tests.credits.psql import superuser_session
from tests.credits.rich_history import History, make_history
from tests.factories import deliver, give_credits

pytestmark = pytest.mark.django_db


def explain(clinic: Clinic | str) -> list[str]:
    """The lines, with blanks run together."""
    out = StringIO()
    call_command("explain_balance", str(clinic if isinstance(clinic, str) else clinic.pk), stdout=out)
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def part(lines: list[str], title: str) -> list[str]:
    """The lines of one section."""
    start = lines.index(title) + 1
    end = lines.index("", start) if "" in lines[start:] else len(lines)
    return lines[start:end]


@pytest.fixture
def history(db: None) -> History:
    return make_history()


def test_it_says_what_came_and_went(history: History) -> None:
    lines = explain(history.clinic)

    assert lines[0] == f"Clinic {history.clinic.pk}, busy: balance 575.49, owed 0.00"
    assert part(lines, "What came and went") == [
        "adjustment 2 × 15.49",
        "bonus 2 × 150.00",
        "credit 3 × 1,500.00",
        "deduction 4 × -930.00",
        "expiry 2 × -90.99",
        "refund 3 × 313.32",
        "reversal 1 × -382.33",
    ]


def test_it_says_of_which_payment_what_is_left(history: History) -> None:
    top_up = f"top-up {history.purchase.pk}, {history.purchase.razorpay_payment_id}"

    assert part(explain(history.clinic), "What is left, in the order it is spent") == [
        f"paid 232.42 of 1,000.00, never expires, {top_up}",
        "paid 300.00 of 300.00, never expires, pay_by_hand",
        f"paid 3.27 of 3.27, never expires, {top_up}, came back with movement 9",
        f"paid 9.80 of 9.80, never expires, {top_up}, came back with movement 10",
        f"paid 30.00 of 30.00, never expires, {top_up}, came back with movement 12",
    ]


def test_it_follows_credits_that_came_back_more_than_once(clinic: Clinic, clock: Clock) -> None:
    give_credits(clinic, 100, payment_id="pay_far")
    for number in range(3):
        lead = deliver(clinic, phone=number)
        steps.refund_lead(lead.pk, Decimal(100), "Wrong number")

    [line] = part(explain(clinic), "What is left, in the order it is spent")
    assert line == "paid 100.00 of 100.00, never expires, pay_far, came back with movement 7"


def test_it_says_when_what_is_left_expires(funded_clinic: Clinic, clock: Clock) -> None:
    [line] = part(explain(funded_clinic), "What is left, in the order it is spent")

    kind, expiry = line.split(", until ")
    assert kind == "goodwill 1,000.00 of 1,000.00"
    assert expiry.endswith("IST, movement 1")


def test_it_says_what_is_owed_and_for_which_loss(history: History) -> None:
    lines = explain(history.indebted)

    assert lines[0].endswith("balance 0.00, owed 310.00")
    assert "Delivery is frozen while anything is owed" in lines
    [line] = part(lines, "What is owed")
    assert line.startswith("310.00 for rfnd_all of top-up ")
    assert line.endswith("(400.00 paid and 40.00 bonus credits were lost)")


def test_it_says_which_leads_wait_and_why(history: History) -> None:
    assert part(explain(history.clinic), "Leads that wait") == [
        "budget 1 for 100.00 credits (Above your budget)"
    ]
    assert part(explain(history.indebted), "Leads that wait") == [
        "frozen 1 for 100.00 credits (Delivery is frozen)"
    ]


def test_it_shows_the_last_ten_movements_newest_first(history: History) -> None:
    lines = part(explain(history.clinic), "Last 10 movements")

    assert [int(line.split()[0]) for line in lines] == list(range(17, 7, -1))
    assert lines[0].partition(" IST ")[2].startswith("deduction -100.00 → 575.49 Lead ")


def test_it_says_what_limits_delivery(clinic: Clinic) -> None:
    CreditAccount.objects.filter(clinic=clinic).update(
        frozen_at="2026-01-01T00:00Z",
        frozen_reason="Complaint",
        paused_at="2026-01-02T00:00Z",
        paused_until="2026-02-02T00:00Z",
        daily_cap=Decimal(500),
        monthly_cap=Decimal(123456),
        highest_cost=Decimal(250),
    )

    lines = explain(clinic.slug)

    assert "Delivery is frozen since 2026-01-01 05:30 IST: Complaint" in lines
    assert "Delivery is paused since 2026-01-02 05:30 IST until 2026-02-02 05:30 IST" in lines
    assert [line.split(" (")[0] for line in lines if line.startswith("Limit")] == [
        "Limit per day 0.00 of 500.00",
        "Limit per month 0.00 of 1,23,456.00",
        "Limit per lead 250.00",
    ]


def test_an_empty_account_is_explained_too(clinic: Clinic) -> None:
    lines = explain(clinic)

    assert lines[0].endswith("balance 0.00, owed 0.00")
    assert [part(lines, "What came and went"), part(lines, "What is owed")] == [["nothing yet"], ["nothing"]]


def test_it_names_no_patient(history: History) -> None:
    text = "\n".join([*explain(history.clinic), *explain(history.indebted)])

    for contact in LeadContact.objects.all():
        assert contact.name not in text
        assert str(contact.phone)[-6:] not in text


def test_an_unknown_clinic_is_refused() -> None:
    with pytest.raises(CommandError, match="There is no clinic «nowhere»"):
        explain("nowhere")


@pytest.mark.django_db(transaction=True)
def test_a_balance_that_does_not_add_up_is_told(funded_clinic: Clinic) -> None:
    with superuser_session() as superuser:
        superuser.execute("UPDATE credit_accounts SET balance = 7 WHERE clinic_id = %s", [funded_clinic.pk])

    last = explain(funded_clinic)[-1]

    assert last == "This does not add up: movements 1,000.00, grants 1,000.00. Run verify_ledger."
