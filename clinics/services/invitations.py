"""Invitations by e-mail: an owner asks somebody to work for the clinic, and the link in the mail proves the address.

Inviting tells nobody whether an address has an account here: what stands in the way of accepting is said to who
opens the link, not to who sent it.
"""

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from clinics.days import day_of, start_of
from clinics.models import Clinic, Invitation, Membership, OutgoingMail, User
from clinics.services.people import lock_clinic

SIGNER_SALT: Final = "clinics.invitation"


class InvitationNotSent(Exception):
    """Nobody was invited. The text is for the owner."""


class AlreadyMember(InvitationNotSent):
    """Somebody with this address works for the clinic."""


class TooManyInvitations(InvitationNotSent):
    """The clinic's limit of the day is used up."""


class InvitationOver(Exception):
    """The link is of no use any more. The text is for who opened it."""


class NotForThisPerson(Exception):
    """The invitation stands, but not for who wants to accept it. The text is for them."""


# --- asking ---------------------------------------------------------------------------------------
@transaction.atomic
def invite(*, clinic: Clinic, email: str, role: str, by: User) -> Invitation:
    """An invitation, which replaces an open one to the same address; each counts against the day's limit.

    Its mail waits in the outbox with it, in the language that is active now; what it is good for counts from now, and
    not from when the mail leaves. Raises AlreadyMember, TooManyInvitations.
    """
    lock_clinic(clinic)
    email = email.strip().lower()
    if Membership.objects.filter(clinic=clinic, user__email=email, is_active=True).exists():
        raise AlreadyMember(_("Somebody with this address works here already."))
    now = timezone.now()
    today = start_of(day_of(now))
    most = settings.INVITATIONS_PER_CLINIC_PER_DAY
    if Invitation.objects.filter(clinic=clinic, created_at__gte=today).count() >= most:
        raise TooManyInvitations(
            _("A clinic sends at most %(most)d invitations a day. Please go on tomorrow.") % {"most": most}
        )
    Invitation.objects.filter(clinic=clinic, email=email, accepted_at=None, revoked_at=None).update(
        revoked_at=now
    )
    expires_at = now + timedelta(days=settings.INVITATION_DAYS)
    invitation = Invitation.objects.create(
        clinic=clinic, email=email, role=role, invited_by=by, expires_at=expires_at
    )
    OutgoingMail.objects.create(
        kind=OutgoingMail.Kind.INVITATION,
        unique_key=mail_key(invitation.pk),
        clinic=clinic,
        data={"invitation_id": invitation.pk, "language": get_language() or ""},
    )
    return invitation


def invite_again(*, invitation: Invitation, by: User) -> Invitation:
    """A fresh link for the same person and role. Raises as `invite`, and InvitationNotSent when it is settled."""
    if invitation.accepted_at is not None or invitation.revoked_at is not None:
        raise InvitationNotSent(_("This invitation is settled already."))
    return invite(clinic=invitation.clinic, email=invitation.email, role=invitation.role, by=by)


@transaction.atomic
def revoke_invitation(*, invitation: Invitation) -> None:
    """The link in the mail stops working. Raises InvitationNotSent when it was accepted meanwhile."""
    current = Invitation.objects.select_for_update(of=("self",)).get(pk=invitation.pk)
    if current.accepted_at is not None:
        raise InvitationNotSent(_("They have accepted meanwhile: you find them among the people."))
    if current.revoked_at is None:
        current.revoked_at = timezone.now()
        current.save(update_fields=["revoked_at"])


def mail_key(invitation_id: int | str) -> str:
    """What the mail of an invitation is called in the outbox."""
    return f"{OutgoingMail.Kind.INVITATION}:{invitation_id}"


# --- the link -------------------------------------------------------------------------------------
def token_of(invitation: Invitation) -> str:
    """What stands in the link: the row's number and our signature, no address."""
    return Signer(sep=".", salt=SIGNER_SALT).sign(str(invitation.pk))


def find_by_token(token: str) -> Invitation | None:
    """None where the link is not ours, or was cut short."""
    try:
        number = Signer(sep=".", salt=SIGNER_SALT).unsign(token)
    except BadSignature:
        return None
    return Invitation.objects.select_related("clinic", "invited_by").filter(pk=number).first()


def check_open(invitation: Invitation) -> None:
    """Raises InvitationOver, which says why."""
    if invitation.accepted_at is not None:
        raise InvitationOver(_("This invitation was used already. Sign in to open the portal."))
    if invitation.revoked_at is not None or not _still_stands(invitation):
        raise InvitationOver(
            _(
                "This invitation was withdrawn, or a newer one was sent. Look for a newer mail, or ask who invited."
            )
        )
    if invitation.expires_at <= timezone.now():
        raise InvitationOver(_("This invitation is too old. Ask who invited you for a new one."))


def _still_stands(invitation: Invitation) -> bool:
    """The clinic works with us, and who invited is still one of its owners."""
    return Membership.objects.filter(
        clinic=invitation.clinic_id,
        clinic__is_active=True,
        user=invitation.invited_by_id,
        user__is_active=True,
        role=Membership.Role.OWNER,
        is_active=True,
    ).exists()


# --- accepting ------------------------------------------------------------------------------------
@transaction.atomic
def accept(*, invitation: Invitation, user: User) -> Membership:
    """The user works for the clinic from now on. Accepted again by the same person, it returns the same membership.

    Raises InvitationOver, and NotForThisPerson for another address, staff, or somebody who was switched off.
    """
    current = _locked(invitation)
    if current.accepted_by_id == user.pk:
        return Membership.objects.get(clinic=current.clinic_id, user=user)
    check_open(current)
    if user.email != current.email:
        raise NotForThisPerson(_("This invitation is for another e-mail address."))
    check_may_join(user)
    return _join(current, user)


@transaction.atomic
def accept_as_newcomer(*, invitation: Invitation, full_name: str, password: str, language: str) -> Membership:
    """Makes the account for the address the link was sent to, and the membership. The password was checked before.

    Raises InvitationOver; NotForThisPerson when the address has an account meanwhile: they sign in to accept.
    """
    current = _locked(invitation)
    check_open(current)
    try:
        with transaction.atomic():
            user = User.objects.create_user(current.email, password, full_name=full_name, language=language)
    except IntegrityError as problem:
        raise NotForThisPerson(_("There is an account with this address. Sign in to accept.")) from problem
    return _join(current, user)


def check_may_join(user: User) -> None:
    """Raises NotForThisPerson. Staff are no members: they would see patients unmasked, and decide about themselves."""
    if user.is_staff or user.is_superuser:
        raise NotForThisPerson(_("This address belongs to our own staff, who can't be members of a clinic."))
    if not user.is_active:
        raise NotForThisPerson(
            _("The account of this address was switched off. Ask our staff to switch it on.")
        )


def _locked(invitation: Invitation) -> Invitation:
    lock_clinic(invitation.clinic)
    rows = Invitation.objects.select_related("clinic").select_for_update(of=("self",))
    return rows.get(pk=invitation.pk)


def _join(invitation: Invitation, user: User) -> Membership:
    """Who works here already keeps their role: an old mail changes nothing of it."""
    membership, is_new = Membership.objects.get_or_create(
        clinic=invitation.clinic, user=user, defaults={"role": invitation.role}
    )
    if not is_new and not membership.is_active:
        membership.role, membership.is_active = invitation.role, True
        membership.save(update_fields=["role", "is_active"])
    invitation.accepted_at, invitation.accepted_by = timezone.now(), user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    return membership
