"""The gateway takes money back: refunds and disputes, each loss once (PRODUCT rule 4).

An event only changes what we know of a refund or dispute; `bring_in_line` then makes the books say the same. So the
order of events does not matter. The amounts are worked out and taken by the ledger's SQL. Locks: top-up first, then
what hangs on it.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from credits.models import GatewayDispute, GatewayPayment, GatewayRefund, Reversal, ReviewItem, TopUp
from credits.services.facts import DisputeFacts, RefundFacts
from credits.services.ledger import BillingService
from credits.services.reviews import raise_review

Loss = GatewayRefund | GatewayDispute
PAISA = Decimal("0.01")


class UnknownPayment(Exception):
    """A refund or dispute of a payment we have not seen: the caller asks the gateway for it first."""


def apply_refund(entity: Any) -> GatewayRefund:
    """Takes a refund entity: the first sight of it takes the credits back, its failure restores them.

    A refund of money that was never credited (an auto-refund, a second payment) takes nothing. One we asked for was
    debited before it was asked. Raises UnreadableEntity, UnknownPayment.
    """
    facts = RefundFacts.read(entity)
    with transaction.atomic():
        payment = _locked_payment(facts.payment_id)
        refund = _refund_row(facts, payment)
        if GatewayRefund.RANKS[facts.status] > GatewayRefund.RANKS[refund.status]:
            refund.status = facts.status
        refund.updated_at = timezone.now()
        refund.save(update_fields=["refund_id", "status", "updated_at"])
        bring_in_line(payment)
    refund.refresh_from_db()
    return refund


def apply_dispute(entity: Any) -> GatewayDispute:
    """Takes a dispute entity. Taken at its first undecided event of phase chargeback or later, restored when won,
    taken anew only by a phase above the one that was won. Raises UnreadableEntity, UnknownPayment.
    """
    facts = DisputeFacts.read(entity)
    with transaction.atomic():
        payment = _locked_payment(facts.payment_id)
        dispute, _ = GatewayDispute.objects.select_for_update(no_key=True, of=("self",)).get_or_create(
            dispute_id=facts.dispute_id,
            defaults={
                "payment": payment,
                "amount_paise": facts.amount_paise,
                "phase": facts.phase,
                "status": facts.status,
            },
        )
        if dispute.payment_id != payment.pk or dispute.amount_paise != facts.amount_paise:
            _review_dispute(dispute, "changed", amount_paise=facts.amount_paise)
        if facts.status == "closed":
            _review_dispute(dispute, "closed", phase=facts.phase)
        _note_phase(dispute, facts)
        dispute.updated_at = timezone.now()
        dispute.save(update_fields=["phase", "status", "highest_phase", "won_phase", "updated_at"])
        bring_in_line(payment)
    dispute.refresh_from_db()
    return dispute


def bring_in_line(payment: GatewayPayment) -> None:
    """Takes and restores until exactly the losses of this payment are taken, each once. Inside a transaction that
    holds the top-up's lock. Nothing was lost of what was never credited.
    """
    top_up = payment.top_up
    if top_up is None or top_up.razorpay_payment_id != payment.payment_id:
        return
    refunds = list(payment.refunds.select_for_update(no_key=True, of=("self",)).order_by("pk"))
    disputes = list(payment.disputes.select_for_update(no_key=True, of=("self",)).order_by("pk"))
    twins = _pairs(refunds, disputes, payment)
    losses: list[Loss] = [*disputes, *refunds]
    for loss in losses:
        twin = twins.get(loss)
        if loss.reversal_key and (not loss.is_live or (twin is not None and twin.reversal_key)):
            _restore(loss)
    for loss in losses:
        twin = twins.get(loss)
        if loss.is_live and not loss.reversal_key and not (twin is not None and twin.reversal_key):
            _take(loss, top_up)
    _take_what_did_not_fit(top_up, losses)
    # Only what is left when all is taken may pay for held leads.
    BillingService.release_leads(top_up.clinic_id)


# --- what we know ---------------------------------------------------------------------------------


def _refund_row(facts: RefundFacts, payment: GatewayPayment) -> GatewayRefund:
    """The refund's row; one we asked for is found by our receipt while it has no id yet."""
    refunds = GatewayRefund.objects.select_for_update(no_key=True, of=("self",))
    refund = refunds.filter(refund_id=facts.refund_id).first()
    if refund is None and facts.receipt:
        refund = refunds.filter(receipt=facts.receipt, refund_id__isnull=True, payment=payment).first()
        if refund is not None:
            refund.refund_id = facts.refund_id
            if refund.status == GatewayRefund.Status.FAILED:
                refund.status = facts.status  # believed refused and given back, yet it was made
    if refund is None:
        refund = GatewayRefund.objects.create(
            refund_id=facts.refund_id,
            payment=payment,
            amount_paise=facts.amount_paise,
            status=facts.status,
        )
    elif refund.amount_paise != facts.amount_paise:
        raise_review(
            ReviewItem.Kind.REFUND,
            f"{facts.refund_id}:amount",
            payment=payment,
            ours_paise=refund.amount_paise,
            theirs_paise=facts.amount_paise,
        )
    return refund


def _note_phase(dispute: GatewayDispute, facts: DisputeFacts) -> None:
    """Phases only rise; within one, won is final and lost stays lost."""
    rank = facts.phase_rank
    if facts.status == "won":
        dispute.won_phase = max(dispute.won_phase, rank)
        if rank >= dispute.highest_phase:
            dispute.phase, dispute.status = facts.phase, facts.status
        return
    if rank <= dispute.won_phase and dispute.won_phase:
        return  # a late, older event of what was won since
    if facts.status == "closed":
        if dispute.status != "lost" and rank >= dispute.highest_phase:
            dispute.status = facts.status
        return  # staff decide: nothing is taken or given back by itself
    if rank > dispute.highest_phase or (rank == dispute.highest_phase and dispute.status != "lost"):
        dispute.phase, dispute.status, dispute.highest_phase = facts.phase, facts.status, rank


def _pairs(
    refunds: list[GatewayRefund], disputes: list[GatewayDispute], payment: GatewayPayment
) -> dict[Loss, Loss]:
    """Disputes and the refunds that are the same loss, each by the other: the gateway records a lost dispute as a
    refund too. Told by the amount; while the dispute is not lost, people look whether it really is one."""
    by_id = {dispute.pk: dispute for dispute in disputes}
    for refund in refunds:
        dispute = by_id.get(refund.paired_dispute_id or 0)
        if dispute is not None and not (refund.is_live and dispute.is_live):
            _set_pair(refund, None)
    free = [dispute for dispute in disputes if dispute.is_live]
    free = [dispute for dispute in free if dispute.pk not in {refund.paired_dispute_id for refund in refunds}]
    free.sort(key=lambda dispute: dispute.status != "lost")
    for refund in refunds:
        if refund.receipt is not None or not refund.is_live or refund.paired_dispute_id is not None:
            continue
        twin = next((dispute for dispute in free if dispute.amount_paise == refund.amount_paise), None)
        if twin is None:
            continue
        free.remove(twin)
        _set_pair(refund, twin)
        if twin.status != "lost":
            raise_review(
                ReviewItem.Kind.REFUND,
                f"{refund.refund_id}:paired",
                payment=payment,
                dispute_id=twin.dispute_id,
                amount_paise=refund.amount_paise,
            )
    twins: dict[Loss, Loss] = {}
    for refund in refunds:
        if refund.paired_dispute_id is not None:
            dispute = by_id[refund.paired_dispute_id]
            twins[refund], twins[dispute] = dispute, refund
    return twins


def _set_pair(refund: GatewayRefund, dispute: GatewayDispute | None) -> None:
    refund.paired_dispute = dispute
    refund.save(update_fields=["paired_dispute"])


# --- what the books say ---------------------------------------------------------------------------


def _take(loss: Loss, top_up: TopUp) -> None:
    """Under a key that was never used: what was restored and then lost after all is a new cycle."""
    used = Reversal.objects.filter(Q(key=loss.loss_key) | Q(key__startswith=f"{loss.loss_key}:")).count()
    loss.reversal_key = f"{loss.loss_key}:{used + 1}" if used else loss.loss_key
    loss.save(update_fields=["reversal_key"])
    BillingService.take_back_top_up(top_up.pk, loss.reversal_key, loss.amount_paise)


def _restore(loss: Loss) -> None:
    BillingService.restore_reversal(loss.reversal_key, release=False)
    loss.reversal_key = ""
    loss.save(update_fields=["reversal_key"])


def _take_what_did_not_fit(top_up: TopUp, losses: list[Loss]) -> None:
    """Losses together never take more than was bought. When one of them is undone, those that found too little left
    are taken again, in full. (A paisa of rounding between two takes is left to the next one.)"""
    taken = {reversal.key: reversal for reversal in top_up.reversals.filter(state=Reversal.State.TAKEN)}
    lost = sum((reversal.paid_share for reversal in taken.values()), Decimal(0))
    if lost + PAISA >= _share(top_up, sum(reversal.loss_paise for reversal in taken.values())):
        return
    short = [
        loss
        for loss in losses
        if (reversal := taken.get(loss.reversal_key))
        and reversal.paid_share + PAISA < _share(top_up, reversal.loss_paise)
    ]
    for loss in short:
        _restore(loss)
    for loss in short:
        _take(loss, top_up)


def _share(top_up: TopUp, loss_paise: int) -> Decimal:
    """What a purchase has lost of its price after losses of so many paise: the rule that the ledger takes by."""
    part = min(loss_paise, top_up.gross_paise)
    return (top_up.price * part / top_up.gross_paise).quantize(PAISA, rounding=ROUND_HALF_UP)


# --- both -----------------------------------------------------------------------------------------


def _review_dispute(dispute: GatewayDispute, why: str, **facts: Any) -> None:
    raise_review(
        ReviewItem.Kind.DISPUTE,
        f"{dispute.dispute_id}:{why}",
        payment=dispute.payment,
        dispute_id=dispute.dispute_id,
        **facts,
    )


def _locked_payment(payment_id: str) -> GatewayPayment:
    """The payment, with its top-up's row locked first (the one lock order). Raises UnknownPayment."""
    payment = GatewayPayment.objects.filter(payment_id=payment_id).first()
    if payment is None:
        raise UnknownPayment(payment_id)
    if payment.top_up_id is not None:
        TopUp.objects.select_for_update(no_key=True).get(pk=payment.top_up_id)
    return (
        GatewayPayment.objects.select_for_update(no_key=True, of=("self",))
        .select_related("top_up")
        .get(pk=payment.pk)
    )
