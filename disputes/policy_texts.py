"""The guidance that a new installation's dispute policy starts with, marked for translation.

The policy is data: where staff wrote another text, it is shown as they wrote it.
"""

from typing import Final

from django.utils.translation import gettext, gettext_noop

GUIDANCE: Final = frozenset(
    {
        gettext_noop("The number does not exist, is out of service, or belongs to somebody who never asked."),
        gettext_noop(
            "You paid for the same person twice within 30 days. Where our books show it, the credits come "
            "back at once."
        ),
        gettext_noop("Advertising, abuse or a robot instead of a patient."),
        gettext_noop("The patient cannot come to your clinic. Say where they are."),
        gettext_noop(
            "The patient wants something you do not offer. Half the credits come back; all of them where a "
            "partner site sent the enquiry to the wrong clinic."
        ),
        gettext_noop("The enquiry reached you broken, empty or twice by a fault of ours."),
        gettext_noop(
            "A patient who decides against a treatment was still a patient: this cannot be disputed."
        ),
        gettext_noop("Asking for the price is how many patients begin: this cannot be disputed."),
        gettext_noop("Tell us what happened; a person will read it."),
    }
)


def guidance_text(guidance: str) -> str:
    """In the reader's language, where it is one of ours."""
    return gettext(guidance) if guidance in GUIDANCE else guidance
