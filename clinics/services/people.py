"""Who works for a clinic: first owners invited by staff, and members changed by their owners."""

from uuid import uuid4

from allauth.account.models import EmailAddress
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, Q
from django.utils.translation import gettext as _

from clinics.models import Clinic, Membership, OutgoingMail, User


class InvitationRefused(Exception):
    """The invitation changed nothing. The text is for staff."""


class AddressNotUsable(InvitationRefused):
    """The e-mail address or the name is not one."""


class UserIsDeactivated(InvitationRefused):
    """Somebody with this address was deactivated: a person decides whether they come back."""


class UserIsStaff(InvitationRefused):
    """Staff are no members of clinics: they would see patients unmasked, and decide about themselves."""


class MembershipRefused(Exception):
    """Nothing was changed. The text is for the owner who tried."""


class LastOwner(MembershipRefused):
    """The clinic would be left without an owner who can sign in."""


def has_active_owner(clinic: Clinic, *, apart_from: Membership | None = None) -> bool:
    """An active user holds an owner's membership in force."""
    others = Q() if apart_from is None else ~Q(pk=apart_from.pk)
    return Membership.objects.filter(
        others, clinic=clinic, role=Membership.Role.OWNER, is_active=True, user__is_active=True
    ).exists()


def lock_clinic(clinic: Clinic) -> Clinic:
    """One change of a clinic's people at a time, until the transaction ends; NO KEY, so that enquiries go on."""
    return Clinic.objects.select_for_update(no_key=True).get(pk=clinic.pk)


@transaction.atomic
def change_role(*, membership: Membership, role: str) -> Membership:
    """What the member may do from now on. Who stops being an owner leaves no token and no open invitation behind: the
    database ends those (clinics/sql/owners.sql). Raises LastOwner; MembershipRefused for one that has ended.
    """
    current = _locked(membership)
    if not current.is_active:
        raise MembershipRefused(_("They no longer work here. Bring them back first."))
    if role != Membership.Role.OWNER:
        _keep_an_owner(current)
    current.role = role
    current.save(update_fields=["role"])
    return current


@transaction.atomic
def end_membership(*, membership: Membership) -> Membership:
    """They see nothing of the clinic from their next click on; what they did keeps their name. Raises LastOwner."""
    current = _locked(membership)
    if current.is_active:
        _keep_an_owner(current)
        current.is_active = False
        current.save(update_fields=["is_active"])
    return current


@transaction.atomic
def bring_back(*, membership: Membership) -> Membership:
    """In force again, in its old role. Raises MembershipRefused for who may not sign in, or is staff."""
    current = _locked(membership)
    user = current.user
    if not user.is_active or user.is_staff or user.is_superuser:
        raise MembershipRefused(
            _("This person can't be a member of a clinic now. Ask our staff through «Help».")
        )
    current.is_active = True
    current.save(update_fields=["is_active"])
    return current


def _locked(membership: Membership) -> Membership:
    lock_clinic(membership.clinic)
    return Membership.objects.select_related("user").select_for_update(of=("self",)).get(pk=membership.pk)


def _keep_an_owner(membership: Membership) -> None:
    is_owner = membership.is_active and membership.role == Membership.Role.OWNER
    if is_owner and not has_active_owner(membership.clinic, apart_from=membership):
        raise LastOwner(_("A clinic keeps at least one owner. Make somebody else an owner first."))


@transaction.atomic
def invite_owner(*, clinic: Clinic, email: str, full_name: str, by: User) -> Membership:
    """Makes the person an owner of the clinic, and the clinic active; again sends the mail again and changes nothing.

    The mail waits in the outbox: a new user has no password yet, and gets a link to set one, made when it leaves.
    Raises AddressNotUsable, UserIsDeactivated, UserIsStaff.
    """
    clinic = lock_clinic(clinic)
    user = _user_with(email.strip().lower(), full_name.strip())
    membership, is_new = Membership.objects.get_or_create(
        user=user, clinic=clinic, defaults={"role": Membership.Role.OWNER}
    )
    was_in_force = membership.is_active and membership.role == Membership.Role.OWNER
    if is_new or not was_in_force or not clinic.is_active:
        membership.role, membership.is_active, clinic.is_active = Membership.Role.OWNER, True, True
        membership.save(update_fields=["role", "is_active"])
        clinic.save(update_fields=["is_active"])
        log_by_staff(by, clinic, f"Invited user {user.pk} as owner.")
    OutgoingMail.objects.create(
        kind=OutgoingMail.Kind.NEW_OWNER,
        unique_key=f"{OutgoingMail.Kind.NEW_OWNER}:{membership.pk}:{uuid4()}",
        clinic=clinic,
        membership=membership,
    )
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
    user, _is_new = User.objects.get_or_create(
        email=email, defaults={"full_name": full_name, "password": newcomer.password}
    )
    return user


def forget_other_addresses(user: User) -> None:
    """After an address was changed: the old one no longer signs in, nor gets a link to set a password."""
    EmailAddress.objects.filter(user=user).exclude(email=user.email).delete()


def log_by_staff(by: User, row: Model, message: str) -> None:
    LogEntry.objects.log_actions(
        user_id=by.pk, queryset=[row], action_flag=CHANGE, change_message=message, single_object=True
    )
