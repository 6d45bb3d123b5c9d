"""What no rule decides goes to people: raised once, closed by a person who says how."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from clinics.models import User
from credits.models import GatewayPayment, ReviewItem, TopUp


class ReviewAlreadyClosed(Exception):
    """Somebody else closed this item before."""


def raise_review(
    kind: str, key: str, *, top_up: TopUp | None = None, payment: GatewayPayment | None = None, **facts: Any
) -> ReviewItem:
    """Puts a matter before finance; the same `key` is raised once, also after it was closed. Facts are ids and
    amounts only."""
    item, _ = ReviewItem.objects.get_or_create(
        key=f"{kind}:{key}", defaults={"kind": kind, "facts": facts, "top_up": top_up, "payment": payment}
    )
    return item


def close_review(*, item: ReviewItem, resolution: str, note: str, by: User) -> ReviewItem:
    """A person says how the matter ended. Raises ReviewAlreadyClosed, ValueError on an unknown resolution."""
    if resolution not in ReviewItem.Resolution.values:
        raise ValueError(f"{resolution!r} is no resolution")
    with transaction.atomic():
        item = ReviewItem.objects.select_for_update(no_key=True, of=("self",)).get(pk=item.pk)
        if item.state == ReviewItem.State.CLOSED:
            raise ReviewAlreadyClosed(f"review item {item.pk}")
        item.state, item.resolution, item.note = ReviewItem.State.CLOSED, resolution, note
        item.closed_by, item.closed_at = by, timezone.now()
        item.save(update_fields=["state", "resolution", "note", "closed_by", "closed_at"])
    return item
