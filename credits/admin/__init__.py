"""Money in the back office: `ledger`, `sales` (top-ups, credit packages, rules), `payments` (what the gateway told
us) and `reviews` (what finance decides about them)."""

from credits.admin import ledger, payments, reviews, sales

__all__ = ["ledger", "payments", "reviews", "sales"]
