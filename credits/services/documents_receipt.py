"""The receipt of a paid top-up: that a payment arrived and what it brought.

It is not a tax invoice and must not look like one: no GSTIN, no rate, no service code, no number of a series. The tax
invoice is a document of its own, with a number of its own.
"""

from collections.abc import Iterable
from decimal import Decimal

from django.db.models import Prefetch, QuerySet
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from clinics.models import Clinic
from credits.models import CreditGrant, TopUp
from credits.services.documents import Document
from credits.services.documents_statement import page_data, rupees
from credits.written import money


def paid_top_ups(clinic: Clinic) -> QuerySet[TopUp]:
    """What there are receipts of."""
    return TopUp.objects.filter(clinic=clinic, state=TopUp.State.PAID)


def receipt_documents(clinic: Clinic, top_ups: Iterable[TopUp]) -> list[Document]:
    """One for each of these paid top-ups of the clinic, read `with_movements`."""
    return [_receipt(clinic, top_up) for top_up in top_ups]


def with_movements(top_ups: QuerySet[TopUp]) -> QuerySet[TopUp]:
    own = CreditGrant.objects.filter(origin=None)
    return top_ups.prefetch_related(Prefetch("grants", own), "reversals")


def _receipt(clinic: Clinic, top_up: TopUp) -> Document:
    assert top_up.paid_at is not None  # the database says so: top_up_paid_iff_it_has_a_payment
    data = {
        **page_data(_("Payment receipt"), clinic),
        "remark": _("This is a payment receipt, not a tax invoice."),
        "footer": _("Receipt %(number)s") % {"number": top_up.receipt},
        "received_from": _("Received from"),
        "facts": [
            [_("Receipt"), top_up.receipt],
            [_("Top-up"), str(top_up.pk)],
            [_("Paid"), _("%(moment)s IST") % {"moment": _moment(top_up)}],
            [_("Payment"), top_up.razorpay_payment_id or ""],
            [_("Order"), top_up.razorpay_order_id or "–"],
        ],
        "tables": [_payment(top_up), _credits(top_up)],
        "notes": _notes(top_up),
    }
    return Document("receipt.typ", int(top_up.paid_at.timestamp()), data)


def _moment(top_up: TopUp) -> str:
    return date_format(localtime(top_up.paid_at), "DATETIME_FORMAT") if top_up.paid_at else ""


def _payment(top_up: TopUp) -> list[object]:
    lines = [
        [_("Clinic Credits, %(credits)s") % {"credits": money(top_up.price)}, rupees(money(top_up.price))]
    ]
    if top_up.tax:
        lines.append([_("Tax"), rupees(money(top_up.tax))])
    return [_("Payment"), lines, [_("Amount received"), rupees(money(top_up.gross))]]


def _credits(top_up: TopUp) -> list[object]:
    """What was credited, not what was promised: a promo bonus may have had no use left when it was paid."""
    came = top_up.grants.all()
    bonus = sum((grant.amount for grant in came if grant.kind == "bonus"), Decimal("0.00"))
    lines = [[_("Credits bought"), money(top_up.price)]]
    if bonus:
        lines.append([_("Bonus credits"), money(bonus)])
    return [_("Credits"), lines, [_("Credits in all"), money(top_up.price + bonus)]]


def _notes(top_up: TopUp) -> list[str]:
    lost = sum(loss.loss_paise for loss in top_up.reversals.all() if loss.state == "taken")
    notes = [_("1 credit is worth ₹1. Credits that were bought never expire.")]
    if lost:
        amount = rupees(money(Decimal(lost) / 100))
        notes.append(_("Of this payment %(amount)s went back to the payer since.") % {"amount": amount})
    return notes
