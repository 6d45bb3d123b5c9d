"""«Why is this balance what it is», on the page of an account; `manage.py explain_balance` says the same."""

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from clinics.admin.base import BackOfficeAdmin
from credits.models import CreditAccount
from credits.services.explain import explain


class ExplainsBalance(BackOfficeAdmin[CreditAccount]):
    """Adds `<account>/explain/`, for those who may view accounts."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.explain_view)
        return [
            path("<path:object_id>/explain/", view, name="credits_creditaccount_explain"),
            *super().get_urls(),
        ]

    def explain_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        account = self.get_object(request, unquote(object_id))
        if account is None:
            return self.no_such_row(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Why is this balance what it is?",
            "subtitle": account.clinic.name,
            "original": account,
            "explanation": explain(account.clinic),
        }
        return TemplateResponse(request, "admin/credits/creditaccount/explain.html", context)
