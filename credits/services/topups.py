"""Buying credits: what it costs, and the order at the gateway. Paying ends in `credits.services.payments`.

The row comes first and is committed, the order second and outside any transaction; an unknown answer is resolved by
our receipt, which is never used twice.
"""

import logging
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from clinics.idempotency import KeyUsedForAnother, claim
from clinics.models import Clinic, IdempotencyKey, User
from credits.gateway import Gateway, GatewayAnswerUnknown, GatewayError, is_gateway_id
from credits.models import BillingRules, CreditPackage, PromoCode, TopUp
from credits.services import promos
from credits.services.facts import OUR_NOTE
from credits.services.payments import apply_known_payments

logger = logging.getLogger(__name__)
FIRST_CHECK_AFTER: Final = timedelta(minutes=15)


class TopUpRefused(Exception):
    """What was asked for can't be bought; `field` is the one to look at, the text is for the person who asked."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class TopUpsStopped(Exception):
    """Staff have stopped top-ups for now, or this clinic takes no enquiries to spend credits on."""


class GatewayUnavailable(Exception):
    """The gateway did not take the order for now; the top-up waits as a draft and may be tried again."""


@dataclass(frozen=True, slots=True)
class ClaimedKey:
    """An idempotency key as `clinics.idempotency.claim` takes it."""

    caller: str
    route: str
    key: str
    body_hmac: bytes


@dataclass(frozen=True, slots=True)
class Quote:
    """What a top-up costs and brings. Price, tax and gross in ₹, bonuses in credits."""

    price: Decimal
    bonus: Decimal
    promo_bonus: Decimal
    tax: Decimal
    package: CreditPackage | None
    promo_code: PromoCode | None

    @property
    def gross(self) -> Decimal:
        return self.price + self.tax

    @property
    def credits(self) -> Decimal:
        return self.price + self.bonus + self.promo_bonus


def quote(
    *,
    clinic: Clinic,
    amount: int | None = None,
    package_id: int | None = None,
    promo_code: str = "",
    lock_promo: bool = False,
) -> Quote:
    """What whole rupees before tax, or a package, cost now. Raises TopUpRefused."""
    packages = list(CreditPackage.objects.filter(is_active=True).order_by("price"))
    package = _package(packages, amount, package_id)
    price = package.price if package else Decimal(amount or 0)
    _check_limits(price)
    code = None
    if promo_code:
        try:
            code = promos.find(promo_code, clinic=clinic, price=price, at=timezone.now(), lock=lock_promo)
        except promos.PromoRefused as refusal:
            raise TopUpRefused("promo_code", str(refusal)) from refusal
    return _priced(packages, price, package, code)


def offers() -> list[Quote]:
    """What each package on sale costs and brings now, the least price first; those outside the limits left out."""
    packages = list(CreditPackage.objects.filter(is_active=True).order_by("price"))
    quotes = []
    for package in packages:
        with suppress(TopUpRefused):
            _check_limits(package.price)
            quotes.append(_priced(packages, package.price, package, None))
    return quotes


def start(
    *,
    clinic: Clinic,
    by: User | None,
    amount: int | None = None,
    package_id: int | None = None,
    promo_code: str = "",
    key: ClaimedKey | None = None,
) -> TopUp:
    """A top-up with its order at the gateway, ready to pay. `key` makes it idempotent: a repeat goes on with the
    first one's top-up.

    Raises TopUpRefused, TopUpsStopped, `clinics.idempotency.KeyUsedForAnother`, GatewayMisconfigured, and
    GatewayUnavailable (then it stays a draft, and the same key tries it again).
    """
    if not clinic.is_active or BillingRules.objects.filter(top_ups_stopped_at__isnull=False).exists():
        raise TopUpsStopped
    with Gateway() as gateway:  # no call yet; without usable keys no draft is left behind
        with transaction.atomic():
            row, is_new = claim(**asdict(key)) if key else (None, True)
            if row is not None and not is_new:
                top_up = _first_of(row, clinic)
            else:
                quoted = quote(
                    clinic=clinic,
                    amount=amount,
                    package_id=package_id,
                    promo_code=promo_code,
                    lock_promo=True,
                )
                top_up = _draft(clinic, by, quoted)
                if row is not None:
                    row.answer = {"top_up": top_up.pk}
                    row.save(update_fields=["answer"])
        if top_up.razorpay_order_id is None:
            make_order(top_up, gateway)
            top_up.refresh_from_db()
    return top_up


def _first_of(row: IdempotencyKey, clinic: Clinic) -> TopUp:
    """What the key stands for; a member of two clinics may send one key for both. Raises KeyUsedForAnother."""
    top_up = clinic.top_ups.filter(pk=(row.answer or {}).get("top_up", 0)).first()
    if top_up is None:
        raise KeyUsedForAnother
    return top_up


def make_order(top_up: TopUp, gateway: Gateway) -> None:
    """Gives a draft its order: an earlier one with our receipt if the gateway has it, else a new one.

    Raises GatewayUnavailable. Never inside a transaction.
    """
    try:
        order_id = find_order(top_up, gateway) if top_up.checks else None
        order_id = order_id or _create_order(top_up, gateway)
    except GatewayError as error:
        logger.warning(f"Order not made: Top-up {top_up.pk}, {error}")
        TopUp.objects.filter(pk=top_up.pk).update(checks=F("checks") + 1)
        raise GatewayUnavailable from error
    store_order(top_up, order_id)


def find_order(top_up: TopUp, gateway: Gateway) -> str | None:
    """The id of the order with our receipt, if the gateway has one. Raises GatewayError."""
    orders = gateway.find_orders_by_receipt(top_up.receipt)
    if not orders:
        return None
    order_id = orders[0].get("id")
    if not is_gateway_id(order_id, "order"):
        raise GatewayAnswerUnknown("find orders", "an order without an id")
    return str(order_id)


def store_order(top_up: TopUp, order_id: str) -> None:
    """The order's id is known: the top-up can be paid. Payments that overtook this commit are applied now."""
    now = timezone.now()
    with transaction.atomic():
        locked = TopUp.objects.select_for_update(no_key=True).get(pk=top_up.pk)
        if locked.razorpay_order_id is None:
            locked.razorpay_order_id, locked.ordered_at = order_id, now
            locked.next_check_at, locked.checks = now + FIRST_CHECK_AFTER, 0
            if locked.state == TopUp.State.DRAFT:
                locked.state = TopUp.State.OPEN
            locked.save(update_fields=["razorpay_order_id", "ordered_at", "next_check_at", "checks", "state"])
    apply_known_payments(locked)


def _create_order(top_up: TopUp, gateway: Gateway) -> str:
    """The id of a new order; when its fate is unknown, or a twin was faster, of the one our receipt finds.
    Raises GatewayError."""
    notes = {OUR_NOTE: str(top_up.pk), "clinic": str(top_up.clinic_id)}
    try:
        order = gateway.create_order(receipt=top_up.receipt, amount_paise=top_up.gross_paise, notes=notes)
    except GatewayError as error:
        if not error.may_have_been_executed and error.answer.field != "receipt":
            raise
        order_id = find_order(top_up, gateway)
        if order_id is None:
            raise
        return order_id
    return str(order["id"])


def _draft(clinic: Clinic, by: User | None, quoted: Quote) -> TopUp:
    top_up = TopUp.objects.create(
        clinic=clinic,
        created_by=by,
        package=quoted.package,
        price=quoted.price,
        bonus=quoted.bonus,
        promo_bonus=quoted.promo_bonus,
        tax=quoted.tax,
        gross=quoted.gross,
    )
    if quoted.promo_code is not None:
        promos.reserve(quoted.promo_code, top_up, at=timezone.now())
    return top_up


def _priced(
    packages: list[CreditPackage], price: Decimal, package: CreditPackage | None, code: PromoCode | None
) -> Quote:
    return Quote(
        price=price,
        bonus=_bonus(packages, price),
        promo_bonus=promos.promo_bonus(code, price) if code else Decimal(0),
        tax=_tax(price),
        package=package,
        promo_code=code,
    )


def _tax(price: Decimal) -> Decimal:
    """None until the supplier's profile is complete and tax documents are issued."""
    return Decimal("0.00")


def _check_limits(price: Decimal) -> None:
    """Raises TopUpRefused."""
    if price < settings.TOP_UP_LEAST_PRICE:
        least = number_format(settings.TOP_UP_LEAST_PRICE, force_grouping=True)
        raise TopUpRefused("amount", _("The least top-up is ₹%(least)s.") % {"least": least})
    if price + _tax(price) > settings.TOP_UP_MOST_GROSS:
        raise TopUpRefused("amount", _("That is more than one payment can carry. Please split it."))


def _package(
    packages: list[CreditPackage], amount: int | None, package_id: int | None
) -> CreditPackage | None:
    if package_id is not None:
        found = next((package for package in packages if package.pk == package_id), None)
        if found is None:
            raise TopUpRefused("package_id", _("This package is not on sale."))
        return found
    if amount is None:
        raise TopUpRefused("amount", _("Choose a package or an amount."))
    return next((package for package in packages if package.price == amount), None)


def _bonus(packages: list[CreditPackage], price: Decimal) -> Decimal:
    """The bonus percentage of the highest package not above the price, rounded down to whole credits."""
    below = [package for package in packages if package.price <= price]
    if not below:
        return Decimal(0)
    best = below[-1]
    return (price * best.bonus / best.price).quantize(Decimal(1), rounding=ROUND_FLOOR)
