"""Held leads: what waits and why, and release by hand."""

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.template.defaultfilters import floatformat
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clinics.form_fields import IdField
from clinics.surfaces import OWNER_AND_BILLING
from credits.models import BillingRules, CreditAccount
from credits.portal import PortalPage
from credits.services import held
from credits.services.ledger import BillingService, LeadNotChargeable
from credits.services.limits import is_paused
from credits.services.snapshot import one_snapshot
from leads.models import Lead

PAGE_SIZE: Final = 50
ACTIONS: Final = ("release", "refuse", "release_all", "refuse_all")


class PageForm(forms.Form):
    after = IdField(required=False)


class IdsField(forms.RegexField):
    """Ids with commas between them, at most as many as are refused at once."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(rf"^\d{{1,18}}(,\d{{1,18}}){{0,{held.MOST_REFUSED - 1}}}\Z", **kwargs)

    def clean(self, value: Any) -> list[int]:
        return [int(one) for one in filter(None, super().clean(value).split(","))]


class DecisionForm(forms.Form):
    """About one lead, about all that can be delivered, or about those that a page showed as waiting for a check."""

    action = forms.ChoiceField(choices=[(action, action) for action in ACTIONS])
    lead_id = IdField(required=False)
    lead_ids = IdsField(required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("action") in ("release", "refuse") and data.get("lead_id") is None:
            self.add_error("lead_id", "Which lead?")
        if data.get("action") == "refuse_all" and not data.get("lead_ids"):
            self.add_error("lead_ids", "Which leads?")
        return data


class HeldLeads(PortalPage):
    """GET, POST /clinic/leads/held: leads that wait, oldest first; owner and billing release or refuse them.

    A person may release a lead of any age, also one in review. The rules are checked anew under the account's lock,
    so one that can't be delivered stays held, and the answer says why. Contacts stay hidden until then.
    """

    template_name = "clinic/held_leads.html"
    section = "leads"

    def accounts(self) -> QuerySet[CreditAccount]:
        return held.with_cheapest(held.with_rules(super().accounts()))

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = PageForm(request.GET)
        if not form.is_valid():
            raise BadRequest("after is no lead's id")
        after = form.cleaned_data["after"] or 0
        mine = Lead.objects.filter(clinic=self.request.clinic, pk__gt=after).held()
        others = mine.exclude(held_reason=Lead.HeldReason.REVIEW)
        now = timezone.now()
        with one_snapshot():
            leads = list(others.select_related("package", "treatment").order_by("pk")[: PAGE_SIZE + 1])
            waiting = held.waiting(self.request.clinic)
            in_review = sum(some.count for some in waiting if some.reason == "review")
            together = held.releasable(waiting)
            room, cheapest = held.room(self.account, now), self.account.cheapest_held
            context = self.get_context_data(
                leads=leads[:PAGE_SIZE],
                next_after=leads[PAGE_SIZE - 1].pk if len(leads) > PAGE_SIZE else None,
                is_first=not after,
                in_review=in_review,
                review_leads=held.in_review(self.request.clinic) if in_review and not after else [],
                waiting=waiting,
                together=together,
                spent=held.spent(self.account, now),
                can_deliver=cheapest is not None and room.lets_through(cheapest),
                limits_reached=cheapest is not None and not room.limits_let_through(cheapest),
                lacks_credits=together.cost > self.account.balance,
                may_act=self.may_act,
                is_paused=is_paused(self.account, now),
            )
        return self.render_to_response(context)

    def post(self, request: HttpRequest) -> HttpResponse:
        if not self.may_act:
            raise PermissionDenied(_("Your role at this clinic does not include this."))
        form = DecisionForm(request.POST)
        if not form.is_valid():
            raise BadRequest("no such decision")
        if form.cleaned_data["action"] == "release_all":
            return self.release_all()
        if form.cleaned_data["action"] == "refuse_all":
            return self.refuse_all(form.cleaned_data["lead_ids"])
        mine = Lead.objects.filter(clinic=self.request.clinic)
        lead = get_object_or_404(mine, pk=form.cleaned_data["lead_id"])
        return self.refuse(lead) if form.cleaned_data["action"] == "refuse" else self.release(lead)

    @property
    def may_act(self) -> bool:
        return self.request.membership.role in OWNER_AND_BILLING

    def release_all(self) -> HttpResponse:
        batch = BillingRules.objects.values_list("release_batch", flat=True).get()
        clinic = self.request.clinic
        released = BillingService.release_held_leads(clinic.pk, batch, by=self.request.user.pk)
        if released:
            said = ngettext("%(n)d lead was delivered.", "%(n)d leads were delivered.", released)
            messages.success(self.request, said % {"n": released})
        else:
            messages.warning(self.request, _("No lead could be delivered."))
        if released >= batch:
            messages.info(self.request, _("That was one round of many: press again for the rest."))
        for some in held.waiting(clinic):
            said = ngettext(
                "%(reason)s: %(n)d lead stays held.", "%(reason)s: %(n)d leads stay held.", some.count
            )
            messages.warning(self.request, said % {"n": some.count, "reason": some.label})
        return self.back()

    def release(self, lead: Lead) -> HttpResponse:
        now = BillingService.release_lead(lead.pk, by=self.request.user.pk)
        facts = {"lead": lead.pk, "cost": floatformat(now.cost, "-2g")}
        match now.delivery_state:
            case "delivered":
                messages.success(self.request, _("Lead %(lead)d is delivered, for ₹%(cost)s.") % facts)
            case "free":
                said = _("Lead %(lead)d is delivered free: you already paid for a lead of this person.")
                messages.success(self.request, said % facts)
            case "held":
                said = _("%(reason)s: lead %(lead)d stays held.")
                messages.warning(self.request, said % {**facts, "reason": held.REASONS[now.held_reason]})
            case _state:
                return self.too_late(_("This lead has expired."))
        return self.back()

    def refuse(self, lead: Lead) -> HttpResponse:
        try:
            BillingService.refuse_lead(lead.pk, by=self.request.user.pk)
        except LeadNotChargeable:
            return self.too_late(_("This lead does not wait for a check any more."))
        messages.success(
            self.request, _("Lead %(lead)d is refused. It costs you nothing.") % {"lead": lead.pk}
        )
        return self.back()

    def refuse_all(self, lead_ids: list[int]) -> HttpResponse:
        """Those that the page showed: one that came later is not refused unseen."""
        refused = held.refuse_all(self.request.clinic, lead_ids, by=self.request.user.pk)
        if refused:
            said = ngettext("%(n)d lead is refused.", "%(n)d leads are refused.", refused)
            messages.success(self.request, said % {"n": refused})
        else:
            messages.warning(self.request, _("None of these leads waits for a check any more."))
        return self.back()

    def too_late(self, reason: str) -> HttpResponse:
        there = {"reason": reason, "href": reverse("held_leads"), "link": _("Back to the held leads")}
        return render(self.request, "refused.html", there, status=409)

    def back(self) -> HttpResponse:
        return HttpResponseRedirect(reverse("held_leads"), status=303)
