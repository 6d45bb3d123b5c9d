"""What the inbox shows: rows of leads, the figures beside them, why leads are held, and a new clinic's first steps."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import CharField, Count, Exists, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Cast, Coalesce, JSONObject
from django.utils.translation import gettext as _

from clinics.models import Clinic, Invitation, Membership, User
from credits.models import CreditAccount
from credits.services import held
from leads.models import Lead, LeadContact, Treatment
from leads.models.lead import LeadQuerySet
from leads.services.contacts import show_contacts

RECENT_LEADS: Final = 500  # the filters offer the treatments and sources of this many
MOST_UNREAD: Final = 100  # shown as «99+»: more are not counted


@dataclass(frozen=True, slots=True)
class LeadRow:
    """A lead and, where it may be seen, its patient's contact."""

    lead: Any  # a Lead with what its queryset annotates
    contact: LeadContact | None
    clinic: Clinic

    @property
    def is_reachable(self) -> bool:
        """There is a number to call: the contact may be seen and was not erased."""
        return self.contact is not None and self.contact.erased_at is None

    @property
    def phone_url(self) -> str:
        return str(self.contact.phone.as_rfc3966) if self.contact else ""

    @property
    def whatsapp_url(self) -> str:
        number = str(self.contact.phone.as_e164)[1:] if self.contact else ""
        return f"https://wa.me/{number}?{urlencode({'text': greeting(self.lead, self.clinic)})}"


def greeting(lead: Lead, clinic: Clinic) -> str:
    """The first words of a chat, in the member's language: who writes, and about what the patient asked us for."""
    facts = {"clinic": clinic.name, "treatment": lead.wanted}
    if lead.wanted:
        text = _(
            "Hello, this is %(clinic)s. Thank you for asking us about %(treatment)s. How may we help you?"
        )
    else:
        text = _("Hello, this is %(clinic)s. Thank you for your enquiry. How may we help you?")
    return text % facts


def rows_for(leads: Iterable[Lead], clinic: Clinic, viewer: User, at: datetime) -> list[LeadRow]:
    """These leads of the viewer's clinic as they may be seen now; the looks at their contacts are logged."""
    leads = list(leads)
    contacts = show_contacts(leads, viewer, at)
    return [LeadRow(lead, contacts.get(lead.pk), clinic) for lead in leads]


def leads_of(clinic: Clinic) -> LeadQuerySet:
    """With all that a row of the list says."""
    leads: LeadQuerySet = Lead.objects.filter(clinic=clinic)
    return leads.select_related("package", "treatment", "partner", "tier", "repeat_of")


def unread_count() -> Coalesce:
    """How many leads of an account's clinic nobody has opened yet, MOST_UNREAD at most."""
    some = Lead.objects.unread().filter(clinic=OuterRef(OuterRef("pk")))[:MOST_UNREAD]
    counted = Lead.objects.filter(pk__in=some.values("pk")).order_by().values("clinic")
    return Coalesce(Subquery(counted.annotate(number=Count("pk")).values("number")), 0)


def unread_leads(clinic: Clinic) -> int:
    """The same, of one clinic."""
    return Lead.objects.unread().filter(clinic=clinic).order_by()[:MOST_UNREAD].count()


def inbox_accounts(accounts: QuerySet[CreditAccount]) -> QuerySet[CreditAccount]:
    """What the inbox says around its list, read in one statement with the balance, so that they agree with it."""
    held_leads = Lead.objects.held().filter(clinic=OuterRef("pk")).order_by().values("held_reason")
    by_reason = held_leads.annotate(
        number=Count("pk"), total=Cast(Sum("cost"), CharField())
    )  # JSON has no Decimal
    return held.with_rules(accounts).annotate(
        leads_unread=unread_count(),
        held_by_reason=ArraySubquery(
            by_reason.values(json=JSONObject(reason="held_reason", count="number", cost="total"))
        ),
    )


def dashboard_accounts(accounts: QuerySet[CreditAccount]) -> QuerySet[CreditAccount]:
    """The same with the figures of the billing tab, the choices of the filters, and the facts of the first steps."""
    leads = Lead.objects.filter(clinic=OuterRef("pk")).order_by()
    recent = Lead.objects.filter(clinic=OuterRef(OuterRef("pk"))).newest_first()[:RECENT_LEADS]
    sources = Lead.objects.filter(pk__in=recent.values("pk")).order_by("source").values("source").distinct()
    treatments = Treatment.objects.filter(pk__in=recent.values("treatment")).order_by("name")
    members = Membership.objects.filter(clinic=OuterRef("pk"), is_active=True)

    def count(of: LeadQuerySet) -> Coalesce:
        return Coalesce(Subquery(of.values("clinic").annotate(number=Count("pk")).values("number")), 0)

    return inbox_accounts(accounts).annotate(
        leads_delivered=count(leads.filter(delivery_state=Lead.DeliveryState.DELIVERED)),
        leads_held=count(leads.held()),
        lead_sources=ArraySubquery(sources),
        lead_treatments=ArraySubquery(treatments.values(json=JSONObject(pk="pk", name="name"))),
        has_colleagues=Exists(members.order_by("pk")[1:2]),
        has_invited=Exists(Invitation.objects.filter(clinic=OuterRef("pk"))),
    )


def held_leads(account: Any) -> list[held.Waiting]:
    """What `held.waiting` says, from what was read along with the account."""
    return held.in_order(
        held.Waiting(group["reason"], group["count"], Decimal(group["cost"]))
        for group in account.held_by_reason
    )


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """What a new clinic's owner does next, each step ticked by a fact."""

    has_credits: bool
    has_leads: bool
    has_colleagues_or_limits: bool

    @classmethod
    def of(cls, account: Any) -> "FirstSteps":
        limits = (account.daily_cap, account.monthly_cap, account.highest_cost)
        return cls(
            has_credits=account.last_sequence > 0,
            has_leads=bool(account.lead_sources),
            has_colleagues_or_limits=account.has_colleagues
            or account.has_invited
            or any(limit is not None for limit in limits),
        )

    @property
    def are_due(self) -> bool:
        """Until there are credits and leads; colleagues are a matter of taste."""
        return not (self.has_credits and self.has_leads)
