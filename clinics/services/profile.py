"""What a clinic says of itself, and a member of themselves."""

from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction

from clinics import audit
from clinics.models import Clinic, User

FOR_TAX: Final = frozenset({"state", "gstin"})  # what a tax document is made out by


@transaction.atomic
def change_profile(*, clinic: Clinic, values: Mapping[str, Any]) -> Clinic:
    """Writes what is different, and no more: of two owners who save at once neither undoes the other's fields.

    The trail says that tax was touched.
    """
    current = Clinic.objects.select_for_update(no_key=True).get(pk=clinic.pk)
    changed = [name for name, value in values.items() if getattr(current, name) != value]
    if not changed:
        return current
    for name in changed:
        setattr(current, name, values[name])
    reason = "State or GSTIN changed by an owner" if FOR_TAX & set(changed) else "Profile changed by an owner"
    with audit.because(reason):
        current.save(update_fields=changed)
    return current


@transaction.atomic
def change_user(*, user: User, full_name: str, language: str) -> User:
    current = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    current.full_name, current.language = full_name, language
    current.save(update_fields=["full_name", "language"])
    return current
