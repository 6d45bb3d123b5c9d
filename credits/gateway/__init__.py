"""Razorpay, as the rest of the product sees it: one object for the calls, one error tree, two checks.

The only package that imports razorpay. It has no database and no state; amounts here are `int` paise.
"""

from .client import Gateway, JsonObject
from .config import (
    GatewayConfig,
    GatewayMisconfigured,
    checkout_problems,
    config_from_settings,
    configuration_problems,
    is_razorpay,
)
from .errors import (
    GatewayAnswerUnknown,
    GatewayCallInsideTransaction,
    GatewayError,
    GatewayNotReached,
    GatewayRateLimited,
    GatewayRefused,
    GatewayUnauthorised,
    InvalidGatewayValue,
)
from .signatures import payment_signature_is_valid, webhook_signature_is_valid
from .values import is_gateway_id

__all__ = [
    "Gateway",
    "GatewayAnswerUnknown",
    "GatewayCallInsideTransaction",
    "GatewayConfig",
    "GatewayError",
    "GatewayMisconfigured",
    "GatewayNotReached",
    "GatewayRateLimited",
    "GatewayRefused",
    "GatewayUnauthorised",
    "InvalidGatewayValue",
    "JsonObject",
    "checkout_problems",
    "config_from_settings",
    "configuration_problems",
    "is_gateway_id",
    "is_razorpay",
    "payment_signature_is_valid",
    "webhook_signature_is_valid",
]
