"""The pages of leads, with what can be said of each one's dispute. They stand here because leads know of none."""

from collections.abc import Iterable
from typing import Final

from django.db.models import BooleanField, F, QuerySet
from django.template.defaultfilters import floatformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credits.models import CreditAccount
from disputes.listing import MayBeDisputed, state_of_lead, with_pending_disputes
from disputes.models import DisputeEntry
from leads.lead_views import LeadPage
from leads.models import Lead
from leads.models.lead import LeadQuerySet
from leads.news import LeadNews
from leads.timeline import MOST_EVENTS, Event, name_of
from leads.views import Dashboard

OF_THE_CLINIC: Final = frozenset(
    {DisputeEntry.Kind.FILED, DisputeEntry.Kind.ANSWERED, DisputeEntry.Kind.CANCELLED}
)

TEXTS: Final = {
    DisputeEntry.Kind.FILED: gettext_lazy("Disputed: %(reason)s"),
    DisputeEntry.Kind.ASKED: gettext_lazy("We asked you about the dispute"),
    DisputeEntry.Kind.ANSWERED: gettext_lazy("The question was answered"),
    DisputeEntry.Kind.APPROVED: gettext_lazy("The dispute was approved: %(credits)s credits"),
    DisputeEntry.Kind.REJECTED: gettext_lazy("The dispute was rejected"),
    DisputeEntry.Kind.CANCELLED: gettext_lazy("The dispute was cancelled"),
}


def with_disputes(leads: LeadQuerySet) -> LeadQuerySet:
    """Each lead with the state of its dispute, or whether it may be disputed."""
    annotated: LeadQuerySet = leads.annotate(
        dispute_state=state_of_lead(), may_be_disputed=MayBeDisputed(F("pk"), output_field=BooleanField())
    )
    return annotated


class DashboardWithDisputes(Dashboard):
    """GET, POST /clinic/dashboard."""

    def accounts(self) -> QuerySet[CreditAccount]:
        return with_pending_disputes(super().accounts())

    def leads(self) -> LeadQuerySet:
        return with_disputes(super().leads())


class LeadNewsWithDisputes(LeadNews):
    """GET /clinic/leads/news."""

    def leads(self) -> LeadQuerySet:
        return with_disputes(super().leads())


class LeadPageWithDisputes(LeadPage):
    """GET /clinic/leads/1."""

    def accounts(self) -> QuerySet[CreditAccount]:
        return with_pending_disputes(super().accounts())

    def leads(self) -> LeadQuerySet:
        return with_disputes(super().leads())

    def events(self, lead: Lead) -> Iterable[Event]:
        entries = DisputeEntry.objects.filter(dispute__lead=lead, is_internal=False)
        for entry in entries.select_related("author", "dispute").order_by("-pk")[:MOST_EVENTS]:
            yield Event(entry.created_at, "scale", told(entry), self.who_said(entry))

    def who_said(self, entry: DisputeEntry) -> str:
        """Only one's own people by name: staff stay staff."""
        if entry.author is None or entry.kind not in OF_THE_CLINIC:
            return ""
        return name_of(entry.author, self.request.user)


def told(entry: DisputeEntry) -> str:
    """One step of a dispute in a sentence; what was said stands on the dispute's own page."""
    dispute, kind = entry.dispute, DisputeEntry.Kind(entry.kind)
    if kind is DisputeEntry.Kind.FILED and dispute.appeal_of_id:
        return _("The decision was appealed")
    facts = {
        "reason": dispute.get_dispute_type_display(),
        "credits": floatformat(dispute.refund_amount or 0, "-2g"),
    }
    return str(TEXTS[kind]) % facts
