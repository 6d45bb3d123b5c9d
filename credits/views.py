"""Pages of credits for a clinic's members."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from credits.forms import HistoryQuery
from credits.portal import PortalPage


class History(PortalPage):
    """GET /clinic/credits/history for people: every movement, filtered by type and date, page by page."""

    template_name = "clinic/credit_history.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        query = HistoryQuery(self.account, request.GET)
        history = None if query.errors else query.read()
        context = self.get_context_data(
            section="history", query=query, filters=query.filters, history=history
        )
        return self.render_to_response(context, status=200 if history else 400)
