"""Figures of one clinic's spending. A page reads them inside `one_snapshot`, so that they agree with each other.

Each is one statement, bounded by the clinic and a time; months are those of the calendar in India.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db.models import Avg, Count, Exists, F, Min, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import TruncDate, TruncMonth
from django.utils import timezone

from clinics.days import start_of
from credits.models import CreditAccount, CreditGrant, CreditTransaction, GatewayPayment, TopUp
from credits.services.statement import rows_up_to
from leads.models import Lead

MONTHS: Final = 12
PACE_DAYS: Final = 30
LEAST_DAYS: Final = 7  # of charges behind a pace that is worth telling
LEAST_LEADS: Final = 3
FURTHEST_DAYS: Final = 365  # beyond it, a number of days says nothing
RECENT_ROWS: Final = 200  # the usual price of a lead is that of the charges among them
MOST_PAYMENTS: Final = 5
CONFIRMED_WITHIN: Final = timedelta(days=8)  # as long as reconciliation asks for a payment
FAILED_WITHIN: Final = timedelta(days=2)
ZERO: Final = Decimal("0.00")

Type = CreditTransaction.Type
IS_CHARGE: Final = Q(transaction_type=Type.DEDUCTION)
IS_REFUND: Final = Q(transaction_type=Type.REFUND)


@dataclass(frozen=True, slots=True)
class Month:
    """What one month bought, spent and got back, in credits; `leads` were charged in it."""

    start: date
    bought: Decimal = ZERO
    bonus: Decimal = ZERO
    spent: Decimal = ZERO
    refunded: Decimal = ZERO
    leads: int = 0

    @property
    def net(self) -> Decimal:
        return self.spent - self.refunded


@dataclass(frozen=True, slots=True)
class Pace:
    """Credits a day over the last `days` days, refunds taken off, and how long the balance lasts at that.

    `per_day` is None where there is too little to go by; `days_left` too, and where it is more than a year.
    """

    days: int
    leads: int
    per_day: Decimal | None = None
    days_left: int | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """The last twelve months, oldest first, and the pace of the last 30 days."""

    months: list[Month]
    pace: Pace

    def since(self, start: date) -> list[Month]:
        return [month for month in self.months if month.start >= start]


@dataclass(slots=True)
class Share:
    """What leads of one treatment, or from one source, cost since a date, and how many of them came to be patients."""

    label: str
    spent: Decimal = ZERO
    refunded: Decimal = ZERO
    leads: int = 0
    converted: int = 0

    @property
    def net(self) -> Decimal:
        return self.spent - self.refunded

    @property
    def per_converted(self) -> Decimal | None:
        """Credits spent for each lead that was converted; None while there is none."""
        return self.net / self.converted if self.converted else None

    def add(self, row: dict[str, Any]) -> None:
        self.spent += row["spent"] or ZERO
        self.refunded += row["refunded"] or ZERO
        self.leads += row["leads"]
        self.converted += row["converted"]


@dataclass(frozen=True, slots=True)
class Shares:
    """The same credits twice: by treatment and by source, the greatest first; and all together."""

    by_treatment: list[Share]
    by_source: list[Share]
    total: Share


@dataclass(frozen=True, slots=True)
class Expiry:
    """Credits that end on one day if they are not spent before."""

    day: date
    kind: str  # of CreditGrant.Kind
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Parts:
    """What the balance is made of: paid credits, which never expire, and others by the day they end."""

    lasting: Decimal
    expiries: list[Expiry] = field(default_factory=list)

    @property
    def total(self) -> Decimal:
        return sum((expiry.amount for expiry in self.expiries), self.lasting)


def month_start(at: datetime, back: int = 0) -> date:
    """The first day of the month of `at` in India, or of one `back` months before."""
    local = timezone.localdate(at)
    years, month = divmod(local.year * 12 + local.month - 1 - back, 12)
    return date(years, month + 1, 1)


def spending(account: CreditAccount, at: datetime) -> Spending:
    """Twelve months and the pace, by one scan of the clinic's rows since."""
    recent = Q(created_at__gt=at - timedelta(days=PACE_DAYS))
    first = month_start(at, MONTHS - 1)
    rows: list[dict[str, Any]] = list(
        rows_up_to(account)  # type: ignore[arg-type]  # a TypedDict of the very names
        .filter(created_at__gte=start_of(first))
        .annotate(month=TruncMonth("created_at"))
        .values("month")
        .order_by("month")
        .annotate(
            bought=Sum("amount", filter=Q(transaction_type=Type.CREDIT), default=ZERO),
            bonus=Sum("amount", filter=Q(transaction_type=Type.BONUS), default=ZERO),
            spent=Sum(-F("amount"), filter=IS_CHARGE, default=ZERO),
            refunded=Sum("amount", filter=IS_REFUND, default=ZERO),
            leads=Count("pk", filter=IS_CHARGE),
            first_charge=Min("created_at", filter=IS_CHARGE),
            recently=Sum(-F("amount"), filter=(IS_CHARGE | IS_REFUND) & recent, default=ZERO),
            recent_leads=Count("pk", filter=IS_CHARGE & recent),
        )
    )
    found = {timezone.localdate(row["month"]): row for row in rows}
    names = ("bought", "bonus", "spent", "refunded", "leads")
    starts = [month_start(at, back) for back in reversed(range(MONTHS))]
    months = [
        Month(start, **{name: found[start][name] for name in names}) if start in found else Month(start)
        for start in starts
    ]
    return Spending(months, _pace(account.balance, rows, at))


def _pace(balance: Decimal, rows: list[dict[str, Any]], at: datetime) -> Pace:
    first = min((row["first_charge"] for row in rows if row["first_charge"]), default=at)
    days = min((at - first).days, PACE_DAYS)
    leads = sum(row["recent_leads"] for row in rows)
    spent = sum((row["recently"] for row in rows), ZERO)
    if days < LEAST_DAYS or leads < LEAST_LEADS or spent <= 0:
        return Pace(days, leads)
    per_day = (spent / days).quantize(Decimal("0.01"))
    days_left = int(balance * days / spent)
    return Pace(days, leads, per_day, days_left if days_left <= FURTHEST_DAYS else None)


def shares(account: CreditAccount, since: date) -> Shares:
    """Charges and refunds since a day, by treatment and by source: one statement, so that both add up to the same."""
    rows: Iterable[dict[str, Any]] = (
        rows_up_to(account)  # type: ignore[assignment]  # as above
        # The lead's clinic is the row's: said again, so that of the leads too only this clinic's are read.
        .filter(IS_CHARGE | IS_REFUND, created_at__gte=start_of(since), lead__clinic=account.pk)
        .values(treatment=F("lead__treatment__name"), source=F("lead__source"))
        .order_by()
        .annotate(
            spent=Sum(-F("amount"), filter=IS_CHARGE),
            refunded=Sum("amount", filter=IS_REFUND),
            leads=Count("pk", filter=IS_CHARGE),
            converted=Count("pk", filter=IS_CHARGE & Q(lead__status=Lead.Status.CONVERTED)),
        )
    )
    treatments: dict[str, Share] = {}
    sources: dict[str, Share] = {}
    total = Share("")
    for row in rows:
        treatments.setdefault(row["treatment"] or "", Share(row["treatment"] or "")).add(row)
        sources.setdefault(row["source"], Share(row["source"])).add(row)
        total.add(row)
    return Shares(_greatest_first(treatments.values()), _greatest_first(sources.values()), total)


def _greatest_first(found: Iterable[Share]) -> list[Share]:
    return sorted(found, key=lambda share: (-share.net, share.label))


def parts_of_balance(account: CreditAccount) -> Parts:
    """The open grants by the day they end; they add up to the balance."""
    rows = (
        CreditGrant.objects.filter(clinic_id=account.pk, open=True)
        .annotate(day=TruncDate("expires_at"))
        .values("day", "kind")
        .order_by("day", "kind")
        .annotate(amount=Sum("remaining"))
    )
    lasting = ZERO
    expiries: list[Expiry] = []
    for row in rows:
        if row["day"] is None:
            lasting += row["amount"]
        else:
            expiries.append(Expiry(row["day"], row["kind"], row["amount"]))
    return Parts(lasting, expiries)


def payments_under_way(clinic_id: int, at: datetime) -> QuerySet[TopUp]:
    """Purchases somebody has tried to pay and that are not credited yet, newest first, at most five; annotated with
    `is_confirmed_soon`: money may be on its way, so that nobody should pay again."""
    not_failed = GatewayPayment.objects.filter(top_up=OuterRef("pk")).exclude(
        status=GatewayPayment.Status.FAILED
    )
    unpaid = TopUp.objects.filter(clinic=clinic_id, razorpay_order_id__isnull=False).exclude(
        state=TopUp.State.PAID
    )
    under_way: QuerySet[TopUp] = (
        unpaid.annotate(is_confirmed_soon=Exists(not_failed))
        .filter(
            Q(is_confirmed_soon=True, created_at__gte=at - CONFIRMED_WITHIN)
            | Q(created_at__gte=at - FAILED_WITHIN, state=TopUp.State.OPEN) & ~Q(last_attempt_error="")
        )
        .order_by("-pk")[:MOST_PAYMENTS]
    )
    return under_way


def usual_lead_cost(account: CreditAccount) -> Decimal | None:
    """What a lead has cost this clinic on average of late; None before its first one."""
    recent = rows_up_to(account).filter(IS_CHARGE, sequence__gt=account.last_sequence - RECENT_ROWS)
    average: Decimal | None = recent.aggregate(average=Avg(-F("amount")))["average"]
    return average


def leads_released_by(top_up: TopUp) -> int:
    """How many held leads a payment has paid for at once, 0 before it came: an event's rows all carry its one time."""
    if top_up.paid_at is None:
        return 0
    of_the_event = CreditTransaction.objects.filter(clinic_id=top_up.clinic_id, created_at=top_up.paid_at)
    return of_the_event.filter(IS_CHARGE).count()
