"""Mails about signing in, to whoever asked for one: a link for a new password, a code, or word of no such account."""

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from billing_site.outbox.invitations import link_to_set_a_password
from billing_site.outbox.letters import Letter, NotWanted, Words, plain_letter
from clinics.models import OutgoingMail, User
from clinics.services.sign_in_mails import About, Sealed, password_mark, unsealed

CODE_IS_GOOD_FOR: Final = timedelta(seconds=settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT)


def letter_about_signing_in(mail: OutgoingMail) -> Letter:
    """Raises NotWanted."""
    sealed = unsealed(mail)
    if sealed is None:
        raise NotWanted("Not sent: its address is forgotten. Whoever asked can ask again.")
    return WRITERS[mail.data["about"]](mail, sealed)


def with_a_link(mail: OutgoingMail, sealed: Sealed) -> Letter:
    """Raises NotWanted where they came in without it, or may not any more."""
    user = User.objects.filter(pk=sealed.user_id or 0, is_active=True, email=sealed.to.lower()).first()
    if user is None:
        raise NotWanted("Not sent: the person or the address is not active any more.")
    if user.last_login is not None and user.last_login > mail.created_at:
        raise NotWanted("Not sent: they have signed in meanwhile.")
    if sealed.password_mark != password_mark(user):
        # The token is made now, so that it is good although an earlier link, or they themselves, set another password.
        raise NotWanted("Not sent: the password was changed meanwhile.")
    words = Words(
        subject=_("Set a new password"),
        title=_("Set a new password"),
        text=(
            _(
                "Somebody, perhaps you, asked for a link to set a new password for Clinic Credits."
                " Open it to go on:"
            ),
        ),
        label=_("Set a new password"),
        href=link_to_set_a_password(user),
        below=(_("It works once. If it was not you, ignore this mail: your password stays as it is."),),
    )
    return plain_letter(words, to=sealed.to)


def with_a_code(mail: OutgoingMail, sealed: Sealed) -> Letter:
    """Raises NotWanted when it is too old to be typed in."""
    if mail.created_at < timezone.now() - CODE_IS_GOOD_FOR:
        raise NotWanted("Not sent: the code is too old.")
    words = Words(
        subject=_("Your code to sign in"),
        title=_("Your code to sign in to Clinic Credits:"),
        code=sealed.code,
        below=(
            _(
                "It is good for 15 minutes, in the window where you asked for it."
                " Give it to nobody: our staff never ask for it."
            ),
            _("If you did not ask for it, ignore this mail."),
        ),
    )
    return plain_letter(words, to=sealed.to)


def of_no_account(_mail: OutgoingMail, sealed: Sealed) -> Letter:
    asked = _(
        "Somebody, perhaps you, wanted to sign in to Clinic Credits as %(email)s."
        " There is no account with this address."
    )
    words = Words(
        subject=_("No account with this address"),
        title=_("No account with this address"),
        text=(
            asked % {"email": sealed.to},
            _(
                "If it was you: perhaps you are known here by another address."
                " Accounts are made by invitation; ask the owner of your clinic."
            ),
            _("If it was not you, ignore this mail."),
        ),
    )
    return plain_letter(words, to=sealed.to)


WRITERS: Final = {About.PASSWORD: with_a_link, About.CODE: with_a_code, About.NO_ACCOUNT: of_no_account}
