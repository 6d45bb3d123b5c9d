"""Where leads come from, as people call it."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SOURCE_NAMES: Final[dict[str, str | Promise]] = {
    "web": _("Your page"),
    "google": "Google",
    "instagram": "Instagram",
    "facebook": "Facebook",
    "whatsapp": "WhatsApp",
    "referral": _("Referral"),
}


def name_of_source(source: str) -> str:
    """One we don't know keeps the word it came with: a partner's, or what a link to the page said."""
    return str(SOURCE_NAMES.get(source, source))
