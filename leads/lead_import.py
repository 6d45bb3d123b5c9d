"""`import_leads`: enquiries that a partner hands over as a file, each stored once however often the file is run.

CSV with a header, or one JSON object a line; the fields are those of `POST /contact-clinic`. A line's
`idempotency_key` is its own; a line without one is known by what it says. The file is read line by line and worked
off in pieces, so memory stays flat; what is there already costs one query for a whole piece.
"""

import csv
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

from django.db import OperationalError
from rest_framework.exceptions import ParseError

from clinics.api import StrictJSONParser, form_data
from clinics.models import Clinic, IdempotencyKey, Partner
from credits.services.delivery import deliver_many
from credits.services.ledger import BillingError, Enquiry
from leads.forms import PartnerEnquiryForm
from leads.models import Treatment, TreatmentPackage
from leads.services.intake import (
    ROUTE,
    current_notice,
    digest_of,
    enquiry_of,
    receive_enquiry,
    treatment_named,
)

PIECE: Final = (
    500  # lines; a clinic's leads of one piece share a transaction, so its account is never held for long
)
LONGEST_LINE: Final = 64 * 1024  # bytes
NEEDED: Final = ("clinic_id", "patient_name", "mobile_number", "consent_given")
Progress = Callable[[int], object]  # told of each line's bytes


class ImportFailed(Exception):
    """The file can't be read from here on; what was stored before stays, and is not stored twice."""


class Outcome(StrEnum):
    STORED = "stored"
    THERE_ALREADY = "there already"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a line; `text` says why it was refused, without what the line says of the patient."""

    place: str
    outcome: Outcome
    text: str = ""


@dataclass(slots=True)
class Line:
    place: str
    values: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    cleaned: dict[str, Any] = field(default_factory=dict)
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class LeadImport:
    partner: Partner
    dry_run: bool = False
    # One for all lines: a form of each line's own is a deep copy of every field, and a circle of references that
    # waits for the garbage collector, whose full rounds are rare in a large program.
    form: PartnerEnquiryForm = field(default_factory=lambda: PartnerEnquiryForm({}))
    notice_id: int = field(default_factory=lambda: current_notice().pk)

    @property
    def caller(self) -> str:
        """Whose idempotency keys the lines' are."""
        return f"import:{self.partner.pk}"

    def run(self, path: Path, progress: Progress = lambda _: None) -> Iterator[Verdict]:
        """A verdict for each line, in pieces. Raises ImportFailed."""
        try:
            with path.open("rb") as file:
                lines = iter(lines_of(path, file, progress))
                while piece := list(islice(lines, PIECE)):
                    yield from self._piece(piece)
        except OSError as error:
            raise ImportFailed(f"{path} can't be read: {error.strerror}.") from error

    def _piece(self, lines: list[Line]) -> Iterator[Verdict]:
        for line in lines:
            self._check(line)
        sound = [line for line in lines if not line.problem]
        rows = IdempotencyKey.objects.filter(
            caller=self.caller, route=ROUTE, key__in={line.key for line in sound}
        )
        known = {row.key: bytes(row.body_hmac) for row in rows}
        for line in sound:
            if line.key in known and known[line.key] != digest_of(line.cleaned):
                line.problem = "KeyReused"
        new = [line for line in sound if line.key not in known]
        refuse_unknown(new)
        if not self.dry_run:
            self._store([line for line in new if not line.problem])
        for line in lines:
            if line.problem:
                yield Verdict(line.place, Outcome.REFUSED, line.problem)
            else:
                yield Verdict(line.place, Outcome.THERE_ALREADY if line.key in known else Outcome.STORED)

    def _check(self, line: Line) -> None:
        if line.problem:
            return
        self.form.data, errors = form_data(line.values, PartnerEnquiryForm)
        self.form.full_clean()
        if self.form.errors or errors:
            # Names of fields alone: a form's message may quote what stands there, and in a shifted row that is a name.
            line.problem = f"look at {', '.join(sorted({*self.form.errors, *errors}))}"
            return
        line.cleaned = self.form.cleaned_data
        told = json.dumps({name: str(value) for name, value in line.cleaned.items()}, sort_keys=True)
        line.key = line.cleaned["idempotency_key"] or f"line:{hashlib.sha256(told.encode()).hexdigest()}"

    def _store(self, lines: list[Line]) -> None:
        """One clinic after the other, each in one transaction: its account is locked and the disk waited for once."""
        by_clinic: dict[int, list[Line]] = defaultdict(list)
        for line in lines:
            by_clinic[line.cleaned["clinic_id"]].append(line)
        treatments = {
            name: treatment_named(name) for name in {line.cleaned["procedure_name"] for line in lines}
        }
        for clinic_id in sorted(by_clinic):
            # In the keys' order, as any other import of them: two at once wait for each other, in no circle.
            theirs = sorted(by_clinic[clinic_id], key=lambda line: line.key)
            try:
                deliver_many(self._enquiry(line, treatments) for line in theirs)
            except (BillingError, OperationalError):  # one by one it shows which line it is
                for line in theirs:
                    self._receive(line)

    def _enquiry(self, line: Line, treatments: dict[str, Treatment | None]) -> Enquiry:
        fields = line.cleaned
        treatment = None if fields["package_id"] else treatments[fields["procedure_name"]]
        return enquiry_of(
            fields=fields,
            caller=self.caller,
            key=line.key,
            address=None,
            partner=self.partner,
            treatment_id=treatment.pk if treatment else None,
            notice_id=self.notice_id,
        )

    def _receive(self, line: Line) -> None:
        try:
            receive_enquiry(
                fields=line.cleaned, caller=self.caller, key=line.key, address=None, partner=self.partner
            )
        except BillingError as refusal:
            line.problem = type(refusal).__name__


def refuse_unknown(lines: list[Line]) -> None:
    """Clinics that take no enquiries and packages they do not offer: two queries for all lines."""
    clinics = {line.cleaned["clinic_id"] for line in lines}
    active = set(Clinic.objects.active().filter(pk__in=clinics).values_list("pk", flat=True))
    packages = {line.cleaned["package_id"] for line in lines if line.cleaned["package_id"]}
    offered = set(TreatmentPackage.objects.offered().filter(pk__in=packages).values_list("clinic_id", "pk"))
    for line in lines:
        clinic_id, package_id = line.cleaned["clinic_id"], line.cleaned["package_id"]
        if clinic_id not in active:
            line.problem = f"clinic {clinic_id} takes no enquiries"
        elif package_id and (clinic_id, package_id) not in offered:
            line.problem = f"clinic {clinic_id} does not offer package {package_id}"


def lines_of(path: Path, file: IO[bytes], progress: Progress) -> Iterable[Line]:
    """The lines of a CSV file by its ending, else JSON lines. Raises ImportFailed."""
    raw = raw_lines(path, file, progress)
    return csv_lines(path, raw) if path.suffix.lower() == ".csv" else json_lines(path, raw)


def raw_lines(path: Path, file: IO[bytes], progress: Progress) -> Iterator[bytes]:
    number = 0
    while raw := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(raw) > LONGEST_LINE:
            raise ImportFailed(f"{path}, line {number}: longer than {LONGEST_LINE // 1024} KB.")
        progress(len(raw))
        yield raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw


def json_lines(path: Path, raw: Iterable[bytes]) -> Iterator[Line]:
    is_first = True
    for number, text in enumerate(raw, start=1):
        if not text.strip():
            continue
        if is_first and not text.lstrip().startswith(b"{"):
            raise ImportFailed(
                f"{path} is neither CSV (a name that ends in .csv) nor one JSON object a line."
            )
        is_first = False
        line = Line(f"{path.name}:{number}")
        try:
            line.values = StrictJSONParser().parse(BytesIO(text))
        except ParseError as problem:
            line.problem = str(problem.detail)
        yield line


def csv_lines(path: Path, raw: Iterable[bytes]) -> Iterator[Line]:
    reader = csv.reader(decoded(path, raw), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        check_header(path, header)
        begins = reader.line_num + 1  # a cell may hold line breaks
        for cells in reader:
            line, begins = Line(f"{path.name}:{begins}"), reader.line_num + 1
            if len(cells) != len(header):
                line.problem = f"has {len(cells)} cells, the header {len(header)}"
            line.values = dict(zip(header, cells, strict=False))
            if cells:
                yield line
    except csv.Error as error:
        raise ImportFailed(f"{path}, line {reader.line_num}: broken CSV ({error}).") from error


def decoded(path: Path, raw: Iterable[bytes]) -> Iterator[str]:
    for number, text in enumerate(raw, start=1):
        try:
            yield text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ImportFailed(f"{path}, line {number}: not UTF-8. Save it as «CSV UTF-8».") from error


def check_header(path: Path, header: list[str]) -> None:
    if missing := [name for name in NEEDED if name not in header]:
        raise ImportFailed(f"{path}: the header lacks {', '.join(missing)}.")
    if strange := [name for name in header if name not in PartnerEnquiryForm.base_fields]:
        raise ImportFailed(f"{path}: the header names unknown columns: {', '.join(map(repr, strange))}.")
    if len(header) != len(set(header)):
        raise ImportFailed(f"{path}: the header names a column twice.")


def summary(counts: Counter[Outcome]) -> str:
    return (
        f"{counts.total()} lines: " + ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome) + "."
    )
