"""How amounts and moments are written in statements, receipts and the sentences that explain a movement."""

from datetime import datetime
from decimal import Decimal

from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime


def money(amount: Decimal) -> str:
    """Two places and Indian grouping: 12,34,567.50."""
    return number_format(amount, 2, force_grouping=True)


def exact(moment: datetime) -> str:
    """To the second, in India's time, as no language can mistake it."""
    local = localtime(moment)
    return f"{date_format(local, 'DATE_FORMAT')}, {local:%H:%M:%S}"


def signed(amount: Decimal) -> str:
    return f"+{money(amount)}" if amount > 0 else money(amount)
