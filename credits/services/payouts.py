"""Money back to the payer, asked for by us: unspent paid credits of one purchase, to the source they came from.

Two people decide it (`requests.ask_cash_refund`); the approval debits the credits and commits, then the gateway is
asked, under one idempotency key: a crash between the two is finished by reconciliation with the same key, and the
gateway answers with the same refund.
"""

import logging
from typing import Any

from django.db import transaction
from django.utils import timezone

from clinics.models import StaffRequest
from credits.gateway import Gateway, GatewayError, GatewayRefused
from credits.models import GatewayRefund, ReviewItem, TopUp
from credits.services.facts import OUR_REFUND_NOTE, UnreadableEntity, refund_receipt
from credits.services.losses import apply_refund, bring_in_line
from credits.services.reviews import raise_review

logger = logging.getLogger(__name__)


def refund_of(request: StaffRequest) -> GatewayRefund:
    """The refund that an approved request made and debited."""
    return GatewayRefund.objects.select_related("payment").get(pk=request.outcome["gateway_refund"])


def pay_out(request: StaffRequest) -> GatewayRefund:
    """Asks the gateway for the refund of an approved request. Call it outside any transaction.

    A refusal of the gateway restores the credits; an unknown answer leaves the refund «asked for», to be asked again
    with the same key. Raises GatewayMisconfigured: reconciliation asks once that is mended.
    """
    refund = refund_of(request)
    if refund.status != GatewayRefund.Status.REQUESTED:
        return refund
    with Gateway() as gateway:
        return ask_for(refund, gateway)


def ask_again(refund: GatewayRefund, gateway: Gateway) -> GatewayRefund:
    """Finishes a refund whose answer never came: the one with our receipt if it was made, else the same request with
    the same key. A refusal is believed only after looking, since it may be refused for having been made."""
    try:
        made = gateway.refunds_of_payment(refund.payment.payment_id)
    except GatewayError as error:
        logger.warning(f"Refund not answered: {refund.receipt}, {error}")
        return refund
    ours = next((entity for entity in made if refund_receipt(entity) == refund.receipt), None)
    return ask_for(refund, gateway) if ours is None else _answered(refund, ours)


def ask_for(refund: GatewayRefund, gateway: Gateway) -> GatewayRefund:
    """Asks the gateway for a refund that was debited."""
    receipt = str(refund.receipt)
    try:
        entity = gateway.refund(
            refund.payment.payment_id,
            amount_paise=refund.amount_paise,
            receipt=receipt,
            idempotency_key=receipt,
            notes={OUR_REFUND_NOTE: receipt},
        )
    except GatewayRefused as refusal:
        if refusal.is_key_used_for_another_body:
            _tell_finance(refund, "key", refusal)
        if refusal.status in {409, 429}:  # in progress, or not now: ask again
            return refund
        return _refused(refund, refusal)
    except GatewayError as error:
        logger.warning(f"Refund not answered: {receipt}, {error}")
        return refund
    return _answered(refund, entity)


def _answered(refund: GatewayRefund, entity: dict[str, Any]) -> GatewayRefund:
    try:
        return apply_refund({**entity, "receipt": refund.receipt})
    except UnreadableEntity as problem:
        logger.warning(f"Refund not readable: {refund.receipt}, {problem}")
        return refund


def _refused(refund: GatewayRefund, refusal: GatewayRefused) -> GatewayRefund:
    """Nothing was paid: the credits come back, and finance hears why."""
    with transaction.atomic():
        TopUp.objects.select_for_update(no_key=True).get(gateway_payments=refund.payment)
        refund = GatewayRefund.objects.select_for_update(no_key=True, of=("self",)).get(pk=refund.pk)
        if refund.status == GatewayRefund.Status.REQUESTED:
            refund.status, refund.updated_at = GatewayRefund.Status.FAILED, timezone.now()
            refund.save(update_fields=["status", "updated_at"])
            bring_in_line(refund.payment)
            _tell_finance(refund, "refused", refusal)
    refund.refresh_from_db()
    return refund


def _tell_finance(refund: GatewayRefund, why: str, refusal: GatewayRefused) -> None:
    raise_review(
        ReviewItem.Kind.REFUND,
        f"{refund.receipt}:{why}",
        payment=refund.payment,
        reason=str(refusal),
        amount_paise=refund.amount_paise,
    )
