"""Promo codes: reserved for 30 minutes when a top-up starts, used when it is paid; exact under concurrency.

The code's own row is the lock under which uses are counted (after the top-up's, before the account's).
"""

from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from clinics.models import Clinic
from credits.models import PromoCode, PromoUse, ReviewItem, TopUp
from credits.services.reviews import raise_review

RESERVED_FOR: Final = timedelta(minutes=30)


class PromoRefused(Exception):
    """The code gives nothing for this top-up; the text says why, for the person who typed it."""


def promo_bonus(code: PromoCode, price: Decimal) -> Decimal:
    """Bonus credits of a code on a price (₹), rounded down to whole credits."""
    if code.percent is not None:
        return (price * code.percent / 100).quantize(Decimal(1), rounding=ROUND_FLOOR)
    return code.fixed_bonus or Decimal(0)


def find(text: str, *, clinic: Clinic, price: Decimal, at: datetime, lock: bool = False) -> PromoCode:
    """The code somebody typed, if it gives something for this price now. Raises PromoRefused.

    With `lock` its row stays locked, so that what is free now is still free when it is reserved.
    """
    codes = PromoCode.objects.select_for_update(no_key=True) if lock else PromoCode.objects.all()
    code = codes.filter(code=text.strip().upper(), is_active=True).first()
    if code is None:
        raise PromoRefused(_("We do not know this code."))
    if (code.valid_from and at < code.valid_from) or (code.valid_until and at >= code.valid_until):
        raise PromoRefused(_("This code is not valid today."))
    if price < code.least_price:
        least = f"{code.least_price:.0f}"
        raise PromoRefused(_("This code is for top-ups from ₹%(least)s.") % {"least": least})
    if not _has_a_free_use(code, clinic_id=clinic.pk, at=at):
        raise PromoRefused(_("This code has been used up."))
    return code


def reserve(code: PromoCode, top_up: TopUp, *, at: datetime) -> PromoUse:
    """Holds one use of a locked code for a top-up."""
    return PromoUse.objects.create(promo_code=code, top_up=top_up, reserved_until=at + RESERVED_FOR)


def use_at_payment(top_up: TopUp) -> bool:
    """The top-up is being paid: its reservation becomes a use. False when its time ran out and no use was free any
    more: then the promo bonus is not given, and finance is told. The top-up's lock is held."""
    use = PromoUse.objects.filter(top_up=top_up).first()
    if use is None or use.state != PromoUse.State.RESERVED:
        return use is not None and use.state == PromoUse.State.USED
    code = PromoCode.objects.select_for_update(no_key=True).get(pk=use.promo_code_id)
    now = timezone.now()
    is_free = use.reserved_until > now or _has_a_free_use(code, clinic_id=top_up.clinic_id, at=now)
    use.state, use.decided_at = (PromoUse.State.USED if is_free else PromoUse.State.FORFEITED), now
    use.save(update_fields=["state", "decided_at"])
    if not is_free:
        raise_review(
            ReviewItem.Kind.PROMO,
            str(top_up.pk),
            top_up=top_up,
            promo_code=code.code,
            bonus=str(top_up.promo_bonus),
        )
    return is_free


def _has_a_free_use(code: PromoCode, *, clinic_id: int, at: datetime) -> bool:
    taken = PromoUse.objects.filter(
        Q(state=PromoUse.State.USED) | Q(state=PromoUse.State.RESERVED, reserved_until__gt=at),
        promo_code=code,
    )
    if code.max_uses is not None and taken.count() >= code.max_uses:
        return False
    of_clinic = taken.filter(top_up__clinic_id=clinic_id)
    return code.max_uses_per_clinic is None or of_clinic.count() < code.max_uses_per_clinic
