"""What a clinic is told before it disputes a lead: which reasons count, until when, and with what."""

from dataclasses import dataclass
from datetime import date, timedelta

from django.utils import timezone

from disputes.models import DisputePolicy, LeadDispute
from disputes.policy_texts import guidance_text
from disputes.services.cases import REFUSAL_TEXTS, refusals
from leads.models import Lead

# Refusals that are about the lead, whatever the reason.
OF_THE_LEAD = frozenset({"not_charged", "refunded", "converted", "pending", "decided"})


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for one lead. `refusal` is a code of REFUSAL_TEXTS or None, `until` the last day in India,
    `percent` what is usually given back, `attempts` how often the clinic has tried to reach the patient."""

    policy: DisputePolicy
    refusal: str | None
    until: date | None
    percent: int | None
    attempts: int

    @property
    def dispute_type(self) -> str:
        return self.policy.dispute_type

    @property
    def refusal_text(self) -> str:
        return str(REFUSAL_TEXTS[self.refusal]) if self.refusal else ""

    @property
    def guidance(self) -> str:
        """What the clinic reads beside the reason: ours in its language, what staff wrote instead as they wrote it."""
        return guidance_text(self.policy.guidance)


def reasons_for(lead: Lead) -> list[Reason]:
    """Every reason, in its place. What is refused is decided by the database, which asks again when it is filed."""
    refused = refusals(lead)
    attempts = lead.contact_attempts.count()
    return [
        Reason(
            policy=policy,
            refusal=refused[policy.dispute_type],
            until=_until(lead, policy),
            percent=policy.percent_for(from_partner=lead.partner_id is not None),
            attempts=attempts,
        )
        for policy in DisputePolicy.objects.order_by("position")
    ]


def refusal_of_lead(reasons: list[Reason]) -> str | None:
    """The code that keeps this lead from being disputed for whatever reason, or None."""
    return next((reason.refusal for reason in reasons if reason.refusal in OF_THE_LEAD), None)


def appeal_until(dispute: LeadDispute, appeal_days: int) -> date | None:
    """The last day in India on which a decision can be appealed."""
    if dispute.resolved_at is None:
        return None
    return timezone.localdate(dispute.resolved_at) + timedelta(days=appeal_days)


def _until(lead: Lead, policy: DisputePolicy) -> date | None:
    if lead.delivered_at is None or not policy.is_accepted:
        return None
    return timezone.localdate(lead.delivered_at) + timedelta(days=policy.window_days)
