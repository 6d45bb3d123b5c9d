"""What staff do with clinics and their people: invite an owner, revoke tokens, move a sign-in address."""

from allauth.account.forms import ResetPasswordForm
from allauth.account.models import EmailAddress
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from clinics.models import ApiToken, Clinic, Membership, User


class InvitationRefused(Exception):
    """The invitation changed nothing. The text is for staff."""


class AddressNotUsable(InvitationRefused):
    """The e-mail address or the name is not one."""


class UserIsDeactivated(InvitationRefused):
    """Somebody with this address was deactivated: a person decides whether they come back."""


class UserIsStaff(InvitationRefused):
    """Staff are no members of clinics: they would see patients unmasked, and decide about themselves."""


def has_active_owner(clinic: Clinic) -> bool:
    """An active user holds an owner's membership in force."""
    return Membership.objects.filter(
        clinic=clinic, role=Membership.Role.OWNER, is_active=True, user__is_active=True
    ).exists()


@transaction.atomic
def invite_owner(*, clinic: Clinic, email: str, full_name: str, by: User) -> Membership:
    """Makes the person an owner of the clinic, and the clinic active; again changes nothing.

    A new user has no password yet: send them `mail_set_password_link` once this is committed.
    Raises AddressNotUsable, UserIsDeactivated, UserIsStaff.
    """
    # One invitation at a time per clinic; NO KEY, so that enquiries pointing at it go on.
    clinic = Clinic.objects.select_for_update(no_key=True).get(pk=clinic.pk)
    user = _user_with(email.strip().lower(), full_name.strip())
    membership, is_new = Membership.objects.get_or_create(
        user=user, clinic=clinic, defaults={"role": Membership.Role.OWNER}
    )
    was_in_force = membership.is_active and membership.role == Membership.Role.OWNER
    if is_new or not was_in_force or not clinic.is_active:
        membership.role, membership.is_active, clinic.is_active = Membership.Role.OWNER, True, True
        membership.save(update_fields=["role", "is_active"])
        clinic.save(update_fields=["is_active"])
        _log(by, clinic, f"Invited user {user.pk} as owner.")
    return membership


def _user_with(email: str, full_name: str) -> User:
    user = User.objects.filter(email=email).first() or _new_user(email, full_name)
    if not user.is_active:
        raise UserIsDeactivated("This person was deactivated. Activate the user first, or invite another.")
    if user.is_staff or user.is_superuser:
        raise UserIsStaff("This is somebody of staff, who can't be a clinic's owner as well.")
    return user


def _new_user(email: str, full_name: str) -> User:
    newcomer = User(email=email, full_name=full_name)
    newcomer.set_unusable_password()
    try:
        newcomer.clean_fields()
    except ValidationError as problem:
        raise AddressNotUsable(" ".join(problem.messages)) from problem
    # The same person may be invited to another clinic at this moment: the first one makes the user.
    user, _ = User.objects.get_or_create(
        email=email, defaults={"full_name": full_name, "password": newcomer.password}
    )
    return user


def mail_set_password_link(*, user: User, request: HttpRequest) -> None:
    """Mails a link to set a password with, as «forgot password» does; valid for PASSWORD_RESET_TIMEOUT.

    Call it outside any transaction. Raises OSError when the mail could not be handed over.
    """
    form = ResetPasswordForm(data={"email": user.email})
    if not form.is_valid():
        raise OSError("the address was refused")
    form.save(request)


def forget_other_addresses(user: User) -> None:
    """After an address was changed: the old one no longer signs in, nor gets a link to set a password."""
    EmailAddress.objects.filter(user=user).exclude(email=user.email).delete()


@transaction.atomic
def revoke_tokens(*, tokens: QuerySet[ApiToken], by: User) -> int:
    """Ends the tokens at once and for good; returns how many were still in force."""
    revoked = list(tokens.filter(revoked_at__isnull=True).select_for_update(of=("self",)))
    ApiToken.objects.filter(pk__in=[token.pk for token in revoked]).update(revoked_at=timezone.now())
    for token in revoked:
        _log(by, token, "Revoked.")
    return len(revoked)


def _log(by: User, row: Model, message: str) -> None:
    LogEntry.objects.log_actions(
        user_id=by.pk, queryset=[row], action_flag=CHANGE, change_message=message, single_object=True
    )
