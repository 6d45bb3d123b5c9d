"""Why is this balance what it is? The same answer for the command and the page. Ids only, no personal data."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db.models import Count, Sum
from django.utils import timezone
from django.utils.formats import number_format

from clinics.models import Clinic
from credits.models import CreditAccount, CreditGrant, CreditTransaction, Reversal
from credits.services import verification
from credits.services.statement_facts import Source, sources_of
from leads.models import Lead

LAST_MOVEMENTS: Final = 10


@dataclass(frozen=True, slots=True)
class Section:
    """A question and its answers; `otherwise` says what an empty one means."""

    title: str
    lines: tuple[str, ...]
    otherwise: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """`summary` says what holds now, `problem` that the parts do not add up (empty: they do)."""

    summary: tuple[str, ...]
    sections: tuple[Section, ...]
    problem: str


def explain(clinic: Clinic) -> Explanation:
    """All of it of one moment."""
    with verification.snapshot():
        account = CreditAccount.objects.get(clinic=clinic)
        return Explanation(
            summary=tuple(summary(clinic, account)),
            sections=(
                section("What came and went", totals(clinic), "nothing yet"),
                section("What is left, in the order it is spent", unspent(clinic), "nothing"),
                section("What is owed", losses(clinic), "nothing"),
                section("Leads that wait", waiting(clinic), "none"),
                section(f"Last {LAST_MOVEMENTS} movements", last_movements(clinic), "none"),
            ),
            problem=problem(clinic, account),
        )


def section(title: str, lines: Iterable[str], otherwise: str) -> Section:
    return Section(title, tuple(lines), otherwise)


def summary(clinic: Clinic, account: CreditAccount) -> Iterator[str]:
    yield f"Clinic {clinic.pk}, {clinic.slug}: balance {money(account.balance)}, owed {money(account.owed)}"
    yield f"{account.last_sequence} movements, account last written {moment(account.last_posted_at)}"
    yield from limits(account)


def problem(clinic: Clinic, account: CreditAccount) -> str:
    moved = CreditTransaction.objects.filter(clinic=clinic).aggregate(total=Sum("amount"))["total"] or 0
    left = CreditGrant.objects.filter(clinic=clinic).aggregate(total=Sum("remaining"))["total"] or 0
    if moved == left == account.balance:
        return ""
    return f"This does not add up: movements {money(moved)}, grants {money(left)}. Run verify_ledger."


def limits(account: CreditAccount) -> Iterator[str]:
    if account.frozen_at:
        yield f"Delivery is frozen since {moment(account.frozen_at)}: {account.frozen_reason}"
    if account.owed:
        yield "Delivery is frozen while anything is owed"
    if account.paused_at:
        end = f" until {moment(account.paused_until)}" if account.paused_until else ""
        yield f"Delivery is paused since {moment(account.paused_at)}{end}"
    caps = {
        f"per day {money(account.charged_today)} of": account.daily_cap,
        f"per month {money(account.charged_this_month)} of": account.monthly_cap,
        "per lead": account.highest_cost,
    }
    for name, cap in caps.items():
        if cap is not None:
            yield f"Limit {name} {money(cap)} (charges of {account.charged_on})"


def totals(clinic: Clinic) -> Iterator[str]:
    sums = CreditTransaction.objects.filter(clinic=clinic).values("transaction_type")
    for total in sums.annotate(count=Count("pk"), credits=Sum("amount")).order_by("transaction_type"):
        yield f"{total['transaction_type']:<11}{total['count']:>7} ×{money(total['credits']):>17}"


def unspent(clinic: Clinic) -> Iterator[str]:
    grants = list(
        CreditGrant.objects.filter(clinic=clinic, open=True)
        .order_by("expires_at", "pk")
        .select_related("transaction")
    )
    sources = sources_of(grant.pk for grant in grants)
    for grant in grants:
        end = f"until {moment(grant.expires_at)}" if grant.expires_at else "never expires"
        back = f", came back with movement {grant.transaction.sequence}" if grant.origin_id else ""
        yield (
            f"{grant.kind:<9}{money(grant.remaining):>15} of {money(grant.amount)}, {end}, "
            f"{named(sources[grant.pk])}{back}"
        )


def named(source: Source) -> str:
    """The purchase or payment behind a grant, also behind one that came back."""
    if source.top_up_id is not None:
        return f"top-up {source.top_up_id}, {source.payment_id}"
    return source.payment_id or f"movement {source.sequence}"


def losses(clinic: Clinic) -> Iterator[str]:
    for loss in Reversal.objects.filter(top_up__clinic=clinic, owed_open__gt=0).order_by("pk"):
        taken = f"{money(loss.paid_share)} paid and {money(loss.bonus_share)} bonus credits"
        yield f"{money(loss.owed_open)} for {loss.key} of top-up {loss.top_up_id} ({taken} were lost)"


def waiting(clinic: Clinic) -> Iterator[str]:
    held = Lead.objects.held().filter(clinic=clinic).values("held_reason")
    for group in held.annotate(count=Count("pk"), credits=Sum("cost")).order_by("held_reason"):
        label = Lead.HeldReason(group["held_reason"]).label
        yield f"{group['held_reason']:<11}{group['count']:>7} for {money(group['credits'])} credits ({label})"


def last_movements(clinic: Clinic) -> Iterator[str]:
    for row in CreditTransaction.objects.filter(clinic=clinic).newest_first()[:LAST_MOVEMENTS]:
        yield (
            f"{row.sequence:>7}  {moment(row.created_at)}  {row.transaction_type:<10}"
            f"{money(row.amount):>15} → {money(row.balance_after):>15}  {row.description}"
        )


def money(amount: Decimal | int) -> str:
    return number_format(amount, 2, force_grouping=True)


def moment(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M} IST"
