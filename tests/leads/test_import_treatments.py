"""`manage.py import_treatments`: the catalogue, with prices as people write them."""

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from leads.models import Treatment

REAL_FILE: Final = Path(__file__).parents[2] / "../shared/data/treatments.csv"
PEEL: Final = {
    "category_name": "Skin",
    "procedure_name": "Chemical peel",
    "procedure_duration": "30–45 minutes",
    "min_cost": "₹3,000",
    "max_cost": "1,50,000",
}
Table = Callable[..., Path]


def say(*files: Path, **options: Any) -> list[str]:
    """What the command prints, line by line."""
    output = io.StringIO()
    call_command("import_treatments", *map(str, files), stdout=output, **options)
    return output.getvalue().splitlines()


def stored() -> list[tuple[Any, ...]]:
    """All rows with the transaction that last wrote each, so that a write of the same values shows too."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin::text, * FROM treatments ORDER BY id")
        return list(cursor.fetchall())


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Writes a catalogue: each row is PEEL with these cells changed."""

    def write(*rows: dict[str, str]) -> Path:
        path = tmp_path / "list.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, PEEL)
            writer.writeheader()
            writer.writerows({**PEEL, **row} for row in rows)
        return path

    return write


@pytest.mark.django_db
def test_a_treatment_is_made_with_its_prices_in_rupees(table: Table) -> None:
    lines = say(table({}))

    treatment = Treatment.objects.get()
    assert lines == [
        "list.csv:2 made: Skin / Chemical peel",
        "1 rows: 1 made, 0 updated, 0 unchanged, 0 refused.",
    ]
    assert (treatment.category, treatment.name, treatment.duration) == (
        "Skin",
        "Chemical peel",
        "30–45 minutes",
    )
    assert (treatment.min_price, treatment.max_price) == (Decimal("3000.00"), Decimal("150000.00"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("written", "rupees"),
    [
        ("", None),
        ("500", "500"),
        ("₹800", "800"),
        ("₹ 24,000", "24000"),
        ("1,50,000", "150000"),
        ("150,000", "150000"),
        ("₹12,00,000", "1200000"),
        ("1,00,00,000", "10000000"),
        ("Rs. 500/-", "500"),
        ("rs 1,000", "1000"),
        ("INR\u00a02,500", "2500"),
        ("12000.5", "12000.50"),
        ("9999999999.99", "9999999999.99"),
        ("0", "0"),
    ],
)
def test_prices_are_understood_as_people_write_them(table: Table, written: str, rupees: str | None) -> None:
    say(table({"min_cost": written, "max_cost": ""}))

    assert Treatment.objects.get().min_price == (None if rupees is None else Decimal(rupees))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "written",
    [
        "free", "on request", "-500", "1.5 lakh", "5,000 - 8,000", "1,5,000", "1,50,00", "12,", ",500", "1.234",
        "٥٠٠", "NaN", "1e5", "1_000", "$500", "₹", "10000000000",
    ],
)  # fmt: skip
def test_what_is_no_price_is_refused_and_not_guessed(table: Table, written: str) -> None:
    lines = say(table({"min_cost": written}, {"procedure_name": "Good"}))

    assert lines[0].startswith(f"list.csv:2 refused: «{written}» is ")
    assert Treatment.objects.get().name == "Good"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"category_name": ""}, "a treatment needs a category and a name"),
        ({"procedure_name": " "}, "a treatment needs a category and a name"),
        ({"category_name": "c" * 121}, "category_name has 121 characters, at most 120 fit"),
        ({"procedure_name": "n" * 201}, "procedure_name has 201 characters, at most 200 fit"),
        ({"procedure_duration": "d" * 81}, "procedure_duration has 81 characters, at most 80 fit"),
        ({"max_cost": "2,999"}, "the least price ₹3000 is above the highest, ₹2999"),
    ],
)
def test_a_row_that_cannot_be_taken_is_refused_with_its_reason(
    table: Table, cells: dict[str, str], reason: str
) -> None:
    assert say(table(cells))[0] == f"list.csv:2 refused: {reason}"
    assert not Treatment.objects.exists()


@pytest.mark.django_db
def test_a_second_run_writes_nothing(table: Table) -> None:
    path = table({}, {"procedure_name": "Unknown price", "min_cost": "", "max_cost": ""})
    say(path)
    before = stored()

    assert say(path) == ["2 rows: 0 made, 0 updated, 2 unchanged, 0 refused."]
    assert stored() == before


@pytest.mark.django_db
def test_new_prices_are_taken_and_empty_cells_erase_nothing(table: Table) -> None:
    say(table({}))

    lines = say(table({"min_cost": "", "max_cost": "₹9,000", "procedure_duration": ""}))

    treatment = Treatment.objects.get()
    assert lines[0] == "list.csv:2 updated: Skin / Chemical peel: max_price"
    assert (treatment.min_price, treatment.max_price) == (Decimal(3000), Decimal(9000))
    assert treatment.duration == "30–45 minutes"


@pytest.mark.django_db
def test_a_price_that_contradicts_the_stored_one_is_refused(table: Table) -> None:
    say(table({}))

    lines = say(table({"min_cost": "", "max_cost": "2,000"}))

    assert lines[0] == "list.csv:2 refused: the least price ₹3000.00 is above the highest, ₹2000"
    assert Treatment.objects.get().max_price == Decimal(150_000)


@pytest.mark.django_db
def test_one_name_may_stand_in_two_categories_and_a_repeat_counts_once(table: Table) -> None:
    path = table({}, {"category_name": "Face"}, {"procedure_name": "Chemical  peel"}, {"min_cost": "1"})

    assert say(path, verbosity=2) == [
        "list.csv:2 made: Skin / Chemical peel",
        "list.csv:3 made: Face / Chemical peel",
        "list.csv:4 unchanged: repeats list.csv:2",
        "list.csv:5 refused: contradicts list.csv:2, a row about the same thing",
        "4 rows: 2 made, 0 updated, 1 unchanged, 1 refused.",
    ]


@pytest.mark.django_db
def test_a_dry_run_says_the_same_and_writes_nothing(table: Table) -> None:
    say(table({}))
    path = table({"min_cost": "1"}, {"procedure_name": "New"}, {"procedure_name": "Bad", "min_cost": "?"})
    before = stored()

    dry = say(path, dry_run=True)

    assert stored() == before
    assert dry[-1] == "Dry run: nothing was written."
    assert dry[:-1] == say(path)


@pytest.mark.django_db
def test_a_file_of_something_else_is_refused_as_a_whole(table: Table, tmp_path: Path) -> None:
    other = tmp_path / "clinics.csv"
    other.write_text("name,slug\nSunrise,sunrise\n")

    with pytest.raises(CommandError, match=r"clinics\.csv: the header lacks category_name"):
        say(table({}), other)
    assert not Treatment.objects.exists()


@pytest.mark.django_db
def test_the_number_of_queries_does_not_grow_with_the_rows(table: Table) -> None:
    def queries(count: int) -> int:
        rows = [{"procedure_name": f"Treatment {number}"} for number in range(count)]
        with CaptureQueriesContext(connection) as captured:
            say(table(*rows))
        return len(captured)

    assert queries(150) <= queries(2) + 1 < 10


@pytest.mark.django_db
@pytest.mark.skipif(not REAL_FILE.exists(), reason="needs the real catalogue")
def test_the_real_catalogue_is_taken_whole() -> None:
    first, before = say(REAL_FILE), stored()

    assert first[-1] == "515 rows: 515 made, 0 updated, 0 unchanged, 0 refused."
    assert say(REAL_FILE) == ["515 rows: 0 made, 0 updated, 515 unchanged, 0 refused."]
    assert stored() == before
    unknown = Treatment.objects.filter(min_price=None).order_by("name").values_list("name", flat=True)
    assert list(unknown) == ["Tattoo Removal", "Vaser Liposuction"]
    assert Treatment.objects.get(name="Breast Augmentation").min_price == Decimal(150_000)
