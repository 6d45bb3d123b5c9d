"""Balances for display where no ledger rows stand beside them: the list of a member's clinics.

Cached for 5 minutes by member; dropped on one's own write. No decision reads this, and no page shows the balance of
the clinic it is about from here.
"""

from decimal import Decimal
from typing import Final

from django.core.cache import cache
from django.db import transaction

from clinics.models import Clinic, Membership, User
from credits.models import CreditAccount

KEPT_SECONDS: Final = 300


def balances_of_member(user: User) -> dict[int, Decimal]:
    """The balance of each clinic of this member, at most 5 minutes old."""
    kept: dict[int, Decimal] = cache.get_or_set(_key(user.pk), lambda: _read(user), KEPT_SECONDS) or {}
    return kept


def forget_balances(clinic_id: int) -> None:
    """After this clinic's balance was changed by one of its people, or by staff, once that is committed."""
    transaction.on_commit(lambda: _forget(clinic_id))


def _forget(clinic_id: int) -> None:
    members = Membership.objects.filter(clinic=clinic_id, is_active=True).values_list("user_id", flat=True)
    cache.delete_many([_key(user_id) for user_id in members])


def _read(user: User) -> dict[int, Decimal]:
    mine = Clinic.objects.of_member(user).order_by().values("pk")
    return dict(CreditAccount.objects.filter(pk__in=mine).values_list("pk", "balance"))


def _key(user_id: int) -> str:
    return f"balances:{user_id}"
