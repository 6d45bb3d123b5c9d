"""`import_leads`: enquiries that a partner hands over as a file, each stored once however often the file is run.

CSV with a header, or one JSON object a line; the fields are those of `POST /contact-clinic`. A line's
`idempotency_key` is its own; a line without one is known by what it says. The file is read line by line and worked
off in pieces, so memory stays flat: while the database writes one, the next one is read and checked.
"""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Final

from django.db import OperationalError
from rest_framework.exceptions import ParseError

from clinics.api import StrictJSONParser, form_data
from clinics.models import Clinic, IdempotencyKey, Partner
from credits.services.delivery import Together, deliver_many, log_charges, put_together
from credits.services.ledger import BillingError, ClinicInactive, Enquiry, KeyReused, PackageNotOffered
from leads.forms import PartnerEnquiryForm
from leads.line_form import LineForm
from leads.models import Treatment, TreatmentPackage
from leads.services.intake import (
    ROUTE,
    current_notice,
    digest_of,
    enquiry_of,
    receive_enquiry,
    treatment_named,
)

PIECE: Final = 5_000  # lines; the more, the more of them are of one clinic
TOGETHER: Final = (
    1_000  # lines in a transaction, about a quarter of a second: so long other payments of theirs wait
)
LONGEST_LINE: Final = 64 * 1024  # bytes
NEEDED: Final = ("clinic_id", "patient_name", "mobile_number", "consent_given")
REFUSALS: Final[dict[type[BillingError], str]] = {
    ClinicInactive: "clinic {clinic_id} takes no enquiries",
    PackageNotOffered: "clinic {clinic_id} does not offer package {package_id}",
}
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
    refusal: type[BillingError] | None = None
    is_new: bool = True


@dataclass(frozen=True, kw_only=True)
class LeadImport:
    partner: Partner
    dry_run: bool = False
    form: LineForm = field(default_factory=LineForm)
    notice_id: int = field(default_factory=lambda: current_notice().pk)

    @property
    def caller(self) -> str:
        """Whose idempotency keys the lines' are."""
        return f"import:{self.partner.pk}"

    def run(self, path: Path, progress: Progress = lambda _: None) -> Iterator[Verdict]:
        """A verdict for each line, in pieces. Raises ImportFailed."""
        try:
            with path.open("rb") as file, ThreadPoolExecutor(max_workers=2) as aside:
                pieces = self._pieces(lines_of(path, file, progress))
                coming: Future[list[Line]] = aside.submit(next, pieces, [])
                while piece := coming.result():
                    coming = aside.submit(next, pieces, [])
                    yield from self._verdicts(piece, aside)
        except OSError as error:
            raise ImportFailed(f"{path} can't be read: {error.strerror}.") from error

    def _pieces(self, lines: Iterable[Line]) -> Iterator[list[Line]]:
        """Aside, as all that needs no database. Where the file breaks off, what was read before comes first."""
        piece: list[Line] = []
        try:
            for line in lines:
                self._check(line)
                piece.append(line)
                if len(piece) == PIECE:
                    yield piece
                    piece = []
        except (ImportFailed, OSError):
            if piece:
                yield piece
            raise
        if piece:
            yield piece

    def _verdicts(self, lines: list[Line], aside: Executor) -> Iterator[Verdict]:
        sound = [line for line in lines if not line.problem]
        if self.dry_run:
            self._rehearse(sound)
        else:
            self._store(sound, aside)
        for line in lines:
            if line.refusal is not None:
                line.problem = REFUSALS.get(line.refusal, line.refusal.__name__).format(**line.cleaned)
            if line.problem:
                yield Verdict(line.place, Outcome.REFUSED, line.problem)
            else:
                yield Verdict(line.place, Outcome.STORED if line.is_new else Outcome.THERE_ALREADY)

    def _rehearse(self, lines: list[Line]) -> None:
        """What storing them would say: three queries for all."""
        known = self._known(lines)
        clinics = {line.cleaned["clinic_id"] for line in lines}
        active = set(Clinic.objects.active().filter(pk__in=clinics).values_list("pk", flat=True))
        packages = {line.cleaned["package_id"] for line in lines if line.cleaned["package_id"]}
        offered = set(
            TreatmentPackage.objects.offered().filter(pk__in=packages).values_list("clinic_id", "pk")
        )
        for line in in_order(lines):
            clinic_id, package_id = line.cleaned["clinic_id"], line.cleaned["package_id"]
            digest = digest_of(line.cleaned)
            line.is_new = line.key not in known
            if known.get(line.key, digest) != digest:
                line.refusal = KeyReused
            elif line.is_new and clinic_id not in active:
                line.refusal = ClinicInactive
            elif line.is_new and package_id and (clinic_id, package_id) not in offered:
                line.refusal = PackageNotOffered
            else:
                known[line.key] = digest

    def _check(self, line: Line) -> None:
        if line.problem:
            return
        self.form.data, errors = form_data(line.values, PartnerEnquiryForm)
        line.values = {}
        self.form.full_clean()
        if self.form.errors or errors:
            # Names of fields alone: a form's message may quote what stands there, and in a shifted row that is a name.
            line.problem = f"look at {', '.join(sorted({*self.form.errors, *errors}))}"
            return
        line.cleaned = self.form.cleaned_data
        line.key = line.cleaned["idempotency_key"] or key_of(line.cleaned)

    def _store(self, lines: list[Line], aside: Executor) -> None:
        """Clinic by clinic, so that a clinic's lines are written together; some of them in a transaction."""
        names = {line.cleaned["procedure_name"] for line in lines}
        treatments = {name: treatment_named(name) for name in names}

        def put(some: list[Line]) -> Together:
            return put_together([self._enquiry(line, treatments) for line in some])

        pieces = list(batched(in_order(lines), TOGETHER))
        for some, together in zip(pieces, aside.map(put, pieces), strict=True):
            try:
                arrivals = deliver_many(together)
            except OperationalError:  # an account is stuck: those of others are stored all the same
                self._receive(some)
                continue
            aside.submit(log_charges, arrivals)
            for line, arrival in zip(some, arrivals, strict=True):
                line.refusal, line.is_new = arrival.refusal, arrival.is_new

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

    def _receive(self, lines: list[Line]) -> None:
        """One by one; a clinic whose account can't be had is waited for once."""
        known, stuck = set(self._known(lines)), set()
        for line in lines:
            clinic_id = line.cleaned["clinic_id"]
            try:
                delivery = receive_enquiry(
                    fields=line.cleaned,
                    caller=self.caller,
                    key=line.key,
                    address=None,
                    partner=self.partner,
                    is_stuck=clinic_id in stuck,
                )
            except BillingError as problem:
                line.refusal = type(problem)
                continue
            line.is_new = line.key not in known
            known.add(line.key)
            if line.is_new and delivery.held_reason == "busy":
                stuck.add(clinic_id)

    def _known(self, lines: list[Line]) -> dict[str, bytes]:
        """The keys of these lines that stand for a lead, each with what its line said."""
        rows = IdempotencyKey.objects.filter(
            caller=self.caller, route=ROUTE, key__in={line.key for line in lines}
        )
        return {key: bytes(digest) for key, digest in rows.values_list("key", "body_hmac")}


def key_of(cleaned: dict[str, Any]) -> str:
    """What a line without a key is known by: what it says."""
    told = json.dumps({name: str(value) for name, value in cleaned.items()}, sort_keys=True)
    return f"line:{hashlib.sha256(told.encode()).hexdigest()}"


def in_order(lines: list[Line]) -> list[Line]:
    """As they are stored."""
    return sorted(lines, key=lambda line: line.cleaned["clinic_id"])


def batched(lines: list[Line], most: int) -> Iterator[list[Line]]:
    for first in range(0, len(lines), most):
        yield lines[first : first + most]


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
