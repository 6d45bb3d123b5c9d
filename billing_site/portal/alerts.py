"""GET, POST /clinic/settings/alerts: what the member wants to hear of."""

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinics.models import AlertPreference, Membership, Notice
from credits.settings_pages import SettingsPage

# In the order of the page; each kind under what it is about.
GROUPS: Final[tuple[tuple[str | Promise, tuple[Notice.Kind, ...]], ...]] = (
    (gettext_lazy("Leads"), (Notice.Kind.LEAD_DELIVERED, Notice.Kind.LEAD_HELD)),
    (gettext_lazy("Disputes"), (Notice.Kind.DISPUTE_ASKED, Notice.Kind.DISPUTE_DECIDED)),
    (
        gettext_lazy("Credits"),
        (
            Notice.Kind.PAYMENT_CREDITED,
            Notice.Kind.LOW_BALANCE,
            Notice.Kind.BUDGET_REACHED,
            Notice.Kind.CREDITS_EXPIRING,
        ),
    ),
)
KINDS: Final = tuple(kind for _label, kinds in GROUPS for kind in kinds)
HELP: Final[dict[str, str | Promise]] = {
    "lead_delivered": gettext_lazy("A patient's enquiry reached you, charged or free."),
    "lead_held": gettext_lazy("An enquiry waits for credits, your limits, a pause or a check."),
    "dispute_asked": gettext_lazy("We need an answer from you before we can decide."),
    "dispute_decided": gettext_lazy("Credits came back, or why they did not."),
    "payment_credited": gettext_lazy("Credits you bought are on your balance."),
    "low_balance": gettext_lazy("Your balance fell below an amount you chose."),
    "budget_reached": gettext_lazy("The first lead of a day or month that your limits hold."),
    "credits_expiring": gettext_lazy("30 and 7 days before bonus credits expire."),
}


class AlertsForm(forms.Form):
    """The kinds that the member wants to see in the portal."""

    in_portal = forms.MultipleChoiceField(
        choices=[(kind.value, kind.label) for kind in KINDS], required=False
    )


class Alerts(SettingsPage):
    """GET, POST /clinic/settings/alerts: each member for themselves, at this clinic."""

    template_name = "clinic/settings/alerts.html"
    url_name = "clinic_alerts"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.page(wanted_by(self.request.membership))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = AlertsForm(request.POST)
        if not form.is_valid():
            return self.page(wanted_by(self.request.membership), errors=form.errors["in_portal"], status=400)
        choose(self.request.membership, set(form.cleaned_data["in_portal"]))
        messages.success(request, _("Your choice is saved."))
        return HttpResponseRedirect(reverse(self.url_name), status=303)

    def page(self, wanted: set[str], *, errors: Any = (), status: int = 200) -> HttpResponse:
        groups = [
            (label, [(kind.value, kind.label, HELP[kind.value], kind.value in wanted) for kind in kinds])
            for label, kinds in GROUPS
        ]
        return self.render_to_response(self.get_context_data(groups=groups, errors=errors), status=status)


def wanted_by(membership: Membership) -> set[str]:
    unwanted = AlertPreference.objects.filter(membership=membership, in_portal=False)
    return {kind.value for kind in KINDS} - set(unwanted.values_list("kind", flat=True))


def choose(membership: Membership, kinds: set[str]) -> None:
    """All kinds of the page at once, in one statement; what is chosen about e-mail stays."""
    chosen = [
        AlertPreference(membership=membership, kind=kind, in_portal=kind.value in kinds) for kind in KINDS
    ]
    AlertPreference.objects.bulk_create(
        chosen, update_conflicts=True, unique_fields=["membership", "kind"], update_fields=["in_portal"]
    )
