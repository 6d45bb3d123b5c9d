"""What people do with clinics: their profile, members and invitations, tokens, devices, and requests to staff."""

from clinics.services.people import (
    AddressNotUsable,
    InvitationRefused,
    UserIsDeactivated,
    UserIsStaff,
    forget_other_addresses,
    has_active_owner,
    invite_owner,
)
from clinics.services.tokens import revoke_tokens

__all__ = [
    "AddressNotUsable",
    "InvitationRefused",
    "UserIsDeactivated",
    "UserIsStaff",
    "forget_other_addresses",
    "has_active_owner",
    "invite_owner",
    "revoke_tokens",
]
