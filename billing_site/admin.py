"""The back office as a whole: its look, its sign-in, and the pages that join the apps."""

from typing import Any

import allauth.account.admin
import allauth.mfa.admin
import allauth.usersessions.admin  # noqa: F401
from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.formats import number_format
from django.utils.safestring import SafeString

from billing_site import admin_jobs, admin_mails, admin_requests, admin_webhooks
from billing_site.admin_index import AdminIndex
from clinics.admin.base import BackOfficeAdmin, badge
from clinics.admin.clinics import ClinicAdmin
from clinics.models import Clinic
from credits.admin.ledger import delivery_badge
from leads.models import Lead

__all__ = ["admin_jobs", "admin_mails", "admin_requests", "admin_webhooks"]

MOST_HELD_SHOWN = 1_000


class Choices(AutocompleteJsonView):
    """Fields with completion show each row by its label: two clinics may share a name, a user's is the address."""

    def serialize_result(self, obj: Model, to_field_name: str) -> dict[str, str]:
        assert isinstance(self.model_admin, BackOfficeAdmin)
        return {"id": str(getattr(obj, to_field_name)), "text": self.model_admin.label(obj)}


def choices(request: HttpRequest) -> HttpResponse:
    return Choices.as_view(admin_site=admin.site)(request)  # type: ignore[return-value]


def change_password(request: HttpRequest, extra_context: object = None) -> HttpResponse:
    """The product's own page, with its limits on guessing."""
    return redirect("account_change_password")


admin.site.site_header = "Clinic Credits"
admin.site.site_title = "Clinic Credits back office"
admin.site.index_title = "Back office"
admin.site.site_url = None
admin.site.empty_value_display = "–"
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.password_change = change_password  # type: ignore[method-assign,assignment]
admin.site.index = AdminIndex(admin.site.index)  # type: ignore[method-assign,assignment]
admin.site.autocomplete_view = choices  # type: ignore[method-assign]
admin.site.disable_action("delete_selected")
# Addresses are the users' own column; rows of allauth's table follow it.
admin.site.unregister(EmailAddress)
# Second factors are their owners' own affair; a lost one is reset by a command.
admin.site.unregister(Authenticator)
# Where somebody is signed in, and from which address, they see themselves.
admin.site.unregister(UserSession)


@admin.register(Clinic)
class BilledClinicAdmin(ClinicAdmin):
    """The clinic's page with what its account and its leads say, for those who may see them."""

    account_facts = ("balance", "owed", "delivery")
    money_right = "credits.view_creditaccount"
    leads_right = "leads.view_lead"

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        facts = ("balance", "delivery") if request.user.has_perm(self.money_right) else ()
        return (*self.list_display, *facts)

    def get_list_select_related(self, request: HttpRequest) -> tuple[str, ...]:
        return ("credit_account",) if request.user.has_perm(self.money_right) else ()

    def get_readonly_fields(self, request: HttpRequest, obj: Clinic | None = None) -> tuple[str, ...]:
        return (*super().get_readonly_fields(request, obj), *self._facts(request, obj))

    def get_fieldsets(self, request: HttpRequest, obj: Clinic | None = None) -> Any:
        facts = self._facts(request, obj)
        first, *others = super().get_fieldsets(request, obj)
        return [first, ("Account", {"fields": facts}), *others] if facts else [first, *others]

    def _facts(self, request: HttpRequest, clinic: Clinic | None) -> tuple[str, ...]:
        if clinic is None:
            return ()
        money = self.account_facts if request.user.has_perm(self.money_right) else ()
        return (*money, "held_leads") if request.user.has_perm(self.leads_right) else money

    @admin.display(description="Balance, credits")
    def balance(self, clinic: Clinic) -> str:
        return number_format(clinic.credit_account.balance, 2)

    @admin.display(description="Owed, credits")
    def owed(self, clinic: Clinic) -> str:
        return number_format(clinic.credit_account.owed, 2)

    @admin.display(description="Delivery")
    def delivery(self, clinic: Clinic) -> SafeString:
        return delivery_badge(clinic.credit_account) if clinic.is_active else badge("None: inactive")

    @admin.display(description="Held leads")
    def held_leads(self, clinic: Clinic) -> str:
        held = len(Lead.objects.held().filter(clinic=clinic).values_list("pk")[: MOST_HELD_SHOWN + 1])
        return f"more than {MOST_HELD_SHOWN}" if held > MOST_HELD_SHOWN else str(held)
