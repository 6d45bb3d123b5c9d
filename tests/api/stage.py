"""A clinic with something in every drawer, and everybody who may come by program: for tests of all routes at once."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.test import Client
from django.utils import timezone

from clinics.models import ApiToken, Clinic, Partner, Scope, User
from credits.models import TopUp
from disputes.models import Evidence, LeadDispute
from disputes.services import cases, filing
from leads.models import ContactAttempt, Lead
from leads.services.attempts import record_attempt
from tests import factories
from tests.disputes.portal import photo


@dataclass
class Stage:
    clinic: Clinic
    other: Clinic
    owner: User
    partner: Partner
    lead: Lead  # delivered, the partner's own
    disputable: Lead
    dispute: LeadDispute  # pending, with a file
    decided: LeadDispute  # rejected: can be appealed
    top_up: TopUp
    attempt: ContactAttempt  # to reach `lead`; how it went was not said
    callback: dict[str, str] = field(
        default_factory=dict
    )  # what the browser says after paying, where somebody paid

    @property
    def evidence_id(self) -> int:
        return Evidence.objects.filter(dispute=self.dispute).values_list("pk", flat=True).first() or 1

    def path(self, route: str) -> str:
        """A described path with ids of this clinic in it."""
        lead = self.disputable if "create" in route else self.lead
        dispute = self.decided if "appeal" in route else self.dispute
        ids = {"lead_id": lead.pk, "dispute_id": dispute.pk, "evidence_id": self.evidence_id}
        ids["attempt_id"] = self.attempt.pk
        for name, value in ids.items():
            route = route.replace(f"{{{name}}}", str(value))
        return route

    def body(self, name: str) -> dict[str, Any]:
        """What an operation takes, right for this stage."""
        return {
            "contact_clinic": enquiry(self.clinic),
            "lead_batch": {"leads": [enquiry(self.clinic, idempotency_key="one")]},
            "update_lead_status": {"lead_id": self.lead.pk, "status": "contacted"},
            "record_attempt": {"kind": "call"},
            "attempt_outcome": {"outcome": "no_answer"},
            "start_top_up": {"amount": 1000},
            "create_razorpay_order": {"amount": 1000},
            "verify_payment": {
                "razorpay_payment_id": "pay_00000000000001",
                "razorpay_order_id": "order_00000000000001",
                "razorpay_signature": "0" * 64,
                **self.callback,
            },
            "file_dispute": {"dispute_type": "spam", "description": "They sell insurance to us."},
            "answer_dispute": {"answer": "We called three times, in vain."},
            "appeal_dispute": {"description": "The number was never right."},
            "resolve_dispute": {
                "action": "reject",
                "reason_code": "not_confirmed",
                "admin_notes": "It rang.",
            },
        }.get(name, {})


def enquiry(clinic: Clinic, number: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "clinic_id": clinic.pk,
        "patient_name": "Meera Rao",
        "mobile_number": f"98111{number:05d}",
        "consent_given": True,
        **changes,
    }


def partner(name: str = "Health Portal", **fields: Any) -> Partner:
    user = factories.UserFactory.create(password=None)
    return Partner.objects.create(name=name, slug=name.lower().replace(" ", "-"), service_user=user, **fields)


def token_of(holder: Clinic | Partner, *scopes: str, user: User | None = None, **fields: Any) -> str:
    """A new token, as it is shown once."""
    if isinstance(holder, Partner):
        whose: dict[str, Any] = {"partner": holder, "user": user or holder.service_user}
    else:
        whose = {"clinic": holder, "user": user or factories.member_of(holder, "owner", password=None)}
    _, secret = ApiToken.objects.create(name="program", scopes=list(scopes), **whose, **fields)
    return str(secret)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def expired_token(holder: Clinic | Partner, *scopes: str) -> str:
    return token_of(holder, *scopes, expiry=timedelta(seconds=-1))


def revoke(token: str) -> None:
    ApiToken.objects.filter(token_key=token[:15]).update(revoked_at=timezone.now())


def set_stage(clinic: Clinic, other: Clinic, *, with_file: bool = True) -> Stage:
    """`clinic` has credits. A file takes half a second to be cleaned, and a folder: the fixture `evidence_folder`."""
    owner = factories.member_of(clinic, "owner", password=None)
    ours = partner()
    factories.PackageFactory.create(clinic=clinic)
    lead = factories.deliver(clinic, 1, name="Zubeida Sharma", partner_id=ours.pk, source=ours.slug)
    disputable, disputed, rejected = factories.deliver_many(clinic, [2, 3, 4])
    sent = filing.Sent(clinic, owner, [photo("seen.jpg")] if with_file else [])
    said = "They wanted something else."
    dispute = filing.file_dispute(sent=sent, lead=disputed, dispute_type="spam", description=said)
    decided = factories.dispute(rejected, by=owner)
    cases.reject(
        dispute=decided,
        reason_code="not_confirmed",
        notes="The number rang.",
        by=factories.UserFactory.create(is_staff=True, password=None),
    )
    decided.refresh_from_db()
    top_up = factories.top_up(clinic, Decimal(1000))
    attempt = record_attempt(lead=lead, kind=ContactAttempt.Kind.CALL, by=owner)
    return Stage(clinic, other, owner, ours, lead, disputable, dispute, decided, top_up, attempt)


def signed_in(user: User) -> tuple[dict[str, str], dict[str, str]]:
    """The headers and cookies of a browser's script: session and CSRF token."""
    client = Client()
    client.force_login(user)
    session = client.cookies["sessionid"].value
    secret = "a" * 32
    return {"x-csrftoken": secret}, {"sessionid": session, "csrftoken": secret}


ALL_SCOPES = tuple(Scope.values)
