"""Who: users, clinics and their members, partners and tokens; and the tables every app writes to: the outbox, requests
that take two people, idempotency keys and the audit trail.

Nothing here points at leads or money; those point here.
"""

from clinics.models.clinics import Clinic, ClinicQuerySet, Membership
from clinics.models.errands import Errand, ErrandQuerySet
from clinics.models.idempotency import IDEMPOTENCY_KEY_MAX_LENGTH, IdempotencyKey
from clinics.models.invitations import Invitation
from clinics.models.jobs import ScheduledRun
from clinics.models.mails import OutgoingMail
from clinics.models.outbox import AlertPreference, Notice
from clinics.models.people import Language, LowercaseEmailField, User, UserManager
from clinics.models.programs import ApiToken, Partner, RequestRate, Scope
from clinics.models.requests import StaffRequest
from clinics.models.support import SupportRequest
from clinics.models.webhooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from clinics.trail import AuditEvent

__all__ = [
    "IDEMPOTENCY_KEY_MAX_LENGTH",
    "AlertPreference",
    "ApiToken",
    "AuditEvent",
    "Clinic",
    "ClinicQuerySet",
    "Errand",
    "ErrandQuerySet",
    "IdempotencyKey",
    "Invitation",
    "Language",
    "LowercaseEmailField",
    "Membership",
    "Notice",
    "OutgoingMail",
    "Partner",
    "RequestRate",
    "ScheduledRun",
    "Scope",
    "StaffRequest",
    "SupportRequest",
    "User",
    "UserManager",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
]
