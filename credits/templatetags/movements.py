"""Movements of the ledger in words."""

from django import template

from credits.models import CreditTransaction
from credits.services.statement_words import title_of

register = template.Library()


@register.filter
def movement_title(row: CreditTransaction) -> str:
    """What it is called, made from its facts in the reader's language; needs no query."""
    return title_of(row)
