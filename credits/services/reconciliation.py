"""The safety net: asks the gateway about everything that the callback and the webhooks may have missed.

Every step is idempotent, holds no lock while it talks, and may run twice at once or be killed half-way.
"""

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django.db import OperationalError
from django.db.models import Exists, F, OuterRef, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from credits.gateway import Gateway, GatewayError, GatewayRefused, InvalidGatewayValue
from credits.models import GatewayEvent, GatewayPayment, GatewayRefund, ReviewItem, TopUp
from credits.services.events import drop_old_bodies, process
from credits.services.facts import UnreadableEntity
from credits.services.losses import UnknownPayment, apply_dispute, apply_refund
from credits.services.payments import Application, Outcome, apply_payment
from credits.services.payouts import ask_again
from credits.services.reviews import raise_review
from credits.services.topups import find_order, store_order

ABANDONED_AFTER: Final = timedelta(days=8)
LONGEST_INTERVAL: Final = timedelta(hours=12)
DRAFT_AFTER: Final = timedelta(minutes=2)
UNKNOWN_ORDER_AFTER: Final = timedelta(minutes=15)
EVENT_AFTER: Final = timedelta(minutes=1)
REFUND_AFTER: Final = timedelta(minutes=2)

Progress = Callable[[str], None]


@dataclass(slots=True)
class Report:
    """What one run did: counts by name, and what failed to be asked (tried again by the next run)."""

    counts: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def count(self, name: str, number: int = 1) -> None:
        if number:
            self.counts[name] = self.counts.get(name, 0) + number

    def note(self, applied: Application) -> None:
        if applied.outcome in {Outcome.CREDITED, Outcome.REVIEW, Outcome.UNKNOWN_ORDER}:
            self.count(f"payments {applied.outcome.replace('_', ' ')}")


def reconcile(*, sweep_days: int = 0, settlement_days: list[datetime.date], progress: Progress) -> Report:
    """One run over everything that is due. `sweep_days` also lists all payments of so many past days;
    `settlement_days` compares the settlement reports of those IST days with our books.
    """
    report = Report()
    with Gateway() as gateway:
        progress("drafts")
        _resolve_drafts(gateway, report)
        progress("open top-ups")
        _check_open_top_ups(gateway, report)
        progress("events")
        _retry_events(gateway, report)
        if sweep_days:
            progress("all payments")
            _sweep_payments(gateway, sweep_days, report)
        for day in settlement_days:
            progress(f"settlements of {day}")
            _compare_settlements(gateway, day, report)
        progress("refunds")  # and disputes after the payments, so that what was just found is complete
        _finish_own_refunds(gateway, report)
        _find_missed_refunds(gateway, report)
        progress("disputes")
        _check_disputes(gateway, report)
    progress("unknown orders")
    _review_unknown_orders(report)
    report.count("event bodies dropped", drop_old_bodies())
    return report


def next_interval(checks: int) -> timedelta:
    """15 minutes, 30, 1 hour, 2 … up to 12 hours."""
    return min(timedelta(minutes=15 << min(checks, 10)), LONGEST_INTERVAL)


def _resolve_drafts(gateway: Gateway, report: Report) -> None:
    """Drafts whose order call was not answered: the order with our receipt, if the gateway made one."""
    now = timezone.now()
    drafts = TopUp.objects.filter(state=TopUp.State.DRAFT, created_at__lt=now - DRAFT_AFTER)
    for draft in drafts.order_by("pk"):
        try:
            order_id = find_order(draft, gateway)
        except GatewayError as error:
            report.failures.append(f"top-up {draft.pk}: {error}")
            continue
        if order_id:
            try:
                store_order(draft, order_id)
                report.count("drafts resolved")
            except OperationalError as problem:
                report.failures.append(f"top-up {draft.pk}: {type(problem).__name__}")
        elif draft.created_at < now - ABANDONED_AFTER:
            _abandon(draft, report)


def _check_open_top_ups(gateway: Gateway, report: Report) -> None:
    now = timezone.now()
    due = TopUp.objects.filter(state=TopUp.State.OPEN, next_check_at__lte=now)
    for top_up in due.order_by("next_check_at", "pk"):
        still_open = TopUp.objects.filter(pk=top_up.pk, state=TopUp.State.OPEN)
        try:
            payments = gateway.order_payments(str(top_up.razorpay_order_id))
        except GatewayError as error:  # not asked: neither abandoned nor left alone for longer
            report.failures.append(f"top-up {top_up.pk}: {error}")
            still_open.update(next_check_at=now + next_interval(0))
            continue
        for entity in payments:
            _apply_payment(entity, "reconciliation", report)
        report.count("top-ups checked")
        if top_up.created_at < now - ABANDONED_AFTER:
            _abandon(top_up, report)
        else:
            still_open.update(checks=F("checks") + 1, next_check_at=now + next_interval(top_up.checks + 1))


def _apply_payment(entity: dict[str, Any], source: str, report: Report) -> Application | None:
    """None when it can't be read: reported, and no reason to leave the others."""
    try:
        applied = apply_payment(entity, source=source)
    except UnreadableEntity as problem:
        report.failures.append(f"payment by {source}: {problem} is not readable")
        return None
    except OperationalError as problem:  # one busy clinic holds up nobody else
        report.failures.append(f"payment by {source}: {type(problem).__name__}")
        return None
    report.note(applied)
    return applied


def _abandon(top_up: TopUp, report: Report) -> None:
    """Nobody paid within 8 days. A capture that comes later still pays it."""
    changed = TopUp.objects.filter(pk=top_up.pk, state__in=[TopUp.State.DRAFT, TopUp.State.OPEN]).update(
        state=TopUp.State.ABANDONED, next_check_at=None
    )
    report.count("top-ups abandoned", changed)


def _retry_events(gateway: Gateway, report: Report) -> None:
    """Events that were stored but not applied; one for a payment we never saw is preceded by that payment."""
    waiting = GatewayEvent.objects.filter(
        processed_at__isnull=True, received_at__lt=timezone.now() - EVENT_AFTER
    )
    for event in waiting.order_by("received_at", "pk"):
        unknown = event.note.partition("Payment not known yet: ")[2]
        if unknown:
            try:
                _apply_payment(gateway.fetch_payment(unknown), "reconciliation", report)
            except GatewayError as error:
                report.failures.append(f"event {event.pk}: {error}")
                _give_up_on_foreign(event, error)
                continue
        try:
            if process(event).processed_at is None:
                report.failures.append(f"event {event.pk}: {event.note}")
            else:
                report.count("events applied")
        except OperationalError as problem:
            report.failures.append(f"event {event.pk}: {type(problem).__name__}")


def _give_up_on_foreign(event: GatewayEvent, error: Exception) -> None:
    """The gateway does not know the payment: the event was never about our account's money."""
    if isinstance(error, GatewayRefused) and error.is_unknown_id:
        event.outcome, event.processed_at = GatewayEvent.Outcome.IGNORED, timezone.now()
        event.save(update_fields=["outcome", "processed_at"])


def _finish_own_refunds(gateway: Gateway, report: Report) -> None:
    asked = GatewayRefund.objects.filter(
        status=GatewayRefund.Status.REQUESTED, updated_at__lt=timezone.now() - REFUND_AFTER
    )
    for refund in asked.select_related("payment").order_by("pk"):
        if ask_again(refund, gateway).status == GatewayRefund.Status.REQUESTED:
            report.failures.append(f"refund {refund.receipt}: not answered yet")
        else:
            report.count("own refunds finished")


def _find_missed_refunds(gateway: Gateway, report: Report) -> None:
    """Payments of which more was refunded than the refunds we know of add up to, and refunds still pending."""
    known = Coalesce(Sum("refunds__amount_paise", filter=~Q(refunds__status=GatewayRefund.Status.FAILED)), 0)
    pending = GatewayRefund.objects.filter(payment=OuterRef("pk"), status=GatewayRefund.Status.PENDING)
    payments = (
        GatewayPayment.objects.filter(top_up__isnull=False, captured=True)
        .annotate(known=known)  # the one join: another would count refunds twice
        .filter(Q(amount_refunded_paise__gt=F("known")) | Exists(pending))
    )
    for payment in payments.order_by("pk"):
        _check_refunds(payment, gateway, report)


def _check_refunds(payment: GatewayPayment, gateway: Gateway, report: Report) -> None:
    try:
        refunds = gateway.refunds_of_payment(payment.payment_id)
    except GatewayError as error:
        report.failures.append(f"refunds of {payment.payment_id}: {error}")
        return
    for entity in refunds:
        try:
            apply_refund(entity)
            report.count("refunds checked")
        except (UnreadableEntity, UnknownPayment, OperationalError) as problem:
            report.failures.append(f"refund of {payment.payment_id}: {type(problem).__name__}")


def _check_disputes(gateway: Gateway, report: Report) -> None:
    """All disputes the gateway lists: few, and each costs a clinic real money."""
    for entity in _patiently(gateway.list_disputes(), report, "disputes"):
        try:
            apply_dispute(entity)
            report.count("disputes checked")
        except UnknownPayment:
            continue  # not a payment of ours, or one the sweep will bring first
        except (UnreadableEntity, OperationalError) as error:
            report.failures.append(f"dispute: {type(error).__name__}")


def _sweep_payments(gateway: Gateway, days: int, report: Report) -> None:
    """Every payment of the past days, whoever told us of it: captured ones of our orders must be credited."""
    now = timezone.now()
    listed = gateway.list_payments(
        since=int((now - timedelta(days=days)).timestamp()), until=int(now.timestamp())
    )
    for entity in _patiently(listed, report, "payments"):
        applied = _apply_payment(entity, "sweep", report)
        report.count("payments swept")
        if applied and applied.top_up and _refunded_otherwise(applied.payment, entity.get("amount_refunded")):
            _check_refunds(applied.payment, gateway, report)


def _refunded_otherwise(payment: GatewayPayment, refunded_paise: Any) -> bool:
    """The gateway says another sum than the refunds we know of: one was missed, or failed after it was processed."""
    known = payment.refunds.exclude(status=GatewayRefund.Status.FAILED).aggregate(sum=Sum("amount_paise"))
    return payment.captured and refunded_paise != (known["sum"] or 0)


def _compare_settlements(gateway: Gateway, day: datetime.date, report: Report) -> None:
    """Every settled payment ↔ one credit, every settled refund ↔ one reversal; fee and tax are recorded. What we have
    not heard of is fetched and applied before it counts as a difference."""
    for row in _patiently(gateway.settlement_recon(day), report, f"settlements of {day}"):
        report.count("settlement rows")
        entity_id, kind = str(row.get("entity_id"))[:40], row.get("type")
        try:
            if kind == "payment":
                problem = _settled_payment_problem(row, entity_id, gateway, report)
            else:
                problem = _settled_refund_problem(row, entity_id, gateway) if kind == "refund" else None
        except (GatewayError, InvalidGatewayValue, UnreadableEntity, OperationalError) as error:
            report.failures.append(f"settlement row of {day}: {error}")
            continue
        if problem:
            report.count("settlement differences")
            raise_review(ReviewItem.Kind.SETTLEMENT, entity_id, problem=problem, day=str(day), type=str(kind))


def _settled_payment_problem(
    row: dict[str, Any], payment_id: str, gateway: Gateway, report: Report
) -> str | None:
    credited = TopUp.objects.filter(razorpay_payment_id=payment_id)
    if not credited.exists() or not GatewayPayment.objects.filter(payment_id=payment_id).exists():
        report.note(apply_payment(gateway.fetch_payment(payment_id), source="settlement"))
    payment = GatewayPayment.objects.get(payment_id=payment_id)
    fee, tax = row.get("fee"), row.get("tax")
    if isinstance(fee, int) and isinstance(tax, int):
        GatewayPayment.objects.filter(pk=payment.pk).update(fee_paise=fee, tax_paise=tax)
    if payment.amount_paise != row.get("amount"):
        return "another amount than ours"
    return None if credited.exists() else "a payment that was not credited"


def _settled_refund_problem(row: dict[str, Any], refund_id: str, gateway: Gateway) -> str | None:
    refund = GatewayRefund.objects.filter(refund_id=refund_id).first()
    if refund is None:
        try:
            refund = apply_refund(gateway.fetch_refund(refund_id))
        except UnknownPayment:
            return "a refund of a payment we do not know"
    return None if refund.amount_paise == row.get("amount") else "another amount than ours"


def _review_unknown_orders(report: Report) -> None:
    """Captured money with our notes whose order is still unknown after 15 minutes: people look at it."""
    for payment in GatewayPayment.objects.filter(
        top_up__isnull=True,
        captured=True,
        carries_our_notes=True,
        first_seen_at__lt=timezone.now() - UNKNOWN_ORDER_AFTER,
    ).order_by("pk"):
        item = raise_review(
            ReviewItem.Kind.UNKNOWN_ORDER,
            payment.payment_id,
            payment=payment,
            amount_paise=payment.amount_paise,
            order_id=payment.order_id,
        )
        report.count("unknown orders in review", int(item.state == ReviewItem.State.OPEN))


def _patiently(items: Iterator[dict[str, Any]], report: Report, what: str) -> Iterator[dict[str, Any]]:
    """The items as far as the gateway gives them; a failure half-way is reported, what came is used."""
    try:
        yield from items
    except GatewayError as error:
        report.failures.append(f"{what}: {error}")
