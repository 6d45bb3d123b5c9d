"""What may be asked for when credits are bought."""

from typing import Any, Final

from django import forms
from django.utils.translation import gettext as _

from clinics.form_fields import IdempotencyKeyField, IdField

BIGGEST_AMOUNT: Final = 10**9  # ₹; the real limit is a setting and is explained kindly


class TopUpForm(forms.Form):
    """A package or a free amount in whole rupees before tax, and perhaps a promo code."""

    package_id = IdField(required=False)
    amount = forms.IntegerField(required=False, min_value=1, max_value=BIGGEST_AMOUNT)
    promo_code = forms.CharField(required=False, max_length=30)
    idempotency_key = IdempotencyKeyField()
    pay_now = forms.BooleanField(required=False)  # the page then opens the payment by itself

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.errors and (data.get("amount") is None) == (data.get("package_id") is None):
            self.add_error("amount", _("Choose a package or an amount, not both."))
        return data


class VerifyPaymentForm(forms.Form):
    """The three fields that Razorpay Checkout hands to the page."""

    razorpay_payment_id = forms.CharField(max_length=40)
    razorpay_order_id = forms.CharField(max_length=40)
    razorpay_signature = forms.CharField(max_length=128)
