"""`manage.py import_leads`: each line once, however often; what is refused is named and stops nothing."""

import csv
import json
import tracemalloc
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from clinics.models import Clinic, Partner
from leads import lead_import
from leads.lead_import import LeadImport
from leads.models import Lead
from tests import factories
from tests.api.stage import enquiry, partner

pytestmark = pytest.mark.django_db


@pytest.fixture
def ours(db: None) -> Partner:
    return partner()


def imported(path: Path, *options: str) -> str:
    printed = StringIO()
    call_command("import_leads", str(path), "--partner", "health-portal", *options, stdout=printed)
    return printed.getvalue()


def json_file(folder: Path, lines: list[Any]) -> Path:
    path = folder / "leads.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def csv_file(folder: Path, lines: list[dict[str, Any]]) -> Path:
    path = folder / "leads.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    return path


@pytest.mark.parametrize("written", [json_file, csv_file])
def test_a_file_is_stored_once_however_often_it_is_run(
    funded_clinic: Clinic, ours: Partner, tmp_path: Path, written: Any
) -> None:
    path = written(tmp_path, [enquiry(funded_clinic, number) for number in range(3)])

    first, again = imported(path), imported(path)

    assert first == "3 lines: 3 stored, 0 there already, 0 refused.\n"
    assert again == "3 lines: 0 stored, 3 there already, 0 refused.\n"
    assert set(Lead.objects.values_list("delivery_state", "partner", "source")) == {
        ("delivered", ours.pk, "health-portal")
    }
    assert Lead.objects.count() == 3


def test_a_run_that_broke_off_is_taken_up_where_it_ended(
    clinic: Clinic, ours: Partner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_import, "PIECE", 2)
    path = json_file(tmp_path, [enquiry(clinic, number) for number in range(5)])
    verdicts = LeadImport(partner=ours).run(path)
    next(verdicts)  # the first piece is stored, then the program is killed

    assert Lead.objects.count() == 2
    assert imported(path) == "5 lines: 3 stored, 2 there already, 0 refused.\n"
    assert Lead.objects.count() == 5


def test_each_refused_line_is_named_without_the_patient(
    clinic: Clinic, other_clinic: Clinic, ours: Partner, tmp_path: Path
) -> None:
    theirs = factories.PackageFactory.create(clinic=other_clinic)
    key = {"idempotency_key": "same"}
    lines = [
        enquiry(clinic, 1, mobile_number="12345", patient_name="Zubeida"),
        enquiry(clinic, 2, contact_intent="Zubeida"),
        enquiry(clinic, 3, clinic_id=987_654_321),
        enquiry(clinic, 4, package_id=theirs.pk),
        "{not json",
        enquiry(clinic, 5, **key),
        enquiry(clinic, 6, **key),
    ]

    printed = imported(json_file(tmp_path, lines))

    assert printed.splitlines() == [
        "leads.jsonl:1 refused: look at mobile_number",
        "leads.jsonl:2 refused: look at contact_intent",
        "leads.jsonl:3 refused: clinic 987654321 takes no enquiries",
        f"leads.jsonl:4 refused: clinic {clinic.pk} does not offer package {theirs.pk}",
        "leads.jsonl:5 refused: The body is not valid JSON: it is malformed",
        "leads.jsonl:7 refused: KeyReused",
        "7 lines: 1 stored, 0 there already, 6 refused.",
    ]
    assert Lead.objects.count() == 1


def test_a_row_over_several_lines_is_named_by_its_first(
    clinic: Clinic, ours: Partner, tmp_path: Path
) -> None:
    rows = [
        enquiry(clinic, 1, message="One\ntwo\nthree"),
        enquiry(clinic, 2, mobile_number="12", message="a\nb"),
    ]

    assert imported(csv_file(tmp_path, rows)).startswith("leads.csv:5 refused: look at mobile_number\n")


def test_a_key_that_stands_for_another_line_of_an_earlier_run_is_refused(
    clinic: Clinic, ours: Partner, tmp_path: Path
) -> None:
    imported(json_file(tmp_path, [enquiry(clinic, 1, idempotency_key="same")]))

    printed = imported(json_file(tmp_path, [enquiry(clinic, 2, idempotency_key="same")]))

    assert printed.splitlines()[0] == "leads.jsonl:1 refused: KeyReused"
    assert Lead.objects.count() == 1


def test_a_dry_run_says_the_same_and_writes_nothing(clinic: Clinic, ours: Partner, tmp_path: Path) -> None:
    path = json_file(tmp_path, [enquiry(clinic, 1), enquiry(clinic, 2, consent_given=False)])

    rehearsed = imported(path, "--dry-run")

    assert Lead.objects.count() == 0
    assert rehearsed == imported(path) + "Dry run: nothing was written.\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"clinic_id,patient_name\n1,x\n", "the header lacks mobile_number, consent_given"),
        (b"clinic_id,patient_name,mobile_number,consent_given,price\n", "unknown columns: 'price'"),
        (b"clinic_id,patient_name,mobile_number,consent_given\n1,\xff,1,1\n", "line 2: not UTF-8"),
        (b"x" * 70_000, "longer than 64 KB"),
    ],
)
def test_a_file_that_is_none_says_why(ours: Partner, tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes(content)

    with pytest.raises(CommandError, match=said):
        imported(path)


@pytest.mark.parametrize("piece", [2, 5_000])
def test_all_lines_before_the_place_where_a_file_breaks_off_are_stored(
    clinic: Clinic, ours: Partner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(lead_import, "PIECE", piece)
    path = json_file(tmp_path, [enquiry(clinic, 1), enquiry(clinic, 2), "x" * 70_000, enquiry(clinic, 3)])

    with pytest.raises(CommandError, match=r"line 3: longer than 64 KB\. Until there: 2 lines: 2 stored"):
        imported(path)

    assert Lead.objects.count() == 2


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04\x14\n\x00\n", b"\nclinic_id,patient_name\n1,x\n", b"[\n{}\n]\n"]
)
def test_a_file_that_is_neither_csv_nor_json_lines_ends_at_its_first_line(
    ours: Partner, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "leads.xlsx"
    path.write_bytes(content)

    with pytest.raises(CommandError, match=r"neither CSV .* Until there: 0 lines"):
        imported(path)


def test_no_such_file_and_no_such_partner(ours: Partner, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="can't be read"):
        imported(tmp_path / "none.csv")
    Partner.objects.update(is_active=False)
    with pytest.raises(CommandError, match="no active partner"):
        imported(tmp_path / "none.csv")


def test_memory_does_not_grow_with_the_file(
    clinic: Clinic, ours: Partner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_import, "PIECE", 200)

    def peak(lines: int) -> int:
        path = json_file(tmp_path, [enquiry(clinic, number % 90_000) for number in range(lines)])
        tracemalloc.start()
        for _ in LeadImport(partner=ours, dry_run=True).run(path):
            pass
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(600)  # what is loaded once

    assert peak(2_000) < 1.3 * peak(1_000)
