"""Who and what the demo is made of: two clinics, their patients of the last days, and the staff."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from clinics.models import Membership
from disputes.models import DisputeType

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
class Purchase:
    """A top-up that was paid: the price in ₹ and the bonus of its package."""

    days_ago: int
    price: int
    bonus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoClinic:
    """`patients` wrote in the last days; `earlier` counts the leads of the weeks before, whose patients `history`
    makes up. `credits` are goodwill, given when the clinic joined."""

    facts: dict[str, Any]
    people: Sequence[Person]
    offers: Sequence[Offer]
    credits: int
    joined_days_ago: int
    patients: Sequence[Patient]
    earlier: int = 0
    purchases: Sequence[Purchase] = ()


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
    credits=500,
    joined_days_ago=92,
    earlier=45,
    purchases=(
        Purchase(89, 5_000, 500),
        Purchase(44, 5_000, 500),
        Purchase(9, 1_000, 0),
        Purchase(2, 5_000, 500),
    ),
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
    credits=2_550,
    joined_days_ago=163,  # its welcome credits end in two weeks and some
    earlier=4,
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


def sign_ins() -> str:
    """The demo's sign-ins, for people to read."""
    portal = [person for demo in (SUNRISE, LOTUS) for person in demo.people]
    lines = [f"Demo sign-ins, password {PASSWORD} for all:"]
    for place, people in (("portal", portal), ("back office, /admin/", STAFF)):
        lines += [f"  {person.email:<26}{person.role.replace('_', ' '):<12}{place}" for person in people]
    return "\n".join(lines)
