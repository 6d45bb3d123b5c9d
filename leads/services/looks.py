"""Who saw this patient (rule 12): members once a day, staff each time, with the reason they gave."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from clinics.models import Membership
from leads.models import ContactView, Lead

MOST_LOOKS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Look:
    """`role` is the one at the lead's clinic, of today or of the past; `reason` is empty for members."""

    at: datetime
    user_id: int
    address: str
    role: str
    reason: str


def who_saw(lead: Lead) -> list[Look]:
    """Oldest first; the newest `MOST_LOOKS` where there are more."""
    views = ContactView.objects.filter(lead=lead).select_related("viewer").order_by("-seen_at", "-pk")
    seen = list(views[:MOST_LOOKS])
    roles = _roles(lead.clinic_id, {view.viewer_id for view in seen})
    return [
        Look(
            at=view.seen_at,
            user_id=view.viewer_id,
            address=view.viewer.email,
            role=roles.get(view.viewer_id, "staff" if view.viewer.is_staff else "no member now"),
            reason=view.reason,
        )
        for view in reversed(seen)
    ]


def _roles(clinic_id: int, users: Iterable[int]) -> dict[int, str]:
    memberships = Membership.objects.filter(clinic=clinic_id, user__in=list(users))
    return {
        membership.user_id: membership.get_role_display().lower()
        + ("" if membership.is_active else ", ended")
        for membership in memberships
    }
