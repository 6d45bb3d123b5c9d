"""Why a movement is there, in whole sentences made from facts: what a member reads when a row opens."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credits.models import CreditTransaction, Reversal, TopUp
from credits.services.statement_facts import Movement, Part, movements_of
from credits.services.statement_words import kind_of, title_of
from credits.written import money
from leads.models import Lead, PricingTier

# Which credits: by their kind and what is known of their source.
PARTS: Final = {
    ("paid", True): gettext_lazy(
        "%(amount)s paid credits of top-up %(top_up)s, payment %(payment)s, %(day)s."
    ),
    ("paid", False): gettext_lazy("%(amount)s paid credits of payment %(payment)s, %(day)s."),
    ("bonus", True): gettext_lazy("%(amount)s bonus credits of top-up %(top_up)s, %(day)s."),
    ("goodwill", False): gettext_lazy("%(amount)s goodwill credits of %(day)s, row %(number)s."),
}
OTHER_PART: Final = gettext_lazy("%(amount)s credits of %(day)s, row %(number)s.")


@dataclass(frozen=True, slots=True)
class Explained:
    """A movement for people. `sentences` say what it is about, `parts` which credits it brought or used."""

    row: CreditTransaction
    kind: str
    title: str
    sentences: tuple[str, ...]
    parts: tuple[str, ...]

    @property
    def is_incoming(self) -> bool:
        return self.row.amount > 0

    @property
    def receipt_of(self) -> int | None:
        """The top-up whose receipt stands behind it."""
        return self.row.top_up_id if self.kind == "payment" else None

    @property
    def dispute_id(self) -> int | None:
        dispute = getattr(self.row, "dispute", None) if self.kind == "refund" else None
        return dispute.pk if dispute else None


def explained(rows: Iterable[CreditTransaction]) -> list[Explained]:
    """Rows that were read `with_subjects`; as many statements as for one."""
    return [_explained(movement) for movement in movements_of(list(rows))]


def _explained(movement: Movement) -> Explained:
    row, kind = movement.row, kind_of(movement.row).name
    said = WORDS[kind](movement)
    parts = tuple(_part(part, row) for part in movement.parts)
    return Explained(row, kind, title_of(row), tuple(said), parts)


def _part(part: Part, row: CreditTransaction) -> str:
    source = part.source
    words = PARTS.get((part.kind, source.top_up_id is not None), OTHER_PART) % {
        "amount": money(part.amount),
        "top_up": source.top_up_id,
        "payment": source.payment_id,
        "number": source.sequence,
        "day": _day(source.at),
    }
    return words if row.amount < 0 else f"{words} {_what_is_left(part)}"


def _what_is_left(part: Part) -> str:
    facts = {"left": money(part.left or part.amount * 0), "moment": _moment(part.expires_at)}
    if part.expires_at is None:
        return _("They never expire; %(left)s are left of them.") % facts
    return _("They are valid until %(moment)s; %(left)s are left of them.") % facts


def _payment(movement: Movement) -> Iterator[str]:
    top_up = _top_up(movement.row)
    facts = {
        "gross": money(top_up.gross),
        "price": money(top_up.price),
        "tax": money(top_up.tax),
        "payment": top_up.razorpay_payment_id,
    }
    if top_up.tax:
        yield _("You paid ₹%(gross)s (₹%(price)s and ₹%(tax)s tax) with payment %(payment)s.") % facts
    else:
        yield _("You paid ₹%(gross)s with payment %(payment)s.") % facts
    if top_up.bonus or top_up.promo_bonus:
        yield _("Its bonus stands in a row of its own.")


def _payment_by_hand(movement: Movement) -> Iterator[str]:
    yield _("Payment %(payment)s did not come through a top-up; we entered it.") % {
        "payment": movement.row.payment_id
    }


def _goodwill(movement: Movement) -> Iterator[str]:
    yield _("We gave you these credits; there is no payment behind them.")


def _bonus(movement: Movement) -> Iterator[str]:
    facts = {"top_up": movement.row.top_up_id, "price": money(_top_up(movement.row).price)}
    yield _("It came with top-up %(top_up)s of ₹%(price)s, on top of what you paid for.") % facts


def _promo_bonus(movement: Movement) -> Iterator[str]:
    facts = {"top_up": movement.row.top_up_id, "price": money(_top_up(movement.row).price)}
    yield _("A promo code brought it with top-up %(top_up)s of ₹%(price)s.") % facts


def _lead(movement: Movement) -> Iterator[str]:
    lead = movement.row.lead
    if lead is None:
        return
    yield from _treatment(lead)
    yield _band(lead)
    if lead.refunded_total:
        yield _("%(amount)s credits of it came back since.") % {"amount": money(lead.refunded_total)}


def _treatment(lead: Lead) -> Iterator[str]:
    name = lead.wanted
    facts = {"treatment": name, "price": money(lead.package_price) if lead.package_price is not None else ""}
    if name and lead.package_price is not None:
        yield _("The patient asked for %(treatment)s at ₹%(price)s.") % facts
    elif name:
        yield _("The patient asked for %(treatment)s.") % facts
    elif lead.package_price is not None:
        yield _("The patient asked for a treatment at ₹%(price)s.") % facts


def _band(lead: Lead) -> str:
    tier: PricingTier = lead.tier
    facts = {
        "cost": money(lead.cost),
        "from": money(tier.price_from),
        "below": money(tier.price_below) if tier.price_below is not None else "",
    }
    if lead.package_price is None:
        return _("The price is not known, so the lowest price band holds: %(cost)s credits.") % facts
    if tier.price_below is None:
        return _("Price band from ₹%(from)s: %(cost)s credits.") % facts
    if not tier.price_from:
        return _("Price band below ₹%(below)s: %(cost)s credits.") % facts
    return _("Price band from ₹%(from)s to below ₹%(below)s: %(cost)s credits.") % facts


def _refund(movement: Movement) -> Iterator[str]:
    dispute = getattr(movement.row, "dispute", None)
    if dispute is None:
        yield _("Credits came back for this lead.")
        return
    facts = {
        "dispute": dispute.pk,
        "reason": dispute.get_dispute_type_display(),
        "day": _day(dispute.resolved_at),
    }
    if dispute.appeal_of_id is not None:
        yield _("Your appeal %(dispute)s («%(reason)s») was approved on %(day)s.") % facts
    else:
        yield _("Your dispute %(dispute)s («%(reason)s») was approved on %(day)s.") % facts


def _adjustment(movement: Movement) -> Iterator[str]:
    if movement.row.amount > 0:
        yield _("We added these credits by hand; two of us agreed to it.")
    else:
        yield _("We took these credits back by hand; two of us agreed to it.")


def _expired(movement: Movement) -> Iterator[str]:
    for part in movement.parts:
        yield _("They were valid until %(moment)s and had not been used by then.") % {
            "moment": _moment(part.expires_at)
        }


def _taken_back(movement: Movement) -> Iterator[str]:
    loss = _loss(movement.row)
    facts = {
        "key": loss.key,
        "lost": money(Decimal(loss.loss_paise) / 100),
        "gross": money(loss.top_up.gross),
        "paid": money(loss.paid_share),
        "bonus": money(loss.bonus_share),
        "forgiven": money(loss.bonus_forgiven),
        "owed": money(loss.owed_open),
    }
    if loss.key.startswith("disp_"):
        yield _("The payer's bank took back ₹%(lost)s of the ₹%(gross)s paid (%(key)s).") % facts
    else:
        yield _("₹%(lost)s of the ₹%(gross)s paid went back to the payer (%(key)s).") % facts
    yield _("With it go %(paid)s paid and %(bonus)s bonus credits.") % facts
    if loss.bonus_forgiven:
        yield _("%(forgiven)s of the bonus had been spent; you need not give them back.") % facts
    if loss.owed_open:
        yield _("%(owed)s credits are still owed; what comes in settles them first.") % facts


def _settled(movement: Movement) -> Iterator[str]:
    loss = _loss(movement.row)
    facts = {"key": loss.key, "top_up": loss.top_up_id}
    yield (
        _("The payment of top-up %(top_up)s was taken back (%(key)s) when your balance did not reach.")
        % facts
    )
    yield _("What was owed is settled first from whatever comes in.")


def _given_back(movement: Movement) -> Iterator[str]:
    facts = {"key": _loss(movement.row).key}
    yield _("The payment stayed with us after all (%(key)s), so what was taken for it came back.") % facts


WORDS: Final = {
    "payment": _payment,
    "payment_by_hand": _payment_by_hand,
    "goodwill": _goodwill,
    "bonus": _bonus,
    "promo_bonus": _promo_bonus,
    "lead": _lead,
    "refund": _refund,
    "adjustment": _adjustment,
    "expired_bonus": _expired,
    "expired_goodwill": _expired,
    "taken_back": _taken_back,
    "settled": _settled,
    "given_back": _given_back,
}


def _top_up(row: CreditTransaction) -> TopUp:
    assert row.top_up is not None, row.pk  # its kind says so
    return row.top_up


def _loss(row: CreditTransaction) -> Reversal:
    assert row.reversal is not None, row.pk  # its kind says so
    return row.reversal


def _day(moment: datetime) -> str:
    return date_format(localtime(moment), "DATE_FORMAT")


def _moment(moment: datetime | None) -> str:
    return date_format(localtime(moment), "DATETIME_FORMAT") if moment else ""
