"""`manage.py seed_demo`: two clinics with patients, people and credits to try the product with.

Every lead and every credit comes through `BillingService`, so the demo's books are real books.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import environ
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from clinics.models import Clinic, Membership, User
from credits.services.ledger import BillingService, Enquiry
from disputes.models import DisputeType, LeadDispute
from disputes.services import cases
from leads.models import ContactAttempt, Lead, Treatment, TreatmentPackage
from leads.services.intake import current_notice
from leads.services.status import change_status

OWNER: Final = "owner"
PASSWORD: Final = "demo12345!"  # noqa: S105 - public on purpose; refused outside DEBUG


@dataclass(frozen=True, slots=True)
class Person:
    """A sign-in; `role` is a membership's for a clinic's people, a group's for staff."""

    email: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Offer:
    category: str
    treatment: str
    price: int


@dataclass(frozen=True, slots=True)
class Case:
    """What the clinic says against a lead, and how far staff have come with it."""

    reason: DisputeType
    text: str
    ending: str = "pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One enquiry. `offer` counts the clinic's offers; `status` is what the clinic made of the lead."""

    name: str
    phone: str
    offer: int | None
    message: str = ""
    city: str = ""
    procedure: str = ""
    intent: str = "call"
    source: str = "web"
    guardian: str = ""
    status: str = "new"
    suspicious: bool = False
    ending: str = ""
    dispute: Case | None = None


@dataclass(frozen=True, slots=True)
class DemoClinic:
    facts: dict[str, Any]
    people: Sequence[Person]
    offers: Sequence[Offer]
    credits: int
    patients: Sequence[Patient]


STAFF: Final = (
    Person("resolver@staff.example", "Ritu Malhotra", "resolver"),
    Person("finance@staff.example", "Arjun Rao", "finance"),
    Person("finance2@staff.example", "Leela Thomas", "finance"),
    Person("auditor@staff.example", "Naveen Iyer", "auditor"),
    Person("support@staff.example", "Pooja Kulkarni", "support"),
    Person("admin@staff.example", "Ananya Sen", "superuser"),
)
HOURS: Final = dict.fromkeys(
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"), "10 AM to 1 PM, 4 to 8 PM"
) | {"Sunday": "Closed"}

SUNRISE: Final = DemoClinic(
    facts={
        "slug": "sunrise",
        "name": "Sunrise Dental Care",
        "address": "2nd floor, Harmony Complex, opposite the municipal garden, Navrangpura",
        "city": "Ahmedabad",
        "state": "24",
        "pincode": "380009",
        "phone": "+917926400100",
        "email": "hello@sunrise.example",
        "website_url": "https://sunrise.example",
        "specialties": ["Dentist", "Orthodontist", "Dental implants"],
        "operating_hours": HOURS,
        "google_rating": Decimal("4.8"),
        "google_review_count": 212,
    },
    people=(
        Person("owner@sunrise.example", "Dr Meghna Bhatt", Membership.Role.OWNER),
        Person("billing@sunrise.example", "Jignesh Modi", Membership.Role.BILLING),
        Person("desk@sunrise.example", "Komal Solanki", Membership.Role.FRONT_DESK),
    ),
    offers=(  # one in every pricing tier
        Offer("General Dentistry", "Cleaning and polishing", 1_500),
        Offer("Cosmetic Dentistry", "Teeth whitening", 7_500),
        Offer("General Dentistry", "Root canal with crown", 12_000),
        Offer("Cosmetic Dentistry", "Single dental implant", 35_000),
        Offer("Cosmetic Dentistry", "Clear aligners", 85_000),
        Offer("Cosmetic Dentistry", "Full mouth rehabilitation", 250_000),
    ),
    credits=5_000,
    patients=(
        Patient(name="Asha Patel", phone="+919876540101", offer=0, city="Ahmedabad", status="converted"),
        Patient(
            name="Rohan Mehta", phone="+919876540102", offer=2, message="Pain for a week.", status="contacted"
        ),
        Patient(name="Priya Shah", phone="+919876540103", offer=1, intent="whatsapp", status="converted"),
        Patient(name="Imran Shaikh", phone="+919876540104", offer=3, city="Gandhinagar", status="contacted"),
        Patient(
            name="Kavita Joshi", phone="+919876540105", offer=4, message="Is EMI possible?", intent="chat"
        ),
        Patient(name="Asha Patel", phone="+919876540101", offer=1, message="Whitening as well, please."),
        Patient(name="Vikram Desai", phone="+919876540106", offer=5, source="google", status="contacted"),
        Patient(
            name="Neha Trivedi",
            phone="+919876540107",
            offer=0,
            status="lost",
            dispute=Case(
                DisputeType.INVALID_CONTACT, "Rang four times on two days. The number is out of service."
            ),
        ),
        Patient(
            name="Sanjay Parmar",
            phone="+919876540108",
            offer=3,
            message="After 6 PM only.",
            intent="whatsapp",
        ),
        Patient(name="Diya Nair", phone="+919876540109", offer=2, guardian="Suresh Nair", city="Ahmedabad"),
        Patient(
            name="Farhan Pathan",
            phone="+919876540110",
            offer=1,
            source="google",
            status="lost",
            dispute=Case(DisputeType.OUTSIDE_AREA, "Lives in Surat and cannot come to us.", "approved"),
        ),
        Patient(
            name="Harsh Vyas",
            phone="+919876540111",
            offer=None,
            procedure="Wisdom tooth",
            intent="inquiry",
            dispute=Case(DisputeType.WRONG_TREATMENT, "Wanted an eye doctor. We are dentists.", "asked"),
        ),
        Patient(name="Deepa Rana", phone="+919876540112", offer=0, message="Two adults, one visit."),
        Patient(
            name="Rank First Today",
            phone="+919876540113",
            offer=0,
            message="We sell clicks.",
            suspicious=True,
        ),
        Patient(name="Qwerty Asdf", phone="+919876540114", offer=5, suspicious=True, ending="refused"),
    ),
)
LOTUS: Final = DemoClinic(
    facts={
        "slug": "lotus",
        "name": "Lotus Skin and Hair Clinic",
        "address": "14 Ashok Path, near the old post office, C-Scheme",
        "city": "Jaipur",
        "state": "08",
        "pincode": "302001",
        "phone": "+911412360100",
        "email": "hello@lotus.example",
        "website_url": "https://lotus.example",
        "specialties": ["Dermatologist", "Laser hair removal", "Hair transplant"],
        "operating_hours": HOURS,
        "google_rating": Decimal("4.6"),
        "google_review_count": 148,
    },
    people=(Person("owner@lotus.example", "Dr Kiran Rathore", Membership.Role.OWNER),),
    offers=(
        Offer("Skin", "Chemical peel", 3_500),
        Offer("Skin", "Laser hair removal, underarms", 6_500),
        Offer("Hair", "Platelet-rich plasma for hair", 15_000),
        Offer("Skin", "Acne scar programme", 40_000),
        Offer("Hair", "Hair transplant, 2,000 grafts", 75_000),
        Offer("Body", "Liposuction, two areas", 150_000),
    ),
    credits=1_800,
    patients=(
        Patient(name="Sunita Meena", phone="+919876550101", offer=0, city="Jaipur", status="converted"),
        Patient(name="Aditya Singh", phone="+919876550102", offer=2, message="Hairline.", status="contacted"),
        Patient(name="Ritika Jain", phone="+919876550103", offer=1, intent="whatsapp", status="converted"),
        Patient(name="Mohammed Ali", phone="+919876550104", offer=3, source="google", status="contacted"),
        Patient(
            name="Geeta Sharma",
            phone="+919876550105",
            offer=0,
            status="lost",
            dispute=Case(DisputeType.SPAM, "Only wanted to sell us something.", "rejected"),
        ),
        Patient(name="Ritika Jain", phone="+919876550103", offer=0, message="A peel before the wedding."),
        Patient(name="Tanvi Agarwal", phone="+919876550106", offer=1, message="How many sessions?"),
        Patient(name="Yash Choudhary", phone="+919876550107", offer=2, intent="chat", status="contacted"),
        Patient(name="Pallavi Gupta", phone="+919876550108", offer=0, city="Ajmer"),
        Patient(name="Nikhil Bansal", phone="+919876550109", offer=5, message="Please call on Sunday."),
        Patient(name="Rajesh Saini", phone="+919876550110", offer=4, intent="whatsapp", source="google"),
        Patient(name="Rajesh Saini", phone="+919876550110", offer=4, message="Still waiting for a call."),
        Patient(name="Bhavna Kothari", phone="+919876550111", offer=5, ending="withdrawn"),
    ),
)


class Command(BaseCommand):
    help = "Fills an empty database with two demo clinics and their sign-ins. Only with DEBUG on."
    requires_system_checks = ()  # the first question is whether DEBUG is on

    def handle(self, *args: Any, verbosity: int, **options: Any) -> None:
        if not environ.Env().bool("DEBUG", default=False):
            raise CommandError("The demo's password is public, so it is only made with DEBUG on.")
        # Staff are made as the owner, as the first superuser is: the web's role gives nobody a right alone.
        with transaction.atomic(using=OWNER), transaction.atomic():
            with connection.cursor() as cursor:  # two at once: one demo
                cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('seed_demo', 0))")
            if Clinic.objects.exists():
                raise CommandError("There are clinics already; the demo is only for an empty database.")
            password = make_password(PASSWORD)  # hashed once: it takes longer than all the rest
            disputed = [case for demo in (SUNRISE, LOTUS) for case in make_clinic(demo, password)]
            for person in STAFF:
                make_staff(person, password)
        with transaction.atomic():  # once those who decide are there for the web's role too
            for lead, case in disputed:
                dispute(lead, case)
        if verbosity:
            self.stdout.write(sign_ins())


def sign_ins() -> str:
    """The demo's sign-ins, for people to read."""
    portal = [person for demo in (SUNRISE, LOTUS) for person in demo.people]
    lines = [f"Demo sign-ins, password {PASSWORD} for all:"]
    for place, people in (("portal", portal), ("back office, /admin/", STAFF)):
        lines += [f"  {person.email:<26}{person.role.replace('_', ' '):<12}{place}" for person in people]
    return "\n".join(lines)


def make_clinic(demo: DemoClinic, password: str) -> list[tuple[Lead, Case]]:
    """The clinic with its people, offers and leads; returns those it disputes."""
    clinic = Clinic.objects.create(**demo.facts, is_active=True)
    members = [make_user(person, password) for person in demo.people]
    for user, person in zip(members, demo.people, strict=True):
        Membership.objects.create(user=user, clinic=clinic, role=person.role)
    packages = [make_package(clinic, offer) for offer in demo.offers]
    BillingService.add_credits(clinic.pk, Decimal(demo.credits), "Welcome credits", idempotency_key="demo")
    leads = [(receive(clinic, packages, patient, members), patient.dispute) for patient in demo.patients]
    return [(lead, case) for lead, case in leads if case is not None]


def make_package(clinic: Clinic, offer: Offer) -> TreatmentPackage:
    treatment, _ = Treatment.objects.get_or_create(
        category=offer.category, name=offer.treatment, defaults={"min_price": Decimal(offer.price)}
    )
    return TreatmentPackage.objects.create(
        clinic=clinic, treatment=treatment, title=offer.treatment, price=Decimal(offer.price)
    )


def receive(
    clinic: Clinic, packages: Sequence[TreatmentPackage], patient: Patient, members: Sequence[User]
) -> Lead:
    """One enquiry, delivered or not as the rules say, and what became of it since."""
    delivery = BillingService.deliver_lead(
        Enquiry(
            clinic_id=clinic.pk,
            consent_notice_id=current_notice().pk,
            package_id=None if patient.offer is None else packages[patient.offer].pk,
            phone=patient.phone,
            name=patient.name,
            email=f"{patient.name.lower().replace(' ', '.')}@patient.example",
            source=patient.source,
            contact_intent=patient.intent,
            city=patient.city,
            procedure_name=patient.procedure,
            message=patient.message,
            is_minor=bool(patient.guardian),
            guardian_name=patient.guardian,
            hold_for_review=patient.suspicious,
        )
    )
    if patient.ending == "refused":
        BillingService.refuse_lead(delivery.lead_id)
    elif patient.ending == "withdrawn":
        BillingService.withdraw_lead(delivery.lead_id)
    elif patient.status != Lead.Status.NEW:
        work_on(Lead.objects.get(pk=delivery.lead_id), patient, members[-1])
    return Lead.objects.select_related("clinic").get(pk=delivery.lead_id)


def work_on(lead: Lead, patient: Patient, member: User) -> None:
    """The clinic rang the patient and noted what came of it."""
    outcome = ContactAttempt.Outcome.NO_ANSWER if patient.status == "lost" else ContactAttempt.Outcome.REACHED
    ContactAttempt.objects.create(lead=lead, kind=ContactAttempt.Kind.CALL, outcome=outcome, made_by=member)
    change_status(lead=lead, status=Lead.Status(patient.status), by=member)


def dispute(lead: Lead, case: Case) -> None:
    """The owner disputes a lead, and the resolver does what the case says."""
    owner = User.objects.get(memberships__clinic=lead.clinic, memberships__role=Membership.Role.OWNER)
    resolver = User.objects.get(email="resolver@staff.example")
    filed = cases.file_dispute(
        clinic=lead.clinic, lead=lead, dispute_type=case.reason, description=case.text, by=owner
    )
    if case.ending == "approved":
        cases.approve(
            dispute=filed,
            amount=lead.cost,
            reason_code=LeadDispute.ReasonCode.CONFIRMED,
            notes="The enquiry itself names Surat. All credits are back.",
            by=resolver,
        )
    elif case.ending == "rejected":
        cases.reject(
            dispute=filed,
            reason_code=LeadDispute.ReasonCode.LEAD_WAS_GOOD,
            notes="We rang the number: a patient answered and still waits for your call.",
            by=resolver,
        )
    elif case.ending == "asked":
        cases.ask_clinic(
            dispute=filed, text="The enquiry says «wisdom tooth». What did the patient say?", by=resolver
        )


def make_staff(person: Person, password: str) -> None:
    user = User.objects.using(OWNER).create(
        email=person.email,
        full_name=person.name,
        password=password,
        is_staff=True,
        is_superuser=person.role == "superuser",
    )
    user.groups.set(Group.objects.using(OWNER).filter(name=person.role))


def make_user(person: Person, password: str) -> User:
    return User.objects.create(email=person.email, full_name=person.name, password=password)
