"""Money in the back office: `ledger`, `held` (who released leads), `sales` (top-ups, credit packages, rules),
`payments` (what the gateway told us) and `reviews` (what finance decides about them)."""

from credits.admin import held, ledger, payments, reviews, sales

__all__ = ["held", "ledger", "payments", "reviews", "sales"]
