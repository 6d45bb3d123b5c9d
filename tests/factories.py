"""Rows for tests. Leads and credits are made by the product's own door, never by an INSERT."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import factory
from django.contrib.auth.models import Group
from factory.declarations import Sequence as Numbered
from factory.declarations import SubFactory

from clinics import requests
from clinics.models import Clinic, Membership, StaffRequest, User
from credits.models import TopUp
from credits.services.ledger import BillingService, Delivery, Enquiry
from disputes.models import LeadDispute
from disputes.services import cases
from leads.models import ConsentNotice, Lead, Treatment, TreatmentPackage


class UserFactory(factory.django.DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = Numbered(lambda number: f"person{number}@example.com")
    password = factory.django.Password("correct horse battery")


class ClinicFactory(factory.django.DjangoModelFactory[Clinic]):
    class Meta:
        model = Clinic

    name = Numbered(lambda number: f"Clinic {number}")
    slug = Numbered(lambda number: f"clinic-{number}")
    city = "Ahmedabad"
    state = "24"
    pincode = "380006"
    is_active = True


class TreatmentFactory(factory.django.DjangoModelFactory[Treatment]):
    class Meta:
        model = Treatment

    category = "Dental"
    name = Numbered(lambda number: f"Treatment {number}")


class PackageFactory(factory.django.DjangoModelFactory[TreatmentPackage]):
    class Meta:
        model = TreatmentPackage

    clinic = SubFactory(ClinicFactory)
    treatment = SubFactory(TreatmentFactory)
    title = "Teeth whitening"
    price = Decimal("7000.00")


def member_of(clinic: Clinic, role: str, **user_fields: Any) -> User:
    user = UserFactory.create(**user_fields)
    Membership.objects.create(user=user, clinic=clinic, role=role)
    return user


def give_credits(clinic: Clinic, amount: float | Decimal, **facts: Any) -> Any:
    return BillingService.add_credits(clinic.pk, Decimal(amount), "Given by a test", **facts)


def top_up(
    clinic: Clinic, price: float | Decimal, bonus: float | Decimal = 0, promo_bonus: float | Decimal = 0
) -> TopUp:
    """An unpaid top-up without tax."""
    return TopUp.objects.create(
        clinic=clinic,
        price=Decimal(price),
        gross=Decimal(price),
        bonus=Decimal(bonus),
        promo_bonus=Decimal(promo_bonus),
    )


def paid_top_up(clinic: Clinic, price: float | Decimal, bonus: float | Decimal = 0, **fields: Any) -> TopUp:
    purchase = top_up(clinic, price, bonus, **fields)
    BillingService.credit_top_up(purchase.pk, f"pay_{purchase.pk:014d}")
    purchase.refresh_from_db()
    return purchase


PHONES = [f"+9198765{number:05d}" for number in range(100_000)]


def enquiry(
    clinic: Clinic, phone: int | str = 0, price: float | Decimal | None = None, **fields: Any
) -> Enquiry:
    """An enquiry as the form hands it on; `phone` may be the number of one of PHONES."""
    notice = ConsentNotice.objects.order_by("-pk").values_list("pk", flat=True)[0]
    facts: dict[str, Any] = {
        "clinic_id": clinic.pk,
        "consent_notice_id": notice,
        "phone": PHONES[phone] if isinstance(phone, int) else phone,
        "name": "Asha Patel",
        "source": "web",
        "contact_intent": "call",
        "package_price": None if price is None else Decimal(price),
    }
    return Enquiry(**{**facts, **fields})


def deliver(
    clinic: Clinic, phone: int | str = 0, price: float | Decimal | None = None, **fields: Any
) -> Lead:
    """One enquiry, through the door; the lead as it stands afterwards."""
    delivery: Delivery = BillingService.deliver_lead(enquiry(clinic, phone, price, **fields))
    return Lead.objects.get(pk=delivery.lead_id)


def dispute(lead: Lead, dispute_type: str = "invalid_contact", by: User | None = None) -> LeadDispute:
    """A dispute as a member of the lead's clinic files it."""
    by = by or member_of(lead.clinic, "owner", password=None)
    return cases.file_dispute(
        clinic=lead.clinic, lead=lead, dispute_type=dispute_type, description="Wrong number", by=by
    )


def refund(lead: Lead, amount: float | str | Decimal) -> LeadDispute:
    """Credits back for a lead as the product gives them: a dispute, or an appeal where one was decided; approved by
    somebody new each time, whose daily limit is fresh."""
    decided = LeadDispute.objects.filter(
        lead=lead, appeal_of=None, status__in=["approved", "rejected"]
    ).first()
    by = member_of(lead.clinic, "owner", password=None)
    case = (
        cases.appeal(dispute=decided, description="Still wrong", by=by) if decided else dispute(lead, by=by)
    )
    return cases.approve(
        dispute=case,
        amount=Decimal(amount),
        reason_code="confirmed",
        notes="We called it too.",
        by=UserFactory.create(is_staff=True, password=None),
    )


def staff_of(*groups: str) -> User:
    """A member of staff in these groups."""
    user = UserFactory.create(is_staff=True, password=None)
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def adjust(clinic: Clinic, amount: str) -> StaffRequest:
    """Credits given or taken by hand as the product does it: one member of staff asks, another approves."""
    one, another = staff_of("finance"), staff_of("finance")
    request = requests.ask(
        kind=StaffRequest.Kind.ADJUSTMENT,
        object_key=f"clinic:{clinic.pk}",
        details={"amount": amount, "description": "Adjusted by a test"},
        shown=[("Balance", "", amount)],
        reason_code=StaffRequest.Reason.GOODWILL,
        reason="A test",
        by=one,
        clinic=clinic,
    )
    return requests.approve(request=request, by=another)


def deliver_many(clinic: Clinic, phones: Sequence[int], price: float | None = None) -> list[Lead]:
    return [deliver(clinic, phone, price) for phone in phones]
