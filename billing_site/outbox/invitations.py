"""Mails that let somebody in: invited by an owner, or made an owner by staff. Their links are made when they leave."""

from typing import Any, Final

from allauth.account.app_settings import PASSWORD_RESET_TOKEN_GENERATOR
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing_site.outbox.letters import (
    Letter,
    NotWanted,
    Words,
    active_member,
    address_of,
    plain_letter,
    portal_address,
)
from clinics.models import Invitation, Membership, OutgoingMail, User
from clinics.services.invitations import InvitationOver, check_open, token_of

DAY_SECONDS: Final = 86_400


def letter_of_an_invitation(mail: OutgoingMail) -> Letter:
    """Raises NotWanted where it was accepted, withdrawn, replaced or too old before it left."""
    invitation = Invitation.objects.select_related("clinic", "invited_by").get(pk=mail.data["invitation_id"])
    try:
        check_open(invitation)
    except InvitationOver as reason:
        raise NotWanted("Not sent: the invitation is over.") from reason
    names = {
        "name": invitation.invited_by.get_full_name(),
        "clinic": invitation.clinic.name,
        "role": invitation.get_role_display(),
    }
    until = date_format(localtime(invitation.expires_at), "DATETIME_FORMAT")
    words = Words(
        subject=_("%(clinic)s invites you to Clinic Credits") % names,
        title=_("Work with %(clinic)s") % names,
        text=(
            _(
                "%(name)s invites you to the portal of %(clinic)s, where patients' enquiries arrive."
                " Your role: %(role)s."
            )
            % names,
        ),
        label=_("Accept the invitation"),
        href=address_of(reverse("accept_invitation", args=[token_of(invitation)])),
        below=(
            _("It works once, until %(time)s, Indian Standard Time.") % {"time": until},
            _("If you don't know who this is from, ignore this mail: nothing happens."),
        ),
    )
    return plain_letter(words, to=invitation.email)


def letter_to_a_new_owner(mail: OutgoingMail) -> Letter:
    """Who has no password yet gets a link to set one. Raises NotWanted where they are no owner any more."""
    member = active_member(mail)
    if member.role != Membership.Role.OWNER:
        raise NotWanted("Not sent: the person is no owner any more.")
    names = {"clinic": member.clinic.name}
    title = _("You are an owner of %(clinic)s now") % names
    text = _(
        "Our staff have made you an owner of %(clinic)s at Clinic Credits: you see patients' enquiries there, buy"
        " credits, and choose who else works there."
    )
    words = Words(subject=title, title=title, text=(text % names,), **way_in(member))
    return plain_letter(words, to=member.user.email)


def way_in(member: Membership) -> dict[str, Any]:
    """The button, and what stands below it."""
    if member.user.has_usable_password():
        return {
            "label": _("Open in the portal"),
            "href": portal_address(reverse("clinic_dashboard"), member.clinic),
            "below": (_("You sign in as you always do."),),
        }
    days = settings.PASSWORD_RESET_TIMEOUT // DAY_SECONDS
    once = ngettext("It works once, for %(days)s day.", "It works once, for %(days)s days.", days) % {
        "days": days
    }
    later = _("After that, ask for a new one where you sign in: “Forgotten your password?”.")
    return {
        "label": _("Choose a password"),
        "href": link_to_set_a_password(member.user),
        "below": (f"{once} {later}",),
    }


def link_to_set_a_password(user: User) -> str:
    """As «Forgotten your password?» makes it; good for PASSWORD_RESET_TIMEOUT from now, and for as long as they have
    not signed in."""
    token = PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
    path = reverse("account_reset_password_from_key", args=[user_pk_to_url_str(user), token])
    return address_of(path)
