"""What came into the inbox since a page was read: asked every few seconds, answered by 204 mostly.

Nothing can be missed, whatever order transactions commit in:
- Leads that arrived are found by comparing: the newest of the clinic against those the page has. A lead that was
  stored without the account's lock («busy») and commits late is among the newest all the same.
- Leads that came through later (held → delivered) got their `delivered_at` under the account's lock, after the
  account was read for the page (`since`), and never before an earlier one: `last_posted_at` does not run backwards.
"""

from dataclasses import dataclass
from typing import Any, Final

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.defaultfilters import floatformat
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_htmx.http import trigger_client_event

from clinics.models import Membership
from clinics.surfaces import error
from credits.models import CreditAccount
from credits.portal import PortalPage
from leads.inbox import inbox_accounts, leads_of, rows_for
from leads.models import Lead
from leads.models.lead import LeadQuerySet
from leads.portal_forms import NewsForm

MOST_NEWS: Final = 20  # as many as the page shows; of more than these the oldest are left to the list


@dataclass(frozen=True, slots=True)
class News:
    """What a page of the inbox lacks."""

    leads: set[int]
    money_moved: bool

    @classmethod
    def of(cls, found: Any, shown: dict[str, Any]) -> "News":
        """`found` is what the membership brought along, `shown` what the page has."""
        known, held = shown["known"], shown["held"]
        arrived = set(found.newest_leads) - known - held
        released = set(found.released or ())  # Django's answer for none asked about
        came_through = (set(found.came_through) - known) | released
        return cls(arrived | came_through, found.last_sequence != shown["sequence"])

    def __bool__(self) -> bool:
        return bool(self.leads) or self.money_moved


class LeadNews(PortalPage):
    """GET /clinic/leads/news: 204, or the rows a page of the inbox lacks, for the top of its list.

    What else changes travels in the event `inbox:news`. With `peek` no row is sent, so that no look is logged.
    Mounted as `disputes.dashboard.LeadNewsWithDisputes`.
    """

    form: NewsForm
    is_linked_to = False  # its `clinic` is the one whose inbox stands open in a tab

    def accounts(self) -> QuerySet[CreditAccount]:
        return inbox_accounts(super().accounts())

    def leads(self) -> LeadQuerySet:
        return leads_of(self.request.clinic).newest_first()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.form = NewsForm(request.GET)
        if request.user.is_authenticated and not self.form.is_valid():
            problems = {name: [str(one) for one in texts] for name, texts in self.form.errors.items()}
            return error(400, "invalid", _("Some fields need another look."), problems)
        return super().dispatch(request, *args, **kwargs)

    def handle_no_permission(self) -> HttpResponseRedirect:
        """No redirect: the sign-in page would be put into the list."""
        message = _("Sign in to go on.")
        return error(401, "not_authenticated", message)  # type: ignore[return-value]

    def memberships(self) -> QuerySet[Membership]:
        leads = Lead.objects.filter(clinic=OuterRef("clinic"))
        # As many as the page shows, and of these what it would show: for one that expires no older one comes in.
        newest = Lead.objects.filter(clinic=OuterRef(OuterRef("clinic"))).newest_first()[:MOST_NEWS]
        shown = self.form.cleaned_data
        through = leads.unread().filter(delivered_at__gte=shown["since"]).order_by("-delivered_at", "-pk")
        account = CreditAccount.objects.filter(pk=OuterRef("clinic"))
        return Membership.objects.annotate(
            last_sequence=Subquery(account.values("last_sequence")),
            newest_leads=ArraySubquery(
                Lead.objects.filter(pk__in=newest.values("pk")).not_expired().values("pk")
            ),
            came_through=ArraySubquery(through.values("pk")[:MOST_NEWS]),
            released=ArraySubquery(leads.received().filter(pk__in=shown["held"]).values("pk")),
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        shown = self.form.cleaned_data
        if shown["clinic"] != self.request.clinic.pk:
            return error(409, "another_clinic", _("You work for another clinic now. Reload the page."))
        news = News.of(self.request.membership, shown)
        if not news:
            return HttpResponse(status=204)
        if shown["peek"] and news.leads:
            return self.announced(HttpResponse(status=204), {"waiting": len(news.leads)}, news)
        return self.sent(news)

    def sent(self, news: News) -> HttpResponse:
        facts: dict[str, Any] = {  # the account first: what is delivered meanwhile is news of the next time
            "balance": "₹" + floatformat(self.account.balance, "-2g"),
            "unread": self.account.leads_unread,
            "since": self.account.last_posted_at.isoformat(),
            "sequence": self.account.last_sequence,
        }
        leads = self.leads().filter(pk__in=news.leads)
        rows = rows_for(leads, self.request.clinic, self.request.user, timezone.now()) if news.leads else []
        context = {"rows": rows, "statuses": Lead.Status.choices, "account": self.account}
        response = render(self.request, "clinic/_lead_rows.html", context)
        return self.announced(response, facts, news)

    def announced(self, response: HttpResponse, facts: dict[str, Any], news: News) -> HttpResponse:
        number = len(news.leads)
        message = ngettext("%(number)s new lead", "%(number)s new leads", number) % {"number": number}
        return trigger_client_event(response, "inbox:news", {**facts, "message": message if number else ""})
