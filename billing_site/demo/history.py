"""Patients of the weeks before, made up always alike: who wrote when, about what, and what came of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from django.utils import timezone

from billing_site.demo.cast import Case, DemoClinic, Patient
from disputes.models import DisputeType

LAST_DAYS: Final = 5  # those of the cast's own patients
FIRST_NAMES: Final = (
    "Aarav",
    "Anita",
    "Arvind",
    "Bina",
    "Chirag",
    "Dhruv",
    "Esha",
    "Falguni",
    "Gaurav",
    "Hetal",
    "Ishaan",
    "Jaya",
    "Kiran",
    "Lata",
    "Manish",
    "Meera",
)
LAST_NAMES: Final = (
    "Acharya",
    "Bhavsar",
    "Chauhan",
    "Dave",
    "Gandhi",
    "Iyer",
    "Kapadia",
    "Lakhani",
    "Merchant",
    "Raval",
    "Thakkar",
)
SOURCES: Final = ("web", "google", "instagram", "referral")
CASES: Final = (
    Case(DisputeType.INVALID_CONTACT, "The number is not in service; tried on two days.", "approved"),
    Case(DisputeType.SPAM, "An advertisement, not a patient.", "approved"),
    Case(DisputeType.OUTSIDE_AREA, "Lives in Mumbai and cannot come to us.", "approved"),
    Case(DisputeType.INVALID_CONTACT, "Nobody picks up.", "rejected"),
)
DISPUTED_EACH: Final = 11  # every so manyth lead


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a patient wrote."""

    at: datetime
    patient: Patient


def arrivals(demo: DemoClinic, now: datetime) -> Iterator[Arrival]:
    """All patients of a clinic in the order in which they wrote."""
    yield from earlier(demo, now)
    first = now - timedelta(days=LAST_DAYS)
    step = timedelta(days=LAST_DAYS) / (len(demo.patients) + 1)
    for number, patient in enumerate(demo.patients, start=1):
        yield Arrival(first + number * step, patient)


def earlier(demo: DemoClinic, now: datetime) -> Iterator[Arrival]:
    """Spread over the time since the clinic began, a little denser towards its end."""
    dice = Random(demo.facts["slug"])  # noqa: S311 - always alike is the point
    began = min(demo.joined_days_ago - 4, 85)
    for number in range(demo.earlier):
        part = (number + 0.5) / demo.earlier
        days = LAST_DAYS + 1 + (began - LAST_DAYS - 1) * (1 - part) ** 1.2
        day = timezone.localtime(now - timedelta(days=days))
        at = day.replace(hour=dice.randrange(9, 21), minute=dice.randrange(60), second=dice.randrange(60))
        yield Arrival(at, made_up(demo, number, dice))


def made_up(demo: DemoClinic, number: int, dice: Random) -> Patient:
    case = CASES[number // DISPUTED_EACH % len(CASES)] if number % DISPUTED_EACH == 7 else None
    status = dice.choices(("converted", "contacted", "lost"), (35, 30, 35))[0]
    return Patient(
        name=f"{dice.choice(FIRST_NAMES)} {dice.choice(LAST_NAMES)}",
        phone=f"+9198{demo.facts['state']}4{number:05d}",
        offer=dice.choices(range(len(demo.offers)), (30, 25, 22, 12, 7, 4))[0],
        city=dice.choice((demo.facts["city"], "")),
        source=dice.choices(SOURCES, (45, 30, 15, 10))[0],
        intent=dice.choice(("call", "whatsapp")),
        status="lost" if case else status,
        dispute=case,
    )
