"""The dispute policy (rule 6) is changed by two people; carried out in `disputes/sql/policy_requests.sql`."""

from typing import Any, Final

from clinics import requests
from clinics.models import StaffRequest
from clinics.requests import Why
from disputes.models import DisputePolicy

POLICY_LABELS: Final = {
    "is_accepted": "Accepted",
    "window_days": "Days from delivery",
    "evidence_needed": "Evidence needed",
    "least_contact_attempts": "Least contact attempts",
    "suggested_percent": "Suggested, per cent",
    "partner_percent": "Suggested where a partner sent the lead, per cent",
    "is_automatic": "Approved by itself",
    "guidance": "What the clinic reads",
}


def ask_policy(*, policy: DisputePolicy, terms: dict[str, Any], why: Why) -> StaffRequest:
    """Asks for other terms of one reason, all of them by name. Raises what `requests.ask_change` raises."""
    return requests.ask_change(
        kind=StaffRequest.Kind.DISPUTE_POLICY,
        object_key=f"policy:{policy.dispute_type}",
        facts={"dispute_type": policy.dispute_type},
        row=policy,
        after=terms,
        labels=POLICY_LABELS,
        about=f"Reason: {policy.get_dispute_type_display()}",
        why=why,
    )
