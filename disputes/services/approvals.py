"""What a second person's approval of a refund leaves to do, once it is committed."""

import logging

from clinics.models import StaffRequest
from disputes.models import LeadDispute
from disputes.services.counts import forget_counts

logger = logging.getLogger(__name__)


def approved_by_two(request: StaffRequest) -> LeadDispute:
    """The dispute that the approved request decided: logged as any other decision, and counted anew."""
    dispute = LeadDispute.objects.get(pk=request.outcome["dispute"])
    forget_counts(dispute.clinic_id)
    logger.info(f"Dispute resolved: {dispute.pk}, Refund {dispute.refund_amount}")
    return dispute
