"""How many disputes wait: cached for 10 minutes, dropped on one's own write. Nothing is decided on these numbers."""

from typing import Final

from django.core.cache import cache
from django.db import transaction

from clinics.read_only import skipped_while_read_only
from credits.services.snapshot import is_in_snapshot
from disputes.models import LeadDispute

KEPT_SECONDS: Final = 600


def pending_count(clinic_id: int) -> int:
    """A clinic's pending disputes, at most 10 minutes old; counted now inside a snapshot and while the database is
    read-only, where the cache, a table of it, cannot be written or cleaned up."""
    if not is_in_snapshot():
        with skipped_while_read_only():
            return int(cache.get_or_set(_key(clinic_id), lambda: _count(clinic_id), KEPT_SECONDS) or 0)
    return _count(clinic_id)


def forget_counts(clinic_id: int) -> None:
    """After a dispute was filed or decided, once that is committed."""
    transaction.on_commit(lambda: cache.delete(_key(clinic_id)))


def _count(clinic_id: int) -> int:
    return LeadDispute.objects.pending().filter(clinic=clinic_id).count()


def _key(clinic_id: int) -> str:
    return f"pending_disputes:{clinic_id}"
