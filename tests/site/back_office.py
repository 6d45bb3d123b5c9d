"""What the tests of the back office share: the table of rights, people of each group, and rows of every model."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import Model
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone
from psycopg.types.json import Jsonb

from clinics import door
from clinics.models import (
    ApiToken,
    Clinic,
    IdempotencyKey,
    Invitation,
    Notice,
    OutgoingMail,
    Partner,
    ScheduledRun,
    SupportRequest,
    User,
    WebhookAttempt,
    WebhookDelivery,
)
from clinics.services.webhooks import add_endpoint
from clinics.sign_in import SECOND_FACTOR_SALT
from clinics.stored_secrets import encrypted
from credits.models import (
    DayClosing,
    GatewayDispute,
    GatewayEvent,
    GatewayPayment,
    GatewayRefund,
    PromoCode,
    PromoUse,
    ReviewItem,
    TopUp,
)
from credits.services import seals
from credits.services.ledger import BillingService
from disputes.models import Evidence
from leads.models import ContactAttempt, ContactView, Lead, LeadStatusChange
from tests import factories
from tests.site import requesting

TABLE: Final = Path(__file__).parents[2] / "docs" / "staff_rights.md"
GROUPS: Final = ("support", "resolver", "finance", "auditor", "user admin")
FIGURES: Final = {
    "unspent": {kind: ["0.00"] * 4 for kind in ("paid", "bonus", "goodwill")},
    "movements": {},
    "payments": {"credited": [0, "0.00"], "captured": [0, "0.00"]},
    "waiting": {"review_items": 0, "held_leads": 0, "owed": "0.00"},
    "reconciliation": {},
    "checks": [],
}
PATIENT: Final = {
    "name": "Zubeida Qureshi",
    "email": "zubeida@patient.example",
    "message": "Please ring after the wedding",
    "guardian_name": "Farhan Qureshi",
    "procedure_name": "Rhinoplasty for my daughter",
}
WHY: Final = "The clinic asked for it"
TOTP_SECRET: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PATIENT_PHONE: Final = "+919876500000"
# How a patient could show up in a page: any of these would be a leak.
TRACES: Final = ("Zubeida", "Qureshi", "patient.example", "wedding", "Rhinoplasty", "9876500", "98765 00")


def table_of_rights() -> dict[str, dict[str, frozenset[str]]]:
    """Model → column → rights, as docs/staff_rights.md says."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {
        row[0]: {
            column: frozenset(re.findall(r"[a-z_]+", cell))
            for column, cell in zip(head[1:], row[1:], strict=True)
        }
        for row in rows
    }


def registered() -> dict[str, type[Model]]:
    return {model._meta.label_lower: model for model in admin.site._registry}


def person(who: str, **facts: Any) -> User:
    """A member of staff: of a group, «superuser», or «nobody» without any right."""
    user = factories.UserFactory.create(is_staff=True, is_superuser=who == "superuser", **facts)
    if who in GROUPS:
        user.groups.add(Group.objects.get(name=who))
    return user


def signed_in(who: str) -> Client:
    client = Client()
    sign_in(client, person(who))
    return client


def sign_in(client: Client, user: User, *, minutes_ago: float = 0, with_code: bool = False) -> None:
    """As on the sign-in page: with a password, and if asked for with a code of an app that the user then has.

    `force_login` alone records no proof: to whatever asks «is it still you?» such a session is an old one.
    """
    client.force_login(user)
    request = HttpRequest()
    request.session = client.session
    record_authentication(request, user, method="password")
    if with_code:
        factor, _ = Authenticator.objects.get_or_create(
            user=user,
            type="totp",
            defaults={"data": {"secret": encrypted(TOTP_SECRET, salt=SECOND_FACTOR_SALT)}},
        )
        record_authentication(request, user, method="mfa", id=factor.pk, type="totp")
    grow_old(request.session, minutes_ago)


def grow_old(session: SessionBase, minutes: float) -> None:
    """So many minutes go by since the session's last proof."""
    for record in session[AUTHENTICATION_METHODS_SESSION_KEY]:
        record["at"] -= minutes * 60
    session.save()


def page(model: str, name: str, *args: Any) -> str:
    """The address of a page of the back office, written out: a renamed route must fail."""
    app, name_of_model = model.split(".")
    return "/".join(["/admin", app, name_of_model, *map(str, args), *([name] if name else []), ""])


def make_rows(count: int) -> None:
    """`count` rows of every model that has pages here (groups and rules are there already)."""
    for number in range(count):
        _rows_of_one_clinic(number)


def _rows_of_one_clinic(number: int) -> None:
    clinic = factories.ClinicFactory.create()
    member = factories.member_of(clinic, "owner", password=None)
    purchase = factories.paid_top_up(clinic, 5000, 500)
    lead = factories.deliver(clinic, PATIENT_PHONE, price=7000, **PATIENT)
    disputed = factories.refund(lead, 10)
    Evidence.objects.create(
        dispute=disputed, position=1, stored_name=f"{disputed.pk:032x}.png", original_name="calls.png",
        media_type="image/png", byte_size=2_000, sha256="0" * 64, uploaded_by=member,
    )  # fmt: skip
    BillingService.take_back_top_up(purchase.pk, f"rfnd_{purchase.pk}", 10_000)
    factories.PackageFactory.create(clinic=clinic)
    partner = Partner.objects.create(
        name=f"Partner {clinic.pk}",
        slug=f"partner-{clinic.pk}",
        service_user=factories.UserFactory.create(password=None),
    )
    happenings(lead, member, 1)
    token, _ = ApiToken.objects.create(user=member, name="CRM", clinic=clinic, scopes=["leads:read"])
    ApiToken.objects.create(user=partner.service_user, name="Intake", partner=partner, scopes=["leads:write"])
    Invitation.objects.create(
        clinic=clinic, email=f"new{clinic.pk}@care.example", role="billing", invited_by=member,
        expires_at=timezone.now() + timedelta(days=7),
    )  # fmt: skip
    SupportRequest.objects.create(clinic=clinic, kind="refund", message="Our money, please", made_by=member)
    IdempotencyKey.objects.create(
        caller=f"token:{token.token_key}", route="contact", key=f"key-{number}", body_hmac=b"0" * 32
    )
    payment_facts(purchase, number)
    OutgoingMail.objects.create(
        clinic=clinic,
        kind="patient_waiting",
        unique_key=f"patient_waiting:{lead.pk}",
        data={"lead_id": lead.pk},
    )
    endpoint = add_endpoint(
        clinic=clinic, by=member, url="https://crm.example/hook", kinds=["lead_delivered"]
    )
    WebhookAttempt.objects.create(
        delivery=WebhookDelivery.objects.create(
            endpoint=endpoint.endpoint,
            notice=Notice.objects.filter(clinic=clinic).latest("pk"),
            lead_id=lead.pk,
        ),
        started_at=timezone.now(),
        milliseconds=80,
        problem="timed_out",
    )
    ScheduledRun.objects.get_or_create(name="release_leads")
    day = timezone.localdate() - timedelta(days=400 - DayClosing.objects.count())
    closing = seals.open_closing(day)
    seals.seal(closing)
    door.call("finish_closing", p_day=day, p_figures=Jsonb(FIGURES), p_unexplained=Jsonb([]), p_by=None)
    requesting.ask(requesting.Kind.ADJUSTMENT, clinic=clinic)
    requesting.ask(requesting.Kind.STAFF_RIGHTS, user=member)
    held = factories.deliver(clinic, 1, hold_for_review=True)
    BillingService.release_lead(held.pk, by=member.pk)
    held.refresh_from_db()
    requesting.refund_request(held)


def payment_facts(purchase: TopUp, number: int) -> ReviewItem:
    """What the gateway told us of a purchase, the promo code it used, and a matter for finance."""
    payment = GatewayPayment.objects.create(
        payment_id=str(purchase.razorpay_payment_id), order_id=f"order_{purchase.pk:014d}", top_up=purchase,
        status="captured", captured=True, amount_paise=purchase.gross_paise, currency="INR", first_source="webhook",
    )  # fmt: skip
    GatewayRefund.objects.create(
        refund_id=f"rfnd_{purchase.pk:014d}", payment=payment, amount_paise=10_000, status="processed"
    )
    GatewayDispute.objects.create(
        dispute_id=f"disp_{purchase.pk:014d}",
        payment=payment,
        amount_paise=9_000,
        phase="chargeback",
        status="open",
    )
    code = PromoCode.objects.create(code=f"CODE{purchase.pk:04d}", percent=10)
    PromoUse.objects.create(promo_code=code, top_up=purchase, reserved_until=timezone.now())
    body = {"event": "payment.captured", "payload": {"payment": {"entity": {"email": PATIENT["email"]}}}}
    GatewayEvent.objects.create(
        event_id=f"event-{purchase.pk}-{number}", event="payment.captured", raw=json.dumps(body).encode()
    )
    return ReviewItem.objects.create(
        key=f"amount:{payment.payment_id}", kind="amount", top_up=purchase, payment=payment,
        facts={"amount_paise": 100, "expected_paise": purchase.gross_paise, "currency": "INR"},
    )  # fmt: skip


def happenings(lead: Lead, member: User, count: int) -> None:
    today = timezone.localdate()
    for number in range(count):
        LeadStatusChange.objects.create(
            lead=lead, from_status="new", to_status="contacted", changed_by=member
        )
        ContactAttempt.objects.create(lead=lead, kind="call", outcome="no_answer", made_by=member)
        ContactView.objects.create(lead=lead, viewer=member, seen_on=today - timedelta(days=number))


# Whose requests somebody sees who does not see all.
KIND_SEEN_BY: Final = {"resolver": "dispute_refund", "user admin": "staff_rights"}


def first_of(model: str, who: str = "superuser") -> Any:
    """The key of a row to open that `who` may see; of users, one who is neither staff nor superuser."""
    rows = apps.get_model(model)._default_manager.order_by("pk")
    if model == "clinics.user":
        rows = rows.filter(is_staff=False)
    if model == "clinics.staffrequest" and who in KIND_SEEN_BY:
        rows = rows.filter(kind=KIND_SEEN_BY[who])
    return rows.values_list("pk", flat=True)[0]


def form_data(response: Any) -> dict[str, str]:
    """What a browser would send back from a page's form, unchanged."""
    data: dict[str, str] = {}
    forms = [response.context["adminform"].form]
    for inline in response.context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    for form in forms:
        for field in form:
            value = field.value()
            if isinstance(value, list) and field.name == "groups":
                data[field.html_name] = value  # type: ignore[assignment]
            elif value is not None and value is not False:
                data[field.html_name] = "on" if value is True else field.field.prepare_value(value)
            if field.name == "audit_reason":
                data[field.html_name] = WHY
    return data


def clinic_without_owner() -> Clinic:
    return factories.ClinicFactory.create(is_active=False)
