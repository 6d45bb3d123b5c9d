"""Held leads: how many wait for what, what they cost, and what a clinic's limits would hold."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from clinics.models import Clinic
from credits.models import BillingRules, CreditAccount
from credits.services.ledger import BillingService, LeadNotChargeable
from credits.services.limits import Limits
from credits.services.statement import spent_this_month
from leads.models import Lead, PricingTier, PricingVersion

LOOKS_BACK: Final = timedelta(days=90)
MOST_REFUSED: Final = 200  # at once
REASONS: Final[dict[str, str | Promise]] = {
    "no_credits": _("Not enough credits"),
    "budget": _("Above your limits"),
    "paused": _("You paused deliveries"),
    "frozen": _("Deliveries are stopped"),
    "review": _("Waits for a check"),
    "busy": _("Still being processed"),
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Held leads of one reason: how many, and the credits they would cost."""

    reason: str
    count: int
    cost: Decimal

    @property
    def label(self) -> str | Promise:
        return REASONS[self.reason]


@dataclass(frozen=True, slots=True)
class Spent:
    """Gross charges of a day or month in India against its cap (None: no cap)."""

    charged: Decimal
    cap: Decimal | None

    @property
    def left(self) -> Decimal | None:
        return None if self.cap is None else max(self.cap - self.charged, Decimal(0))


@dataclass(frozen=True, slots=True)
class TooLow:
    """A limit below the dearest lead of the price list, and how many recent leads it would have held by itself."""

    limit: str
    amount: Decimal
    dearest: Decimal
    held: int
    arrived: int


def waiting(clinic: Clinic) -> list[Waiting]:
    """By reason; one for which nothing waits is left out."""
    counted = (
        Lead.objects.filter(clinic=clinic)
        .held()
        .order_by()
        .values_list("held_reason")
        .annotate(count=Count("pk"), cost=Sum("cost"))
    )
    return in_order(Waiting(reason, count, cost) for reason, count, cost in counted)


def in_order(groups: Iterable[Waiting]) -> list[Waiting]:
    """Those first that the clinic itself can release."""
    order = list(REASONS)
    return sorted(groups, key=lambda group: order.index(group.reason))


def with_rules(accounts: QuerySet[CreditAccount]) -> QuerySet[CreditAccount]:
    """Along with the account: what a lead costs at most by the price list in force (`dearest_lead`), until which age
    it is released by itself, and when it expires."""
    newest = PricingVersion.objects.filter(effective_at__lte=Now()).order_by("-effective_at").values("pk")[:1]
    tiers = PricingTier.objects.filter(version=Subquery(newest)).order_by("-credits")
    rules = BillingRules.objects.all()
    return accounts.annotate(
        dearest_lead=Subquery(tiers.values("credits")[:1]),
        auto_release_hours=Subquery(rules.values("auto_release_hours")[:1]),
        held_valid_days=Subquery(rules.values("held_valid_days")[:1]),
    )


def spent(account: CreditAccount, now: datetime) -> tuple[Spent, Spent]:
    """Of the day and of the month. The account's own counters turn with its next movement: an earlier day's is 0."""
    of_day = account.charged_today if timezone.localdate(now) <= account.charged_on else Decimal(0)
    return Spent(of_day, account.daily_cap), Spent(spent_this_month(account, now), account.monthly_cap)


def too_low(clinic: Clinic, limits: Limits, dearest: Decimal, now: datetime) -> list[TooLow]:
    """Limits that some lead of the price list can never pass, whatever was charged before."""
    amounts = {
        name: amount
        for name in ("daily_cap", "monthly_cap", "highest_cost")
        if (amount := getattr(limits, name)) is not None and amount < dearest
    }
    if not amounts:
        return []
    arrived = Lead.objects.filter(clinic=clinic, created_at__gte=now - LOOKS_BACK)
    above = {name: Count("pk", filter=Q(cost__gt=amount)) for name, amount in amounts.items()}
    counts = arrived.aggregate(arrived=Count("pk"), **above)
    return [
        TooLow(name, amount, dearest, counts[name], counts["arrived"]) for name, amount in amounts.items()
    ]


def releasable(groups: Iterable[Waiting]) -> Waiting:
    """What «release all» tries: every lead that does not wait for somebody to look at it."""
    tried = [group for group in groups if group.reason != "review"]
    return Waiting("", sum(group.count for group in tried), sum((group.cost for group in tried), Decimal(0)))


def with_cheapest(accounts: QuerySet[CreditAccount]) -> QuerySet[CreditAccount]:
    """Along with the account: the cost of the cheapest lead that «release all» tries; None where there is none."""
    tried = Lead.objects.held().filter(clinic=OuterRef("pk")).exclude(held_reason=Lead.HeldReason.REVIEW)
    return accounts.annotate(cheapest_held=Subquery(tried.order_by("cost").values("cost")[:1]))


@dataclass(frozen=True, slots=True)
class Room:
    """What a lead may cost now: by the limits (None: they let any pass), and by the credits there are."""

    by_limits: Decimal | None
    balance: Decimal

    def lets_through(self, cost: Decimal) -> bool:
        return cost <= self.balance and self.limits_let_through(cost)

    def limits_let_through(self, cost: Decimal) -> bool:
        return self.by_limits is None or cost <= self.by_limits


def room(account: CreditAccount, now: datetime) -> Room:
    day, month = spent(account, now)
    limits: list[Decimal] = [
        amount for amount in (day.left, month.left, account.highest_cost) if amount is not None
    ]
    return Room(min(limits, default=None), account.balance)


def in_review(clinic: Clinic) -> list[Lead]:
    """Those that somebody has to look at, oldest first, as many as one page decides on."""
    waiting = Lead.objects.filter(clinic=clinic).in_review()
    return list(waiting.select_related("package", "treatment").order_by("pk")[:MOST_REFUSED])


def refuse_all(clinic: Clinic, lead_ids: Iterable[int], *, by: int) -> int:
    """Those of them that still wait for a check; returns how many. Each is a decision of its own, and kept."""
    mine = Lead.objects.filter(clinic=clinic, pk__in=lead_ids).in_review()
    refused = 0
    for lead_id in list(mine.order_by("pk").values_list("pk", flat=True)):
        with suppress(LeadNotChargeable):  # somebody else delivered it meanwhile
            BillingService.refuse_lead(lead_id, by=by)
            refused += 1
    return refused
