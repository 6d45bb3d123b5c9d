"""`manage.py import_clinics`: a directory's list, with what such lists carry."""

import csv
import json
import threading
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest
from django.core.management import CommandError
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from clinics.models import Clinic
from credits.models import CreditAccount
from tests.clinics.directory import DERMA, Lists, say, stored

REAL_FILES: Final = [
    Path(__file__).parents[2] / "../shared/data" / f"clinics_{city}.csv" for city in ("ahmedabad", "jaipur")
]


@pytest.fixture
def table(tmp_path: Path) -> Lists:
    return Lists(tmp_path)


@pytest.mark.django_db
def test_a_new_clinic_is_made_inactive_with_its_facts_cleaned(table: Lists) -> None:
    lines = say(table({}))

    clinic = Clinic.objects.get()
    assert lines == ["list.csv:2 made: derma-point", "1 rows: 1 made, 0 updated, 0 unchanged, 0 refused."]
    assert (clinic.name, clinic.address, clinic.pincode) == (
        "Derma Point",
        "M-1, Madalpur, Ellisbridge",
        "380006",
    )
    assert (clinic.city, clinic.state, str(clinic.phone)) == ("Ahmedabad", "24", "+917926575696")
    assert clinic.specialties == ["Dermatologist", "Skin care clinic"]
    assert clinic.operating_hours == {"Monday": "10 AM to 7 PM", "Sunday": "Closed"}
    assert (clinic.latitude, clinic.google_rating, clinic.google_review_count) == (
        Decimal("23.0200398"),
        Decimal("4.9"),
        12,
    )
    assert not clinic.is_active
    assert CreditAccount.objects.get().clinic == clinic


@pytest.mark.django_db
def test_cells_may_be_empty_where_a_directory_does_not_know(table: Lists) -> None:
    unknown = dict.fromkeys(
        ("contact_number", "website_url", "specialties", "operating_hours", "google_rating", "latitude"), ""
    )
    say(table({**unknown, "longitude": "", "google_review_count": ""}))

    clinic = Clinic.objects.get()
    assert (clinic.phone, clinic.website_url, clinic.specialties, clinic.operating_hours) == ("", "", [], {})
    assert (clinic.google_rating, clinic.latitude, clinic.google_review_count) == (None, None, None)


@pytest.mark.django_db
def test_a_second_run_writes_nothing(table: Lists) -> None:
    path = table({}, {"name": "Other", "slug": "other", "contact_number": "1800 102 4647"})
    say(path)
    before = stored()

    assert say(path) == ["2 rows: 0 made, 0 updated, 2 unchanged, 0 refused."]
    assert stored() == before
    assert say(path, verbosity=2)[0] == "list.csv:2 unchanged: derma-point"


@pytest.mark.django_db
def test_one_slug_of_several_clinics_is_numbered_and_stays(table: Lists) -> None:
    rows = [{"address": f"Branch {number}"} for number in (1, 2, 3)]
    say(table(*rows))
    slugs = dict(Clinic.objects.values_list("address", "slug"))

    say(table(*reversed(rows), {"address": "Branch 4"}))

    assert slugs == {"Branch 1": "derma-point", "Branch 2": "derma-point-2", "Branch 3": "derma-point-3"}
    assert dict(Clinic.objects.values_list("address", "slug")) == {**slugs, "Branch 4": "derma-point-4"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("slug", "name", "expected"),
    [
        ("𝗘𝗹𝗲𝗴𝗮𝗻𝗰𝗲-salon", "x", "elegance-salon"),
        ("oral-health-ઓરલ-હલથ", "x", "oral-health"),
        ("ઓરલ", "Oral Health ઓરલ", "oral-health"),
        ("", "ઓરલ", "clinic"),
        ("a" * 200, "x", "a" * 160),
    ],
)
def test_a_slug_can_stand_in_an_address(table: Lists, slug: str, name: str, expected: str) -> None:
    say(table({"slug": slug, "name": name}))

    assert Clinic.objects.get().slug == expected


@pytest.mark.django_db
def test_a_numbered_slug_is_never_too_long(table: Lists) -> None:
    say(table({"slug": "a" * 160}, {"slug": "a" * 160, "address": "Elsewhere"}))

    assert Clinic.objects.get(address="Elsewhere").slug == "a" * 158 + "-2"


@pytest.mark.django_db
def test_a_slug_that_somebody_else_has_is_left_to_them(table: Lists) -> None:
    other = Clinic.objects.create(slug="derma-point", name="Another house", state="24")

    say(table({}))

    assert Clinic.objects.exclude(pk=other.pk).get().slug == "derma-point-2"


@pytest.mark.django_db
def test_new_facts_are_taken_and_empty_cells_erase_nothing(table: Lists) -> None:
    say(table({}))
    Clinic.objects.update(email="typed@staff.example")

    lines = say(
        table({"contact_number": "", "operating_hours": "", "google_rating": "4.2", "city": "Amdavad"})
    )

    clinic = Clinic.objects.get()
    assert lines[0] == "list.csv:2 updated: derma-point: city, google_rating"
    assert (clinic.city, clinic.google_rating) == ("Amdavad", Decimal("4.2"))
    assert (str(clinic.phone), clinic.email) == ("+917926575696", "typed@staff.example")
    assert clinic.operating_hours["Monday"] == "10 AM to 7 PM"


@pytest.mark.django_db
def test_every_fact_can_be_updated(table: Lists) -> None:
    changed = {
        "city": "Jaipur",
        "state": "Rajasthan",
        "latitude": "26.5",
        "longitude": "75.25",
        "contact_number": "+91 141 236 0100",
        "email": "new@derma.example",
        "website_url": "https://new.example/",
        "specialties": "Dentist",
        "operating_hours": json.dumps({"Tuesday": "Open 24 hours"}),
        "google_rating": "3",
        "google_review_count": "13",
    }
    say(table({}))
    say(table(changed))

    assert say(table(changed)) == ["1 rows: 0 made, 0 updated, 1 unchanged, 0 refused."]
    clinic = Clinic.objects.get()
    assert (clinic.city, clinic.state, str(clinic.phone)) == ("Jaipur", "08", "+911412360100")
    assert (clinic.specialties, clinic.operating_hours) == (["Dentist"], {"Tuesday": "Open 24 hours"})


@pytest.mark.django_db
def test_an_active_clinic_keeps_what_it_looks_after_itself(table: Lists) -> None:
    say(table({"website_url": ""}))
    Clinic.objects.update(
        is_active=True, slug="chosen", state="08", gstin="08AAPFU0939F1ZV", phone="+911412360100"
    )

    lines = say(table({"google_rating": "4.2", "specialties": "Spa"}), verbosity=2)

    clinic = Clinic.objects.get()
    assert lines[0] == (
        "list.csv:2 updated: chosen: website_url, google_rating (kept: state, phone, specialties)"
    )
    assert (clinic.google_rating, clinic.website_url) == (Decimal("4.2"), "http://derma.example/")
    assert (clinic.is_active, clinic.slug, clinic.state) == (True, "chosen", "08")
    assert (clinic.gstin, str(clinic.phone)) == ("08AAPFU0939F1ZV", "+911412360100")


@pytest.mark.django_db
def test_a_state_that_contradicts_the_gstin_is_refused(table: Lists) -> None:
    say(table({}))
    Clinic.objects.update(gstin="24AAPFU0939F1ZX")

    lines = say(table({"state": "Rajasthan"}))

    assert lines[0] == "list.csv:2 refused: «Rajasthan» is not the state of the clinic's GSTIN"
    assert Clinic.objects.get().state == "24"


@pytest.mark.django_db
def test_a_repeated_row_counts_once_and_a_contradicting_one_is_refused(table: Lists) -> None:
    path = table({}, {}, {"city": "Elsewhere"})

    first, second = say(path, verbosity=2), say(path, verbosity=2)

    assert first == [
        "list.csv:2 made: derma-point",
        "list.csv:4 unchanged: repeats list.csv:2",
        "list.csv:6 refused: contradicts list.csv:2, a row about the same thing",
        "3 rows: 1 made, 0 updated, 1 unchanged, 1 refused.",
    ]
    assert second[1:3] == first[1:3]
    assert Clinic.objects.get().city == "Ahmedabad"


@pytest.mark.django_db
def test_one_file_given_twice_makes_no_twins(table: Lists) -> None:
    path = table({})

    assert say(path, path)[-1] == "2 rows: 1 made, 0 updated, 1 unchanged, 0 refused."
    assert Clinic.objects.count() == 1


@pytest.mark.django_db
def test_a_dry_run_says_the_same_and_writes_nothing(table: Lists) -> None:
    say(table({}))
    path = table({"google_rating": "1"}, {"name": "New"}, {"name": "Bad", "state": "Nowhere"})
    before = stored()

    dry = say(path, dry_run=True)

    assert stored() == before
    assert dry[-1] == "Dry run: nothing was written."
    assert dry[:-1] == say(path)


@pytest.mark.django_db
def test_columns_may_stand_in_any_order_after_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    cells = dict(reversed(DERMA.items()))
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([cells, cells.values()])

    assert say(path)[0] == "list.csv:2 made: derma-point"


@pytest.mark.django_db
def test_the_number_of_queries_does_not_grow_with_the_rows(table: Lists) -> None:
    def queries(first: int, last: int) -> int:
        rows = [{"name": f"Clinic {number}", "city": str(first)} for number in range(last)]
        with CaptureQueriesContext(
            connection,
        ) as captured:
            say(table(*rows))
        return len(captured)

    few, many = queries(0, 2), queries(1, 150)

    assert many <= few + 1  # one more: the update of the two that were there
    assert many < 12


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_two_runs_at_once_make_no_twins_and_a_third_is_not_kept_waiting_for_ever(table: Lists) -> None:
    rows = [{"name": f"Clinic {number % 40}", "address": f"Branch {number}"} for number in range(120)]
    path, barrier = table(*rows), threading.Barrier(4)
    verdicts: list[str] = []

    def run() -> None:
        barrier.wait()
        verdicts.append(say(path, verbosity=0)[-1])
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(verdicts) == ["120 rows: 0 made, 0 updated, 120 unchanged, 0 refused."] * 3 + [
        "120 rows: 120 made, 0 updated, 0 unchanged, 0 refused."
    ]
    assert Clinic.objects.count() == 120
    with connections["owner"].cursor() as other, connection.cursor() as ours:
        other.execute("SELECT pg_advisory_lock(hashtextextended('import clinics', 0))")
        ours.execute("SET lock_timeout = '100ms'")
        with pytest.raises(CommandError, match="Another import is still running"):
            say(path)
        other.execute("SELECT pg_advisory_unlock_all()")


@pytest.mark.django_db
@pytest.mark.skipif(not all(path.exists() for path in REAL_FILES), reason="needs the real lists")
def test_the_real_lists_are_taken_whole() -> None:
    first, before = say(*REAL_FILES), stored()

    assert first[-1] == "347 rows: 347 made, 0 updated, 0 unchanged, 0 refused."
    assert say(*reversed(REAL_FILES)) == ["347 rows: 0 made, 0 updated, 347 unchanged, 0 refused."]
    assert stored() == before
    sabka = Clinic.objects.filter(name="Sabka dentist").order_by("pk").values_list("slug", flat=True)
    assert list(sabka) == ["sabka-dentist", *(f"sabka-dentist-{number}" for number in (2, 3, 4))]
    assert Clinic.objects.filter(phone="").count() == 26 + 13
    assert not Clinic.objects.filter(is_active=True).exists()
    assert "\u202f" not in str(list(Clinic.objects.values_list("operating_hours", flat=True)))
