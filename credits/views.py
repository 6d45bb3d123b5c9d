"""Pages of credits for a clinic's members."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from credits.forms import WindowQuery
from credits.portal import PortalPage
from credits.statement_reasons import explained
from credits.statement_views import months_of


class History(PortalPage):
    """GET /clinic/credits/history for people: every movement, filtered, each explained down to its source."""

    template_name = "clinic/credit_history.html"
    section = "history"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        query = WindowQuery(self.account, request.GET)
        window = None if query.errors else query.window()
        context = self.get_context_data(
            query=query,
            filters=query.filters,
            history=window,
            movements=explained(window.transactions) if window else [],
            months=months_of(self.request.clinic),
        )
        return self.render_to_response(context, status=200 if window else 400)
