"""Rules of the state machine for credits that come and go, payments, and money taken back."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, multiple, rule

from credits.models import BillingRules, TopUp
from credits.services.ledger import (
    BillingService,
    InsufficientCredits,
    InvalidAmount,
    KeyReused,
    ReversalNotFound,
    TopUpNotFound,
    TopUpPaidByAnother,
)
from tests import steps
from tests.property.ledger_model import Account, Loss, Purchase, loss_of, total
from tests.property.machine import Call, Machine, amounts, batches, clinics, seldom

bad_amounts = st.sampled_from(
    [*map(Decimal, ("0", "-1", "0.001", "NaN", "-Infinity", "1e10")), 1.5, "100", True, None]
)
# Small, as all amounts here, so that credits run out all the time.
prices = st.sampled_from([(100, 0, 0), (300, 30, 0), (500, 50, 33), (1000, 150, 100), (123, 5, 7)])
shares = st.fractions(0, 1, max_denominator=7) | st.just(Fraction(1))


class MoneyRules(Machine):
    # --- by hand ------------------------------------------------------------------------------------------

    @initialize(target=Machine.calls, amount=amounts, batch=batches)
    def the_first_clinic_has_credits(self, amount: Decimal, batch: int) -> Call:
        BillingRules.objects.update(release_batch=batch)
        self.switches.release_batch = batch
        return self.add_credits(0, amount, None)

    @rule(
        target=Machine.calls,
        clinic=clinics,
        amount=amounts,
        by_payment=st.booleans(),
        for_held=st.integers(0, 3),
    )
    def credits_are_added(self, clinic: int, amount: Decimal, by_payment: bool, for_held: int) -> Call:
        """Some amount, or what the oldest few of the held leads need."""
        account = self.accounts[clinic]
        waiting = sorted(
            (lead for lead in account.leads.values() if lead.state == "held"), key=lambda lead: lead.age
        )
        missing = total(lead.cost for lead in waiting[:for_held]) + account.owed - account.balance
        return self.add_credits(
            clinic, missing if for_held and missing > 0 else amount, self.new("pay") if by_payment else None
        )

    def add_credits(self, clinic: int, amount: Decimal, payment_id: str | None) -> Call:
        key = self.new("given")

        def real() -> Any:
            clinic_id = self.clinics[clinic].pk
            return BillingService.add_credits(
                clinic_id, amount, "Given", payment_id=payment_id, idempotency_key=key
            )

        def model(account: Account, _: Any) -> None:
            account.open(self.clock.now)
            row = account.post("credit", amount)
            row.key, row.payment_id = key, payment_id
            account.bring(row, "paid" if payment_id else "goodwill", amount, None)
            account.receive()

        return Call(clinic, real, self.both(clinic, real, model).id, opens_account=True)

    @rule(target=Machine.calls, clinic=clinics, amount=amounts, sign=st.sampled_from([1, -1]))
    def staff_adjust(self, clinic: int, amount: Decimal, sign: int) -> Any:
        return self.adjust(clinic, sign * amount)

    # --- payments -----------------------------------------------------------------------------------------

    @initialize(target=Machine.purchases, price=prices)
    def the_first_clinic_has_bought(self, price: tuple[int, int, int]) -> tuple[int, int]:
        purchase = self.start(0, price, 0)
        self.pay(purchase)
        return purchase

    @rule(target=Machine.purchases, clinic=clinics, price=prices, tax_percent=st.sampled_from([0, 18]))
    def a_top_up_is_started(
        self, clinic: int, price: tuple[int, int, int], tax_percent: int
    ) -> tuple[int, int]:
        return self.start(clinic, price, tax_percent)

    def start(self, clinic: int, price: tuple[int, int, int], tax_percent: int) -> tuple[int, int]:
        net, bonus, promo = map(Decimal, price)
        tax = net * tax_percent / 100
        top_up = TopUp.objects.create(
            clinic=self.clinics[clinic], price=net, bonus=bonus, promo_bonus=promo, tax=tax, gross=net + tax
        )
        gross_paise = int((net + tax) * 100)
        self.accounts[clinic].purchases[top_up.pk] = Purchase(top_up.pk, net, bonus, promo, gross_paise)
        return clinic, top_up.pk

    @rule(target=Machine.calls, purchase=Machine.purchases, with_promo=st.booleans())
    def a_top_up_is_paid(self, purchase: tuple[int, int], with_promo: bool) -> Any:
        return self.pay(purchase, with_promo=with_promo)

    def pay(self, purchase: tuple[int, int], *, with_promo: bool = True) -> Any:
        clinic, top_up_id = purchase
        payment_id = self.new("pay")

        def real() -> Any:
            return BillingService.credit_top_up(top_up_id, payment_id, with_promo=with_promo)

        def model(account: Account, _: Any) -> None:
            bought = account.purchases[top_up_id]
            if bought.payment_id:
                raise TopUpPaidByAnother
            bought.payment_id = payment_id
            bought.promo_bonus *= with_promo  # no free use of the code is left: no promo bonus
            account.open(self.clock.now)
            for kind, amount in (
                ("credit", bought.price),
                ("bonus", bought.bonus),
                ("bonus", bought.promo_bonus),
            ):
                if amount:
                    row = account.post(kind, amount)
                    row.purchase, row.payment_id = bought, payment_id if kind == "credit" else None
                    account.bring(row, "paid" if kind == "credit" else "bonus", amount, bought)
            account.receive()

        row = self.both(clinic, real, model)
        return multiple() if row is None else Call(clinic, real, row.id, opens_account=False)

    @rule(
        target=Machine.losses,
        purchase=Machine.purchases,
        shares=st.lists(shares, min_size=1, max_size=2),
        all_spent=st.booleans(),
        only_unspent=seldom,
    )
    def the_gateway_takes_money_back(
        self, purchase: tuple[int, int], shares: list[Fraction], all_spent: bool, only_unspent: bool
    ) -> Any:
        """`all_spent`: staff take every credit away first, so that the losses are owed."""
        clinic, top_up_id = purchase
        if all_spent:
            self.all_credits_are_taken(clinic)
        gross = self.accounts[clinic].purchases[top_up_id].gross_paise
        taken = []
        for share in shares:
            key = self.new("rfnd")
            if self.take_back(clinic, top_up_id, key, max(int(gross * share), 1), only_unspent=only_unspent):
                taken.append((clinic, key))
        return multiple(*taken)

    @rule(loss=Machine.losses, other_amount=st.booleans())
    def the_gateway_takes_the_same_back_again(self, loss: tuple[int, str], other_amount: bool) -> None:
        clinic, key = loss
        first = self.loss(self.accounts[clinic], key)
        self.take_back(clinic, first.purchase.id, key, first.paise + other_amount)

    def take_back(
        self, clinic: int, top_up_id: int, key: str, paise: int, *, only_unspent: bool = False
    ) -> Any:
        def real() -> Any:
            return BillingService.take_back_top_up(top_up_id, key, paise, only_unspent=only_unspent)

        def model(account: Account, _: Any) -> None:
            bought = account.purchases[top_up_id]
            if not bought.payment_id:
                raise TopUpNotFound
            account.open(self.clock.now)
            known = [loss for loss in account.losses if loss.key == key]
            if not known:
                loss = loss_of(bought, key, paise)
                unspent = total(
                    grant.remaining
                    for grant in account.grants
                    if grant.purchase is bought and grant.kind == "paid"
                )
                left = bought.gross_paise - sum(loss.paise for loss in bought.losses if not loss.is_restored)
                if only_unspent and (paise > left or loss.paid_share > unspent):
                    raise InsufficientCredits
                account.take(loss)
            elif known[0].paise != paise:
                raise KeyReused

        return self.both(clinic, real, model)

    @rule(loss=Machine.losses, later=seldom)
    def the_loss_did_not_happen_after_all(self, loss: tuple[int, str], later: bool) -> None:
        """`later`: whoever restores it releases held leads afterwards."""
        clinic, key = loss

        def model(account: Account, _: Any) -> None:
            account.open(self.clock.now)
            taken = self.loss(account, key)
            if not taken.is_restored:
                account.restore(taken, release=not later)

        self.both(clinic, lambda: BillingService.restore_reversal(key, release=not later), model)

    @staticmethod
    def loss(account: Account, key: str) -> Loss:
        return next(loss for loss in account.losses if loss.key == key)

    # --- again, and refused -------------------------------------------------------------------------------

    @rule(call=Machine.calls)
    def a_call_comes_again(self, call: Call) -> None:
        def model(account: Account, answer: Any) -> None:
            assert answer.id == call.first
            if call.opens_account:
                account.open(self.clock.now)

        self.both(call.clinic, call.make, model)

    @rule(clinic=clinics, purchase=Machine.purchases, number=st.integers(0, 30), amount=bad_amounts)
    def what_must_be_refused_is_refused(
        self, clinic: int, purchase: tuple[int, int], number: int, amount: Any
    ) -> None:
        self.nonsense_is_refused(clinic, amount)
        self.a_key_for_other_facts_is_refused(clinic, number)
        self.a_payment_for_something_else_is_refused(clinic, purchase, number)

    def a_key_for_other_facts_is_refused(self, clinic: int, number: int) -> None:
        clinic_id = self.clinics[clinic].pk
        used = [row for row in self.accounts[clinic].rows if row.key]
        if not used:
            return
        row = used[number % len(used)]
        with pytest.raises(KeyReused):
            BillingService.add_credits(clinic_id, abs(row.amount) + 1, "Again", idempotency_key=row.key)
        with pytest.raises(KeyReused):
            steps.adjust_credits(clinic_id, row.amount + 6000, "Again", idempotency_key=str(row.key))
        if row.type == "adjustment" and row.amount > 0:
            with pytest.raises(KeyReused):
                BillingService.add_credits(clinic_id, row.amount, "Again", idempotency_key=row.key)
        if row.type == "credit":
            with pytest.raises(KeyReused):
                steps.adjust_credits(clinic_id, row.amount, "Again", idempotency_key=str(row.key))

    def a_payment_for_something_else_is_refused(
        self, clinic: int, purchase: tuple[int, int], number: int
    ) -> None:
        """Under another amount, at another clinic, or for another top-up."""
        owner, top_up_id = purchase
        paid = [row.payment_id for account in self.accounts for row in account.rows if row.payment_id]
        if not paid:
            return
        payment_id = paid[number % len(paid)]
        with pytest.raises(KeyReused):
            BillingService.add_credits(self.clinics[clinic].pk, Decimal(7777), "Given", payment_id=payment_id)
        bought = self.accounts[owner].purchases[top_up_id]
        if bought.payment_id != payment_id:
            with pytest.raises(TopUpPaidByAnother if bought.payment_id else KeyReused):
                BillingService.credit_top_up(top_up_id, payment_id)

    def nonsense_is_refused(self, clinic: int, amount: Any) -> None:
        clinic_id = self.clinics[clinic].pk
        with pytest.raises(InvalidAmount):
            BillingService.add_credits(clinic_id, amount, "Given")
        if amount != -1:
            with pytest.raises(InvalidAmount):
                steps.adjust_credits(clinic_id, amount, "Odd", idempotency_key=self.new("bad"))
        with pytest.raises(InvalidAmount):
            BillingService.take_back_top_up(10**15, "rfnd_unknown", 0)
        with pytest.raises(ReversalNotFound):
            BillingService.restore_reversal("rfnd_unknown")
        with pytest.raises(TopUpNotFound):
            BillingService.credit_top_up(10**15, "pay_unknown")
