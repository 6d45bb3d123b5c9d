"""GSTIN: 15 characters, the last one a check digit over the first 14.

State (2) · PAN (10) · entity (1) · type (1) · check digit (1). The rule for the check digit: each character is
a number to base 36, weighted 1, 2, 1, 2 … from the left; quotient and remainder of each product by 36 are
added up; the check digit is what is missing to the next multiple of 36.
"""

import re
from typing import Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

GSTIN_PATTERN: Final = r"^[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z][Z1-9ABD-J][0-9A-Z]$"
ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def check_digit(first_14: str) -> str:
    """The 15th character that belongs to the first 14 (capital letters and digits)."""
    total = 0
    for position, character in enumerate(first_14):
        product = ALPHABET.index(character) * (1 + position % 2)
        total += product // 36 + product % 36
    return ALPHABET[(36 - total % 36) % 36]


def validate_gstin(value: str) -> None:
    """Raises ValidationError unless form and check digit are right."""
    if not re.match(GSTIN_PATTERN, value):
        raise ValidationError(_("A GSTIN has 15 characters, like 27AAPFU0939F1ZV."), code="invalid")
    if check_digit(value[:14]) != value[14]:
        raise ValidationError(
            _("This GSTIN has a typing mistake: its check digit does not fit."), code="check_digit"
        )
