from datetime import date

from django.urls import path, register_converter

from clinics.surfaces import for_programs, html_or_json, json_only
from credits.api import BalanceApi, HistoryApi
from credits.held_views import HeldLeads
from credits.limits_views import LimitsPage
from credits.statement_views import MonthPack, StatementPage, TopUpReceipt, TransactionPage
from credits.topup_api import CreateRazorpayOrderApi, PaymentSuccessApi, TopUpApi, VerifyPaymentApi
from credits.topup_views import PaymentFailure, PaymentSuccess, TopUpPage
from credits.views import History
from credits.webhook import RazorpayWebhook


class MonthConverter:
    """«2026-11» and the first day of that month, from the year 2000 to 2099."""

    regex = "20[0-9]{2}-(?:0[1-9]|1[0-2])"

    def to_python(self, value: str) -> date:
        return date.fromisoformat(f"{value}-01")

    def to_url(self, value: date) -> str:
        return f"{value:%Y-%m}"


register_converter(MonthConverter, "month")

urlpatterns = [
    path("clinic/credits/balance", json_only(BalanceApi.as_view()), name="get_credit_balance"),
    path(
        "clinic/credits/history",
        html_or_json(html=History.as_view(), json=HistoryApi.as_view()),
        name="credit_history",
    ),
    path("clinic/credits/statement", StatementPage.as_view(), name="credit_statement"),
    path("clinic/credits/months/<month:month>", MonthPack.as_view(), name="month_pack"),
    path(
        "clinic/credits/transactions/<int:transaction_id>",
        TransactionPage.as_view(),
        name="credit_transaction",
    ),
    path("clinic/credits/topups/<int:top_up_id>/receipt", TopUpReceipt.as_view(), name="top_up_receipt"),
    path(
        "clinic/credits/topup",
        html_or_json(html=TopUpPage.as_view(), json=TopUpApi.as_view()),
        name="credit_topup",
    ),
    path("clinic/leads/held", HeldLeads.as_view(), name="held_leads"),
    path("clinic/settings/limits", LimitsPage.as_view(), name="clinic_limits"),
    path("create-razorpay-order", json_only(CreateRazorpayOrderApi.as_view()), name="create_razorpay_order"),
    path("verify-payment", json_only(VerifyPaymentApi.as_view()), name="verify_payment"),
    path(
        "payment-success",
        html_or_json(html=PaymentSuccess.as_view(), json=PaymentSuccessApi.as_view()),
        name="payment_success",
    ),
    path("payment-failure", PaymentFailure.as_view(), name="payment_failure"),
    path("razorpay/webhook", for_programs(RazorpayWebhook.as_view()), name="razorpay_webhook"),
]
