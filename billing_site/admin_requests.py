"""Requests in the back office, with what follows an approval: the site knows every app."""

from django.contrib import admin, messages
from django.http import HttpRequest

from clinics.admin.requests import StaffRequestAdmin
from clinics.models import StaffRequest
from credits.gateway import GatewayMisconfigured
from credits.models import GatewayRefund
from credits.services.balances import forget_balances
from credits.services.payouts import pay_out
from disputes.services.approvals import approved_by_two


@admin.register(StaffRequest)
class FollowedRequestAdmin(StaffRequestAdmin):
    """The gateway is asked for a refund once its debit is committed; the dispute's approval is logged."""

    def carried_out(self, request: HttpRequest, row: StaffRequest) -> None:
        if row.clinic_id is not None:
            forget_balances(row.clinic_id)
        if row.kind == StaffRequest.Kind.CASH_REFUND:
            messages.info(request, told(row))
        elif row.kind == StaffRequest.Kind.DISPUTE_REFUND:
            approved_by_two(row)


def told(row: StaffRequest) -> str:
    """Asks the gateway, and says how far the refund is."""
    try:
        refund = pay_out(row)
    except GatewayMisconfigured:
        return "The credits are taken. Razorpay is not set up here: reconciliation asks for the refund later."
    if refund.status == GatewayRefund.Status.REQUESTED:
        return "The credits are taken. Razorpay has not answered yet: reconciliation asks again."
    if refund.status == GatewayRefund.Status.FAILED:
        return "Razorpay refused the refund: the credits are back, and the review queue says why."
    return f"Refund {refund.refund_id}: {refund.get_status_display().lower()}."
