"""What a person reads about a file that is not taken, for each code of `rules.REFUSALS`."""

from collections.abc import Mapping
from typing import Final

from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from disputes.evidence.rules import MOST_PAGES

REFUSAL_TEXTS: Final[Mapping[str, StrOrPromise]] = {
    "empty": _("This file is empty."),
    "too_large": _("This file is larger than 5 MB."),
    "unknown_type": _("This is not a JPEG, PNG, WebP or PDF file, whatever its name says."),
    "broken": _("This file is damaged or incomplete. Please save it again, or send a photo of it."),
    "too_many_pixels": _("This picture has too many pixels. Please send a smaller one."),
    "animated": _("This picture moves. Please send a still one."),
    "encrypted": _("This PDF is locked with a password. Please send it without one."),
    "active_content": _(
        "This PDF holds scripts, actions or other files. Please print it to a new PDF, or send a photo."
    ),
    "too_many_pages": _("This PDF has more than %(number)d pages. Please send the ones that matter."),
    "hidden_data": _("This PDF carries other data after its end. Please print it to a new PDF."),
    "too_complicated": _("This file takes too long to look at. Please send a simpler one, or a photo of it."),
    "unsafe": _("Our virus scanner does not let this file in."),
    "not_checked": _("This file could not be checked just now. Please try again."),
}


def refusal_text(code: str) -> str:
    return str(REFUSAL_TEXTS[code]) % {"number": MOST_PAGES}
