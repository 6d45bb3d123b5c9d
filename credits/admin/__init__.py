"""Money in the back office: `ledger`, `held` (who released leads), `sales` (top-ups, credit packages, rules),
`payments` (what the gateway told us), `reviews` (what finance decides about
them) and `closings` (closed days)."""

from credits.admin import closings, held, ledger, payments, reviews, sales

__all__ = ["closings", "held", "ledger", "payments", "reviews", "sales"]
