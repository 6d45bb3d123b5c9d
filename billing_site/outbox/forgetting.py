"""What has left the house, or never will, is forgotten after a while; see `manage.py forget_old_data`."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.db.models import Q
from django.utils import timezone

from clinics.models import Errand, OutgoingMail, WebhookAttempt, WebhookDelivery

DONE_KEPT_FOR: Final = timedelta(days=30)
GIVEN_UP_KEPT_FOR: Final = timedelta(days=90)  # somebody should have looked at it by then
BATCH: Final = 5_000


def forget_mails() -> int:
    return _forget(OutgoingMail)


def forget_webhooks() -> int:
    """With the log of their attempts, which points at them."""
    return _forget(WebhookDelivery, first=_forget_attempts)


def _forget_attempts(deliveries: list[int]) -> None:
    WebhookAttempt.objects.filter(delivery__in=deliveries).delete()


def _forget(model: type[Errand], *, first: Callable[[list[int]], None] | None = None) -> int:
    """How many rows went, in batches since there may be many, each after `first` was done with its keys.

    Each kind of end has an index of its own.
    """
    now, total = timezone.now(), 0
    for old in (Q(done_at__lt=now - DONE_KEPT_FOR), Q(given_up_at__lt=now - GIVEN_UP_KEPT_FOR)):
        rows = model._default_manager.filter(old)
        while batch := list(rows.values_list("pk", flat=True)[:BATCH]):
            if first is not None:
                first(batch)
            # Once more «old»: one that was put back meanwhile stays.
            deleted, _ = rows.filter(pk__in=batch).delete()
            total += deleted
    return total
