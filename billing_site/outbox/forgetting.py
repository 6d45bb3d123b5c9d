"""What has left the house, or never will, is forgotten after a while; see `manage.py forget_old_data`."""

from datetime import timedelta
from typing import Final

from django.db.models import Q
from django.utils import timezone

from clinics.models import Errand, OutgoingMail, WebhookDelivery

DONE_KEPT_FOR: Final = timedelta(days=30)
GIVEN_UP_KEPT_FOR: Final = timedelta(days=90)  # somebody should have looked at it by then
BATCH: Final = 5_000


def forget_mails() -> int:
    return _forget(OutgoingMail)


def forget_webhooks() -> int:
    """With the log of their attempts."""
    return _forget(WebhookDelivery)


def _forget(model: type[Errand]) -> int:
    """How many rows went. In batches, since there may be many; each kind of end has an index of its own."""
    now, total = timezone.now(), 0
    for old in (Q(done_at__lt=now - DONE_KEPT_FOR), Q(given_up_at__lt=now - GIVEN_UP_KEPT_FOR)):
        rows = model._default_manager.filter(old)
        while batch := list(rows.values_list("pk", flat=True)[:BATCH]):
            # Once more «old»: one that was put back meanwhile stays.
            _, deleted = rows.filter(pk__in=batch).delete()
            total += deleted.get(model._meta.label, 0)
    return total
