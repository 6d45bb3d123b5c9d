"""Rights of staff: given by two people (rule 7), taken away by one, at once."""

from collections.abc import Collection
from typing import Any, Final

from django.db import transaction

from clinics import requests
from clinics.models import StaffRequest, User
from clinics.requests import Why

LABELS: Final = {
    "is_active": "Active",
    "is_staff": "Staff",
    "is_superuser": "Superuser",
    "groups": "Groups",
}


class RightsNotTaken(Exception):
    """What was asked for would give a right: that takes a request."""


def rights_of(user: User) -> dict[str, Any]:
    """As a request shows them: three flags, and groups by name, in order."""
    return {
        "is_active": user.is_active,
        "is_staff": user.is_staff,
        "is_superuser": user.is_superuser,
        "groups": sorted(user.groups.values_list("name", flat=True)),
    }


def gives_rights(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Something is there afterwards that was not before; being active counts for staff alone."""
    is_staff = after["is_staff"] or after["is_superuser"]
    flags = ("is_staff", "is_superuser", *(("is_active",) if is_staff else ()))
    return any(after[flag] and not before[flag] for flag in flags) or bool(
        set(after["groups"]) - set(before["groups"])
    )


def ask_rights(
    *,
    user: User,
    is_active: bool,
    is_staff: bool,
    is_superuser: bool,
    groups: Collection[str],
    why: Why,
) -> StaffRequest:
    """Asks that `user` has exactly these rights. Raises what `requests.ask` raises, RequestImpossible where nothing
    would be given: taking away needs no second person."""
    before = rights_of(user)
    after = {
        "is_active": is_active,
        "is_staff": is_staff,
        "is_superuser": is_superuser,
        "groups": sorted(groups),
    }
    if not gives_rights(before, after):
        raise requests.RequestImpossible("Nothing would be given. Rights are taken away on the user's page.")
    shown = [
        (label, requests.as_text(before[name]), requests.as_text(after[name]))
        for name, label in LABELS.items()
        if before[name] != after[name]
    ]
    return requests.ask(
        kind=StaffRequest.Kind.STAFF_RIGHTS,
        object_key=f"user:{user.pk}",
        # The address too: who reads its mail is who gets the rights.
        details={"user_id": user.pk, "before": {"email": user.email, **before}, "after": after},
        shown=[("User", "", user.email), *shown],
        reason_code=why.reason_code,
        reason=why.reason,
        by=why.by,
    )


@transaction.atomic
def take_groups(*, user: User, groups: Collection[str]) -> list[str]:
    """Takes the user out of these groups at once; returns the names of those they were in."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    taken = list(user.groups.filter(name__in=groups))
    user.groups.remove(*taken)
    return sorted(group.name for group in taken)
