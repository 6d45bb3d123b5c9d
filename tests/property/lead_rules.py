"""Rules of the state machine for enquiries: delivered, held, released, expired, withdrawn, refunded."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, multiple, rule

from credits.services.ledger import (
    BillingService,
    InsufficientCredits,
    KeyReused,
    LeadCostMismatch,
    LeadNotChargeable,
    LeadNotFound,
    RefundExceedsCost,
)
from tests import factories, steps
from tests.property.ledger_model import PAISA, Account, Lead, cost_of
from tests.property.machine import Call, Machine, clinics, seldom

phones = st.sampled_from(factories.PHONES[:2]) | st.sampled_from(factories.PHONES[2:6])
prices = st.none() | st.sampled_from(["0", "4999.99", "5000", "12000.5", "20000", "70000", "100000"]).map(
    Decimal
)
waits = st.sampled_from([timedelta(), timedelta(microseconds=1), timedelta(seconds=40), timedelta(hours=7)])
arrivals = st.lists(st.tuples(waits, phones, prices), min_size=1, max_size=4)
handlings = st.sampled_from(["", "review", "busy"])
shares = st.fractions(0, 1, max_denominator=7) | st.just(Fraction(1))


class LeadRules(Machine):
    @initialize(target=Machine.leads, phone=phones, price=prices)
    def the_first_clinic_has_a_lead(self, phone: str, price: Decimal | None) -> tuple[int, int]:
        return self.arrive(0, phone, price)

    @rule(target=Machine.leads, clinic=clinics, arrivals=arrivals, credits_are_out=st.booleans())
    def enquiries_arrive(
        self, clinic: int, arrivals: list[tuple[timedelta, str, Decimal | None]], credits_are_out: bool
    ) -> Any:
        """One after the other, `wait` apart."""
        if credits_are_out:
            self.all_credits_are_taken(clinic)
        leads = []
        for wait, phone, price in arrivals:
            self.clock.move(wait)
            leads.append(self.arrive(clinic, phone, price))
        return multiple(*leads)

    @rule(target=Machine.leads, lead=Machine.leads, wait=waits, price=prices, handling=handlings)
    def a_known_phone_writes_again(
        self, lead: tuple[int, int], wait: timedelta, price: Decimal | None, handling: str
    ) -> tuple[int, int]:
        """Perhaps held for review, or while the account is busy."""
        clinic, lead_id = lead
        phone = self.accounts[clinic].leads[lead_id].phone or factories.PHONES[0]
        self.clock.move(wait)
        return self.arrive(clinic, phone, price, handling)

    @rule(target=Machine.leads, clinic=clinics, phone=phones, handling=handlings, other=st.booleans())
    def an_enquiry_arrives_twice(
        self, clinic: int, phone: str, handling: str, other: bool
    ) -> tuple[int, int]:
        """The same again, or another under its key."""
        return self.arrive(clinic, phone, None, handling, "other" if other else "same")

    def arrive(
        self, clinic: int, phone: str, price: Decimal | None, handling: str = "", again: str = ""
    ) -> tuple[int, int]:
        enquiry = factories.enquiry(
            self.clinics[clinic],
            phone,
            price,
            hold_for_review=handling == "review",
            caller="token:1",
            route="contact-clinic",
            key=self.new("enquiry"),
            body_hmac=b"one",
        )
        is_busy = handling == "busy"

        def model(account: Account, answer: Any) -> None:
            if not is_busy:
                account.open(self.clock.now)
            arrived_at = self.clock.now if is_busy else account.now
            lead = account.leads[answer.lead_id] = Lead(answer.lead_id, phone, cost_of(price), arrived_at)
            lead.reason = handling
            if not handling:
                account.retry(lead, by_hand=False)

        delivery = self.both(
            clinic, lambda: BillingService.deliver_lead(enquiry, without_account=is_busy), model
        )
        if again == "same":
            assert BillingService.deliver_lead(enquiry) == delivery
        elif again == "other":
            with pytest.raises(KeyReused):
                BillingService.deliver_lead(replace(enquiry, body_hmac=b"other"))
        return clinic, delivery.lead_id

    @rule(lead=Machine.leads)
    def a_lead_is_released_by_hand(self, lead: tuple[int, int]) -> None:
        clinic, lead_id = lead

        def model(account: Account, _: Any) -> None:
            account.open(self.clock.now)
            self.release_by_hand(account, account.leads[lead_id])

        self.both(clinic, lambda: BillingService.release_lead(lead_id), model)

    @staticmethod
    def release_by_hand(account: Account, lead: Lead) -> None:
        if lead.state == "held":
            account.retry(lead, by_hand=True)

    @rule(lead=Machine.leads, asker=clinics, too_much=seldom)
    def a_lead_is_charged_by_name(self, lead: tuple[int, int], asker: int, too_much: bool) -> None:
        clinic, lead_id = lead
        cost = self.accounts[clinic].leads[lead_id].cost + too_much

        def model(account: Account, _: Any) -> None:
            wanted = account.leads[lead_id]
            if asker != clinic:
                raise LeadNotFound
            if too_much:
                raise LeadCostMismatch
            if wanted.reason not in ("", "review"):
                account.open(self.clock.now)
                self.release_by_hand(account, wanted)
            if wanted.reason == "no_credits":
                raise InsufficientCredits
            if wanted.state != "delivered":
                raise LeadNotChargeable

        self.both(
            clinic,
            lambda: BillingService.deduct_credits_for_lead(self.clinics[asker].pk, cost, lead_id),
            model,
        )

    @rule(target=Machine.calls, lead=Machine.leads)
    def a_charge_is_asked_for_again(self, lead: tuple[int, int]) -> Any:
        clinic, lead_id = lead
        charged = self.accounts[clinic].leads[lead_id]
        if charged.state != "delivered":
            return multiple()

        def real() -> Any:
            return BillingService.deduct_credits_for_lead(self.clinics[clinic].pk, charged.cost, lead_id)

        return Call(clinic, real, real().id, opens_account=False)

    @rule(lead=Machine.leads, share=shares, too_much=seldom)
    def a_lead_is_refunded(self, lead: tuple[int, int], share: Fraction, too_much: bool) -> None:
        clinic, lead_id = lead
        known = self.accounts[clinic].leads[lead_id]
        rest = known.cost - known.refunded
        part = (rest * share.numerator / share.denominator).quantize(PAISA)
        amount = rest + PAISA if too_much else max(part, PAISA)

        def model(account: Account, _: Any) -> None:
            refunded = account.leads[lead_id]
            if refunded.state != "delivered":
                raise LeadNotChargeable
            if refunded.refunded + amount > refunded.cost:
                raise RefundExceedsCost
            account.open(self.clock.now)
            charge = next(row for row in account.rows if row.type == "deduction" and row.lead is refunded)
            row = account.post("refund", amount)
            row.lead = refunded
            account.give_back(row, charge.consumptions)
            refunded.refunded += amount
            account.receive()

        self.both(clinic, lambda: steps.refund_lead(lead_id, amount, "Back"), model)

    @rule(lead=Machine.leads)
    def a_patient_withdraws(self, lead: tuple[int, int]) -> None:
        clinic, lead_id = lead

        def model(account: Account, _: Any) -> None:
            account.open(self.clock.now)
            withdrawn = account.leads[lead_id]
            withdrawn.phone = ""
            self.expire(withdrawn)

        self.both(clinic, lambda: BillingService.withdraw_lead(lead_id), model)

    @rule(lead=Machine.leads)
    def a_lead_in_review_is_refused(self, lead: tuple[int, int]) -> None:
        clinic, lead_id = lead
        known = self.accounts[clinic].leads[lead_id]
        self.accounts[clinic].open(self.clock.now)
        if known.reason == "review":
            BillingService.refuse_lead(lead_id)
            self.expire(known)
            known.was_refused = True
            self.accounts[clinic].open(self.clock.now)
        if known.was_refused:
            BillingService.refuse_lead(lead_id)
        else:
            with pytest.raises(LeadNotChargeable):
                BillingService.refuse_lead(lead_id)

    @staticmethod
    def expire(lead: Lead) -> None:
        if lead.state == "held":
            lead.state, lead.reason = "expired", ""
