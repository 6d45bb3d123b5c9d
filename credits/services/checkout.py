"""What a browser's checkout needs: which order to pay, whether its callback is genuine, what became of it."""

import logging
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings

from clinics.models import Clinic
from credits.gateway import (
    Gateway,
    GatewayError,
    GatewayMisconfigured,
    InvalidGatewayValue,
    payment_signature_is_valid,
)
from credits.models import CreditAccount, GatewayPayment, TopUp
from credits.services import topups
from credits.services.facts import UnreadableEntity
from credits.services.figures import usual_lead_cost
from credits.services.ledger import BillingService
from credits.services.payments import apply_payment

logger = logging.getLogger(__name__)


class PaymentNotVerified(Exception):
    """The callback's signature does not fit our order: nothing is believed of it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a top-up stands: `paid`, `processing` (money on its way), `failed` (may be tried again), `open` or
    `review` (money came that no rule credits)."""

    state: str
    credits: Decimal
    balance: Decimal


def verify_payment(*, clinic: Clinic, order_id: str, payment_id: str, signature: str) -> TopUp:
    """A browser says it has paid. The signature proves that the callback is genuine, not that money came: the
    payment is fetched and applied; if it can't be fetched now, a webhook or reconciliation will bring it.

    Raises TopUp.DoesNotExist for another clinic's or no order, PaymentNotVerified.
    """
    top_up = clinic.top_ups.get(razorpay_order_id=order_id)
    if not payment_signature_is_valid(
        top_up.razorpay_order_id, payment_id, signature, settings.RAZORPAY_KEY_SECRET
    ):
        logger.error(f"Payment verification failed: Top-up {top_up.pk}")
        raise PaymentNotVerified
    try:
        with Gateway() as gateway:
            entity = gateway.fetch_payment(payment_id)
        if entity.get("order_id") == top_up.razorpay_order_id:
            apply_payment(entity, source="callback")
    except (GatewayError, GatewayMisconfigured, InvalidGatewayValue, UnreadableEntity) as error:
        logger.warning(f"Payment not fetched: Top-up {top_up.pk}, {error}")
    top_up.refresh_from_db()
    return top_up


@dataclass(frozen=True, slots=True)
class Offer:
    """A package as a buyer sees it: its price with tax, about how many leads it pays for at what they usually cost
    this clinic (None before the first), whether it is the best."""

    quote: topups.Quote
    lead_cost: Decimal | None
    is_best: bool = False

    @property
    def leads(self) -> int | None:
        return leads_for(self.quote.credits, self.lead_cost)


def offers(account: CreditAccount) -> list[Offer]:
    """What is on sale, the least price first, in leads at this clinic's usual price. The best gives most for a rupee,
    where one gives more than the others."""
    cost = usual_lead_cost(account)
    quotes = topups.offers()
    best = max(quotes, key=lambda quote: quote.credits / quote.price, default=None)
    is_one_better = best is not None and best.bonus > 0
    return [Offer(quote, cost, is_one_better and quote is best) for quote in quotes]


def leads_for(credits_: Decimal, cost: Decimal | None) -> int | None:
    """About how many leads credits pay for; None where no price is known."""
    return int(credits_ / cost) if cost else None


def progress_of(top_up: TopUp) -> Progress:
    """Where a top-up stands now, with the clinic's live balance."""
    balance = BillingService.get_clinic_credit_balance(top_up.clinic_id)
    return Progress(_state_of(top_up), credited(top_up), balance)


def credited(top_up: TopUp) -> Decimal:
    """What it brought, or is to bring: its promo bonus may have been lost by paying late."""
    if top_up.state != TopUp.State.PAID:
        return top_up.credits
    rows = top_up.credit_transactions.filter(transaction_type__in=["credit", "bonus"])
    return sum((amount for amount in rows.values_list("amount", flat=True)), Decimal("0.00"))


def _state_of(top_up: TopUp) -> str:
    if top_up.state == TopUp.State.PAID:
        return "paid"
    payments = list(top_up.gateway_payments.all())
    if any(payment.is_money_in for payment in payments):
        return "review"
    if any(payment.status == GatewayPayment.Status.AUTHORIZED for payment in payments):
        return "processing"
    return "failed" if top_up.last_attempt_error else "open"
