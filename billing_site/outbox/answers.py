"""The mail that tells who asked our staff that they have answered. The answer itself stays in the portal."""

from django.urls import reverse
from django.utils.translation import gettext as _

from billing_site.outbox.letters import Letter, Words, active_member, plain_letter, portal_address
from clinics.models import OutgoingMail


def letter_of_an_answer(mail: OutgoingMail) -> Letter:
    """Raises NotWanted."""
    member = active_member(mail)
    names = {"clinic": member.clinic.name}
    title = _("Our answer to %(clinic)s") % names
    words = Words(
        subject=title,
        title=title,
        text=(_("Our staff have answered what you asked for %(clinic)s. Read it here:") % names,),
        label=_("Open in the portal"),
        href=portal_address(reverse("clinic_support"), member.clinic),
    )
    return plain_letter(words, to=member.user.email)
