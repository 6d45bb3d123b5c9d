"""Money, by noun: `ledger`, `held` (who released leads), `topups`, `gateway` (what was paid), `rules` (switches),
`seals` (closed days)."""

from credits.models.gateway import (
    GatewayDispute,
    GatewayEvent,
    GatewayPayment,
    GatewayRefund,
    PromoCode,
    PromoUse,
    ReviewItem,
)
from credits.models.held import HeldLeadDecision
from credits.models.ledger import CreditAccount, CreditGrant, CreditTransaction, GrantConsumption, Reversal
from credits.models.rules import BillingRules
from credits.models.seals import DayClosing, DaySeal
from credits.models.topups import CreditPackage, TopUp

__all__ = [
    "BillingRules",
    "CreditAccount",
    "CreditGrant",
    "CreditPackage",
    "CreditTransaction",
    "DayClosing",
    "DaySeal",
    "GatewayDispute",
    "GatewayEvent",
    "GatewayPayment",
    "GatewayRefund",
    "GrantConsumption",
    "HeldLeadDecision",
    "PromoCode",
    "PromoUse",
    "Reversal",
    "ReviewItem",
    "TopUp",
]
