"""What a request for the history says."""

from collections.abc import Mapping
from typing import Any

from django import forms

from credits.filters import TransactionFilter
from credits.models import CreditAccount
from credits.services.statement import HistoryPage, filtered_history, rows_up_to, whole_history

PAGE_SIZE = 20


class PageForm(forms.Form):
    """Which page of a list: `page` from 1, `limit` rows, at most 100. Both may be left out."""

    page = forms.IntegerField(min_value=1, required=False)
    limit = forms.IntegerField(min_value=1, max_value=100, required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        return {**data, "page": data.get("page") or 1, "limit": data.get("limit") or PAGE_SIZE}


class HistoryQuery:
    """`?page=1&limit=20`, and `type`, `date_from`, `date_to` to narrow it, for people and programs alike."""

    def __init__(self, account: CreditAccount, query: Any) -> None:
        self.account = account
        self.pages = PageForm(query)
        self.filters = TransactionFilter(query, queryset=rows_up_to(account))

    @property
    def errors(self) -> Mapping[str, Any]:
        """The fields that ask for nonsense, and why; empty when all is well."""
        return {**self.pages.errors, **self.filters.errors}

    def read(self) -> HistoryPage:
        """The page asked for; only without errors."""
        page, limit = self.pages.cleaned_data["page"], self.pages.cleaned_data["limit"]
        if self.filters.how_many():
            return filtered_history(self.filters.qs, page=page, limit=limit)
        return whole_history(self.account, page=page, limit=limit)
