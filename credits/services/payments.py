"""The one function every payment path ends in: browser callback, webhook, reconciliation, admin and command.

It locks the top-up, moves the payment forward by rank, and credits at most once. No gateway call in here.
"""

import logging
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.utils import timezone

from credits.models import GatewayPayment, ReviewItem, TopUp
from credits.services import losses, promos
from credits.services.balances import forget_balances
from credits.services.facts import PaymentFacts
from credits.services.ledger import BillingService, KeyReused
from credits.services.reviews import raise_review

logger = logging.getLogger(__name__)
CURRENCY = "INR"


class Outcome(StrEnum):
    CREDITED = "credited"  # now
    ALREADY_CREDITED = "already_credited"  # by this payment, before
    PROCESSING = "processing"  # authorised, not captured yet
    NOT_PAID = "not_paid"  # created or failed: may still succeed
    UNKNOWN_ORDER = "unknown_order"  # no top-up of ours (yet)
    REVIEW = "review"  # money came that no rule credits


@dataclass(frozen=True, slots=True)
class Application:
    """What applying a payment came to."""

    outcome: Outcome
    payment: GatewayPayment
    top_up: TopUp | None


def apply_payment(entity: Any, *, source: str) -> Application:
    """Takes one payment entity as the gateway sent it, and does what follows from it, exactly once.

    `source` says which path told us. Any order and number of calls, also at once, come to the same. What is
    credited is the top-up's own stored price and bonus; the payment must equal its stored gross and currency
    (PRODUCT rule 3). Raises UnreadableEntity.
    """
    facts = PaymentFacts.read(entity)
    with transaction.atomic():
        facts = _of_its_first_order(facts)
        top_up = (
            TopUp.objects.select_for_update(no_key=True).filter(razorpay_order_id=facts.order_id).first()
            if facts.order_id
            else None
        )
        payment = _move_forward(facts, top_up, source)
        outcome = _settle(payment, top_up)
        if outcome is Outcome.UNKNOWN_ORDER and facts.order_id:
            # Its id may be being stored at this moment: of the two, the one that commits last sees the other.
            transaction.on_commit(lambda: _apply_if_stored_meanwhile(facts.order_id))
    if outcome is Outcome.CREDITED:
        logger.info(f"Payment credited: Top-up {payment.top_up_id}, by {source}")
    return Application(outcome, payment, top_up)


def apply_known_payments(top_up: TopUp) -> list[Application]:
    """Payments that arrived before we had stored the id of their order (a webhook can overtake our own commit)."""
    applied = []
    for payment_id in GatewayPayment.objects.filter(
        order_id=top_up.razorpay_order_id, top_up__isnull=True
    ).values_list("pk", flat=True):
        with transaction.atomic():
            locked = TopUp.objects.select_for_update(no_key=True).get(pk=top_up.pk)
            payment = GatewayPayment.objects.select_for_update(no_key=True).get(pk=payment_id)
            payment.top_up = locked
            payment.save(update_fields=["top_up"])
            applied.append(Application(_settle(payment, locked), payment, locked))
    return applied


def _apply_if_stored_meanwhile(order_id: str) -> None:
    top_up = TopUp.objects.filter(razorpay_order_id=order_id).first()
    if top_up is not None:
        apply_known_payments(top_up)


def _of_its_first_order(facts: PaymentFacts) -> PaymentFacts:
    """A payment never changes its order: some events leave it out, and what was stored stands."""
    stored = (
        GatewayPayment.objects.filter(payment_id=facts.payment_id).values_list("order_id", flat=True).first()
    )
    return replace(facts, order_id=stored) if stored else facts


def _move_forward(facts: PaymentFacts, top_up: TopUp | None, source: str) -> GatewayPayment:
    """The payment's row, updated if this tells more: a higher rank, or more refunded at the same rank."""
    known: dict[str, Any] = {
        "status": facts.status,
        "captured": facts.captured,
        "amount_refunded_paise": facts.amount_refunded_paise,
        "fee_paise": facts.fee_paise,
        "tax_paise": facts.tax_paise,
        "method": facts.method,
        "error_reason": facts.error_reason,
    }
    payment, created = GatewayPayment.objects.select_for_update(no_key=True, of=("self",)).get_or_create(
        payment_id=facts.payment_id,
        defaults={
            **known,
            "order_id": facts.order_id,
            "top_up": top_up,
            "amount_paise": facts.amount_paise,
            "currency": facts.currency,
            "carries_our_notes": facts.carries_our_notes,
            "first_source": source,
            "made_at": facts.made_at,
        },
    )
    if created:
        return payment
    changed: dict[str, Any] = {}
    if payment.top_up_id is None and top_up is not None:
        changed["top_up"] = top_up
    if facts.order_id and not payment.order_id:
        changed["order_id"] = facts.order_id
    if facts.carries_our_notes and not payment.carries_our_notes:
        changed["carries_our_notes"] = True
    progress = (GatewayPayment.RANKS[facts.status], facts.amount_refunded_paise)
    if progress > (payment.rank, payment.amount_refunded_paise):
        # What an entity leaves out is not forgotten; captured money stays captured.
        changed |= {name: value for name, value in known.items() if value not in (None, "")}
        changed["captured"] = payment.captured or facts.captured
        changed["amount_refunded_paise"] = max(payment.amount_refunded_paise, facts.amount_refunded_paise)
    if changed:
        changed["updated_at"] = timezone.now()
        for name, value in changed.items():
            setattr(payment, name, value)
        payment.save(update_fields=list(changed))
    return payment


def _settle(payment: GatewayPayment, top_up: TopUp | None) -> Outcome:
    """What the payment means for its top-up, whose lock is held."""
    if top_up is None:
        return _unknown_order(payment)
    if not payment.is_money_in:
        return _not_paid(payment, top_up)
    if top_up.razorpay_payment_id == payment.payment_id:
        return Outcome.ALREADY_CREDITED
    doubt = None
    if payment.amount_paise != top_up.gross_paise or payment.currency != CURRENCY:
        doubt = ReviewItem.Kind.AMOUNT
    elif top_up.state == TopUp.State.PAID or not _credit(payment, top_up):
        doubt = ReviewItem.Kind.SECOND_PAYMENT
    if doubt is not None:
        _review(doubt, payment, top_up)
        return Outcome.REVIEW
    return Outcome.CREDITED


def _credit(payment: GatewayPayment, top_up: TopUp) -> bool:
    """False when people had credited this payment by hand, while its order was unknown."""
    try:
        with transaction.atomic():
            with_promo = promos.use_at_payment(top_up)
            BillingService.credit_top_up(top_up.pk, payment.payment_id, with_promo=with_promo)
    except KeyReused:
        return False
    top_up.refresh_from_db()
    payment.top_up = top_up
    losses.bring_in_line(payment)
    forget_balances(top_up.clinic_id)
    return True


def _unknown_order(payment: GatewayPayment) -> Outcome:
    """Without our notes it was never ours. With them the order's id may be on its way: reconciliation waits
    15 minutes before it asks people."""
    if payment.is_money_in and not payment.carries_our_notes:
        _review(ReviewItem.Kind.UNKNOWN_ORDER, payment, None)
    return Outcome.UNKNOWN_ORDER


def _not_paid(payment: GatewayPayment, top_up: TopUp) -> Outcome:
    if payment.status == GatewayPayment.Status.FAILED and top_up.state != TopUp.State.PAID:
        top_up.last_attempt_error = payment.error_reason or "payment_failed"
        top_up.save(update_fields=["last_attempt_error"])
    is_authorized = payment.status == GatewayPayment.Status.AUTHORIZED
    return Outcome.PROCESSING if is_authorized else Outcome.NOT_PAID


def _review(kind: str, payment: GatewayPayment, top_up: TopUp | None) -> None:
    raise_review(
        kind,
        payment.payment_id,
        top_up=top_up,
        payment=payment,
        amount_paise=payment.amount_paise,
        currency=payment.currency,
        expected_paise=top_up.gross_paise if top_up else None,
        order_id=payment.order_id,
    )
