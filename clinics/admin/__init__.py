"""Who, in the back office, by noun; and what every page there is made of: `base` (nothing is deleted or counted),
`reasons` and `history` (the audit trail), `asking` (forms for what takes two people)."""

from clinics.admin import clinics, programs, support, trail, users

__all__ = ["clinics", "programs", "support", "trail", "users"]
