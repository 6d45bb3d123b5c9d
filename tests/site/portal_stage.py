"""A clinic with something of everything that its members can meet, and a neighbour, who must stay unseen.

What the tests of all portal pages share. Where a route holds an id, `Stage.path` knows whose.
"""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any, Final

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.utils import timezone
from PIL import Image

from billing_site.outbox.stop_links import token_of as stop_token
from clinics.models import (
    ApiToken,
    Clinic,
    Invitation,
    Membership,
    Notice,
    SupportRequest,
    User,
    WebhookAttempt,
    WebhookDelivery,
)
from clinics.services.invitations import token_of
from clinics.services.webhooks import add_endpoint
from credits.models import CreditTransaction, TopUp
from credits.services.ledger import BillingService
from disputes.evidence.previews import preview_of
from disputes.evidence.storage import preview_path_of
from disputes.models import Evidence, LeadDispute
from disputes.services import cases
from leads.models import ContactAttempt, Lead
from leads.public_views import receipt_token
from leads.services.status import change_status
from tests import factories

ROLES: Final = ("owner", "billing", "front_desk")
# Nothing of these may show up in anybody's page but the neighbour's own members'.
NEIGHBOUR: Final = {
    "clinic": "Nightingale Skin Clinic",
    "patient": "Zubeida Qureshi",
    "member": "Kamala Devanahalli",
    "phone": "+919812345678",
}
FOREIGN: Final = (*NEIGHBOUR.values(), "98123 45678", "9812345678", "kamala@nightingale.example")


@dataclass
class House:
    """One clinic, its people, and one of each thing that an address can name."""

    clinic: Clinic
    people: dict[str, User]
    leads: dict[str, Lead] = field(default_factory=dict)
    disputes: dict[str, LeadDispute] = field(default_factory=dict)
    ids: dict[str, Any] = field(default_factory=dict)

    @property
    def invitation(self) -> Invitation:
        return Invitation.objects.get(pk=self.ids["invitation_id"])


class Stage:
    """`house` is where the members work whose pages are looked at; `neighbour` is somebody else's clinic."""

    def __init__(self, *, leads: int = 3, patient: str = "Asha Patel") -> None:
        self.house = furnished("Sunrise Dental Care", "sunrise", leads=leads, patient=patient, phone=100)
        self.neighbour = neighbour()
        self.stranger = factories.UserFactory.create(full_name="Nobody Inparticular")
        self.former = factories.member_of(self.house.clinic, "owner", full_name="Gone Away")

    def person(self, who: str) -> User | None:
        """Somebody by the word that docs/portal.md uses; nobody signed in is None."""
        if who == "another clinic's owner":
            return self.neighbour.people["owner"]
        if who == "no clinic":
            return self.stranger
        if who == "signed out":
            return None
        return self.house.people[who.replace(" ", "_")]

    def path(self, route: str, house: House | None = None) -> str:
        """A route of the URLconf with ids of `house` in it. An unknown kind of id fails: name it in `ids_of`."""
        ids = (house or self.house).ids
        whole = whole_address(route, house or self.house)
        if whole:
            return whole

        def value(found: re.Match[str]) -> str:
            name = found[1]
            assert name in ids, (
                f"{route}: nobody knows what «{name}» could be; name one in tests/site/portal_stage.py"
            )
            return str(ids[name])

        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", value, route).strip("^$")


def furnished(name: str, slug: str, *, leads: int, patient: str, phone: int) -> House:
    """A clinic in which everything has happened. `leads` is how many of the plain kind lie on top."""
    clinic = factories.ClinicFactory.create(name=name, slug=slug, phone="+917926400100", gstin="")
    people = {
        role: factories.member_of(clinic, role, full_name=full_name, email=f"{role}@{slug}.example")
        for role, full_name in zip(ROLES, ("Meghna Bhatt", "Jignesh Modi", "Komal Solanki"), strict=True)
    }
    house = House(clinic, people)
    give_money(house)
    give_leads(house, leads, patient, phone)
    give_disputes(house)
    give_papers(house)
    house.ids |= ids_of(house)
    return house


def neighbour() -> House:
    clinic = factories.ClinicFactory.create(name=NEIGHBOUR["clinic"], slug="nightingale")
    owner = factories.member_of(
        clinic, "owner", full_name=NEIGHBOUR["member"], email="kamala@nightingale.example"
    )
    house = House(clinic, dict.fromkeys(ROLES, owner))
    house.ids["paid"] = factories.paid_top_up(clinic, 5000).pk
    facts: dict[str, Any] = {"name": NEIGHBOUR["patient"], "price": 7000}
    for word, pick in (("new", 0), ("asked", 1), ("rejected", 2), ("more", 3), ("spare", 4)):
        number = NEIGHBOUR["phone"] if not pick else f"+91981234567{pick - 1}"
        house.leads[word] = factories.deliver(clinic, number, **facts)
    house.leads["held"] = factories.deliver(clinic, "+919812345670", hold_for_review=True, **facts)
    ContactAttempt.objects.create(lead=house.leads["new"], kind="call", outcome="no_answer", made_by=owner)
    give_disputes(house)
    give_papers(house)
    house.ids |= ids_of(house)
    return house


def give_money(house: House) -> None:
    """Bought, given, corrected, taken back, and one purchase that nobody has paid for."""
    bought = factories.paid_top_up(house.clinic, 5000, bonus=500)
    factories.give_credits(house.clinic, 300)
    factories.adjust(house.clinic, "25.50")
    factories.adjust(house.clinic, "-10.01")
    BillingService.take_back_top_up(bought.pk, f"rfnd_{bought.pk}", 20_000)
    house.ids["paid"] = bought.pk
    house.ids["unpaid"] = factories.top_up(house.clinic, 1000).pk


def give_leads(house: House, count: int, patient: str, phone: int) -> None:
    clinic, owner = house.clinic, house.people["owner"]
    package = factories.PackageFactory.create(
        clinic=clinic, title="Teeth whitening", price=7000, treatment__name="Whitening"
    )
    for number, word in enumerate(
        ("contacted", "converted", "lost", "refunded", "asked", "rejected", "spare", "more")
    ):
        lead = factories.deliver(clinic, phone + number, 7000, name=patient, message="After six, please")
        house.leads[word] = lead
        if word in Lead.Status.values:
            ContactAttempt.objects.create(lead=lead, kind="call", outcome="no_answer", made_by=owner)
            change_status(lead=lead, status=Lead.Status(word), by=owner)
    house.leads["free"] = factories.deliver(clinic, phone, package_id=package.pk, name=patient)
    house.leads["held"] = factories.deliver(clinic, phone + 20, hold_for_review=True)
    gone = factories.deliver(clinic, phone + 21, hold_for_review=True)
    BillingService.refuse_lead(gone.pk)
    house.leads["expired"] = gone
    for number in range(count):
        house.leads["new"] = factories.deliver(
            clinic, phone + 30 + number, package_id=package.pk, name=patient
        )


def give_disputes(house: House) -> None:
    """One of each state, with a question, an appeal and a photo."""
    owner = house.people["owner"]
    staff = factories.UserFactory.create(is_staff=True, password=None)
    for word in ("new", "asked", "rejected", "refunded", "more"):
        if word in house.leads:
            house.disputes[word] = factories.dispute(house.leads[word], by=owner)
    cases.ask_clinic(dispute=house.disputes["asked"], text="On which days did you call?", by=staff)
    cases.reject(
        dispute=house.disputes["rejected"], reason_code="not_confirmed", notes="We reached them.", by=staff
    )
    if "refunded" in house.disputes:
        cases.approve(
            dispute=house.disputes["refunded"], amount=Decimal(180), reason_code="confirmed", by=staff,
            notes="We called it too.",
        )  # fmt: skip
    cases.cancel(dispute=house.disputes["more"], by=owner)
    give_a_photo(house.disputes["asked"], owner)


def give_a_photo(dispute: LeadDispute, by: User) -> None:
    picture = BytesIO()
    sheet = Image.new("RGB", (40, 30), "#0f766e")
    sheet.save(picture, "PNG")
    name = f"{dispute.pk:032x}.png"
    folder = settings.EVIDENCE_DIR
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(picture.getvalue())
    preview_path_of(name).write_bytes(preview_of(sheet))
    Evidence.objects.create(
        dispute=dispute, position=1, stored_name=name, original_name="calls.png", media_type="image/png",
        byte_size=len(picture.getvalue()), sha256="0" * 64, uploaded_by=by,
    )  # fmt: skip


def give_papers(house: House) -> None:
    """A program's token, an invitation, a request to staff."""
    clinic, owner = house.clinic, house.people["owner"]
    token, _ = ApiToken.objects.create(user=owner, name="Our CRM", clinic=clinic, scopes=["leads:read"])
    invited = Invitation.objects.create(
        clinic=clinic,
        email=f"new@{clinic.slug}.example",
        role="billing",
        invited_by=owner,
        expires_at=timezone.now() + timedelta(days=7),
    )
    SupportRequest.objects.create(clinic=clinic, kind="other", message="Please ring us.", made_by=owner)
    give_a_webhook(house)
    house.ids |= {"token_key": token.token_key, "invitation_id": invited.pk, "token_pk": token.pk}


def give_a_webhook(house: House, count: int = 2) -> None:
    """An endpoint that heard of the newest notices: one arrived, the others were given up."""
    clinic = house.clinic
    if "endpoint_id" not in house.ids:
        url = f"https://crm.{clinic.slug}.example/hook"
        made = add_endpoint(clinic=clinic, by=house.people["owner"], url=url, kinds=["lead_delivered"])
        house.ids["endpoint_id"] = made.endpoint.pk
    known = WebhookDelivery.objects.filter(endpoint=house.ids["endpoint_id"]).values("notice")
    notices = Notice.objects.filter(clinic=clinic).exclude(pk__in=known).newest_first()[:count]
    for number, notice in enumerate(notices):
        times = (
            {"done_at": timezone.now()}
            if not number
            else {"given_up_at": timezone.now(), "problem": "answered"}
        )
        delivery = WebhookDelivery.objects.create(
            endpoint_id=house.ids["endpoint_id"], notice=notice, lead_id=notice.data.get("lead_id"), **times
        )
        status = 500 if number else 200
        WebhookAttempt.objects.create(
            delivery=delivery, started_at=timezone.now(), milliseconds=120, status_code=status,
            problem="answered" if number else "",
        )  # fmt: skip


def ids_of(house: House) -> dict[str, Any]:
    """By the name of a route's part or of a form's field."""
    clinic = house.clinic
    member = Membership.objects.filter(clinic=clinic).order_by("pk").last()
    assert member
    top_up = TopUp.objects.filter(clinic=clinic).order_by("pk").last()
    assert top_up
    return {
        "lead_id": house.leads["new" if "spare" not in house.leads else "spare"].pk,
        "dispute_id": house.disputes["asked"].pk,
        "evidence_id": house.disputes["asked"].evidence.get().pk,
        "top_up_id": top_up.pk,
        "membership_id": member.pk,
        "member_id": member.pk,
        "transaction_id": CreditTransaction.objects.filter(clinic=clinic, transaction_type="credit")
        .earliest("pk")
        .pk,
        "attempt_id": ContactAttempt.objects.filter(lead__clinic=clinic).latest("pk").pk,
        "notice_id": Notice.objects.filter(clinic=clinic).latest("pk").pk,
        "token_id": house.ids["token_pk"],
        "slug": clinic.slug,
        "token": receipt_token(house.leads["spare"].pk),
        "language": "en",
        "month": f"{timezone.localdate():%Y-%m}",
        "clinic_id": clinic.pk,
    }


def whole_address(route: str, house: House) -> str:
    """Where a route takes more than its parts say; else empty."""
    ids = house.ids
    if route.startswith("accounts/"):
        return address_of_a_mail(route, house)
    if route == "mail/stop/<str:token>":
        return f"/mail/stop/{stop_token(house.people['owner'].memberships.get(), 'lead_held')}"
    now = timezone.now().isoformat().replace("+", "%2B")
    return {
        "clinic/disputes/<int:dispute_id>/appeal": f"/clinic/disputes/{house.disputes['rejected'].pk}/appeal",
        "payment-success": f"/payment-success?top_up={ids['top_up_id']}",
        "payment-failure": f"/payment-failure?top_up={ids['top_up_id']}",
        "clinic/credits/topups/<int:top_up_id>/receipt": f"/clinic/credits/topups/{ids['paid']}/receipt",
        "clinic/leads/news": f"/clinic/leads/news?clinic={house.clinic.pk}&since={now}&sequence=0",
    }.get(route, "")


def address_of_a_mail(route: str, house: House) -> str:
    """What stands in a mail that we sent to somebody of this house; else empty."""
    if "(?P<uidb36>" in route:
        owner = house.people["owner"]
        token = default_token_generator.make_token(owner)
        return f"/accounts/password/reset/key/{user_pk_to_url_str(owner)}-{token}/"
    if route.startswith("accounts/invitations/"):
        return f"/accounts/invitations/{token_of(house.invitation)}"
    return "/accounts/confirm-email/no-such-key/" if "confirm-email/(?P<key>" in route else ""


def grow(house: House, count: int) -> None:
    """`count` more of everything there can be many of."""
    clinic, owner = house.clinic, house.people["owner"]
    factories.give_credits(clinic, 100_000)
    for number in range(count):
        lead = factories.deliver(clinic, 500 + number, 7000, name="Ravi Kumar", message="In the morning")
        ContactAttempt.objects.create(lead=lead, kind="whatsapp", outcome="reached", made_by=owner)
        factories.deliver(clinic, 700 + number, hold_for_review=True)
        if number % 3 == 0:
            give_a_photo(factories.dispute(lead, by=owner), owner)
            factories.paid_top_up(clinic, 1000)
            member = factories.member_of(clinic, "front_desk", password=None)
            ApiToken.objects.create(
                user=owner, name=f"Program {number}", clinic=clinic, scopes=["leads:read"]
            )
            Invitation.objects.create(
                clinic=clinic, email=f"new{number}@{clinic.slug}.example", role="billing", invited_by=member,
                expires_at=timezone.now() + timedelta(days=7),
            )  # fmt: skip
    give_a_webhook(house, count)
