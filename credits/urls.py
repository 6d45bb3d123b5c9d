from django.urls import path

from clinics.surfaces import html_or_json, json_only
from credits.api import BalanceApi, HistoryApi
from credits.topup_api import CreateRazorpayOrderApi, PaymentSuccessApi, TopUpApi, VerifyPaymentApi
from credits.topup_views import PaymentFailure, PaymentSuccess, TopUpPage
from credits.views import History
from credits.webhook import RazorpayWebhook

urlpatterns = [
    path("clinic/credits/balance", BalanceApi.as_view(), name="get_credit_balance"),
    path(
        "clinic/credits/history",
        html_or_json(html=History.as_view(), json=HistoryApi.as_view()),
        name="credit_history",
    ),
    path(
        "clinic/credits/topup",
        html_or_json(html=TopUpPage.as_view(), json=TopUpApi.as_view()),
        name="credit_topup",
    ),
    path("create-razorpay-order", json_only(CreateRazorpayOrderApi.as_view()), name="create_razorpay_order"),
    path("verify-payment", json_only(VerifyPaymentApi.as_view()), name="verify_payment"),
    path(
        "payment-success",
        html_or_json(html=PaymentSuccess.as_view(), json=PaymentSuccessApi.as_view()),
        name="payment_success",
    ),
    path("payment-failure", PaymentFailure.as_view(), name="payment_failure"),
    path("razorpay/webhook", RazorpayWebhook.as_view(), name="razorpay_webhook"),
]
