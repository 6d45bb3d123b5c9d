"""What a request for the history says."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms

from clinics.days import start_of
from clinics.form_fields import BIGGEST_ID, IdField
from credits.filters import TransactionFilter
from credits.models import CreditAccount
from credits.models.ledger import TransactionQuerySet
from credits.services.statement import (
    HistoryPage,
    HistoryWindow,
    filtered_history,
    history_window,
    numbers_of_days,
    rows_up_to,
    whole_history,
)
from credits.services.statement_facts import with_subjects

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


class WindowForm(PageForm):
    """Where a person's page of the history begins: `before` or `after` a row's number, or `page` as programs count."""

    before = IdField(required=False)
    after = forms.IntegerField(min_value=0, max_value=BIGGEST_ID, required=False)


class WindowQuery(HistoryQuery):
    """The same question as people ask it: its pages stay where they are while new rows come."""

    def __init__(self, account: CreditAccount, query: Any) -> None:
        super().__init__(account, query)
        self.pages = WindowForm(query)

    def window(self) -> HistoryWindow:
        """The rows asked for, with what they are about; only without errors."""
        where = self.pages.cleaned_data
        page, limit, before = where["page"], where["limit"], where["before"]
        is_filtered = bool(self.filters.how_many())
        if page > 1 and before is None and where["after"] is None:
            if is_filtered:
                return self._counted(page, limit)
            before = max(self.account.last_sequence - (page - 1) * limit + 1, 1)
        return history_window(self._matching(), limit=limit, before=before, after=where["after"])

    def _matching(self) -> TransactionQuerySet:
        """Days are asked for by number: the index that orders the rows then finds them, however far back."""
        first, last = (self.filters.form.cleaned_data.get(name) for name in ("date_from", "date_to"))
        rows: TransactionQuerySet = with_subjects(self.filters.qs)
        if not first and not last:
            return rows
        after, up_to = numbers_of_days(
            self.account,
            since=start_of(first) if first else None,
            before=start_of(last + timedelta(days=1)) if last else None,
        )
        return rows.filter(sequence__gt=after, sequence__lte=up_to)

    def _counted(self, page: int, limit: int) -> HistoryWindow:
        found = filtered_history(self._matching(), page=page, limit=limit)
        rows = found.transactions
        newer = rows[0].sequence if rows else 0
        return HistoryWindow(rows, newer, rows[-1].sequence if rows and found.older else None)
