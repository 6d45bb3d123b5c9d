"""Amounts of money as people read them."""

from django import template

register = template.Library()
MINUS = "\N{MINUS SIGN}"


@register.filter
def real_minus(amount: str) -> str:
    """A written number with a minus as wide as a plus, which screen readers say; files for machines keep the hyphen.

    After `floatformat`: {{ amount|floatformat:"2g"|real_minus }}.
    """
    return f"{MINUS}{amount[1:]}" if amount.startswith("-") else str(amount)
