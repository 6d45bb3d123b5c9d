"""JSON routes of credits: what there is, and how it came to be."""

from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from clinics.api import ClinicApiView, refuse
from clinics.models import Scope
from credits.forms import HistoryQuery
from credits.models import CreditAccount, CreditTransaction
from credits.services.ledger import BillingService


class TransactionSerializer(serializers.ModelSerializer[CreditTransaction]):
    amount = serializers.DecimalField(max_digits=12, decimal_places=2, coerce_to_string=False)
    balance_after = serializers.DecimalField(max_digits=12, decimal_places=2, coerce_to_string=False)

    class Meta:
        model = CreditTransaction
        fields = (
            "id",
            "created_at",
            "transaction_type",
            "amount",
            "balance_after",
            "description",
            "lead_id",
            "payment_id",
            "status",
        )


@method_decorator(never_cache, name="dispatch")
class BalanceApi(ClinicApiView):
    """GET /clinic/credits/balance: the balance, read live. Token scope credits:read."""

    scope = Scope.CREDITS_READ

    def get(self, request: Request) -> Response:
        balance = BillingService.get_clinic_credit_balance(request.clinic.pk)  # type: ignore[attr-defined]
        return Response({"balance": balance, "status": "success"})


@method_decorator(never_cache, name="dispatch")
class HistoryApi(ClinicApiView):
    """GET /clinic/credits/history?page=1&limit=20, also type, date_from, date_to; newest first."""

    scope = Scope.CREDITS_READ

    def get(self, request: Request) -> Response:
        account = CreditAccount.objects.get(pk=request.clinic.pk)  # type: ignore[attr-defined]
        query = HistoryQuery(account, request.query_params)
        if query.errors:
            refuse(400, "invalid", _("Some parameters need another look."), query.errors)
        history = query.read()
        rows = TransactionSerializer(history.transactions, many=True).data
        return Response({"transactions": rows, "total": history.total, "page": history.page})
