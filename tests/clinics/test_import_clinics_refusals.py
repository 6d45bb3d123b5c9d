"""`manage.py import_clinics`: rows and files that can't be taken, each with its reason."""

from pathlib import Path

import pytest
from django.core.management import CommandError

from clinics.models import Clinic
from tests.clinics.directory import DERMA, Lists, say


@pytest.fixture
def table(tmp_path: Path) -> Lists:
    return Lists(tmp_path)


@pytest.mark.django_db
def test_a_refused_row_is_named_by_its_line_and_the_others_are_made(table: Lists) -> None:
    """Cells with line ends, and empty lines, do not shift the number."""
    path = table({}, {"name": "Two", "state": "Gujrat"}, {"name": "Three"})
    path.write_text(path.read_text().replace("Two", "\n\nTwo", 1))

    assert say(path) == [
        "list.csv:2 made: derma-point",
        "list.csv:6 refused: «Gujrat» is not a state of India",
        "list.csv:8 made: derma-point-2",
        "3 rows: 2 made, 0 updated, 0 unchanged, 1 refused.",
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"name": " "}, "a clinic needs a name and an address"),
        ({"address": ""}, "a clinic needs a name and an address"),
        ({"name": "n" * 201}, "name has 201 characters, at most 200 fit"),
        ({"address": "a" * 501}, "address has 501 characters, at most 500 fit"),
        ({"city": "c" * 81}, "city has 81 characters, at most 80 fit"),
        ({"state": ""}, "«» is not a state of India"),
        ({"country": "Nepal"}, "«Nepal» is not India"),
        ({"pincode": ""}, "«» is not a pincode"),
        ({"pincode": "080006"}, "«080006» is not a pincode"),
        ({"pincode": "३८०००६"}, "«३८०००६» is not a pincode"),
        ({"contact_number": "call us"}, "«call us» is not a phone number"),
        ({"contact_number": "12345"}, "«12345» is not a phone number one can dial from anywhere"),
        (
            {"contact_number": "9" * 300},
            f"«{'9' * 60}» is not a phone number",
        ),
        ({"email": "nobody"}, "«nobody» is not an e-mail address"),
        ({"website_url": "javascript:alert(1)"}, "«javascript:alert(1)» is not an address of a website"),
        ({"specialties": "s" * 121}, "a specialty has 121 characters, at most 120 fit"),
        ({"operating_hours": "{Monday}"}, "operating_hours is not JSON"),
        ({"operating_hours": "[" * 50_000}, "operating_hours is not JSON"),
        ({"operating_hours": "[]"}, "operating_hours is not a list of weekdays"),
        ({"operating_hours": '{"Monday": 7}'}, "operating_hours must say a text for each weekday"),
        ({"operating_hours": '{"Someday": "7"}'}, "operating_hours must say a text for each weekday"),
        ({"operating_hours": '{"Monday": "\\u0000"}'}, "'\\x00' holds control characters"),
        ({"operating_hours": '{"Monday": "\\ud800"}'}, "'\\ud800' holds control characters"),
        ({"name": "Bell\x07"}, "'Bell\\x07' holds control characters"),
        ({"latitude": "91"}, "latitude «91» is not a number from -90 to 90"),
        ({"latitude": ""}, "a position needs latitude and longitude"),
        ({"longitude": "NaN"}, "longitude «NaN» is not a number from -180 to 180"),
        ({"google_rating": "5.1"}, "google_rating «5.1» is not a number from 0 to 5"),
        ({"google_rating": "1e999"}, "google_rating «1e999» is not a number from 0 to 5"),
        ({"google_review_count": "-1"}, "google_review_count «-1» is not a number from 0 to 2147483647"),
        (
            {"google_review_count": "2147483648"},
            "google_review_count «2147483648» is not a number from 0 to 2147483647",
        ),
    ],
)
def test_a_row_that_cannot_be_taken_is_refused_with_its_reason(
    table: Lists, cells: dict[str, str], reason: str
) -> None:
    lines = say(table(cells))

    assert lines[0].startswith(f"list.csv:2 refused: {reason}")
    assert not Clinic.objects.exists()


@pytest.mark.django_db
def test_a_row_with_too_few_cells_is_refused(table: Lists) -> None:
    path = table({})
    path.write_text(path.read_text() + "Short,short\n")

    assert "list.csv:4 refused: has 2 cells, the header 16" in say(path)


def faults() -> dict[str, tuple[bytes, str]]:
    header = ",".join(DERMA).encode()
    row = b",".join([b"x"] * len(DERMA))
    return {
        "empty": (b"", "the header lacks name, slug"),
        "header": (header.replace(b"pincode", b"pin"), "the header lacks pincode"),
        "strange column": (header + b",extra\n", "unknown columns: 'extra'"),
        "column twice": (header + b",name\n", "names a column twice"),
        "not UTF-8": (header + b"\n" + row + b"\nCaf\xe9,\n", "line 3: not UTF-8"),
        "NUL": (header + b"\n\0" + row, "line 2: holds NUL bytes"),
        "UTF-16": (header.decode().encode("utf-16"), "line 1: not UTF-8"),
        "open quote": (header + b'\n"never closed,x', "line 2: broken CSV"),
        "loose quote": (header + b'\n"a"b,x', "line 2: broken CSV"),
        "endless cell": (
            header + b'\n"' + b"x" * 200_000 + b'"',
            "broken CSV (field larger than field limit",
        ),
    }


@pytest.mark.django_db
@pytest.mark.parametrize("fault", faults())
def test_a_broken_file_is_refused_as_a_whole_with_all_files_beside_it(
    table: Lists, tmp_path: Path, fault: str
) -> None:
    content, message = faults()[fault]
    broken = tmp_path / "broken.csv"
    broken.write_bytes(content)

    with pytest.raises(CommandError, match=message.replace("(", r"\(")):
        say(table({}), broken)
    assert not Clinic.objects.exists()


@pytest.mark.django_db
def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nothing\.csv can't be read: No such file"):
        say(tmp_path / "nothing.csv")
    with pytest.raises(CommandError, match="can't be read: Is a directory"):
        say(tmp_path)
