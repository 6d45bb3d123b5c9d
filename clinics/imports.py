"""`import_clinics`: clinics from a public directory's list.

A row's key is name, pincode and address, since one slug there stands for several clinics. An imported clinic
is inactive until staff invite its first owner.

What an import may change in a clinic that is there already: what the directory knows best (position, rating,
number of reviews) always; state, city, phone, e-mail, website, specialties and hours while the clinic is
inactive, since an active one looks after these itself (only empty ones are then filled in). Never its activity,
GSTIN or slug. An empty cell says nothing: it erases nothing.
"""

import json
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.utils.text import slugify
from phonenumber_field.phonenumber import PhoneNumber
from phonenumbers import NumberParseException

from clinics.models import Clinic
from clinics.states import CODE_BY_NAME, STATES
from clinics.table_import import (
    Difference,
    Entry,
    Key,
    RowRefused,
    TableImport,
    at_most,
    clean,
    quoted,
    stated,
)

SLUG_LENGTH: Final = 160
FACTS_OF_THE_DIRECTORY: Final = ("latitude", "longitude", "google_rating", "google_review_count")
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PLAIN_NUMBER: Final = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,20})?")
PINCODE: Final = re.compile(r"[1-9][0-9]{5}")
MOST_REVIEWS: Final = 2**31 - 1
valid_website: Final = URLValidator(schemes=["http", "https"])


class ClinicImport(TableImport[Clinic]):
    model = Clinic
    columns: ClassVar = (
        "name",
        "slug",
        "address",
        "city",
        "state",
        "country",
        "pincode",
        "latitude",
        "longitude",
        "contact_number",
        "email",
        "website_url",
        "specialties",
        "operating_hours",
        "google_rating",
        "google_review_count",
    )

    def __init__(self) -> None:
        self.bases: dict[Key, str] = {}  # the slug each row asks for
        self.slugs: set[str] = set()

    def read(self, cells: Mapping[str, str]) -> Entry:
        key = (
            at_most(cells["name"], 200, "name"),
            pincode(cells["pincode"]),
            at_most(cells["address"], 500, "address"),
        )
        if not key[0] or not key[2]:
            raise RowRefused("a clinic needs a name and an address")
        if cells["country"].casefold() not in ("", "india"):
            raise RowRefused(f"{quoted(cells['country'])} is not India")
        facts = {
            "city": at_most(cells["city"], 80, "city"),
            "state": state_code(cells["state"]),
            "phone": phone(cells["contact_number"]),
            "email": email(cells["email"]),
            "website_url": website(cells["website_url"]),
            "specialties": specialties(cells["specialties"]),
            "operating_hours": hours(cells["operating_hours"]),
            **position(cells["latitude"], cells["longitude"]),
            "google_rating": number(cells["google_rating"], "google_rating", 0, 5, places=1),
            "google_review_count": number(
                cells["google_review_count"], "google_review_count", 0, MOST_REVIEWS
            ),
        }
        self.bases.setdefault(key, slugify(cells["slug"]) or slugify(key[0]) or "clinic")
        return Entry(key, stated(facts))

    def stored(self, keys: Collection[Key]) -> Mapping[Key, Clinic]:
        self.slugs = set(Clinic.objects.values_list("slug", flat=True))
        names, pincodes = {key[0] for key in keys}, {key[1] for key in keys}
        clinics = Clinic.objects.filter(name__in=names, pincode__in=pincodes).select_for_update(no_key=True)
        # Should staff have made twins by hand, the first one counts: hence the oldest is put in last.
        return {(clinic.name, clinic.pincode, clinic.address): clinic for clinic in clinics.order_by("-pk")}

    def difference(self, stored: Clinic, facts: Mapping[str, Any]) -> Difference:
        differing = {name: value for name, value in facts.items() if getattr(stored, name) != value}
        kept = [
            name
            for name in differing
            if stored.is_active and name not in FACTS_OF_THE_DIRECTORY and getattr(stored, name)
        ]
        changes = {name: value for name, value in differing.items() if name not in kept}
        if "state" in changes and stored.gstin:
            raise RowRefused(f"«{STATES[changes['state']]}» is not the state of the clinic's GSTIN")
        return Difference(changes, kept)

    def build(self, entry: Entry) -> Clinic:
        name, code, address = entry.key
        slug = free_slug(self.bases[entry.key], self.slugs)
        self.slugs.add(slug)
        return Clinic(name=name, pincode=code, address=address, slug=slug, **entry.facts)

    def name_of(self, thing: Clinic) -> str:
        return thing.slug


def free_slug(base: str, taken: Collection[str]) -> str:
    """`base`, else the first free of `base-2`, `base-3` …, never longer than a slug may be."""
    slug, count = base[:SLUG_LENGTH].rstrip("-"), 1
    while slug in taken:
        count += 1
        ending = f"-{count}"
        slug = base[: SLUG_LENGTH - len(ending)].rstrip("-") + ending
    return slug


def pincode(cell: str) -> str:
    code = cell.replace(" ", "")
    if not PINCODE.fullmatch(code):
        raise RowRefused(f"{quoted(cell)} is not a pincode")
    return code


def state_code(cell: str) -> str:
    code = CODE_BY_NAME.get(cell.casefold().replace(" & ", " and "))
    if code is None:
        raise RowRefused(f"{quoted(cell)} is not a state of India")
    return code


def phone(cell: str) -> PhoneNumber | None:
    """As Indians write it, with or without +91 or 0; with an extension it can't be stored."""
    if not cell:
        return None
    try:
        number = PhoneNumber.from_string(cell, region="IN")
    except NumberParseException as error:
        raise RowRefused(f"{quoted(cell)} is not a phone number") from error
    if not number.is_valid() or number.extension:
        raise RowRefused(f"{quoted(cell)} is not a phone number one can dial from anywhere")
    return number


def email(cell: str) -> str:
    try:
        if cell:
            validate_email(cell)
    except ValidationError as error:
        raise RowRefused(f"{quoted(cell)} is not an e-mail address") from error
    return at_most(cell, 254, "email")


def website(cell: str) -> str:
    try:
        if cell:
            valid_website(at_most(cell, 500, "website_url"))
    except ValidationError as error:
        raise RowRefused(f"{quoted(cell)} is not an address of a website") from error
    return cell


def specialties(cell: str) -> list[str]:
    """Comma-separated; each once."""
    parts = (at_most(part.strip(), 120, "a specialty") for part in cell.split(","))
    return list(dict.fromkeys(filter(None, parts)))


def hours(cell: str) -> dict[str, str]:
    """JSON: weekday → hours as the directory writes them."""
    if not cell:
        return {}
    try:
        days = json.loads(cell)
    except (ValueError, RecursionError) as error:
        raise RowRefused("operating_hours is not JSON") from error
    if not isinstance(days, dict):
        raise RowRefused("operating_hours is not a list of weekdays")
    for day, text in days.items():
        if day not in WEEKDAYS or not isinstance(text, str):
            raise RowRefused("operating_hours must say a text for each weekday")
    return {day: at_most(clean(text), 200, "a day's hours") for day, text in days.items()}


def position(latitude: str, longitude: str) -> dict[str, Decimal | None]:
    place = {
        "latitude": number(latitude, "latitude", -90, 90, places=7),
        "longitude": number(longitude, "longitude", -180, 180, places=7),
    }
    if None in place.values() and set(place.values()) != {None}:
        raise RowRefused("a position needs latitude and longitude")
    return place


def number(cell: str, column: str, least: int, most: int, *, places: int = 0) -> Decimal | None:
    """A plain number, rounded to `places`; None for an empty cell."""
    if not cell:
        return None
    if not PLAIN_NUMBER.fullmatch(cell) or not least <= Decimal(cell) <= most:
        raise RowRefused(f"{column} {quoted(cell)} is not a number from {least} to {most}")
    return Decimal(cell).quantize(Decimal(1).scaleb(-places))
