"""How many disputes wait: cached for 10 minutes, dropped on one's own write. Nothing is decided on these numbers."""

from typing import Final

from django.core.cache import cache
from django.db import transaction

from disputes.models import LeadDispute

KEPT_SECONDS: Final = 600


def pending_count(clinic_id: int) -> int:
    """A clinic's pending disputes, at most 10 minutes old."""
    return int(
        cache.get_or_set(
            _key(clinic_id),
            lambda: LeadDispute.objects.pending().filter(clinic=clinic_id).count(),
            KEPT_SECONDS,
        )
        or 0
    )


def forget_counts(clinic_id: int) -> None:
    """After a dispute was filed or decided, once that is committed."""
    transaction.on_commit(lambda: cache.delete(_key(clinic_id)))


def _key(clinic_id: int) -> str:
    return f"pending_disputes:{clinic_id}"
