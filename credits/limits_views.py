"""What a clinic spends at most, and when it takes no leads."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import floatformat
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clinics.surfaces import OWNER_AND_BILLING
from credits.limits_forms import USUAL_PAUSES, LimitsForm, PauseForm
from credits.models import CreditAccount
from credits.services import held
from credits.services.limits import Freed, Limits, LimitsChanged, change_limits, end_pause, is_paused, pause
from credits.services.snapshot import one_snapshot
from credits.settings_pages import SettingsPage


class LimitsPage(SettingsPage):
    """GET, POST /clinic/settings/limits: budgets, pause, release of held leads.

    Both forms post here, each with its `action`. The one with the amounts carries a stamp of what its member saw: who
    saves over somebody else's change is told so (409) instead of undoing it.
    """

    template_name = "clinic/settings/limits.html"
    url_name = "clinic_limits"
    roles = OWNER_AND_BILLING

    def accounts(self) -> QuerySet[CreditAccount]:
        return held.with_rules(super().accounts())

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.page()

    def post(self, request: HttpRequest) -> HttpResponse:
        match request.POST.get("action"):
            case "limits":
                return self.change()
            case "pause":
                return self.pause()
            case str(action) if action in USUAL_PAUSES:
                return self.paused(USUAL_PAUSES[action](timezone.localdate()))
            case "end_pause":
                return self.done(_("The pause is over."), end_pause(clinic=self.request.clinic))
        return self.page(status=400)

    def change(self) -> HttpResponse:
        form = LimitsForm(self.request.POST)
        if not form.is_valid():
            return self.page(form=form, status=400)
        stamp = self.request.POST.get("stamp", "")
        try:
            freed = change_limits(clinic=self.request.clinic, limits=form.limits(), stamp=stamp)
        except LimitsChanged:
            return self.page(form=form, has_changed=True, status=409)
        return self.done(_("The limits are saved."), freed)

    def pause(self) -> HttpResponse:
        form = PauseForm(self.request.POST)
        if not form.is_valid():
            return self.page(pause_form=form, status=400)
        return self.paused(form.cleaned_data["until"])

    def paused(self, until: datetime | None) -> HttpResponse:
        pause(clinic=self.request.clinic, until=until)
        return self.done(
            _("Deliveries are paused. New leads are kept for you, and nothing is charged."), Freed()
        )

    def done(self, what: str, freed: Freed) -> HttpResponse:
        messages.success(self.request, what)
        if freed.leads:
            said = ngettext("%(n)d held lead was delivered.", "%(n)d held leads were delivered.", freed.leads)
            messages.success(self.request, said % {"n": freed.leads})
        if freed.more_follow:
            messages.info(
                self.request, _("More held leads are tried again soon. You can also release them by hand.")
            )
        return HttpResponseRedirect(self.back(), status=303)

    def back(self) -> str:
        """Where the button stood: here, or on the dashboard."""
        dashboard = reverse("clinic_dashboard")
        return dashboard if self.request.POST.get("next") == dashboard else reverse(self.url_name)

    def page(
        self,
        *,
        form: LimitsForm | None = None,
        pause_form: PauseForm | None = None,
        has_changed: bool = False,
        status: int = 200,
    ) -> HttpResponse:
        now = timezone.now()
        with one_snapshot():
            limits = Limits.of(self.account)
            day, month = held.spent(self.account, now)
            waiting = held.waiting(self.request.clinic)
            too_low = held.too_low(self.request.clinic, limits, self.account.dearest_lead, now)
        context = self.get_context_data(
            form=form or LimitsForm.showing(limits),
            pause_form=pause_form or PauseForm(),
            limits=limits,
            stamp=limits.stamp(),
            warnings=", ".join(f"₹{floatformat(one, '-2g')}" for one in limits.low_balance_thresholds),
            has_changed=has_changed,
            is_paused=is_paused(self.account, now),
            day=day,
            month=month,
            waiting=waiting,
            too_low=too_low,
        )
        return self.render_to_response(context, status=status)
