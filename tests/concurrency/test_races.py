"""Many at once, over and over: however it goes, nothing is lost, doubled or overdrawn."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

import pytest

from clinics.models import Clinic
from credits.models import CreditTransaction
from credits.services.delivery import deliver
from credits.services.ledger import (
    BillingService,
    Delivery,
    InsufficientCredits,
    KeyReused,
    LeadNotChargeable,
    RefundExceedsCost,
    TopUpPaidByAnother,
)
from leads.models import Lead
from tests import factories, steps
from tests.clock import Clock
from tests.concurrency.books import assert_books_are_right
from tests.concurrency.threads import SIZE, Crowd, Reader

pytestmark = pytest.mark.django_db(transaction=True)

COST = Decimal(100)  # of an enquiry without a price


def new_clinic(credits_: Decimal | int = 0) -> Clinic:
    clinic = factories.ClinicFactory.create()
    if credits_:
        factories.give_credits(clinic, credits_)
    return clinic


def with_key(clinic: Clinic, key: str, phone: int = 0) -> Any:
    return factories.enquiry(
        clinic, phone, caller=f"clinic:{clinic.pk}", route="contact-clinic", key=key, body_hmac=b"1"
    )


def balance(clinic: Clinic) -> Decimal:
    return BillingService.get_clinic_credit_balance(clinic.pk)


def states(deliveries: list[Delivery]) -> Counter[str]:
    return Counter(f"{delivery.delivery_state} {delivery.held_reason}".strip() for delivery in deliveries)


def charges(clinic: Clinic) -> int:
    return CreditTransaction.objects.filter(clinic=clinic, transaction_type="deduction").count()


def test_the_last_credits_pay_for_exactly_as_many_leads_as_they_reach() -> None:
    random = Random(1)  # noqa: S311 - the same run each time

    with Crowd() as crowd, Reader() as reader:
        for _ in range(200):
            payable = random.randrange(1, SIZE)
            rest = random.choice([Decimal(0), Decimal(50), Decimal("99.99")])
            clinic = new_clinic(payable * COST + rest)
            reader.clinic_id = clinic.pk

            answers = crowd.at_once(
                partial(deliver, factories.enquiry(clinic, phone)) for phone in range(SIZE)
            )

            assert states(answers) == {"delivered": payable, "held no_credits": SIZE - payable}
            assert balance(clinic) == rest

    assert reader.reads > 200
    assert reader.wrong == []
    assert_books_are_right()


def test_one_enquiry_under_one_key_is_one_lead_and_one_charge() -> None:
    with Crowd() as crowd:
        for _ in range(50):
            clinic = new_clinic(1000)

            answers = crowd.at_once([partial(deliver, with_key(clinic, "form-1"))] * SIZE)

            assert len({answer.lead_id for answer in answers}) == 1
            assert states(answers) == {"delivered": SIZE}
            assert Lead.objects.filter(clinic=clinic).count() == charges(clinic) == 1
            assert balance(clinic) == 900

    assert_books_are_right()


def test_one_phone_under_many_keys_is_charged_once_and_free_otherwise() -> None:
    with Crowd() as crowd:
        for _ in range(50):
            clinic = new_clinic(1000)

            answers = crowd.at_once(partial(deliver, with_key(clinic, f"form-{n}")) for n in range(SIZE))

            assert states(answers) == {"delivered": 1, "free": SIZE - 1}
            assert balance(clinic) == 900

    assert_books_are_right()


def test_credits_that_race_deliveries_release_and_charge_each_lead_once() -> None:
    """Four clinics close to zero; credits, deliveries, releases and charges by name, without a deadlock."""
    random = Random(2)  # noqa: S311 - the same run each time
    clinics = [new_clinic() for _ in range(4)]
    given: Counter[int] = Counter()
    outcomes: Counter[type] = Counter()
    arrived = 0

    with Crowd() as crowd, Reader() as reader:
        for _ in range(500):
            calls: list[Any] = []
            held = held_by_clinic()
            for clinic in random.choices(clinics, k=SIZE):
                waiting = held[clinic.pk]
                what = random.choice(["enquiry", "credits", "release", "charge", "by hand", "withdraw"])
                if len(waiting) > 5:  # a short queue: each credit tries all of it
                    what = "credits"
                if what == "credits":
                    given[clinic.pk] += 100
                    calls.append(partial(factories.give_credits, clinic, 100))
                elif what == "release":
                    calls.append(partial(BillingService.release_leads, clinic.pk))
                elif what == "enquiry" or not waiting:
                    arrived += 1
                    calls.append(partial(deliver, factories.enquiry(clinic, arrived)))
                else:
                    calls.append(what_a_person_does(what, clinic, random.choice(waiting)))
            reader.clinic_id = random.choice(clinics).pk
            answers = crowd.at_once(calls)
            outcomes.update(type(answer) for answer in answers)

    assert set(outcomes) == {Delivery, CreditTransaction, InsufficientCredits, LeadNotChargeable, int}
    assert Lead.objects.count() == arrived > 1000
    for clinic in clinics:
        BillingService.release_leads(clinic.pk)
        assert balance(clinic) == given[clinic.pk] - COST * charges(clinic)
        assert balance(clinic) < COST or not held_by_clinic()[clinic.pk]
    assert reader.wrong == []
    assert_books_are_right()


def what_a_person_does(what: str, clinic: Clinic, lead_id: int) -> Callable[[], Any]:
    if what == "charge":
        return partial(BillingService.deduct_credits_for_lead, clinic.pk, COST, lead_id)
    return partial(
        BillingService.release_lead if what == "by hand" else BillingService.withdraw_lead, lead_id
    )


def held_by_clinic() -> defaultdict[int, list[int]]:
    held: defaultdict[int, list[int]] = defaultdict(list)
    for clinic_id, lead_id in Lead.objects.filter(delivery_state="held").values_list("clinic_id", "pk"):
        held[clinic_id].append(lead_id)
    return held


def test_a_top_up_is_credited_once_and_pays_for_what_was_held() -> None:
    with Crowd() as crowd:
        for number in range(50):
            clinic = new_clinic()
            lead = factories.deliver(clinic)
            top_up = factories.top_up(clinic, 1000, bonus=500)

            answers = crowd.at_once(
                [partial(BillingService.credit_top_up, top_up.pk, f"pay_{number}")] * SIZE
            )

            assert len({answer.pk for answer in answers}) == 1
            assert balance(clinic) == 1400
            lead.refresh_from_db()
            assert lead.delivery_state == "delivered"

    assert_books_are_right()


def test_of_two_payments_for_one_top_up_one_counts_and_the_other_is_told() -> None:
    with Crowd() as crowd:
        for number in range(50):
            clinic = new_clinic()
            top_up = factories.top_up(clinic, 1000)

            answers = crowd.at_once(
                partial(BillingService.credit_top_up, top_up.pk, f"pay_{number}_{n % 2}") for n in range(SIZE)
            )

            assert Counter(type(answer) for answer in answers) == {
                CreditTransaction: 6,
                TopUpPaidByAnother: 6,
            }
            assert balance(clinic) == 1000

    assert_books_are_right()


def test_refunds_never_exceed_the_cost_together() -> None:
    with Crowd() as crowd:
        for _ in range(50):
            clinic = new_clinic(100)
            lead = factories.deliver(clinic)

            answers = crowd.at_once([partial(steps.refund_lead, lead.pk, Decimal(30), "Back")] * SIZE)

            assert Counter(type(answer) for answer in answers) == {
                CreditTransaction: 3,
                RefundExceedsCost: SIZE - 3,
            }
            assert balance(clinic) == 90

    assert_books_are_right()


def test_a_loss_is_taken_once_and_restored_once_while_credits_come_in() -> None:
    with Crowd() as crowd:
        for number in range(50):
            clinic = new_clinic()
            top_up = factories.paid_top_up(clinic, 1000, bonus=500)
            steps.adjust_credits(clinic.pk, Decimal(-1200), "Spent", idempotency_key="spent")
            key = f"rfnd_{number}"
            BillingService.take_back_top_up(top_up.pk, key, 100_000)

            crowd.at_once(
                [
                    *[partial(BillingService.take_back_top_up, top_up.pk, key, 100_000)] * 4,
                    *[partial(factories.give_credits, clinic, 100)] * 4,
                    *[partial(BillingService.restore_reversal, key)] * 4,
                ]
            )

            assert balance(clinic) == 1500 - 1200 + 400

    assert_books_are_right()


def test_a_grant_expires_or_pays_but_never_both() -> None:
    def expire_in_half_a_year(clinic: Clinic) -> None:
        clock = Clock()
        clock.advance(days=181)
        BillingService.expire_grants(clinic.pk)
        clock.reset()

    outcomes: Counter[str] = Counter()
    with Crowd() as crowd:
        while outcomes.total() < 50 or (
            len(outcomes) < 2 and outcomes.total() < 1000
        ):  # until both ways were seen
            clinic = new_clinic(100)

            answers = crowd.at_once(
                partial(deliver, factories.enquiry(clinic, n))
                if n % 2
                else partial(expire_in_half_a_year, clinic)
                for n in range(SIZE)
            )

            kinds = list(
                CreditTransaction.objects.filter(clinic=clinic, amount__lt=0).values_list(
                    "transaction_type", flat=True
                )
            )
            assert len(kinds) == 1
            assert states([answer for answer in answers if answer])["delivered"] == kinds.count("deduction")
            assert balance(clinic) == 0
            outcomes[kinds[0]] += 1

    assert set(outcomes) == {"deduction", "expiry"}
    assert_books_are_right()


def test_keys_then_accounts_are_locked_in_one_order_whatever_is_mixed() -> None:
    """Few keys, two clinics, every kind of call at once: no deadlock, one lead for each key that was used."""
    random = Random(3)  # noqa: S311 - the same run each time
    clinics = [new_clinic(20_000) for _ in range(2)]
    top_ups = [factories.top_up(clinic, 1000) for clinic in clinics]
    used: set[tuple[int, str]] = set()

    with Crowd() as crowd:
        for number in range(100):
            calls: list[Any] = []
            for _ in range(SIZE):
                which = random.randrange(2)
                clinic, top_up = clinics[which], top_ups[which]
                key = f"{number}-{random.randrange(2)}"
                what = random.choice(["enquiry", "enquiry", "other body", "credits", "top-up", "release"])
                if what == "enquiry":
                    used.add((clinic.pk, key))
                    calls.append(partial(deliver, with_key(clinic, key, phone=number)))
                elif what == "other body":
                    used.add((clinic.pk, key))
                    calls.append(
                        partial(deliver, replace(with_key(clinic, key, phone=number), body_hmac=b"2"))
                    )
                elif what == "credits":
                    calls.append(partial(factories.give_credits, clinic, 50, idempotency_key=key))
                elif what == "top-up":
                    calls.append(partial(BillingService.credit_top_up, top_up.pk, f"pay_of_{top_up.pk}"))
                else:
                    calls.append(partial(BillingService.release_leads, clinic.pk))
            answers = crowd.at_once(calls)
            assert {type(answer) for answer in answers if isinstance(answer, Exception)} <= {KeyReused}

    assert Lead.objects.count() == len(used)
    assert_books_are_right()
