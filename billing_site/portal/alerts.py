"""GET, POST /clinic/settings/alerts: what the member wants to hear of, and where."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinics.models import AlertPreference, Membership, Notice
from clinics.models.outbox import DAILY_DIGEST, FOR_OWNERS
from credits.settings_pages import SettingsPage

# In the order of the page; each kind under what it is about.
GROUPS: Final[tuple[tuple[str | Promise, tuple[Notice.Kind, ...]], ...]] = (
    (
        gettext_lazy("Leads"),
        (Notice.Kind.LEAD_DELIVERED, Notice.Kind.LEAD_HELD, Notice.Kind.LEAD_WITHDRAWN),
    ),
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
    (gettext_lazy("Your own software"), (Notice.Kind.WEBHOOK_FAILING,)),
)
KINDS: Final = tuple(kind for _label, kinds in GROUPS for kind in kinds)
HELP: Final[dict[str, str | Promise]] = {
    "lead_delivered": gettext_lazy("A patient's enquiry reached you, charged or free."),
    "lead_held": gettext_lazy("An enquiry waits for credits, your limits, a pause or a check."),
    "lead_withdrawn": gettext_lazy("A patient took their enquiry back: nobody may call them any more."),
    "dispute_asked": gettext_lazy("We need an answer from you before we can decide."),
    "dispute_decided": gettext_lazy("Credits came back, or why they did not."),
    "payment_credited": gettext_lazy("Credits you bought are on your balance."),
    "low_balance": gettext_lazy("Your balance fell below an amount you chose."),
    "budget_reached": gettext_lazy("The first lead of a day or month that your limits hold."),
    "credits_expiring": gettext_lazy("30 and 7 days before bonus credits expire."),
    "webhook_failing": gettext_lazy("Your software took nothing for a day, or we stopped calling it."),
    DAILY_DIGEST: gettext_lazy("Each morning what came in, what it cost, and what waits for you."),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One kind and where it is wanted; a summary is told by e-mail alone."""

    kind: str
    name: str | Promise
    help: str | Promise
    in_portal: bool
    by_email: bool
    is_mail_only: bool = False


class AlertsForm(forms.Form):
    """The kinds that the member wants to see in the portal, and those that they want mails of."""

    in_portal = forms.MultipleChoiceField(
        choices=[(kind.value, kind.label) for kind in KINDS], required=False
    )
    by_email = forms.MultipleChoiceField(
        choices=[
            *((kind.value, kind.label) for kind in KINDS),
            (DAILY_DIGEST, gettext_lazy("Daily summary")),
        ],
        required=False,
    )


class Alerts(SettingsPage):
    """GET, POST /clinic/settings/alerts: each member for themselves, at this clinic."""

    template_name = "clinic/settings/alerts.html"
    url_name = "clinic_alerts"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.page()

    def post(self, request: HttpRequest) -> HttpResponse:
        form = AlertsForm(request.POST)
        if not form.is_valid():
            return self.page(errors=[text for texts in form.errors.values() for text in texts], status=400)
        wanted = form.cleaned_data
        choose(self.request.membership, in_portal=set(wanted["in_portal"]), by_email=set(wanted["by_email"]))
        messages.success(request, _("Your choice is saved."))
        return HttpResponseRedirect(reverse(self.url_name), status=303)

    def page(self, *, errors: Any = (), status: int = 200) -> HttpResponse:
        preferences, known = preferences_of(self.request.membership), kinds_of(self.request.membership)
        groups = [
            (label, [choice_of(kind.value, kind.label, preferences) for kind in kinds])
            for label, kinds in GROUPS
            if set(kinds) <= known
        ]
        summary = choice_of(DAILY_DIGEST, _("Daily summary"), preferences, is_mail_only=True)
        groups.append((_("Summary"), [summary]))
        context = self.get_context_data(groups=groups, errors=errors, mailbox=self.request.user.email)
        return self.render_to_response(context, status=status)


def preferences_of(membership: Membership) -> dict[str, AlertPreference]:
    return {one.kind: one for one in AlertPreference.objects.filter(membership=membership)}


def choice_of(
    kind: str, name: str | Promise, preferences: Mapping[str, AlertPreference], *, is_mail_only: bool = False
) -> Choice:
    chosen = preferences.get(kind) or AlertPreference(kind=kind)  # without a row: everywhere
    return Choice(kind, name, HELP[kind], chosen.in_portal, chosen.by_email, is_mail_only)


def kinds_of(membership: Membership) -> set[Notice.Kind]:
    """What this member may hear of."""
    return {kind for kind in KINDS if membership.role == Membership.Role.OWNER or kind not in FOR_OWNERS}


def choose(membership: Membership, *, in_portal: set[str], by_email: set[str]) -> None:
    """All kinds of the page at once, in one statement; what is not on it for them stays as it is."""
    chosen = [
        AlertPreference(
            membership=membership,
            kind=kind,
            in_portal=kind in in_portal or kind == DAILY_DIGEST,
            by_email=kind in by_email,
        )
        for kind in (*sorted(kind.value for kind in kinds_of(membership)), DAILY_DIGEST)
    ]
    AlertPreference.objects.bulk_create(
        chosen,
        update_conflicts=True,
        unique_fields=["membership", "kind"],
        update_fields=["in_portal", "by_email"],
    )
