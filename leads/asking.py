"""A new price list, asked for beside the lists there are (rule 7)."""

from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime
from django.forms import formset_factory
from django.http import HttpRequest

from clinics.admin.asking import AskForm, Asking
from clinics.models import StaffRequest
from clinics.requests import Why
from leads.services.price_lists import Tier, ask_price_list, newest_version, tiers_of

MORE_ROWS = 3
MOST_TIERS = 40


class TierForm(forms.Form):
    """A row left empty is no tier."""

    price_from = forms.DecimalField(label="Price from, ₹", max_digits=12, decimal_places=2, min_value=0)
    price_below = forms.DecimalField(
        label="to below, ₹", max_digits=12, decimal_places=2, min_value=0, required=False
    )
    credits = forms.DecimalField(label="Credits", max_digits=12, decimal_places=2, min_value=0)


TierRows = formset_factory(TierForm, extra=MORE_ROWS, max_num=MOST_TIERS, absolute_max=MOST_TIERS)


class PriceListForm(AskForm):
    heading = "Ask for a new price list"
    note = forms.CharField(label="Name", max_length=200, help_text="What is new about it.")
    effective_at = forms.SplitDateTimeField(
        label="In force from",
        required=False,
        widget=AdminSplitDateTime,
        help_text="In India. Empty, or before it is approved: from its approval on.",
    )

    def __init__(self, request: HttpRequest, row: Any, data: Any = None) -> None:
        super().__init__(request, row, data)
        self.rows = TierRows(data, prefix="tiers") if data is not None else TierRows(
            prefix="tiers",
            initial=[
                {"price_from": tier.price_from, "price_below": tier.price_below, "credits": tier.credits}
                for tier in tiers_of(newest_version())
            ],
        )  # fmt: skip
        for tier in self.rows.forms:
            tier.empty_permitted, tier.use_required_attribute = True, False

    def is_valid(self) -> bool:
        fields, rows = super().is_valid(), self.rows.is_valid()
        return fields and bool(rows)

    def submit(self, why: Why) -> StaffRequest:
        typed = [row.cleaned_data for row in self.rows.forms if row.cleaned_data]
        tiers = [Tier(row["price_from"], row["price_below"], row["credits"]) for row in typed]
        tiers.sort(key=lambda tier: tier.price_from)
        return ask_price_list(tiers=tiers, why=why, **self.typed())


NEW_PRICE_LIST = Asking("ask-new", "Ask for a new price list", PriceListForm, of_row=False)
