"""What the commands that go from clinic to clinic share: only those with something due, one transaction each.

They may be killed, and run twice at once: what is done is done, the rest is found again by the next run.
"""

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.db.models import DateTimeField, Func
from tqdm import tqdm

from clinics import door
from clinics.models import Clinic

# Somebody else holds the account: lock_timeout, statement_timeout, deadlock.
BUSY: Final = frozenset({"55P03", "57014", "40P01"})


class LedgerClock(Func):
    """The time that decides what is due: the ledger's own."""

    function = "ledger_clock"
    output_field = DateTimeField()


def find_clinic(slug_or_id: str) -> Clinic:
    """Raises CommandError where there is none."""
    clinic = Clinic.objects.filter(slug=slug_or_id).first()
    if clinic is None and slug_or_id.isascii() and slug_or_id.isdigit():
        clinic = Clinic.objects.filter(pk=int(slug_or_id)).first()
    if clinic is None:
        raise CommandError(f"There is no clinic «{slug_or_id}».")
    return clinic


def is_busy(error: OperationalError) -> bool:
    return door.refusal_of(error) in BUSY


class ClinicCommand(BaseCommand):
    """A subclass says which clinics have something due, and does it for one of them."""

    summary: ClassVar[str]  # may use {done} and {clinics}

    def due_clinics(self) -> Iterable[int]:
        """Ids of the clinics with something due, by the ledger's clock."""
        raise NotImplementedError

    def treat(self, clinic_id: int) -> int:
        """Does what is due at one clinic; returns how much was done."""
        raise NotImplementedError

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--clinic", metavar="SLUG_OR_ID", help="only this one")

    def handle(self, *args: Any, clinic: str | None, **options: Any) -> None:
        due = set(self.due_clinics())
        if clinic is not None:
            due &= {find_clinic(clinic).pk}
        done, busy = 0, []
        for clinic_id in tqdm(sorted(due), unit=" clinics", disable=None):
            try:
                done += self.treat(clinic_id)
            except OperationalError as error:
                if not is_busy(error):
                    raise
                busy.append(clinic_id)
        self.stdout.write(self.summary.format(done=done, clinics=len(due) - len(busy)))
        if busy:
            raise CommandError(f"Busy, so try again: clinic {', '.join(map(str, busy))}.")
