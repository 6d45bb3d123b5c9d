"""`BillingService`: the one Python door to the ledger. What it may do is decided in `credits/sql/`."""

import logging
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from django.db import connection

from clinics import door
from credits.models import CreditAccount, CreditTransaction, Reversal

logger = logging.getLogger(__name__)

HIGHEST_PRICE: Final = Decimal(10) ** 10  # what numeric(12, 2) holds


class BillingError(Exception):
    """The ledger refused, and changed nothing. The subclass says why; the text is for staff, without personal data."""


class ClinicNotFound(BillingError):
    """There is no clinic, hence no account, with this id."""


class ClinicInactive(BillingError):
    """The clinic takes no enquiries."""


class InsufficientCredits(BillingError):
    """The balance does not reach."""


class LeadNotFound(BillingError):
    """This clinic has no such lead."""


class LeadCostMismatch(BillingError):
    """The cost named is not the lead's stored cost."""


class LeadNotChargeable(BillingError):
    """The lead is free, expired, never charged, or held for a reason other than too little credit."""


class KeyReused(BillingError):
    """An idempotency key (or top-up, or payment) came again with other facts."""


class InvalidAmount(BillingError):
    """Not a positive amount with at most two places."""


class TopUpNotFound(BillingError):
    """No such top-up of this clinic, or it is not in the state this needs."""


class TopUpPaidByAnother(BillingError):
    """The top-up was paid by another payment: at most one counts."""


class RefundExceedsCost(BillingError):
    """All refunds of a lead together never exceed its cost."""


class ReversalNotFound(BillingError):
    """Nothing was taken back under this key."""


class DisputeNotFound(BillingError):
    """There is no dispute with this id."""


class DisputeAlreadyDecided(BillingError):
    """It was approved, rejected or cancelled before."""


class SamePerson(BillingError):
    """Who filed, decided or asked for it can't be the one to decide it."""


class SecondPersonNeeded(BillingError):
    """It would bring what one member of staff refunded to one clinic today above the limit (rule 7)."""


class ReviewAlreadyDecided(BillingError):
    """Somebody was quicker: the lead does not wait for review any more."""


class PackageNotOffered(BillingError):
    """The clinic does not offer this package (any more)."""


class TooManyEnquiries(BillingError):
    """One address sends enquiries at flood level."""


REFUSALS: Final[dict[str, type[BillingError]]] = {
    "CC001": ClinicNotFound,
    "CC002": ClinicInactive,
    "CC003": InsufficientCredits,
    "CC004": LeadNotFound,
    "CC005": LeadCostMismatch,
    "CC006": LeadNotChargeable,
    "CC007": KeyReused,
    "CC008": InvalidAmount,
    "CC009": TopUpNotFound,
    "CC010": TopUpPaidByAnother,
    "CC011": RefundExceedsCost,
    "CC012": ReversalNotFound,
    "CC013": PackageNotOffered,
    "CC014": TooManyEnquiries,
    "CC015": DisputeAlreadyDecided,
    "CC017": SamePerson,
    "CC018": SecondPersonNeeded,
    "CC022": DisputeNotFound,
    "CC033": ReviewAlreadyDecided,
    "23505": KeyReused,  # PostgreSQL's own: one payment named for two clinics at the same moment
    "22003": InvalidAmount,  # PostgreSQL's own: more than numeric(12, 2) holds
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Enquiry:
    """One patient enquiry as the form or the API checked it: what `deliver_lead` stores.

    `phone` is E.164. `key` with `caller`, `route` and `body_hmac` makes it idempotent. `package_price` is a
    partner's; a package's own price wins. `hold_for_review` says that the honeypot was filled; `address_hmac`, of
    the browser's address, counts against the two limits of rule 9 (None: not counted).
    """

    clinic_id: int
    consent_notice_id: int
    phone: str
    name: str
    source: str
    contact_intent: str
    package_id: int | None = None
    treatment_id: int | None = None
    partner_id: int | None = None
    package_price: Decimal | None = None
    city: str = ""
    preferred_date: date | None = None
    is_minor: bool = False
    email: str = ""
    procedure_name: str = ""
    message: str = ""
    guardian_name: str = ""
    hold_for_review: bool = False
    address_hmac: bytes | None = None
    per_hour_limit: int = 0
    per_minute_limit: int = 0
    caller: str = ""
    route: str = ""
    key: str | None = None
    body_hmac: bytes = b""


ENQUIRY_ARGUMENTS: Final = tuple((field.name, f"p_{field.name}") for field in fields(Enquiry))


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of an enquiry."""

    lead_id: int
    delivery_state: str
    held_reason: str
    cost: Decimal


class BillingService:
    """Every movement of credits. Amounts are `Decimal` credits (1 credit = ₹1); each method is one transaction."""

    @staticmethod
    def get_clinic_credit_balance(clinic_id: int) -> Decimal:
        """The balance now, read live. Raises ClinicNotFound."""
        balance = CreditAccount.objects.filter(pk=clinic_id).values_list("balance", flat=True).first()
        if balance is None:
            raise ClinicNotFound(f"clinic {clinic_id} does not exist")
        return balance

    @staticmethod
    def deduct_credits_for_lead(clinic_id: int, lead_cost: Decimal, lead_id: int) -> CreditTransaction:
        """Delivers a held lead and returns its charge; a repeat returns the first.

        Raises LeadNotFound, LeadCostMismatch, LeadNotChargeable, InsufficientCredits.
        """
        transaction = _transaction(
            _call(
                "deduct_credits_for_lead", p_clinic_id=clinic_id, p_cost=_amount(lead_cost), p_lead_id=lead_id
            )
        )
        logger.info(f"Credit deduction: Clinic {clinic_id}, Amount {lead_cost}")
        return transaction

    @staticmethod
    def add_credits(
        clinic_id: int,
        amount: Decimal,
        description: str,
        *,
        top_up_id: int | None = None,
        payment_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> CreditTransaction:
        """Posts a `credit` row: paid credits with a top-up or payment id, goodwill without. Debts are settled and
        held leads released in the same transaction. A repeat returns the first row.

        Raises InvalidAmount, ClinicNotFound, TopUpNotFound, KeyReused.
        """
        return _transaction(
            _call(
                "add_credits",
                p_clinic_id=clinic_id,
                p_amount=_amount(amount),
                p_description=description,
                p_top_up_id=top_up_id,
                p_payment_id=payment_id,
                p_idempotency_key=idempotency_key,
            )
        )

    @staticmethod
    def calculate_lead_cost(package_price: Decimal | str | int | float) -> Decimal:
        """What a lead for a treatment of this price (₹) costs now, by the price list in force.

        Raises InvalidAmount on negative numbers, NaN, infinities, text, and more than the books can hold.
        """
        try:
            price = Decimal(str(package_price))
        except (InvalidOperation, ValueError) as problem:
            raise InvalidAmount("a price is a number") from problem
        if not price.is_finite() or not 0 <= price < HIGHEST_PRICE:
            raise InvalidAmount("a price lies between 0 and ₹1,000 crore")
        tier = _call("tier_for_price", p_price=price, p_at=_call("ledger_clock").ledger_clock)
        return Decimal(tier.credits)

    @staticmethod
    def deliver_lead(enquiry: Enquiry, *, without_account: bool = False) -> Delivery:
        """Stores an enquiry and charges, frees or holds it, in one call; a repeat under its key returns the first.

        `without_account` stores it as held «busy» (see `credits.services.delivery.deliver`).
        Raises ClinicInactive, ClinicNotFound, PackageNotOffered, KeyReused, TooManyEnquiries.
        """
        arguments = {argument: getattr(enquiry, name) for name, argument in ENQUIRY_ARGUMENTS}
        row = _call("deliver_lead", **arguments, p_without_account=without_account)
        if row.delivery_state == "delivered":
            logger.info(f"Credit deduction: Clinic {enquiry.clinic_id}, Amount {row.cost}")
        return Delivery(row.id, row.delivery_state, row.held_reason, row.cost)

    @staticmethod
    def release_leads(clinic_id: int, limit: int = 10_000) -> int:
        """Releases held leads of a clinic, oldest first, where the rules allow; returns how many left the queue."""
        return int(_call("release_leads", p_clinic_id=clinic_id, p_limit=limit).release_leads)

    @staticmethod
    def release_lead(lead_id: int, *, by: int | None = None) -> Delivery:
        """A person (`by`, a user's id, is kept) releases one held lead, of any age, also from review; the rules are
        checked anew. Returns the lead as it is now: it may still be held. Raises LeadNotFound.
        """
        row = _call("release_lead", p_lead_id=lead_id, p_by=by)
        return Delivery(row.id, row.delivery_state, row.held_reason, row.cost)

    @staticmethod
    def review_lead(lead_id: int, *, action: str, reason_code: str, by: int) -> Delivery:
        """Staff (`by`, a user's id) release or refuse a lead in review. Released it is decided anew and may still be
        held, for another reason. Raises LeadNotFound, ReviewAlreadyDecided, SamePerson (a member of the clinic).
        """
        row = _call("review_lead", p_lead_id=lead_id, p_action=action, p_reason_code=reason_code, p_by=by)
        return Delivery(row.id, row.delivery_state, row.held_reason, row.cost)

    @staticmethod
    def clinics_to_release() -> list[int]:
        """Ids of the clinics where `release_leads` would change something now."""
        return list(_call("clinics_to_release").clinics_to_release)

    @staticmethod
    def release_held_leads(clinic_id: int, limit: int, *, by: int) -> int:
        """A person releases held leads of any age but those in review, oldest first; returns how many left the
        queue, at most `limit` and the earlier ones of the same phones. Raises ClinicNotFound.
        """
        row = _call("release_held_leads", p_clinic_id=clinic_id, p_limit=limit, p_by=by)
        return int(row.release_held_leads)

    @staticmethod
    def refuse_lead(lead_id: int, *, by: int | None = None) -> Delivery:
        """A person (`by` is kept) refuses a lead held for review: it expires.

        Raises LeadNotFound, LeadNotChargeable.
        """
        row = _call("refuse_lead", p_lead_id=lead_id, p_by=by)
        if row.expired_reason != "refused":
            raise LeadNotChargeable(f"lead {lead_id} does not wait for review")
        return Delivery(row.id, row.delivery_state, row.held_reason, row.cost)

    @staticmethod
    def withdraw_lead(lead_id: int) -> Delivery:
        """The patient withdraws: contact erased, a held lead expires, a charge stays. Raises LeadNotFound."""
        row = _call("withdraw_lead", p_lead_id=lead_id)
        return Delivery(row.id, row.delivery_state, row.held_reason, row.cost)

    @staticmethod
    def expire_leads(clinic_id: int) -> int:
        """Expires a clinic's leads that were held for too long; returns how many."""
        return int(_call("expire_leads", p_clinic_id=clinic_id).expire_leads)

    @staticmethod
    def expire_grants(clinic_id: int) -> None:
        """Posts the expiries that are due at a clinic. Raises ClinicNotFound."""
        _call("expire_grants", p_clinic_id=clinic_id)

    @staticmethod
    def tell_of_expiring_credits(clinic_id: int | None = None) -> int:
        """Notices of credits that expire within 30 days, and again within 7, at one clinic or all of them; each fact
        once, however often it is called. Returns how many were written.
        """
        row = _call("tell_of_expiring_credits", p_clinic_id=clinic_id)
        return int(row.tell_of_expiring_credits)

    @staticmethod
    def approve_dispute(
        dispute_id: int, amount: Decimal, *, by: int, reason_code: str, notes: str
    ) -> CreditTransaction:
        """One member of staff (`by`, a user's id) decides that `amount` credits come back for a disputed lead: the
        refund, as grants of the kinds they came from, and the decision, in one.

        Raises DisputeNotFound, DisputeAlreadyDecided, SamePerson, SecondPersonNeeded, InvalidAmount,
        LeadNotChargeable, RefundExceedsCost.
        """
        dispute = _call(
            "approve_dispute",
            p_dispute_id=dispute_id,
            p_amount=_amount(amount),
            p_by=by,
            p_reason_code=reason_code,
            p_notes=notes,
        )
        return CreditTransaction.objects.get(pk=dispute.refund_transaction_id)

    @staticmethod
    def credit_top_up(top_up_id: int, payment_id: str, *, with_promo: bool = True) -> CreditTransaction:
        """A top-up is paid: its stored price and bonus are credited, exactly once; `with_promo` its promo bonus too.

        Raises TopUpNotFound, TopUpPaidByAnother, KeyReused.
        """
        return _transaction(
            _call("credit_top_up", p_top_up_id=top_up_id, p_payment_id=payment_id, p_with_promo=with_promo)
        )

    @staticmethod
    def take_back_top_up(
        top_up_id: int, key: str, loss_paise: int, *, only_unspent: bool = False
    ) -> Reversal:
        """The gateway took `loss_paise` of a paid top-up back: once per key; what is missing is owed.

        `only_unspent` is for refunds of our own: raises InsufficientCredits unless the purchase's own paid credits
        cover its share. Raises TopUpNotFound, KeyReused, InvalidAmount.
        """
        row = _call(
            "take_back_top_up",
            p_top_up_id=top_up_id,
            p_key=key,
            p_loss_paise=loss_paise,
            p_only_unspent=only_unspent,
        )
        return Reversal.objects.get(pk=row.id)

    @staticmethod
    def restore_reversal(key: str, *, release: bool = True) -> Reversal:
        """The loss under `key` did not happen after all; a repeat changes nothing. Held leads are released, unless
        the caller has more to take from the same purchase and releases them itself. Raises ReversalNotFound.
        """
        return Reversal.objects.get(pk=_call("restore_reversal", p_key=key, p_release=release).id)


def _call(function: str, /, **arguments: Any) -> Any:
    return door.call_or_refuse(function, REFUSALS, **arguments)


def _amount(value: Decimal) -> Decimal:
    """A finite Decimal; the database checks the rest. Raises InvalidAmount, also on float: money is never one."""
    if not isinstance(value, Decimal | int) or isinstance(value, bool) or not Decimal(value).is_finite():
        raise InvalidAmount("an amount is a finite Decimal")
    return Decimal(value)


def _transaction(row: Any) -> CreditTransaction:
    """The row as a stored object; `from_db` wants the values in the order of the model, not of the table."""
    names = [field.attname for field in CreditTransaction._meta.concrete_fields]
    return CreditTransaction.from_db(connection.alias, names, [getattr(row, name) for name in names])
