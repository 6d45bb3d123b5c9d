"""One order of events, made by hand: the second waits for the first's lock, and then comes out right."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from clinics.models import Clinic
from credits.models import CreditAccount, CreditTransaction
from credits.services.delivery import deliver
from credits.services.ledger import BillingService, InsufficientCredits, RefundExceedsCost, TopUpPaidByAnother
from leads.models import Lead
from tests import factories, steps
from tests.concurrency.books import assert_books_are_right
from tests.concurrency.threads import answer_then_close, second_waits_for_first

pytestmark = pytest.mark.django_db(transaction=True)


def enquiry_of(clinic: Clinic, phone: int, **facts: Any) -> Callable[[], Any]:
    return partial(deliver, factories.enquiry(clinic, phone, **facts))


def with_key(clinic: Clinic, phone: int = 0) -> Callable[[], Any]:
    return enquiry_of(clinic, phone, caller="token:1", route="contact-clinic", key="one", body_hmac=b"1")


def test_two_enquiries_for_the_last_credits() -> None:
    clinic = factories.ClinicFactory.create()
    factories.give_credits(clinic, 150)

    first, second = second_waits_for_first(enquiry_of(clinic, 1), enquiry_of(clinic, 2))

    assert first.delivery_state == "delivered"
    assert (second.delivery_state, second.held_reason) == ("held", "no_credits")
    assert_books_are_right()


def test_two_enquiries_for_the_last_credits_and_the_first_is_undone() -> None:
    clinic = factories.ClinicFactory.create()
    factories.give_credits(clinic, 150)

    first, second = second_waits_for_first(enquiry_of(clinic, 1), enquiry_of(clinic, 2), first_is_undone=True)

    assert second.delivery_state == "delivered"
    assert list(Lead.objects.values_list("pk", flat=True)) == [second.lead_id] != [first.lead_id]
    assert_books_are_right()


def test_one_key_twice_the_second_gets_the_first_answer() -> None:
    clinic = factories.ClinicFactory.create()
    factories.give_credits(clinic, 1000)

    first, second = second_waits_for_first(with_key(clinic), with_key(clinic))

    assert first == second
    assert BillingService.get_clinic_credit_balance(clinic.pk) == 900
    assert_books_are_right()


def test_one_key_twice_and_the_first_is_undone() -> None:
    clinic = factories.ClinicFactory.create()
    factories.give_credits(clinic, 1000)

    first, second = second_waits_for_first(with_key(clinic), with_key(clinic), first_is_undone=True)

    assert second.delivery_state == "delivered"
    assert second.lead_id != first.lead_id
    assert BillingService.get_clinic_credit_balance(clinic.pk) == 900
    assert_books_are_right()


def test_one_phone_twice_the_second_is_free() -> None:
    clinic = factories.ClinicFactory.create()
    factories.give_credits(clinic, 1000)

    first, second = second_waits_for_first(enquiry_of(clinic, 1), enquiry_of(clinic, 1))

    assert (first.delivery_state, second.delivery_state) == ("delivered", "free")
    assert_books_are_right()


def test_credits_come_in_while_an_enquiry_is_being_held_and_release_it() -> None:
    clinic = factories.ClinicFactory.create()

    first, _ = second_waits_for_first(enquiry_of(clinic, 1), partial(factories.give_credits, clinic, 250))

    assert first.delivery_state == "held"
    assert Lead.objects.get(pk=first.lead_id).delivery_state == "delivered"
    assert BillingService.get_clinic_credit_balance(clinic.pk) == 150
    assert_books_are_right()


def test_a_held_lead_is_released_and_charged_by_name_at_once() -> None:
    clinic = factories.ClinicFactory.create()
    lead = factories.deliver(clinic)
    charge = partial(BillingService.deduct_credits_for_lead, clinic.pk, lead.cost, lead.pk)

    _, second = second_waits_for_first(partial(factories.give_credits, clinic, 250), charge)

    assert second == CreditTransaction.objects.get(lead=lead)
    assert BillingService.get_clinic_credit_balance(clinic.pk) == 150
    assert_books_are_right()


def test_one_payment_twice_is_credited_once() -> None:
    top_up = factories.top_up(factories.ClinicFactory.create(), 1000)
    pay = partial(BillingService.credit_top_up, top_up.pk, "pay_1")

    first, second = second_waits_for_first(pay, pay)

    assert first == second
    assert BillingService.get_clinic_credit_balance(top_up.clinic_id) == 1000
    assert_books_are_right()


def test_a_second_payment_for_one_top_up_is_told() -> None:
    top_up = factories.top_up(factories.ClinicFactory.create(), 1000)

    _, second = second_waits_for_first(
        partial(BillingService.credit_top_up, top_up.pk, "pay_1"),
        partial(BillingService.credit_top_up, top_up.pk, "pay_2"),
    )

    assert isinstance(second, TopUpPaidByAnother)
    assert BillingService.get_clinic_credit_balance(top_up.clinic_id) == 1000
    assert_books_are_right()


def test_two_refunds_beyond_the_cost_the_second_is_refused() -> None:
    clinic = factories.ClinicFactory.create()
    factories.give_credits(clinic, 100)
    refund = partial(steps.refund_lead, factories.deliver(clinic).pk, Decimal(60), "Back")

    _, second = second_waits_for_first(refund, refund)

    assert isinstance(second, RefundExceedsCost)
    assert BillingService.get_clinic_credit_balance(clinic.pk) == 60
    assert_books_are_right()


def test_two_adjustments_below_zero_the_second_is_refused() -> None:
    clinic = factories.ClinicFactory.create()
    factories.give_credits(clinic, 100)
    take = partial(steps.adjust_credits, clinic.pk, Decimal(-60), "Mistake")

    _, second = second_waits_for_first(partial(take, idempotency_key="1"), partial(take, idempotency_key="2"))

    assert isinstance(second, InsufficientCredits)
    assert_books_are_right()


def test_an_owner_pauses_while_an_enquiry_waits_and_the_enquiry_sees_it() -> None:
    clinic = factories.ClinicFactory.create()
    factories.give_credits(clinic, 1000)

    def pause() -> None:
        account = CreditAccount.objects.select_for_update().get(pk=clinic.pk)
        account.paused_at = account.last_posted_at
        account.save(update_fields=["paused_at"])

    _, second = second_waits_for_first(pause, enquiry_of(clinic, 1))

    assert (second.delivery_state, second.held_reason) == ("held", "paused")
    assert_books_are_right()


def test_an_enquiry_that_cannot_have_the_lock_in_time_is_stored_as_busy_and_charged_once_later() -> None:
    clinic = factories.ClinicFactory.create()
    factories.give_credits(clinic, 1000)

    def impatient() -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        return answer_then_close(with_key(clinic))

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        factories.give_credits(clinic, 1)
        busy = pool.submit(impatient).result()
    assert (busy.delivery_state, busy.held_reason) == ("held", "busy")
    again = with_key(clinic)()
    assert again == busy
    assert BillingService.get_clinic_credit_balance(clinic.pk) == 1001

    assert BillingService.release_leads(clinic.pk) == 1
    assert BillingService.release_leads(clinic.pk) == 0

    assert with_key(clinic)().delivery_state == "delivered"
    assert BillingService.get_clinic_credit_balance(clinic.pk) == 901
    assert_books_are_right()


def test_a_busy_lead_is_tried_first_when_its_phone_writes_again() -> None:
    clinic = factories.ClinicFactory.create()
    factories.give_credits(clinic, 1000)
    busy = BillingService.deliver_lead(factories.enquiry(clinic, 1), without_account=True)

    again = deliver(factories.enquiry(clinic, 1))

    assert Lead.objects.get(pk=busy.lead_id).delivery_state == "delivered"
    assert again.delivery_state == "free"
    assert_books_are_right()
